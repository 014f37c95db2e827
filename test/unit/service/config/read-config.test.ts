import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  DEFAULT_GLOBAL_LIMITS,
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_OBJECTIVE_OPTIONS,
  DEFAULT_POOL_OPTIONS,
  DEFAULT_PROTECTION_OPTIONS,
  DEFAULT_RESPONSE_LIMITS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_SELECT_OPTIONS,
  DEFAULT_SOCKET_OPTIONS,
  DEFAULT_TIMEOUTS,
} from '../../../../src/entry/options.ts'
import { DEFAULT_INGRESS_LIMITS } from '../../../../src/ingress/ingress-limits.ts'
import { formatFault } from '../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../src/service/config/read-config.ts'
import { readConfigFile } from '../../../../src/service/config/read-config-file.ts'
import { DEFAULT_LOG } from '../../../../src/service/config/service-settings.ts'
import { EVERY_PATH } from '../../../../src/service/routes/path-pattern.ts'
import { NO_CONDITIONS } from '../../../../src/service/routes/route-conditions.ts'
import { createCertificateAuthority } from '../../../../src/testing/certificates.ts'

let directory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mm-config-'))
  const authority = await createCertificateAuthority()
  const first = await authority.issue({ names: ['localhost'] })
  const second = await authority.issue({ names: ['localhost'] })
  writeFileSync(join(directory, 'cert.pem'), first.cert)
  writeFileSync(join(directory, 'key.pem'), first.key)
  writeFileSync(join(directory, 'other-key.pem'), second.key)
  writeFileSync(join(directory, 'empty.pem'), 'nothing\n')
})

function faults(text: string): string[] {
  const read = readConfigText(text, directory)
  return read.ok ? [] : read.faults.map(fault => formatFault(fault))
}

function settings(text: string) {
  const read = readConfigText(text, directory)
  if (!read.ok) throw new Error(read.faults.map(fault => formatFault(fault)).join('\n'))
  return read.settings
}

const GOOD = `
listen: [{ address: 127.0.0.1:8080 }]
admin: { address: 127.0.0.1:9901 }
defaults: { protocols: [h3, h2, http/1.1], pool: {}, timeouts: {}, retry: {}, tls: {}, earlyData: off, tfo: off }
origins:
  shop: { url: https://origin.example:443, endpoints: [], hosts: [shop.example], pool: { warm: 2, maxConnections: 8 } }
routes: [{ host: shop.example, path: /, origin: shop }]
`

describe('a valid configuration', () => {
  it('is read as documented', () => {
    const read = settings(GOOD)
    expect(read.listen).toEqual([
      {
        address: { host: '127.0.0.1', port: 8080 },
        tls: undefined,
        protocols: ['h2', 'http/1.1'],
        fastOpen: 0,
        proxyProtocol: false,
      },
    ])
    expect(read.admin).toMatchObject({ address: { host: '127.0.0.1', port: 9901 }, isExplicit: true })
    expect(read.origins).toMatchObject([
      { name: 'shop', origin: { key: 'https://origin.example' }, hostHeader: 'origin' },
    ])
    expect(read.transport.origins?.['https://origin.example']).toEqual({
      endpoints: [],
      pool: { warm: 2, maxConnections: 8 },
    })
    expect(read.routes.map(({ name, host, action }) => [name, host, action.origin])).toContainEqual([
      'routes[0]',
      'shop.example',
      'shop',
    ])
  })

  it('keeps the protocols in their order', () => {
    const read = settings(GOOD)
    expect(read.transport.defaults?.protocols).toEqual(['h3', 'h2', 'http/1.1'])
    expect(read.warnings).toEqual([])
  })

  it('has groups for QUIC and HTTP/3, early data, trust, and a state directory beside the file', () => {
    const read = settings(`
listen: [{ address: 127.0.0.1:0 }]
state: { directory: state, keyFile: ../keys/tickets }
defaults: { earlyData: safe, quic: { idleTimeout: 20s, maxStreamWindowBytes: 2MiB, congestionControl: bbr } }
origins:
  a: { url: https://a, protocols: [h3], earlyData: off, trusted: true, http3: { qpackTableBytes: 0, settingsTimeout: 1s } }
`)
    expect(read.state).toEqual({
      directory: resolve(directory, 'state'),
      keyFile: resolve(directory, '../keys/tickets'),
    })
    expect(read.transport.defaults).toEqual({
      earlyData: 'safe',
      quic: { idleTimeoutMs: 20_000, maxStreamWindowBytes: 2_097_152, congestionControl: 'bbr' },
    })
    expect(read.transport.origins).toEqual({
      'https://a': {
        protocols: ['h3'],
        earlyData: 'off',
        trusted: true,
        http3: { qpackTableBytes: 0, settingsTimeoutMs: 1_000 },
      },
    })
  })

  it('has a bound for requests that are logged as slow: 0 and above, 0 by default', () => {
    const log = (text: string): unknown =>
      settings(`listen: [{ address: 127.0.0.1:0 }]\n${text}\norigins: { a: { url: https://a } }`).log
    const usual = { ...DEFAULT_LOG, slowRequestMs: 0 }
    expect(log('')).toEqual(usual)
    expect(log('log: { slowRequest: 0 }')).toEqual(usual)
    expect(log('log: { slowRequest: 1.5s }')).toEqual({ ...usual, slowRequestMs: 1_500 })
    expect(() => log('log: { slowRequest: -1 }')).toThrow('log.slowRequest')
  })

  it('has a group for the choice of protocols, DNS servers for it, and a directory for traces', () => {
    const read = settings(`
listen: [{ address: 127.0.0.1:0 }]
qlog: { directory: ./traces }
dnsServers: [192.0.2.53, "[2001:db8::35]:5353"]
defaults: { select: { policy: latency, probe: off, altSvc: on, joinDelayMin: 5, joinDelayMax: 0.1s } }
origins:
  a: { url: https://a, select: { probe: false, sustain: 30s, exploreShare: 0, brokenMax: 1d, spreadConnections: 1 } }
`)
    expect(read.qlog).toEqual({ directory: resolve(directory, 'traces') })
    expect(read.dnsServers).toEqual(['192.0.2.53', '[2001:db8::35]:5353'])
    expect(read.transport.defaults).toEqual({
      select: { policy: 'latency', probe: 'off', altSvc: 'on', joinDelayMinMs: 5, joinDelayMaxMs: 100 },
    })
    expect(read.transport.origins).toEqual({
      'https://a': {
        select: {
          probe: 'off',
          sustainMs: 30_000,
          exploreShare: 0,
          brokenMaxMs: 86_400_000,
          spreadConnections: 1,
        },
      },
    })
    const { qlog, dnsServers } = settings(GOOD)
    expect({ qlog, dnsServers }).toEqual({ qlog: undefined, dnsServers: undefined })
  })

  it('may be JSON, with tabs', () => {
    const read = settings(
      '{\n\t"listen": [{"address": ":80"}],\n\t"origins": {\n\t\t"a": {"url": "http://a"}}}',
    )
    expect(read.listen[0]?.address).toEqual({ host: '', port: 80 })
  })

  it('has durations without Ms, and with units', () => {
    const read = settings(`
listen: [{ address: 127.0.0.1:0 }]
shutdown: { drainTimeout: 1m }
ingress: { maxHeaderBytes: 32KiB, requestTimeout: 5s }
limits: { maxTotalConnections: 10 }
defaults:
  timeouts: { connect: 1s, tls: 2s, headers: 3s, body: 4s, request: 0, dns: 500ms }
  pool: { idleTimeout: 90s, maxAge: 1h, queueTimeout: 10s, maxAgeJitter: 0.1 }
  socket: { keepAliveDelay: 30s }
  limits: { maxHeaderBytes: 1MiB }
origins: { a: { url: http://a } }
`)
    expect(read.shutdown.drainTimeoutMs).toBe(60_000)
    expect(read.ingress).toEqual({ maxHeaderBytes: 32_768, requestTimeoutMs: 5_000 })
    expect(read.transport.limits).toEqual({ maxTotalConnections: 10 })
    expect(read.transport.defaults).toEqual({
      timeouts: { connectMs: 1_000, tlsMs: 2_000, headersMs: 3_000, bodyMs: 4_000, requestMs: 0, dnsMs: 500 },
      pool: { idleTimeoutMs: 90_000, maxAgeMs: 3_600_000, queueTimeoutMs: 10_000, maxAgeJitter: 0.1 },
      socket: { keepAliveDelayMs: 30_000 },
      limits: { maxHeaderBytes: 1_048_576 },
    })
  })

  it('has every option of the module and the ingress', () => {
    const group = (defaults: object): object =>
      Object.fromEntries(
        Object.entries(defaults).map(([name, value]) => {
          if (typeof value === 'object' && !Array.isArray(value)) return [name, group(value)]
          return name.endsWith('Ms') ? [name.slice(0, -2), `${value}ms`] : [name, value]
        }),
      )
    const defaults = {
      pool: DEFAULT_POOL_OPTIONS,
      objective: DEFAULT_OBJECTIVE_OPTIONS,
      protection: DEFAULT_PROTECTION_OPTIONS,
      timeouts: DEFAULT_TIMEOUTS,
      retry: DEFAULT_RETRY_OPTIONS,
      limits: DEFAULT_RESPONSE_LIMITS,
      http2: DEFAULT_HTTP2_OPTIONS,
      select: DEFAULT_SELECT_OPTIONS,
      liveness: DEFAULT_LIVENESS_OPTIONS,
      socket: DEFAULT_SOCKET_OPTIONS,
    }
    const read = settings(
      JSON.stringify({
        listen: [{ address: '127.0.0.1:0' }],
        ingress: group(DEFAULT_INGRESS_LIMITS),
        limits: group(DEFAULT_GLOBAL_LIMITS),
        defaults: group(defaults),
        origins: { a: { url: 'http://a' } },
      }),
    )
    expect(read.ingress).toEqual(DEFAULT_INGRESS_LIMITS)
    expect(read.transport.limits).toEqual(DEFAULT_GLOBAL_LIMITS)
    expect(read.transport.defaults).toEqual(defaults)
  })

  it('routes everything to a single origin without hosts and routes', () => {
    expect(settings('listen: [{ address: :80 }]\norigins: { a: { url: http://a } }').routes).toMatchObject([
      { host: '*', name: 'a', action: { origin: 'a' }, path: EVERY_PATH, conditions: NO_CONDITIONS },
    ])
  })

  it('has a warning for an origin that no route leads to', () => {
    const { warnings } = settings(
      'listen: [{ address: :80 }]\norigins: { a: { url: http://a, hosts: [a] }, b: { url: http://b } }',
    )
    expect(warnings).toEqual(['origins.b: no route leads to it; give it hosts or name it in routes'])
  })

  it('has TLS files relative to the directory, or PEM in place of a file', () => {
    const read = settings(`
listen: [{ address: :443, tls: { cert: cert.pem, key: key.pem } }]
origins: { a: { url: https://a, tls: { ca: [cert.pem], serverName: b } } }
`)
    expect(read.listen[0]?.tls?.certificates[0]?.cert).toContain('BEGIN CERTIFICATE')
    const tls = read.transport.origins?.['https://a']?.tls
    expect(tls?.serverName).toBe('b')
    expect(String(tls?.ca)).toContain('BEGIN CERTIFICATE')
    const inline = JSON.stringify({
      listen: [{ address: ':80' }],
      origins: { a: { url: 'https://a', tls: { ca: tls?.ca } } },
    })
    expect(settings(inline).transport.origins?.['https://a']?.tls?.ca).toEqual(tls?.ca)
  })

  it('has the admin server on the loopback by default', () => {
    const base = 'listen: [{ address: :80 }]\norigins: { a: { url: http://a } }\n'
    expect(settings(base).admin).toMatchObject({
      address: { host: '127.0.0.1', port: 9901 },
      isExplicit: false,
    })
    expect(settings(`${base}admin: { address: ":9000" }`).admin.address).toEqual({
      host: '127.0.0.1',
      port: 9000,
    })
    expect(settings(`${base}admin: off`).admin.address).toBeUndefined()
  })
})

describe('an invalid configuration', () => {
  it('reports every fault, each with line, column and path, in the order of the text', () => {
    expect(
      faults(`listen: [{ address: nowhere }]
admin: { adress: 127.0.0.1:9901 }
defaults:
  pool: { idleTimeout: 5 minutes }
  timeouts:
    connectMs: 5s
origins:
  shop:
    url: ftp://origin.example
    pool: { maxConnections: 0, warm: 1.5 }
    hosts: [Shop.example:80]
  news: { hosts: [] }
routes:
  - { host: shop.example, origin: shp }
`),
    ).toEqual([
      '1:21: listen[0].address: must be HOST:PORT such as 127.0.0.1:8080, [::1]:8080, or :8080 for every address, not "nowhere"',
      '2:10: admin.adress: unknown key; did you mean "address"?',
      '4:24: defaults.pool.idleTimeout: must be a number of milliseconds or a duration such as 250ms, 30s, 1m30s, 1h, not "5 minutes"',
      '6:5: defaults.timeouts.connectMs: unknown key; did you mean "connect"?',
      '9:10: origins.shop.url: must be an http or https URL, not "ftp://origin.example"',
      '10:29: origins.shop.pool.maxConnections: must be at least 1, not 0',
      '10:38: origins.shop.pool.warm: must be a whole number, not 1.5',
      '11:13: origins.shop.hosts[0]: must be a host name without port or scheme, *.suffix or *, not "Shop.example:80"',
      '12:9: origins.news.url: missing: a string is needed',
      '14:35: routes[0].origin: no origin is called "shp"; did you mean shop?',
    ])
  })

  const withOrigin = (origin: string) => `listen: [{ address: :80 }]\norigins:\n  a: ${origin}\n`
  it.each([
    ['nothing at all', '', ['1:1: must be a mapping, not null']],
    ['a list', '[]', ['1:1: must be a mapping, not a list']],
    [
      'no listener and no origin',
      'listen: []\norigins: {}',
      ['1:9: listen: must have at least 1 entry', '2:10: origins: must have at least 1 origin'],
    ],
    [
      'an unknown key at the top',
      `orgins: {}\n${withOrigin('{ url: http://a }')}`,
      ['1:1: orgins: unknown key; did you mean "origins"?'],
    ],
    [
      'a URL that is more than an origin',
      withOrigin('{ url: http://a/base }'),
      ['3:13: origins.a.url: must be an origin, scheme://host:port and nothing else, not "http://a/base"'],
    ],
    [
      'an endpoint that is neither an address nor a name',
      withOrigin('{ url: http://a, endpoints: [192.0.2.300:80] }'),
      [
        '3:35: origins.a.endpoints[0]: must be an IP address or a host name, with or without a port (192.0.2.1:8443, [2001:db8::1], a.internal:8443), not "192.0.2.300:80"',
      ],
    ],
    [
      'a protocol that does not exist',
      withOrigin('{ url: http://a, protocols: [http/1] }'),
      [
        '3:35: origins.a.protocols[0]: must be one of h3, h2, http/1.1, not "http/1"; did you mean "http/1.1"?',
      ],
    ],
    [
      'early data',
      withOrigin('{ url: http://a, earlyData: all, tfo: maybe, earlyDataOverTcp: yes }'),
      [
        '3:34: origins.a.earlyData: must be one of off, safe, not "all"',
        '3:44: origins.a.tfo: must be one of off, auto, on, not "maybe"',
        '3:69: origins.a.earlyDataOverTcp: must be true or false, not "yes"',
      ],
    ],
    [
      'state',
      `state: { directry: ./state }\n${withOrigin('{ url: http://a }')}`,
      [
        '1:8: state: needs directory or redis',
        '1:10: state.directry: unknown key; did you mean "directory"?',
      ],
    ],
    [
      'options of QUIC and HTTP/3 that cannot be',
      withOrigin(
        '{ url: http://a, quic: { maxUdpPayloadBytes: 1000, streamWindowBytes: 2MiB, maxStreamWindowBytes: 1MiB }, http3: { qpackTableByte: 1 } }',
      ),
      [
        '3:51: origins.a.quic.maxUdpPayloadBytes: must be at least 1200 bytes, not 1000',
        '3:121: origins.a.http3.qpackTableByte: unknown key; did you mean "qpackTableBytes"?',
      ],
    ],
    [
      'a choice of protocols that cannot be',
      withOrigin(
        '{ url: http://a, select: { policy: latncy, probe: maybe, exploreShare: 1.5, trialRequests: 2.5, brokenBase: 0, joinDelayMax: 1h, sustain: 5 } }',
      ),
      [
        '3:41: origins.a.select.policy: must be one of auto, latency, efficiency, not "latncy"; did you mean "latency"?',
        '3:56: origins.a.select.probe: must be one of auto, off, not "maybe"',
        '3:77: origins.a.select.exploreShare: must be at most 1, not 1.5',
        '3:97: origins.a.select.trialRequests: must be a whole number, not 2.5',
        '3:114: origins.a.select.brokenBase: must be at least 1 ms, not 0 ms',
        '3:131: origins.a.select.joinDelayMax: must be at most 60000 ms, not 3600000 ms',
      ],
    ],
    [
      'a word of the choice that is misspelled, and durations with Ms',
      `defaults: { select: { polcy: auto, joinDelayMinMs: 5 } }\n${withOrigin('{ url: http://a }')}`,
      [
        '1:23: defaults.select.polcy: unknown key; did you mean "policy"?',
        '1:36: defaults.select.joinDelayMinMs: unknown key; did you mean "joinDelayMin"?',
      ],
    ],
    [
      'a most below its least, together with the defaults and the built-in ones',
      `defaults: { select: { joinDelayMin: 50, brokenBase: 3d } }\n${withOrigin('{ url: http://a, select: { joinDelayMax: 40 } }')}`,
      [
        '1:53: defaults.select.brokenBase: brokenMax (172800000 ms) must not be below brokenBase (259200000 ms)',
        '4:47: origins.a.select.joinDelayMax: joinDelayMax (40 ms) must not be below joinDelayMin (50 ms)',
      ],
    ],
    [
      'DNS servers that are names, and a trace without a directory',
      `dnsServers: [dns.example]\nqlog: {}\n${withOrigin('{ url: http://a }')}`,
      [
        '1:14: dnsServers[0]: must be an IP address with or without a port (192.0.2.1:8443, [2001:db8::1]), not "dns.example"',
        '2:7: qlog.directory: missing: a string is needed',
      ],
    ],
    [
      'windows of QUIC that begin larger than they may become',
      withOrigin('{ url: http://a, quic: { streamWindowBytes: 2MiB, maxStreamWindowBytes: 1MiB } }'),
      [
        '3:78: origins.a.quic.maxStreamWindowBytes: maxStreamWindowBytes (1048576) must not be below streamWindowBytes (2097152)',
      ],
    ],
    [
      'HTTP/3 without what it needs',
      'listen: [{ address: :80, protocols: [h2, h3] }, { address: :81, http3: { retry: always } }]\norigins: { a: { url: http://a } }',
      ['1:37: listen[0].protocols: h3 needs tls', '1:72: listen[1].http3: needs h3 in protocols'],
    ],
    [
      'options of HTTP/2 that the protocol does not know',
      `ingress: { http2: { maxFrameBytes: 16383, streamWindowBytes: 3GiB, maxPingsPerSecond: 0, maxPingPerSecond: 1 } }\n${withOrigin('{ url: http://a }')}`,
      [
        '1:36: ingress.http2.maxFrameBytes: must be at least 16384 bytes, not 16383',
        '1:62: ingress.http2.streamWindowBytes: must be at most 2147483647 bytes, not "3GiB"',
        '1:87: ingress.http2.maxPingsPerSecond: must be at least 1, not 0',
        '1:90: ingress.http2.maxPingPerSecond: unknown key; did you mean "maxPingsPerSecond"?',
      ],
    ],
    [
      'a window that begins larger than it may become',
      `ingress: { http2: { streamWindowBytes: 2MiB } }\n${withOrigin('{ url: http://a, http2: { streamWindowBytes: 200, maxStreamWindowBytes: 100 } }')}`,
      [
        '1:40: ingress.http2.streamWindowBytes: maxStreamWindowBytes (1048576) must not be below streamWindowBytes (2097152)',
        '4:78: origins.a.http2.maxStreamWindowBytes: maxStreamWindowBytes (100) must not be below streamWindowBytes (200)',
      ],
    ],
    [
      'one URL under two names',
      'listen: [{ address: :80 }]\norigins:\n  a: { url: http://a }\n  b: { url: "http://A:80/" }',
      [
        '4:13: origins.b.url: the same origin as "a": one origin has one pool, so give it one name and several hosts',
      ],
    ],
    [
      'one host for two origins',
      'listen: [{ address: :80 }]\norigins:\n  a: { url: http://a, hosts: [x] }\n  b: { url: http://b, hosts: [X] }',
      ['4:31: origins.b.hosts[0]: host X, path / is routed to "a" already'],
    ],
    [
      'a route that begins without a slash',
      `${withOrigin('{ url: http://a }')}routes: [{ path: api, origin: a }]`,
      ['4:18: routes[0].path: must begin with / and have no query, space or backslash'],
    ],
    [
      'an origin name that cannot be a label',
      'listen: [{ address: :80 }]\norigins: { "a b": { url: http://a } }',
      ['2:12: origins["a b"]: must be a name of letters, digits, dot, dash, underscore'],
    ],
    [
      'an origin name that metrics have taken',
      'listen: [{ address: :80 }]\norigins: { none: { url: http://a, hosts: [a] }, removed: { url: http://b, hosts: [b] } }',
      [
        '2:12: origins.none: must be another name: metrics count under none and removed what belongs to no origin',
        '2:49: origins.removed: must be another name: metrics count under none and removed what belongs to no origin',
      ],
    ],
    ['a key twice', 'listen: [{ address: :80 }]\nlisten: []', ['2:1: Map keys must be unique']],
    [
      'text that is not YAML',
      'listen: [',
      ['1:10: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ],
  ])('is refused with %s', (_what, text, expected) => {
    expect(faults(text)).toEqual(expected)
  })

  it('names the file that cannot be used as TLS certificate or key', () => {
    const listen = (tls: string) =>
      `listen: [{ address: :443, tls: ${tls} }]\norigins: { a: { url: http://a } }`
    expect(faults(listen('{ cert: absent.pem, key: empty.pem }'))).toEqual([
      `1:40: listen[0].tls.cert: cannot read ${join(directory, 'absent.pem')}: no such file`,
      `1:57: listen[0].tls.key: ${join(directory, 'empty.pem')} holds no PEM block`,
    ])
    expect(faults(listen('{ cert: cert.pem, key: other-key.pem }'))).toEqual([
      expect.stringMatching(/^1:32: listen\[0\]\.tls: TLS cannot use this: .*key values mismatch/),
    ])
    expect(faults(listen('{ cert: cert.pem }'))).toEqual([
      '1:32: listen[0].tls.key: missing: a string is needed',
    ])
  })

  it('must have both halves of a client certificate', () => {
    expect(faults(withOrigin('{ url: https://a, tls: { cert: cert.pem } }'))).toEqual([
      '3:29: origins.a.tls: missing key: a client certificate needs cert and key',
    ])
  })

  it('is reported through an alias at the place that it stands for', () => {
    const text =
      'listen: [{ address: :80 }]\ndefaults: { pool: &p { wram: 1 } }\norigins: { a: { url: http://a, pool: *p } }'
    expect(faults(text)).toEqual([
      '2:24: defaults.pool.wram: unknown key; did you mean "warm"?',
      '2:24: origins.a.pool.wram: unknown key; did you mean "warm"?',
    ])
  })

  it('may be a file that cannot be read', async () => {
    const read = await readConfigFile(join(directory, 'absent.yaml'))
    expect(read).toMatchObject({ ok: false, faults: [{ message: expect.stringContaining('ENOENT') }] })
  })
})
