import { describe, expect, it } from 'vitest'
import { originOf } from '../../../src/api/calls.ts'
import { originUrl } from '../../../src/base/http/origin.ts'
import { TLS_HINTS } from '../../../src/base/tls-hints.ts'
import { main } from '../../../src/cli/main.ts'
import { probeText } from '../../../src/cli/probe.ts'
import { PLAIN_SCREEN } from '../../../src/cli/terminal.ts'
import type { QuicFinding } from '../../../src/entry/events.ts'
import type { ProbeReport, Transport, TransportOptions } from '../../../src/index.ts'
import { fakeIo } from './fake-io.ts'

const UNREACHED = 'none of its addresses took a TCP connection'

const FULL: ProbeReport = {
  origin: 'https://a.test',
  durationMs: 212.34,
  isReachable: true,
  addresses: {
    found: [
      { address: '192.0.2.1', family: 4, ttlSeconds: 300 },
      { address: '2001:db8::1', family: 6, port: 8443, ttlSeconds: undefined },
    ],
  },
  tcp: [
    { endpoint: '192.0.2.1:443', connect: { found: { ms: 10.04 } } },
    {
      endpoint: '[2001:db8::1]:8443',
      connect: { fault: '[2001:db8::1]:8443 no route to the host (EHOSTUNREACH)', code: 'MM_CONNECT_FAILED' },
    },
  ],
  tls: [
    {
      version: 'TLSv1.3',
      handshake: { found: { ms: 20.2, protocol: 'h2', cipher: 'TLS_AES_128_GCM_SHA256' } },
    },
    {
      version: 'TLSv1.2',
      handshake: { fault: '192.0.2.1:443 has no TLS version in common with us (X)', code: 'MM_TLS_FAILED' },
    },
  ],
  certificate: { found: { validUntil: '2030-01-01T00:00:00.000Z', issuer: 'CN=Test' } },
  alpn: [
    { protocol: 'h2', accepted: { found: true } },
    { protocol: 'http/1.1', accepted: { found: false } },
  ],
  tickets: { found: { version: 'TLSv1.3', issued: 2, lifetimeSeconds: 7200, maxEarlyDataBytes: 16_384 } },
  fastOpen: {
    found: { cookie: true, taken: true, firstFlightBytes: 385, because: 'the SYN carried 385 bytes' },
  },
  altSvc: { found: [{ protocol: 'h3', host: 'b.test', port: 443, maxAgeSeconds: 86_400, persists: true }] },
  httpsRecords: {
    found: [
      { priority: 0, target: 'alias.test', ttlSeconds: 60, alpn: [], port: undefined, addressHints: [] },
      { priority: 1, target: '', ttlSeconds: 60, alpn: ['h3', 'h2'], port: 444, addressHints: ['192.0.2.9'] },
    ],
  },
  quic: [
    {
      endpoint: '192.0.2.1:443',
      host: 'a.test',
      source: 'origin',
      answer: { found: { versions: ['0x00000001', '0x6b3343cf', '0xff00001d'], ms: 11.06 } },
    },
    {
      endpoint: '192.0.2.9:443',
      host: 'b.test',
      source: 'alt-svc',
      answer: { fault: '192.0.2.9:443 nobody listens on that UDP port (ECONNREFUSED)', why: 'refused' },
    },
  ],
  http3: [
    {
      endpoint: '192.0.2.1:443',
      host: 'a.test',
      source: 'origin',
      handshake: { found: { ms: 31, protocol: 'h3', cipher: undefined } },
    },
    {
      endpoint: '192.0.2.9:443',
      host: 'b.test',
      source: 'alt-svc',
      handshake: { skipped: 'the UDP port cannot be reached' },
    },
  ],
  roundTripMs: { tcp: 10.04, tls: 20.2, quic: 11.06, h3: 31 },
}

const NOTHING: ProbeReport = {
  ...FULL,
  isReachable: false,
  addresses: { fault: 'a.test has no address (ENOTFOUND)', code: 'MM_DNS_FAILED' },
  tcp: [],
  tls: [
    { version: 'TLSv1.3', handshake: { skipped: UNREACHED } },
    { version: 'TLSv1.2', handshake: { skipped: UNREACHED } },
  ],
  certificate: { skipped: UNREACHED },
  alpn: [],
  tickets: { skipped: UNREACHED },
  fastOpen: { skipped: UNREACHED },
  altSvc: { skipped: UNREACHED },
  httpsRecords: { found: [] },
  quic: [],
  http3: [],
  roundTripMs: {},
}

const BAD = {
  fault:
    '192.0.2.1:443 the certificate for a.test is self-signed and not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)',
  code: 'MM_TLS_CERTIFICATE',
} as const
const UNTRUSTED: ProbeReport = {
  ...FULL,
  tcp: [{ endpoint: '192.0.2.1:443', connect: { found: { ms: 10 } } }],
  tls: FULL.tls.map(({ version }) => ({ version, handshake: BAD })),
  certificate: BAD,
  alpn: FULL.alpn.map(({ protocol }) => ({ protocol, accepted: BAD })),
  tickets: { skipped: 'no TLS handshake was completed' },
  fastOpen: BAD,
  altSvc: { ...BAD, fault: `cannot connect to https://a.test: ${BAD.fault}` },
}

const textOf = (report: ProbeReport): string => probeText(report, PLAIN_SCREEN)

/** A command line over a transport that answers every probe with this. */
function probing(report: ProbeReport | Error) {
  const { io, ...rest } = fakeIo()
  const seen = { probed: [] as string[], options: [] as TransportOptions[], closed: 0 }
  io.createTransport = options => {
    seen.options.push(options)
    const transport: Pick<Transport, 'probe' | 'close'> = {
      async probe(url) {
        seen.probed.push(originUrl(originOf(url)))
        if (report instanceof Error) throw report
        return report
      },
      async close() {
        seen.closed++
      },
    }
    return transport as Transport // the command uses these two
  }
  return { ...rest, io, seen }
}

describe('probe', () => {
  it.each<[string, ProbeReport['fastOpen']]>([
    [
      'has a cookie, and does not work: its data was not taken',
      { found: { cookie: true, taken: false, firstFlightBytes: 385, because: 'its data was not taken' } },
    ],
    [
      'does not work: the peer gives no cookie',
      {
        found: {
          cookie: false,
          taken: false,
          firstFlightBytes: undefined,
          because: 'the peer gives no cookie',
        },
      },
    ],
    ['not looked at: koffi is not installed', { skipped: 'koffi is not installed' }],
    [
      'failed: refused the connection (ECONNREFUSED)',
      { fault: '192.0.2.1:443 refused the connection (ECONNREFUSED)', code: 'MM_CONNECT_REFUSED' },
    ],
  ])('says of Fast Open that it %s', async (words, fastOpen) => {
    const { io, out } = probing({ ...FULL, fastOpen })
    await main(['probe', 'https://a.test'], io)
    expect(out().split('\n')).toContain(` Fast Open           ${words}`)
  })

  it('prints what was found in human-readable form', async () => {
    const { io, out, seen } = probing(FULL)
    expect(await main(['probe', 'https://a.test'], io)).toBe(0)
    expect(out().split('\n')).toEqual([
      'https://a.test, probed in 212.3 ms',
      '',
      'Addresses',
      ' 192.0.2.1              for 300 s',
      ' 2001:db8::1 port 8443',
      '',
      'TCP',
      ' 192.0.2.1:443       connected in 10.0 ms',
      ' [2001:db8::1]:8443  failed: no route to the host (EHOSTUNREACH)',
      ' Fast Open           works: the SYN carried 385 bytes',
      '',
      'TLS',
      ' TLSv1.3        handshake in 20.2 ms, h2, TLS_AES_128_GCM_SHA256',
      ' TLSv1.2        failed: has no TLS version in common with us (X)',
      ' certificate    valid until 2030-01-01T00:00:00.000Z, from CN=Test',
      ' ALPN h2        accepted',
      ' ALPN http/1.1  not accepted',
      ' tickets        2 with TLSv1.3, good for 7200 s, early data up to 16384 bytes',
      '',
      'Advertised',
      ' Alt-Svc       h3 at b.test port 443, for 86400 s, also on another network',
      ' HTTPS record  alias of alias.test, for 60 s',
      ' HTTPS record  1 ., alpn h3 h2, port 444, hints 192.0.2.9, for 60 s',
      '',
      'QUIC and HTTP/3',
      ' UDP port 443  192.0.2.1                         speaks QUIC (v1, v2, 0xff00001d), 11.1 ms',
      '               HTTP/3                            handshake in 31.0 ms, h3',
      ' UDP port 443  192.0.2.9 (b.test, from Alt-Svc)  refused: nothing listens there',
      '               HTTP/3                            not looked at: the UDP port cannot be reached',
      '',
      'Shortest round trips',
      ' TCP connect       10.0 ms',
      ' TLS handshake     20.2 ms',
      ' QUIC answer       11.1 ms',
      ' HTTP/3 handshake  31.0 ms',
      '',
    ])
    expect(seen).toMatchObject({ probed: ['https://a.test'], closed: 1 })
  })

  it('--json prints the report as it is', async () => {
    const { io, out } = probing(FULL)
    expect(await main(['probe', '--json', 'https://a.test'], io)).toBe(0)
    expect(out().endsWith('}\n')).toBe(true)
    expect(JSON.parse(out())).toEqual(JSON.parse(JSON.stringify(FULL)))
  })

  it('exits with 1 when nothing answers, and says each reason once', async () => {
    const { io, out } = probing(NOTHING)
    expect(await main(['probe', 'https://a.test'], io)).toBe(1)
    expect(out().split('\n')).toEqual([
      'https://a.test, probed in 212.3 ms: nothing answers there',
      '',
      'Addresses',
      ' failed: a.test has no address (ENOTFOUND)',
      '',
      'TLS',
      ` not looked at: ${UNREACHED}`,
      '',
      'Advertised',
      ` Alt-Svc       not looked at: ${UNREACHED}`,
      ' HTTPS record  none',
      '',
    ])
  })

  it('hands its options to the transport', async () => {
    const { io, seen } = probing(FULL)
    const args = ['--timeout-ms', '750', '--protocol', 'h3', '--resolve', 'a.test:443:192.0.2.7']
    expect(await main(['probe', ...args, 'https://a.test'], io)).toBe(0)
    expect(seen.options[0]).toMatchObject({
      defaults: { protocols: ['h3'], select: { probeTimeoutMs: 750 } },
      resolve: { 'a.test:443': '192.0.2.7' },
    })
  })

  it('closes its transport also when the probe fails', async () => {
    const { io, seen, err } = probing(new Error('broken'))
    expect(await main(['probe', 'https://a.test'], io)).toBe(3)
    expect([err(), seen.closed]).toEqual(['middlemile probe: broken\n', 1])
  })

  it.each([
    [['probe'], 'probe needs exactly one URL'],
    [['probe', 'https://a', 'https://b'], 'probe needs exactly one URL'],
    [['probe', 'ftp://a'], 'origin must be http or https'],
    [['probe', '--timeout-ms', '0', 'https://a'], '--timeout-ms must be a whole number of at least 1'],
    [['probe', '--timeout-m', '5', 'https://a'], 'did you mean --timeout-ms?'],
  ])('%j is bad usage', async (args, message) => {
    const { io, err, seen } = probing(FULL)
    expect(await main(args, io)).toBe(2)
    expect([err(), seen.probed]).toEqual([expect.stringContaining(message), []])
  })
})

describe('the text of a probe', () => {
  const quic = (answer: QuicFinding): string => {
    const [first] = FULL.quic
    const text = textOf({ ...FULL, quic: [{ ...first!, answer }] })
    return /\n UDP port 443 {2}192\.0\.2\.1 {2}(.*)\n/.exec(text)?.[1] ?? text
  }

  it.each<[QuicFinding, string]>([
    [{ fault: '192.0.2.1:443 nobody there', why: 'refused' }, 'refused: nothing listens there'],
    [
      { fault: '192.0.2.1:443 no answer', why: 'silent' },
      'silent: a firewall drops UDP, or nothing speaks QUIC there',
    ],
    [
      { fault: '192.0.2.1:443 no route to the host', why: 'unreachable' },
      'unreachable: no route to the host',
    ],
    [{ fault: 'not known within 5 ms' }, 'not known within 5 ms'],
    [{ found: { versions: [], ms: 1 } }, 'speaks QUIC (no version that is known), 1.0 ms'],
  ])('says %j plainly', (answer, text) => {
    expect(quic(answer)).toBe(text)
  })

  it('says why a whole section is empty', () => {
    const skipped = 'the origin is http: there is no TLS, and no QUIC'
    const text = textOf({
      ...FULL,
      tls: [{ version: 'TLSv1.3', handshake: { skipped } }],
      quic: [{ ...FULL.quic[0]!, answer: { skipped } }],
    })
    expect(text).toContain(`\nTLS\n not looked at: ${skipped}\n`)
    expect(text).toContain(`\nQUIC and HTTP/3\n not looked at: ${skipped}\n`)
  })

  it('shows no control characters that came from a peer', () => {
    const issuer = 'CN=\u001b[2Jgone\n\u009b31m'
    const text = textOf({ ...FULL, certificate: { found: { validUntil: 'then', issuer } } })
    expect(text).toContain('from CN=?[2Jgone??31m\n')
  })

  it('says what it knows of tickets', () => {
    const tickets = {
      version: 'TLSv1.2',
      issued: 1,
      lifetimeSeconds: undefined,
      maxEarlyDataBytes: 0,
    } as const
    expect(textOf({ ...FULL, tickets: { found: tickets } })).toMatch(
      /\n tickets +1 with TLSv1\.2, no lifetime given, no early data\n/,
    )
    expect(textOf({ ...FULL, tickets: { found: { ...tickets, issued: 0 } } })).toMatch(
      /\n tickets +none with TLSv1\.2\n/,
    )
  })
})

describe('probe of an origin whose certificate is not trusted', () => {
  it('says so once, with issuer and expiry, and names the option that helps', async () => {
    const { io, out, err } = probing(UNTRUSTED)
    await main(['probe', 'https://a.test'], io)
    expect(out().match(/self-signed/g)).toHaveLength(1)
    expect(out()).toContain(
      ' certificate  not accepted: for a.test is self-signed and not trusted (DEPTH_ZERO_SELF_SIGNED_CERT); ' +
        'from CN=own authority, valid until 2030-01-02T03:04:05.000Z\n',
    )
    expect(err()).toMatch(/--ca FILE .*--insecure/)
    const names = { ...BAD, hint: TLS_HINTS.names }
    const other = probing({ ...UNTRUSTED, certificate: names })
    await main(['probe', 'https://a.test'], other.io)
    expect(other.err()).toMatch(/a URL whose host the certificate names/)
    expect(other.err()).not.toContain('--ca')
  })
})
