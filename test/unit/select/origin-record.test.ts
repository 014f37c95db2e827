import { describe, expect, it } from 'vitest'
import type { AttemptRecord, HandshakeInfo } from '../../../src/connection.ts'
import { TransportError } from '../../../src/errors.ts'
import { age, OriginRecord } from '../../../src/select/origin-record.ts'

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
const CONNECTED = { protocol: 'http/1.1' as const, endpoint: '127.0.0.1:443', offeredTicket: false }

describe('OriginRecord', () => {
  it('knows nothing at first', () => {
    expect(new OriginRecord().facts(0)).toEqual([])
  })

  it('learns from a connection', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, handshake: handshake() }, 100)
    expect(record.protocol).toEqual({ value: 'http/1.1', at: 100, source: 'ALPN' })
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

  it('knows whether tickets are taken', () => {
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
    expect(record.lastFailure).toEqual({ value: 'MM_CONNECT_REFUSED', at: 5, source: 'refused' })
    record.onConnected({ ...CONNECTED, handshake: handshake() }, 6)
    expect(record.lastFailure).toBeUndefined()
  })

  it('remembers of an endpoint that it failed, was overtaken, or connected', () => {
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

  it('is bounded in endpoints; the longest untried is forgotten', () => {
    const record = new OriginRecord()
    for (let i = 0; i < 65; i++) record.onAttempts([attempt(`e${i}`, 'failed')], i)
    expect([record.endpoint('e0'), record.endpoint('e1')?.at]).toEqual([undefined, 1])
  })

  it('learns from an HTTP/2 connection; what a peer wrote is bounded', () => {
    const record = new OriginRecord()
    expect([record.extendedConnect, record.altSvc, record.originSet]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    record.onExtendedConnect(false, 1)
    record.onExtendedConnect(true, 2)
    expect(record.extendedConnect).toEqual({ value: true, at: 2, source: 'SETTINGS of its last connection' })
    record.onAltSvc('h3=":443"', 3)
    record.onOriginSet(['https://a', 'https://b'], 4)
    expect(record.facts(4).map(({ fact }) => fact)).toEqual([
      'offers extended CONNECT: upgrades go over h2',
      'advertises h3=":443" (not acted on in this version)',
      'says its connections are good for https://a, https://b (not acted on in this version)',
    ])
    record.onAltSvc('x'.repeat(5000), 5)
    record.onOriginSet(
      Array.from({ length: 100 }, () => 'https://a'),
      5,
    )
    expect([record.altSvc?.value.length, record.originSet?.value.length]).toEqual([1024, 64])
  })

  it('learns no protocol from a connection that left the origin no choice', () => {
    const record = new OriginRecord()
    record.onConnected({ ...CONNECTED, protocol: 'h2', handshake: handshake() }, 0)
    record.onConnected({ ...CONNECTED, protocol: undefined, handshake: handshake() }, 1)
    expect(record.protocol).toEqual({ value: 'h2', at: 0, source: 'ALPN' })
  })

  it('tells every fact with its evidence and its age', () => {
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

  it.each([
    [999, 'just now'],
    [1000, '1 s ago'],
    [59_999, '59 s ago'],
    [60_000, '1 min ago'],
    [7_200_000, '2 h ago'],
  ])('calls %i ms %s', (ms, words) => {
    expect(age(ms)).toBe(words)
  })
})
