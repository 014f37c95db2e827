import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { ProbeReport, QuicFinding } from '../../../../src/base/events/probe-report.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { learnFromProbe, type ProbeSettings, probeOrigin } from '../../../../src/select/probe/probe.ts'
import type { ProbeTools } from '../../../../src/select/probe/probe-tools.ts'
import { OriginRecord } from '../../../../src/select/record/origin-record.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { fakeTools, HANDSHAKE, HTTP3 } from './fake-probe-tools.ts'

const ALL = ['h3', 'h2', 'http/1.1'] as const
const SILENT: QuicFinding = { fault: '192.0.2.1:443 no answer', why: 'silent' }
const never = (): Promise<never> => new Promise(() => {})

async function probe(
  tools: ProbeTools,
  changes: Partial<Omit<ProbeSettings, 'origin'>> & { url?: string } = {},
): Promise<ProbeReport> {
  const { url = 'https://a.test', ...rest } = changes
  const settings = {
    origin: parseOrigin(url),
    allowed: ALL,
    timeoutMs: 5000,
    clock: new FakeClock(),
    ...rest,
  }
  return await probeOrigin(tools, settings, new AbortController().signal)
}

const addresses = (...list: string[]) => ({
  found: list.map(address => ({ address, family: address.includes(':') ? 6 : 4, ttlSeconds: 9 }) as const),
})
const h3At = (host: string, port: number) => ({
  protocol: 'h3',
  host,
  port,
  maxAgeSeconds: 60,
  persists: false,
})

describe('a probe', () => {
  it('examines everything, and reports it', async () => {
    const { tools, asked } = fakeTools()
    const { durationMs, ...report } = await probe(tools)
    const { tickets, certificate, ...handshake } = { ...HANDSHAKE, protocol: 'h2' }
    expect(durationMs).toBe(0)
    expect(report).toEqual({
      origin: 'https://a.test',
      isReachable: true,
      addresses: { found: [{ address: '192.0.2.1', family: 4, ttlSeconds: 60 }] },
      tcp: [{ endpoint: '192.0.2.1:443', connect: { found: { ms: 10 } } }],
      tls: [
        { version: 'TLSv1.3', handshake: { found: handshake } },
        { version: 'TLSv1.2', handshake: { found: handshake } },
      ],
      certificate: { found: certificate },
      alpn: [
        { protocol: 'h2', accepted: { found: true } },
        { protocol: 'http/1.1', accepted: { found: true } },
      ],
      tickets: { found: tickets },
      fastOpen: { skipped: 'Node cannot' },
      altSvc: { found: [] },
      httpsRecords: { found: [] },
      quic: [
        {
          endpoint: '192.0.2.1:443',
          host: 'a.test',
          source: 'origin',
          answer: { found: { versions: ['0x00000001'], ms: 11 } },
        },
      ],
      http3: [{ endpoint: '192.0.2.1:443', host: 'a.test', source: 'origin', handshake: { found: HTTP3 } }],
      roundTripMs: { tcp: 10, tls: 20, quic: 11, h3: 30 },
    })
    expect(asked('handshakeTls')).toEqual([
      '192.0.2.1:443/tcp TLSv1.3 h2+http/1.1 tickets for 200',
      '192.0.2.1:443/tcp TLSv1.2 h2+http/1.1 tickets for 200',
      '192.0.2.1:443/tcp any h2',
      '192.0.2.1:443/tcp any http/1.1',
    ])
    expect(asked('serviceRecords')).toEqual(['a.test:443'])
  })

  it('uses at most four addresses, and both families', async () => {
    const list = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8::4', '192.0.2.1', '192.0.2.2']
    const { tools, asked } = fakeTools({ resolve: async () => addresses(...list) })
    const report = await probe(tools)
    expect(report.tcp.map(({ endpoint }) => endpoint)).toEqual([
      '192.0.2.1:443',
      '[2001:db8::1]:443',
      '192.0.2.2:443',
      '[2001:db8::2]:443',
    ])
    expect(asked('quicVersions')).toHaveLength(4)
    expect('found' in report.addresses && report.addresses.found.length).toBe(6)
  })

  it('does TLS with the first address that accepts a connection, and reports the shortest times', async () => {
    const { tools, asked } = fakeTools({
      resolve: async () => addresses('192.0.2.1', '192.0.2.2', '192.0.2.3'),
      async connectTcp({ address }) {
        if (address === '192.0.2.1') return { fault: 'refused' }
        return { found: { ms: address === '192.0.2.2' ? 50 : 40 } }
      },
    })
    const report = await probe(tools)
    expect(asked('handshakeTls')[0]).toMatch(/^192\.0\.2\.2:443/)
    expect(asked('fastOpen')).toEqual(['192.0.2.2:443/tcp'])
    expect(report.roundTripMs.tcp).toBe(40)
  })

  it('goes on over UDP where TCP does not work', async () => {
    const { tools, asked } = fakeTools({ connectTcp: async () => ({ fault: 'refused' }) })
    const report = await probe(tools)
    const skipped = 'none of its addresses took a TCP connection'
    expect(report).toMatchObject({
      isReachable: true,
      certificate: { skipped },
      tickets: { skipped },
      fastOpen: { skipped },
      altSvc: { skipped },
      roundTripMs: { quic: 11, h3: 30 },
    })
    expect(report.tls.map(({ handshake }) => handshake)).toEqual([{ skipped }, { skipped }])
    expect([asked('handshakeTls'), asked('altSvc')]).toEqual([[], []])
  })

  it('stops at a name that has no address', async () => {
    const fault = { fault: 'a.test has no address', code: 'MM_DNS_FAILED' } as const
    const { tools, calls } = fakeTools({ resolve: async () => fault })
    const report = await probe(tools)
    expect(report).toMatchObject({
      isReachable: false,
      addresses: fault,
      tcp: [],
      quic: [],
      http3: [],
      roundTripMs: {},
    })
    expect(calls.map(({ tool }) => tool).sort()).toEqual(['resolve', 'serviceRecords'])
  })

  it('examines TCP only where the origin is http', async () => {
    const { tools, calls } = fakeTools()
    const report = await probe(tools, { url: 'http://a.test' })
    const skipped = 'the origin is http: there is no TLS, and no QUIC'
    expect(report).toMatchObject({ isReachable: true, httpsRecords: { skipped }, altSvc: { skipped } })
    expect(report.quic.map(({ answer }) => answer)).toEqual([{ skipped }])
    expect(report.tls[0]!.handshake).toEqual({ skipped })
    expect(report.fastOpen).toEqual({ skipped })
    expect(new Set(calls.map(({ tool }) => tool))).toEqual(new Set(['resolve', 'connectTcp']))
  })

  it('leaves forbidden protocols alone', async () => {
    const skipped = 'not allowed by the configuration'
    const tcp = fakeTools()
    const overTcp = await probe(tcp.tools, { allowed: ['http/1.1'] })
    expect(overTcp.quic[0]!.answer).toEqual({ skipped })
    expect(overTcp.http3[0]!.handshake).toEqual({ skipped })
    expect(overTcp.alpn).toEqual([
      { protocol: 'h2', accepted: { skipped } },
      { protocol: 'http/1.1', accepted: { found: true } },
    ])
    expect([tcp.asked('quicVersions'), tcp.asked('handshakeHttp3')]).toEqual([[], []])
    expect(tcp.asked('handshakeTls')[0]).toContain('TLSv1.3 http/1.1 tickets')
    const udp = fakeTools()
    const overUdp = await probe(udp.tools, { allowed: ['h3'] })
    expect(overUdp.tls[0]!.handshake).toEqual({ skipped: 'the configuration allows no protocol over TCP' })
    expect([udp.asked('handshakeTls'), udp.asked('altSvc')]).toEqual([[], []])
    expect(overUdp.http3[0]!.handshake).toEqual({ found: HTTP3 })
  })

  it('asks no DNS for the records of an address, and sends no request unless it is allowed', async () => {
    const { tools, asked } = fakeTools({ altSvc: undefined } as never) // undefined: left out
    const report = await probe(tools, { url: 'https://192.0.2.1' })
    expect(asked('serviceRecords')).toEqual([])
    expect(report.httpsRecords).toEqual({ skipped: 'the origin is an address and has no name to ask for' })
    expect(report.altSvc).toEqual({ skipped: 'no request was to be sent' })
  })
})

describe('the tools of a probe', () => {
  it('may be an object with a state of its own', async () => {
    class Tools {
      readonly #asked: string[]
      constructor(asked: string[]) {
        this.#asked = asked
      }
      async altSvc() {
        this.#asked.push('altSvc')
        return { found: [] }
      }
    }
    const asked: string[] = []
    const own = new Tools(asked)
    const report = await probe(Object.assign(own, fakeTools({ altSvc: undefined } as never).tools)) // undefined: left out
    expect([asked, report.altSvc]).toEqual([['altSvc'], { found: [] }])
  })
})

describe('the evaluation of handshakes by a probe', () => {
  const certificate = { fault: 'the certificate is for other names', code: 'MM_TLS_CERTIFICATE' } as const
  const secure = async (handshakeTls: ProbeTools['handshakeTls']) =>
    await probe(fakeTools({ handshakeTls }).tools)

  it('reports for ALPN what the server accepted, also when it refuses or ignores it', async () => {
    const refuses = await secure(async (_endpoint, { alpn }) =>
      alpn[0] === 'h2' && alpn.length === 1
        ? { fault: 'none of them', code: 'MM_ALPN_MISMATCH' }
        : { found: HANDSHAKE },
    )
    expect(refuses.alpn[0]!.accepted).toEqual({ found: false })
    const ignores = await secure(async () => ({ found: { ...HANDSHAKE, protocol: undefined } }))
    expect(ignores.alpn.map(({ accepted }) => accepted)).toEqual([{ found: false }, { found: false }])
    const fails = await secure(async () => ({ fault: 'no TLS there', code: 'MM_TLS_FAILED' }))
    expect(fails.alpn[0]!.accepted).toEqual({ fault: 'no TLS there', code: 'MM_TLS_FAILED' })
    expect(fails.certificate).toEqual({ skipped: 'no TLS handshake was completed' })
  })

  it('reports the problem with the certificate', async () => {
    const report = await secure(async () => certificate)
    expect(report.certificate).toEqual(certificate)
    expect(report.tickets).toEqual({ skipped: 'no TLS handshake was completed' })
    expect(report.isReachable).toBe(true)
  })

  it('reports the certificate and the tickets of the version that works', async () => {
    const tickets = { ...HANDSHAKE.tickets, version: 'TLSv1.2', issued: 1 } as const
    const report = await secure(async (_endpoint, { version }) =>
      version === 'TLSv1.3' ? { fault: 'no version in common' } : { found: { ...HANDSHAKE, tickets } },
    )
    expect(report.tickets).toEqual({ found: tickets })
    expect(report.certificate).toEqual({ found: HANDSHAKE.certificate })
    const unchecked = await secure(async () => ({ found: { ...HANDSHAKE, certificate: undefined } }))
    expect(unchecked.certificate).toEqual({ skipped: 'the configuration accepts any' })
  })
})

describe('the evaluation of UDP by a probe', () => {
  it('does a handshake where QUIC v1 is spoken, and nowhere else', async () => {
    const { tools, asked } = fakeTools({
      quicVersions: async () => ({ found: { versions: ['0x6b3343cf'], ms: 3 } }),
    })
    const report = await probe(tools)
    expect(report.http3[0]!.handshake).toMatchObject({ skipped: expect.stringContaining('version 1') })
    expect(asked('handshakeHttp3')).toEqual([])
  })

  it.each(['refused', 'unreachable', undefined] as const)(
    'does no handshake where the port is %s, whatever is advertised',
    async why => {
      const answer = { fault: 'no', ...(why !== undefined && { why }) }
      const { tools, asked } = fakeTools({
        quicVersions: async () => answer,
        altSvc: async () => ({ found: [h3At('a.test', 443)] }),
      })
      const report = await probe(tools)
      expect(report.quic[0]!.answer).toEqual(answer)
      expect(report.http3[0]!.handshake).toEqual({
        skipped: why === undefined ? 'nothing is known of the UDP port' : 'the UDP port cannot be reached',
      })
      expect(asked('handshakeHttp3')).toEqual([])
    },
  )

  it('tries a silent port only when HTTP/3 is advertised there', async () => {
    const dark = fakeTools({ quicVersions: async () => SILENT })
    const first = await probe(dark.tools)
    expect(first.http3[0]!.handshake).toEqual({
      skipped: 'nothing answered there, and nothing says that it should',
    })
    expect(dark.asked('handshakeHttp3')).toEqual([])
    const lit = fakeTools({
      quicVersions: async () => SILENT,
      serviceRecords: async () => ({
        found: [{ priority: 1, target: '.', ttlSeconds: 9, alpn: ['h3'], port: undefined, addressHints: [] }],
      }),
    })
    await probe(lit.tools)
    expect(lit.asked('handshakeHttp3')).toEqual(['192.0.2.1:443/udp'])
  })

  it('follows other places that are advertised', async () => {
    const { tools, asked } = fakeTools({
      async resolve(host) {
        if (host === 'a.test') return addresses('192.0.2.1')
        if (host === 'gone.test') return { fault: 'no address' }
        return addresses('192.0.2.7', '192.0.2.8', '192.0.2.9')
      },
      altSvc: async () => ({ found: [h3At('cdn.test', 8443), h3At('', 444), h3At('gone.test', 443)] }),
      quicVersions: async ({ port }) => (port === 443 ? { fault: 'no', why: 'refused' } : SILENT),
    })
    const report = await probe(tools)
    expect(report.quic.map(({ endpoint, host, source }) => `${endpoint} ${host} ${source}`)).toEqual([
      '192.0.2.1:443 a.test origin',
      '192.0.2.7:8443 cdn.test alt-svc',
      '192.0.2.8:8443 cdn.test alt-svc',
      '192.0.2.1:444 a.test alt-svc',
    ])
    // All of them are advertised, so that silence does not speak against them.
    expect(asked('handshakeHttp3')).toEqual(['192.0.2.7:8443/udp', '192.0.2.8:8443/udp', '192.0.2.1:444/udp'])
  })
})

describe('the bounds of a probe', () => {
  it('have a deadline, at which the rest of the report is there', async () => {
    const clock = new FakeClock()
    const { tools, calls } = fakeTools({ quicVersions: never, altSvc: never })
    const running = probe(tools, { clock, timeoutMs: 700 })
    for (let i = 0; i < 50; i++) await Promise.resolve()
    clock.advance(700)
    const report = await running
    const fault = { fault: 'not known within the 700 ms that a probe has' }
    expect(report.durationMs).toBe(700)
    expect(report.altSvc).toEqual(fault)
    expect(report.quic[0]!.answer).toEqual(fault)
    expect(report.tickets).toEqual({ found: HANDSHAKE.tickets })
    expect(calls.find(({ tool }) => tool === 'quicVersions')!.signal.aborted).toBe(true)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('allow no more than eight tasks at once', async () => {
    let running = 0
    let most = 0
    const slow = async <T>(value: T): Promise<T> => {
      most = Math.max(most, ++running)
      await new Promise(resolve => setImmediate(resolve))
      running--
      return value
    }
    const { tools } = fakeTools({
      resolve: async () => addresses('192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5'),
      connectTcp: () => slow({ found: { ms: 1 } }),
      quicVersions: () => slow({ found: { versions: ['0x00000001'], ms: 1 } }),
      handshakeTls: () => slow({ found: HANDSHAKE }),
      handshakeHttp3: () => slow({ found: HTTP3 }),
    })
    await probe(tools)
    expect(most).toBe(8)
  })

  it('contain tools that throw', async () => {
    const error = new TransportError('MM_CONNECT_FAILED', 'broken')
    const broken = (): Promise<never> => Promise.reject(error)
    const fault = { fault: 'broken', code: 'MM_CONNECT_FAILED' }
    const { tools } = fakeTools({
      serviceRecords: broken,
      connectTcp: broken,
      quicVersions: broken,
      fastOpen: broken,
    })
    const report = await probe(tools)
    expect(report).toMatchObject({
      isReachable: false,
      httpsRecords: fault,
      tcp: [{ connect: fault }],
      quic: [{ answer: fault }],
    })
  })

  it('end with the caller that gives up, before or on the way, and stop its tools', async () => {
    const clock = new FakeClock()
    const settings = { origin: parseOrigin('https://a.test'), allowed: ALL, timeoutMs: 5000, clock }
    await expect(probeOrigin(fakeTools().tools, settings, AbortSignal.abort())).rejects.toMatchObject({
      code: 'MM_ABORTED',
    })
    const caller = new AbortController()
    const { tools, calls } = fakeTools({ connectTcp: never, quicVersions: never })
    const running = probeOrigin(tools, settings, caller.signal)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    const reason = new TransportError('MM_TRANSPORT_CLOSED', 'closed')
    caller.abort(reason)
    await expect(running).rejects.toBe(reason)
    expect(calls.every(({ signal }) => signal.aborted)).toBe(true)
    expect(clock.pendingTimers()).toBe(0)
  })
})

const PLACE = { host: 'a.example', port: 443 }
const FAULT = { fault: 'no answer' }
const handshake = { found: { ms: 9, protocol: undefined, cipher: undefined } }
const at = (last: number) => ({
  endpoint: `192.0.2.${last}:443`,
  host: 'a.example',
  source: 'origin' as const,
})
const nothing: ProbeReport = {
  origin: 'https://a.example',
  durationMs: 5000,
  isReachable: false,
  addresses: FAULT,
  tcp: [{ endpoint: '192.0.2.1:443', connect: FAULT }],
  tls: [{ version: 'TLSv1.3', handshake: FAULT }],
  certificate: FAULT,
  alpn: [{ protocol: 'h2', accepted: FAULT }],
  tickets: FAULT,
  fastOpen: { skipped: 'not built' },
  altSvc: FAULT,
  httpsRecords: FAULT,
  quic: [{ ...at(1), answer: FAULT }],
  http3: [{ ...at(1), handshake: FAULT }],
  roundTripMs: {},
}

describe('learnFromProbe', () => {
  it('learns nothing from a probe without any answer', () => {
    const record = new OriginRecord(PLACE)
    learnFromProbe(record, nothing, 0)
    expect(record.facts(0)).toEqual([])
  })

  it('learns what was found', () => {
    const record = new OriginRecord(PLACE)
    learnFromProbe(
      record,
      {
        ...nothing,
        tcp: [
          { endpoint: '192.0.2.1:443', connect: { found: { ms: 12 } } },
          { endpoint: '192.0.2.2:443', connect: { found: { ms: 90 } } },
        ],
        tls: [
          { version: 'TLSv1.2', handshake: FAULT },
          { version: 'TLSv1.3', handshake },
        ],
        alpn: [
          { protocol: 'h2', accepted: { found: true } },
          { protocol: 'http/1.1', accepted: { found: false } },
        ],
        tickets: {
          found: { version: 'TLSv1.3', issued: 1, lifetimeSeconds: undefined, maxEarlyDataBytes: 0 },
        },
        fastOpen: { found: { cookie: true, taken: true, firstFlightBytes: 385, because: 'it did' } },
        quic: [
          { ...at(1), answer: { found: { versions: ['0x00000001'], ms: 3 } } },
          { ...at(2), answer: { fault: 'no answer', why: 'silent' } },
        ],
        http3: [
          { ...at(1), handshake: FAULT },
          { ...at(1), endpoint: '[2001:db8::1]:8443', handshake },
        ],
      },
      0,
    )
    expect(record.facts(0).map(({ fact }) => fact)).toEqual([
      'takes TLSv1.3',
      'agrees by ALPN to h2',
      'issues tickets with TLSv1.3: 1, without early data',
      'takes data with the SYN (TCP Fast Open)',
      'answers h3 at a.example:8443 for another 24 h; not tried yet',
      'TCP connect to 192.0.2.1:443 takes 12.0 ms',
      'TCP connect to 192.0.2.2:443 takes 90.0 ms',
      '192.0.2.1:443 answers to QUIC, versions 0x00000001',
      '192.0.2.2:443 does not answer to QUIC',
    ])
  })
})
