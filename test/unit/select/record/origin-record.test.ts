import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { AttemptRecord, HandshakeInfo } from '../../../../src/base/events/connection.ts'
import { age, OriginRecord } from '../../../../src/select/record/origin-record.ts'

const handshake = (change: Partial<HandshakeInfo> = {}): HandshakeInfo => ({
  kind: 'full',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 10, tlsMs: 20 },
  attempts: [],
  ...change,
})
const attempt = (endpoint: string, outcome: AttemptRecord['outcome'], error?: string): AttemptRecord => ({
  protocol: 'http/1.1',
  endpoint,
  startedAtMs: 0,
  outcome,
  because: '',
  ...(error === undefined ? {} : { error }),
})
const PLACE = { host: 'a.example', port: 443 }
const CONNECTED = { protocol: 'http/1.1' as const, endpoint: '127.0.0.1:443', offeredTicket: false }

describe('OriginRecord', () => {
  it('is empty at first', () => {
    expect(new OriginRecord().facts(0)).toEqual([])
  })

  it('learns from a connection', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, handshake: handshake() }, 100)
    expect(record.protocol).toMatchObject({ value: 'http/1.1', at: 100, source: 'ALPN' })
    expect(record.tcpProtocol?.value).toBe('http/1.1')
    expect(record.tlsVersion).toMatchObject({ value: 'TLSv1.3' })
    expect([record.connectMs?.value, record.tlsMs?.value]).toEqual([10, 20])
    expect(record.resumption).toBeUndefined()
  })

  it('learns no TLS from cleartext', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, handshake: handshake({ kind: 'none', tlsVersion: undefined }) }, 0)
    expect(record.protocol?.source).toBe('configuration')
    expect([record.tlsVersion, record.tlsMs]).toEqual([undefined, undefined])
  })

  it('averages durations by an eighth', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, handshake: handshake() }, 0)
    record.onConnected(
      { ...CONNECTED, handshake: handshake({ timings: { dnsMs: 0, connectMs: 90, tlsMs: 20 } }) },
      1,
    )
    expect(record.connectMs?.value).toBe(20)
    expect(record.tlsMs?.value).toBe(20)
  })

  it('records whether tickets are accepted', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, offeredTicket: true, handshake: handshake({ kind: 'resumed' }) }, 0)
    expect(record.resumption?.value).toBe('accepted')
    record.onConnected({ ...CONNECTED, offeredTicket: true, handshake: handshake() }, 1)
    expect(record.resumption?.value).toBe('refused')
    record.onConnected({ ...CONNECTED, handshake: handshake() }, 2)
    expect(record.resumption?.at).toBe(1)
  })

  it('forgets a failure when a connect succeeds', () => {
    const record = new OriginRecord()
    record.onConnectFailed(new TransportError('MM_CONNECT_REFUSED', 'refused'), 5)
    expect(record.lastFailure).toMatchObject({ value: 'MM_CONNECT_REFUSED', at: 5, source: 'refused' })
    record.onConnected({ ...CONNECTED, handshake: handshake() }, 6)
    expect(record.lastFailure).toBeUndefined()
  })

  it('remembers whether an endpoint failed, was overtaken, or connected', () => {
    const record = new OriginRecord()
    record.onAttempts(
      [
        attempt('a', 'cancelled'),
        attempt('b', 'failed', 'why'),
        attempt('c', 'connected'),
        attempt('d', 'cancelled'),
      ],
      9,
    )
    expect(record.endpoint('a')).toEqual({ outcome: 'overtaken', at: 9, error: undefined })
    expect(record.endpoint('b')).toEqual({ outcome: 'failed', at: 9, error: 'why' })
    expect(record.endpoint('c')?.outcome).toBe('connected')
    expect(record.endpoint('d')).toBeUndefined()
  })

  it('blames no endpoint for a dial that was given up', () => {
    const record = new OriginRecord()
    record.onAttempts([attempt('a', 'cancelled'), attempt('b', 'cancelled')], 0)
    expect([record.endpoint('a'), record.endpoint('b')]).toEqual([undefined, undefined])
  })

  it('is bounded in endpoints, and forgets the one that was not tried for longest', () => {
    const record = new OriginRecord()
    for (let i = 0; i < 65; i++) record.onAttempts([attempt(`e${i}`, 'failed')], i)
    expect([record.endpoint('e0'), record.endpoint('e1')?.at]).toEqual([undefined, 1])
  })

  it('learns from an HTTP/2 connection, with bounds for what a peer wrote', () => {
    const record = new OriginRecord(PLACE)
    expect([record.extendedConnect, record.originSet]).toEqual([undefined, undefined])
    record.onExtendedConnect(false, 1)
    record.onExtendedConnect(true, 2)
    expect(record.extendedConnect).toMatchObject({
      value: true,
      at: 2,
      source: 'SETTINGS of its last connection',
    })
    expect(record.onAltSvc('h3=":443"', 'altsvc-frame', 0, 3)).toBe(true)
    record.onOriginSet(['https://a', 'https://b'], 4)
    expect(record.facts(4)).toEqual([
      {
        fact: 'offers extended CONNECT: upgrades go over h2',
        evidence: 'SETTINGS of its last connection, just now',
      },
      {
        fact: 'advertises h3 at a.example:443 for another 23 h; not tried yet',
        evidence: 'ALTSVC frame, just now',
      },
      {
        fact: 'says its connections are good for https://a, https://b (not acted on in this version)',
        evidence: 'ORIGIN frame, just now',
      },
    ])
    record.onOriginSet(
      Array.from({ length: 100 }, () => 'https://a'),
      5,
    )
    expect(record.originSet?.value.length).toBe(64)
  })

  it('learns no protocol from a connection that left the origin no choice', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, protocol: 'h2', handshake: handshake() }, 0)
    record.onConnected({ ...CONNECTED, protocol: undefined, handshake: handshake() }, 1)
    expect(record.protocol).toMatchObject({ value: 'h2', at: 0, source: 'ALPN' })
  })

  it('reports every fact with its evidence and its age', () => {
    const record = new OriginRecord()
    record.onResolved({ addresses: [{ address: '127.0.0.1', family: 4 }], source: 'cache' }, 0)
    record.onConnected({ ...CONNECTED, offeredTicket: true, handshake: handshake({ kind: 'resumed' }) }, 0)
    record.onCapacity(100, 'h2', 0)
    record.onKeepAlive({ timeoutMs: 5000, maxRequests: 99 }, 0)
    record.onConnectFailed(new TransportError('MM_CONNECT_REFUSED', 'refused'), 2000)
    record.onAttempts(
      [attempt('[::1]:443', 'failed', 'no route'), attempt('127.0.0.1:443', 'connected')],
      3000,
    )
    expect(record.facts(4000)).toEqual([
      { fact: 'addresses 127.0.0.1', evidence: 'resolver: cache, 4 s ago' },
      { fact: 'speaks http/1.1', evidence: 'ALPN, 4 s ago' },
      { fact: 'negotiates TLSv1.3', evidence: 'handshake with 127.0.0.1:443, 4 s ago' },
      { fact: 'accepted the last TLS ticket', evidence: 'handshake with 127.0.0.1:443, 4 s ago' },
      { fact: 'TCP connect takes 10.0 ms', evidence: 'average, last with 127.0.0.1:443, 4 s ago' },
      { fact: 'TLS handshake takes 20.0 ms', evidence: 'average, last with 127.0.0.1:443, 4 s ago' },
      { fact: 'allows 100 streams on a connection', evidence: 'h2 connection, 4 s ago' },
      {
        fact: 'keeps idle connections for 5000 ms for 99 more requests',
        evidence: 'Keep-Alive of a response, 4 s ago',
      },
      { fact: 'the last connect failed with MM_CONNECT_REFUSED', evidence: 'refused, 2 s ago' },
      { fact: '[::1]:443 failed', evidence: 'no route, 1 s ago' },
    ])
  })

  it('keeps TCP and QUIC separate', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, protocol: 'h2', handshake: handshake() }, 0)
    expect(record.http3RoundTripMs).toBeUndefined()
    const quic = handshake({ timings: { dnsMs: 0, connectMs: 0, tlsMs: 55 } })
    record.onConnected({ ...CONNECTED, protocol: 'h3', handshake: quic }, 1)
    expect([record.protocol?.value, record.tcpProtocol?.value]).toEqual(['h3', 'h2'])
    expect([record.connectMs?.value, record.tlsMs?.value, record.http3RoundTripMs]).toEqual([10, 20, 55])
    record.onRoundTrip('udp', 40, 2)
    record.onRoundTrip('tcp', 44, 2)
    record.onLossRatio('udp', 0.02, 2)
    record.onLossRatio('tcp', 0, 2)
    expect(record.http3RoundTripMs).toBe(40)
    expect(record.facts(2).map(({ fact }) => fact)).toEqual([
      'speaks h3',
      'speaks h2 over TCP',
      'negotiates TLSv1.3',
      'TCP connect takes 10.0 ms',
      'TLS handshake takes 20.0 ms',
      'QUIC handshake takes 55.0 ms',
      'TCP round trip takes 44.0 ms',
      'QUIC round trip takes 40.0 ms',
      '0.0 % of the packets over TCP are lost',
      '2.0 % of the packets over QUIC are lost',
    ])
  })

  it('forgets what has expired', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, protocol: 'h2', handshake: handshake() }, 0)
    record.onConnectFailed(new TransportError('MM_CONNECT_REFUSED', 'refused'), 0)
    record.onAttempts([attempt('a', 'failed')], 0)
    record.onQuicProbed('a', { fault: 'a: no answer', why: 'silent' }, 0)
    record.onTime(600_000)
    expect([record.lastFailure, record.endpoint('a')]).toEqual([undefined, undefined])
    expect([record.connectMs?.value, record.connectMsOf('127.0.0.1:443')]).toEqual([10, 10])
    expect(record.facts(600_000).map(({ fact }) => fact)).not.toContain('a failed')
    record.onTime(86_400_000)
    expect([record.connectMs, record.connectMsOf('127.0.0.1:443')]).toEqual([undefined, undefined])
    expect(record.knowsQuicOf('a')).toBe(false)
    expect(record.protocol?.value).toBe('h2')
    record.onTime(7 * 86_400_000)
    expect(record.protocol).toBeUndefined()
    expect(record.facts(7 * 86_400_000)).toEqual([])
  })

  it('reports the outcome of HTTP/3', () => {
    const record = new OriginRecord(PLACE, { brokenBaseMs: 5000, brokenMaxMs: 60_000 })
    const fact = (now: number) => record.facts(now).find(({ fact }) => fact.includes(' h3 '))?.fact
    expect(record.http3(0)).toEqual({
      alternative: undefined,
      status: undefined,
      because: 'unknown whether the origin speaks it: nobody has looked',
    })
    record.onServiceAnswer({ kind: 'none', because: 'no record', ttlSeconds: 60, aliasTo: undefined }, 0)
    expect(record.http3(0).because).toBe('nothing says that the origin speaks it')
    record.onAltSvc('h3=":8443"; ma=7200', 'alt-svc', 3600, 0)
    expect(record.http3(0)).toMatchObject({
      alternative: { host: 'a.example', port: 8443, source: 'alt-svc', expiresAt: 3_600_000 },
      status: 'pending',
      because: 'not tried yet',
    })
    const status = record.http3Status('a.example:8443')
    status.onHttp3Failed('MM_CONNECT_TIMEOUT', 1000)
    record.onTcpWorked(1500)
    expect(fact(2500)).toBe(
      'advertises h3 at a.example:8443 for another 59 min; broken for another 4 s after 1 failure: MM_CONNECT_TIMEOUT',
    )
    expect([record.http3(2500).status, record.http3ChangesAt(2500)]).toEqual(['broken', 6500])
    expect(record.http3ChangesAt(6500)).toBe(3_600_000)
    status.onHttp3Worked(7000)
    expect(fact(9000)).toBe('advertises h3 at a.example:8443 for another 59 min; used: worked 2 s ago')
    expect(record.http3(3_600_000).alternative).toBeUndefined()
  })

  it('records whether a probe had data accepted with a SYN, until that is old or of another network', () => {
    const record = new OriginRecord()
    const words = (): string[] => record.facts(5).map(({ fact }) => fact)
    expect(record.fastOpenTaken(0)).toBeUndefined()
    record.onProbed({ fastOpen: { cookie: true, taken: false } }, 0)
    expect(record.fastOpenTaken(0)).toBeUndefined()
    expect(words()).toEqual(['gives a cookie for TCP Fast Open, and does not take the data of a SYN'])
    record.onProbed({ fastOpen: { cookie: true, taken: true } }, 5)
    const twoDays = 172_800_000
    expect(record.fastOpenTaken(5)).toEqual({ value: true, at: 5, source: 'probe', expiresAt: 5 + twoDays })
    expect(words()).toEqual(['takes data with the SYN (TCP Fast Open)'])
    expect(record.fastOpenTaken(5 + twoDays)).toBeUndefined()
    record.onNetworkChanged(6)
    expect(record.fastOpenTaken(6)).toBeUndefined()
  })

  it('learns from probes and from the DNS', () => {
    const record = new OriginRecord(PLACE)
    record.onServiceAnswer({ kind: 'failed', because: 'timeout' }, 0)
    expect(record.facts(0)).toEqual([])
    record.onServiceAnswer({ kind: 'none', because: 'no data', ttlSeconds: 60, aliasTo: undefined }, 0)
    expect(record.facts(0)).toEqual([{ fact: 'has no HTTPS records', evidence: 'DNS, just now' }])
    expect(record.facts(60_000)).toEqual([])
    const service = {
      priority: 1,
      target: 'b.example',
      port: undefined,
      addressHints: ['192.0.2.1'],
      ttlSeconds: 300,
    }
    record.onServiceAnswer(
      {
        kind: 'found',
        records: [
          { ...service, alpn: ['http/1.1', 'h3'] },
          { ...service, alpn: ['h2'] },
        ],
        skipped: [],
        ttlSeconds: 300,
        aliasTo: undefined,
      },
      0,
    )
    record.onProbed(
      {
        tlsVersions: ['TLSv1.2', 'TLSv1.3'],
        alpn: ['h2', 'http/1.1'],
        tickets: { version: 'TLSv1.3', issued: 2, lifetimeSeconds: 7200, maxEarlyDataBytes: 16_384 },
        fastOpen: { cookie: false, taken: false },
      },
      0,
    )
    record.onConnectProbed('192.0.2.1:443', 12, 0)
    record.onConnectProbed('192.0.2.2:443', 99, 0)
    record.onQuicProbed('192.0.2.1:443', { found: { versions: ['0x00000001'], ms: 9 } }, 0)
    record.onQuicProbed('192.0.2.2:443', { fault: 'x', why: 'refused' }, 0)
    record.onQuicProbed('192.0.2.3:443', { fault: 'x', why: 'silent' }, 0)
    record.onQuicProbed('192.0.2.4:443', { fault: 'x', why: 'unreachable' }, 0)
    record.onQuicProbed('192.0.2.5:443', { skipped: 'x' }, 0)
    record.onHttp3Found('a.example', 443, 0)
    expect(record.facts(0).map(({ fact }) => fact)).toEqual([
      'takes TLSv1.2 and TLSv1.3',
      'agrees by ALPN to h2 and http/1.1',
      'issues tickets with TLSv1.3: 2, good for 2 h, with up to 16384 bytes of early data',
      'gives no cookie for TCP Fast Open',
      'has HTTPS records: 2, with h3: 1',
      'advertises h3 at b.example:443 for another 5 min; not tried yet',
      'answers h3 at a.example:443 for another 24 h; not tried yet',
      'TCP connect to 192.0.2.1:443 takes 12.0 ms',
      'TCP connect to 192.0.2.2:443 takes 99.0 ms',
      '192.0.2.1:443 answers to QUIC, versions 0x00000001',
      '192.0.2.2:443 refuses UDP',
      '192.0.2.3:443 does not answer to QUIC',
    ])
    const known = [1, 2, 3, 4, 5].map(i => record.knowsQuicOf(`192.0.2.${i}:443`))
    expect(known).toEqual([true, true, true, false, false])
    record.onProbed(
      { tickets: { version: 'TLSv1.2', issued: 0, lifetimeSeconds: undefined, maxEarlyDataBytes: 0 } },
      1,
    )
    expect(record.facts(1).map(({ fact }) => fact)).toContain('issues no tickets with TLSv1.2')
  })

  it('forgets the path when the network changes, and keeps what the origin is', () => {
    const record = new OriginRecord(PLACE)
    record.onResolved({ addresses: [{ address: '127.0.0.1', family: 4 }], source: 'cache' }, 0)
    record.onConnected({ ...CONNECTED, protocol: 'h2', handshake: handshake() }, 0)
    record.onAttempts([attempt('a', 'failed')], 0)
    record.onAltSvc('h3=":443", h3=":444"; persist=1', 'alt-svc', 0, 0)
    record.onHttp3Configured(0)
    record.http3Status('a.example:444').onHttp3Worked(0)
    record.onNetworkChanged(1000)
    expect(record.networkChangedAt).toBe(1000)
    expect(record.facts(3000).map(({ fact }) => fact)).toEqual([
      'speaks h2',
      'negotiates TLSv1.3',
      'is configured for h3 at a.example:443; not tried yet',
      'advertises h3 at a.example:444 for another 23 h; not tried since the network changed 2 s ago',
      'the network changed',
    ])
  })

  it('blames no endpoint for another lane that was faster', () => {
    const record = new OriginRecord()
    record.onAttempts([attempt('a', 'overtaken')], 0)
    expect(record.endpoint('a')).toBeUndefined()
  })

  it.each([
    [999, 'just now'],
    [1000, '1 s ago'],
    [59_999, '59 s ago'],
    [60_000, '1 min ago'],
    [7_200_000, '2 h ago'],
  ])('renders an age of %i ms as %s', (ms, words) => {
    expect(age(ms)).toBe(words)
  })
})
