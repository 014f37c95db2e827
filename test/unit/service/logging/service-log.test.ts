import { describe, expect, it } from 'vitest'
import type { EndpointHealthChanged, ExchangeEnded, RaceEvent } from '../../../../src/entry/events.ts'
import {
  type Decision,
  type MigrationReport,
  parseOrigin,
  TransportError,
  type TransportEvent,
} from '../../../../src/index.ts'
import { DEFAULT_LOG, type LogSettings } from '../../../../src/service/config/service-settings.ts'
import { connectionLog } from '../../../../src/service/logging/event-log.ts'
import { ingressLog } from '../../../../src/service/logging/ingress-log.ts'
import { createLogger } from '../../../../src/service/logging/service-log.ts'
import { migrationReport } from '../../../support/migration-figures.ts'
import { fakeConnection } from '../fake-connection.ts'

const SHOP = parseOrigin('https://origin.example')

function setUp(settings: Partial<LogSettings> = {}) {
  const lines: string[] = []
  const logger = createLogger({ ...DEFAULT_LOG, ...settings }, { write: line => lines.push(line) })
  const observe = connectionLog(logger, () => 'shop')
  const text = () => lines.map(line => line.replace(/^\S+ /, '').trimEnd())
  return { lines, logger, observe, text }
}

function exchange(changes: Partial<ExchangeEnded> = {}): ExchangeEnded {
  return {
    type: 'exchange-ended',
    origin: SHOP,
    method: 'GET',
    path: '/cart?token=secret',
    status: 200,
    protocol: 'http/1.1',
    lane: 'tcp',
    connectionId: 7,
    reused: false,
    retries: 0,
    requestBytes: 0,
    earlyData: 'none',
    stallMs: undefined,
    responseBytes: 10,
    queueMs: 127,
    ttfbMs: 110,
    totalMs: 243,
    error: undefined,
    ...changes,
  }
}

const opened: TransportEvent = { type: 'connection-opened', origin: SHOP, connection: fakeConnection() }

describe('the connection log', () => {
  it('reports the life of a connection, one line per event, with timings', () => {
    const { observe, text } = setUp()
    observe({ type: 'connect-started', origin: SHOP })
    observe(opened)
    observe(exchange())
    observe(exchange({ reused: true }))
    observe({
      type: 'connection-closed',
      origin: SHOP,
      connection: fakeConnection(),
      reason: 'idle-timeout',
      error: undefined,
      ageMs: 93_400,
      requests: 120,
    })
    expect(text()).toEqual([
      'info  shop http/1.1#7 192.0.2.1:443: tcp.connect 42ms, tls.handshake 85ms (TLSv1.3, full), pool: connection added',
      'info  shop http/1.1#7: ttfb 110ms, first exchange 200 after 243ms',
      'info  shop http/1.1#7 192.0.2.1:443: pool: connection removed (idle-timeout) after 93s, 120 requests',
    ])
  })

  it('leaves out phases that did not take place', () => {
    const { observe, text } = setUp()
    const timings = { dnsMs: 1.24, connectMs: 0.31, tlsMs: 0 }
    const connection = fakeConnection({ kind: 'none', tlsVersion: undefined, timings })
    observe({ type: 'connection-opened', origin: SHOP, connection })
    expect(text()).toEqual([
      'info  shop http/1.1#7 192.0.2.1:443: dns 1.2ms, tcp.connect 0.3ms, pool: connection added',
    ])
  })

  it('reports a handshake over QUIC as one, and early data when its outcome is known', () => {
    const { observe, text } = setUp()
    const timings = { dnsMs: 0, connectMs: 0, tlsMs: 84 }
    observe({ type: 'connection-opened', origin: SHOP, connection: fakeConnection({ timings }, 'h3') })
    const connection = fakeConnection({ kind: 'early_data', timings: { ...timings, tlsMs: 1 } }, 'h3')
    observe({ type: 'connection-opened', origin: SHOP, connection })
    Object.assign(connection.handshake, { kind: 'resumed', earlyData: 'rejected', timings })
    observe({ type: 'early-data', origin: SHOP, connection, outcome: 'rejected' })
    expect(text()).toEqual([
      'info  shop h3#7 192.0.2.1:443: quic.handshake 84ms (TLSv1.3, full), pool: connection added',
      'info  shop h3#7 192.0.2.1:443: quic in early data, pool: connection added',
      'info  shop h3#7 192.0.2.1:443: early data rejected, quic.handshake 84ms (TLSv1.3, resumed)',
    ])
  })

  it('warns when kept state cannot be used', () => {
    const { observe, text } = setUp()
    observe({ type: 'state-fault', message: 'kept tickets cannot be read: no' })
    expect(text()).toEqual(['warn  kept tickets cannot be read: no'])
  })

  it('warns when a socket option does not take effect, and does not report figures that the metrics have', () => {
    const { observe, text } = setUp({ level: 'debug' })
    const because = 'this kernel has none of that name (ENOENT)'
    observe({ type: 'socket-option-refused', origin: SHOP, option: 'congestionControl', because })
    const stats = {
      rttMs: 40,
      sentPackets: 10,
      lostPackets: 1,
      receivedPackets: 20,
      sentBytes: 1,
      receivedBytes: 2,
      congestionWindowBytes: 14_480,
    }
    const connection = fakeConnection()
    observe({ type: 'path-sampled', origin: SHOP, lane: 'tcp', connection, stats, lossRatio: 0.1 })
    expect(text()).toEqual([`warn  shop: socket.congestionControl does not take effect: ${because}`])
  })

  it('warns of an endpoint without requests and of a panic, and reports at info that one is back', () => {
    const { observe, text } = setUp()
    const stands = (standing: EndpointHealthChanged['standing'], because: string): void =>
      observe({ type: 'endpoint-health', origin: SHOP, endpoint: '192.0.2.1:443', standing, because })
    stands('ejected', '5 gateway errors in a row; for 30.0 s')
    observe({ type: 'endpoint-panic', origin: SHOP, lane: 'tcp', isOn: true, because: '1 of 4 are healthy' })
    stands('healthy', 'its probe request succeeded')
    expect(text()).toEqual([
      'warn  shop: endpoint 192.0.2.1:443 is ejected: 5 gateway errors in a row; for 30.0 s',
      'warn  shop: health is ignored over tcp: 1 of 4 are healthy',
      'info  shop: endpoint 192.0.2.1:443 is healthy: its probe request succeeded',
    ])
  })

  it('reports a migration at info, with its gap, and warns of one that failed', () => {
    const { observe, text, lines } = setUp()
    const connection = fakeConnection({}, 'h3')
    const told = (changes: Partial<MigrationReport>) =>
      observe({ type: 'migration', origin: SHOP, connection, report: migrationReport(changes) })
    told({})
    told({ gapMs: undefined, to: { host: '::1', port: 5_002 } })
    told({ outcome: 'redial', cause: 'timeouts', to: undefined, because: 'the peer forbids migration' })
    told({ outcome: 'validation-failed', cause: 'slow', because: 'no answer from there' })
    expect(text()).toEqual([
      'info  shop h3#7: moved from 127.0.0.1:5000 to 127.0.0.1:5001 (forced), gap 12ms: it was asked for',
      'info  shop h3#7: moved from 127.0.0.1:5000 to [::1]:5002 (forced): it was asked for',
      'warn  shop h3#7: not moved from 127.0.0.1:5000 (timeouts), redial: the peer forbids migration',
      'warn  shop h3#7: not moved from 127.0.0.1:5000 (slow), validation-failed: no answer from there',
    ])
    expect(lines).toHaveLength(4)
    const json = setUp({ format: 'json' })
    json.observe({ type: 'migration', origin: SHOP, connection, report: migrationReport() })
    expect(JSON.parse(json.lines[0] ?? '')).toMatchObject({
      origin: 'shop',
      connection: 7,
      cause: 'forced',
      outcome: 'moved',
      from: '127.0.0.1:5000',
      to: '127.0.0.1:5001',
      gapMs: 12.3456,
    })
  })

  it('names for a failed connect what to check, and when the next attempt is', () => {
    const { observe, text } = setUp()
    const error = new TransportError('MM_CONNECT_REFUSED', '192.0.2.1:443 refused')
    observe({ type: 'connect-failed', origin: SHOP, error, durationMs: 3, retryAfterMs: 150 })
    expect(text()).toEqual([
      'warn  shop: connect failed after 3ms: MM_CONNECT_REFUSED 192.0.2.1:443 refused, next attempt with a request, or in 150ms (check that the origin listens on that port)',
    ])
  })

  it('does not report a first exchange that broke as a success', () => {
    const { observe, text } = setUp()
    observe(exchange({ error: new TransportError('MM_CONNECTION_RESET', 'broke') }))
    expect(text()).toEqual([
      'info  shop http/1.1#7: ttfb 110ms, first exchange MM_CONNECTION_RESET after 243ms',
    ])
  })

  it('reports requests at debug only, and never their query', () => {
    const { observe, text, lines } = setUp({ level: 'debug' })
    observe(exchange({ reused: true }))
    observe(
      exchange({
        reused: true,
        status: 0,
        error: new TransportError('MM_HEADERS_TIMEOUT', 'no answer in 60s'),
      }),
    )
    expect(text()).toEqual([
      'debug shop GET /cart: 200, queue 127ms, ttfb 110ms, total 243ms',
      'debug shop GET /cart: MM_HEADERS_TIMEOUT no answer in 60s, queue 127ms, ttfb 110ms, total 243ms',
    ])
    expect(lines.join()).not.toContain('secret')
  })

  it('reports choices and the status of HTTP/3 at info, races and evidence at debug', () => {
    const decision: Decision = {
      at: 1,
      lane: 'h3',
      rule: 'faster',
      because: 'predicted to be 21 % faster than tcp',
      candidates: [],
      wouldChange: [],
    }
    const race: RaceEvent[] = [
      { atMs: 0, lane: 'h3', event: 'started', because: 'evidence' },
      { atMs: 250.4, lane: 'tcp', event: 'won', because: 'it was first' },
    ]
    const because = 'no answer over UDP\nwhile TCP worked'
    const alternative = 'origin.example:443'
    const events: TransportEvent[] = [
      { type: 'decision', origin: SHOP, decision },
      { type: 'http3-status', origin: SHOP, alternative, status: 'broken', because },
      {
        type: 'http3-status',
        origin: SHOP,
        alternative,
        status: 'failedRecently',
        because: 'its time is up',
      },
      { type: 'race-ended', origin: SHOP, race, winner: 'tcp' },
      { type: 'race-ended', origin: SHOP, race: [], winner: undefined },
      { type: 'evidence', origin: SHOP, source: 'alt-svc', fact: 'h3=":443"' },
      { type: 'dial-ended', origin: SHOP, lane: 'h3', attempts: [], atMs: 0 },
    ]
    const atInfo = [
      'info  shop: requests go over h3 (faster): predicted to be 21 % faster than tcp',
      'info  shop: HTTP/3 at origin.example:443 is broken: no answer over UDP while TCP worked',
      'info  shop: HTTP/3 at origin.example:443 is to be tried again after it failed: its time is up',
    ]
    const info = setUp()
    for (const event of events) info.observe(event)
    expect(info.text()).toEqual(atInfo)
    const debug = setUp({ level: 'debug' })
    for (const event of events) debug.observe(event)
    expect(debug.text()).toEqual([
      ...atInfo,
      'debug shop: race: tcp won (h3 started at 0ms, tcp won at 250ms)',
      'debug shop: race: no lane gave a connection',
      'debug shop: learned from alt-svc: h3=":443"',
    ])
    const json = setUp({ format: 'json' })
    for (const event of events) json.observe(event)
    expect(json.lines.map(line => JSON.parse(line) as unknown)).toMatchObject([
      { origin: 'shop', lane: 'h3', rule: 'faster', because: 'predicted to be 21 % faster than tcp' },
      { origin: 'shop', alternative, status: 'broken', because },
      { origin: 'shop', alternative, status: 'failedRecently' },
    ])
  })

  it('writes JSON when configured, with fields to search by', () => {
    const { observe, lines } = setUp({ format: 'json' })
    observe(opened)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      origin: 'shop',
      protocol: 'http/1.1',
      connection: 7,
      endpoint: '192.0.2.1:443',
      handshake: 'full',
      connectMs: 42,
      tlsMs: 85,
    })
  })

  it('is silent when configured so', () => {
    const { observe, lines } = setUp({ level: 'silent' })
    observe(opened)
    observe(exchange())
    expect(lines).toEqual([])
  })

  it('keeps a peer’s message on one line', () => {
    const { observe, lines } = setUp()
    const error = new TransportError('MM_PROTOCOL_ERROR', 'bad\r\n2026 info forged')
    observe({ type: 'connect-failed', origin: SHOP, error, durationMs: 1, retryAfterMs: 0 })
    expect(lines.join('').split('\n')).toHaveLength(2)
  })
})

describe('the ingress log', () => {
  const refused = {
    type: 'request-refused',
    error: new TransportError('MM_BAD_REQUEST', 'two lengths'),
    remoteAddress: '2001:db8::1',
    remotePort: 4000,
  } as const

  it('reports refused requests at debug only', () => {
    const quiet = setUp()
    ingressLog(quiet.logger)(refused)
    expect(quiet.lines).toEqual([])
    const { logger, text } = setUp({ level: 'debug' })
    ingressLog(logger)(refused)
    expect(text()).toEqual(['debug client [2001:db8::1]:4000: request refused: MM_BAD_REQUEST two lengths'])
  })

  it('reports what listeners notice as warnings', () => {
    const { logger, text } = setUp()
    ingressLog(logger)({
      type: 'fast-open-unavailable',
      because: 'koffi is not installed',
      address: '::1',
      port: 443,
    })
    expect(text()).toEqual(['warn  listener [::1]:443: no TCP Fast Open: koffi is not installed'])
  })
})
