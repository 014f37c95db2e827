import { describe, expect, it } from 'vitest'
import type {
  Connection,
  DecisionRule,
  ExchangeEnded,
  HandshakeInfo,
  Http3StatusName,
  LaneName,
} from '../../../../src/entry/events.ts'
import {
  type MigrationReport,
  type PoolStats,
  parseOrigin,
  TransportError,
  type TransportEvent,
} from '../../../../src/index.ts'
import { newIngressStats } from '../../../../src/ingress/ingress-stats.ts'
import type { ClientAnswer } from '../../../../src/service/forwarding/forwarded-exchange.ts'
import { SelectionMetrics } from '../../../../src/service/metrics/selection-metrics.ts'
import { ServiceMetrics } from '../../../../src/service/metrics/service-metrics.ts'
import { NO_ECONOMY } from '../../../support/economy-figures.ts'
import { handshakeFigures } from '../../../support/handshake-figures.ts'
import { migrationReport } from '../../../support/migration-figures.ts'
import { SHOP_POOL } from '../../../support/shop-pool.ts'
import { fakeConnection } from '../fake-connection.ts'

const SHOP = parseOrigin('https://origin.example')
const OTHER = parseOrigin('https://other.example')
function exchange(changes: Partial<ExchangeEnded> = {}): ExchangeEnded {
  return {
    type: 'exchange-ended',
    origin: SHOP,
    method: 'GET',
    path: '/',
    status: 200,
    protocol: 'http/1.1',
    lane: 'tcp',
    connectionId: 1,
    reused: false,
    retries: 0,
    requestBytes: 0,
    earlyData: 'none',
    stallMs: undefined,
    responseBytes: 0,
    queueMs: 0,
    ttfbMs: 3,
    totalMs: 4,
    error: undefined,
    ...changes,
  }
}

function opened(kind: HandshakeInfo['kind']): TransportEvent {
  return { type: 'connection-opened', origin: SHOP, connection: fakeConnection({ kind }) }
}

function closed(
  reason: 'idle-timeout' | 'peer-closed',
  connection: Connection = fakeConnection(),
): TransportEvent {
  return {
    type: 'connection-closed',
    origin: SHOP,
    connection,
    reason,
    error: undefined,
    ageMs: 1,
    requests: 1,
  }
}

/** Samples of a scrape, by name and labels as they stand in the text. */
async function scrape(metrics: ServiceMetrics): Promise<Map<string, number>> {
  const text = await metrics.registry.metrics()
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name, value] = /^([a-z0-9_]+(?:\{.*\})?) (\S+)$/.exec(line) ?? []
    if (name !== undefined) samples.set(name, Number(value))
  }
  return samples
}

function answer(changes: Partial<ClientAnswer> = {}): ClientAnswer {
  return {
    origin: SHOP,
    originProtocol: 'http/1.1',
    clientProtocol: 'h2',
    status: 200,
    durationMs: 2,
    ...changes,
  }
}

function setUp(pool: Partial<PoolStats> = {}) {
  const ingress = newIngressStats()
  const metrics = new ServiceMetrics({
    transportStats: () => ({
      pools: [{ ...SHOP_POOL, ...pool }],
      leaving: [],
      totalConnections: 10,
      economy: NO_ECONOMY.economy,
      deferredDials: 4,
      ports: { budget: undefined, pairs: [], refused: 0 },
      resolver: { answered: 0, failed: 0, stale: 0 },
    }),
    ingressStats: () => [ingress],
    mirrorCounts: () => new Map(),
    proxies: () => [],
    stallStats: () => ({ bufferedBytes: 0, bufferedResponses: 0, stalledReaders: 0, endedReaders: 0 }),
    dropped: () => ({ log: 3, access_log: 5, qlog: 4 }),
    certificates: () => [],
    version: '1.2.3',
  })
  metrics.configure({ origins: [{ name: 'shop', origin: SHOP }], routes: [] })
  return { metrics, ingress }
}

describe('a scrape of the service', () => {
  it('counts requests by the class that clients got, own answers and clients that went away apart', async () => {
    const { metrics } = setUp()
    for (const status of [200, 204, 301, 404, 503, 599, 700]) metrics.onAnswered(answer({ status }))
    metrics.onAnswered(answer({ status: 0, originProtocol: undefined }))
    metrics.onAnswered(answer({ status: 502, originProtocol: undefined }))
    const samples = await scrape(metrics)
    const labels = 'origin="shop",protocol="http/1.1"'
    expect(samples.get(`middlemile_requests_total{${labels},status_class="2xx"}`)).toBe(2)
    expect(samples.get(`middlemile_requests_total{${labels},status_class="3xx"}`)).toBe(1)
    expect(samples.get(`middlemile_requests_total{${labels},status_class="4xx"}`)).toBe(1)
    expect(samples.get(`middlemile_requests_total{${labels},status_class="5xx"}`)).toBe(3)
    const own = 'middlemile_requests_total{origin="shop",protocol="none"'
    expect(samples.get(`${own},status_class="none"}`)).toBe(1)
    expect(samples.get(`${own},status_class="5xx"}`)).toBe(1)
    const client = 'origin="shop",protocol="h2"'
    expect(samples.get(`middlemile_client_responses_total{${client},status="200"}`)).toBe(1)
    expect(samples.get(`middlemile_client_responses_total{${client},status="502"}`)).toBe(1)
    expect(samples.get(`middlemile_client_responses_total{${client},status="none"}`)).toBe(2) // 0 and 700
    expect(samples.get(`middlemile_client_duration_seconds_count{${client}}`)).toBe(9)
    expect(samples.get(`middlemile_client_duration_seconds_bucket{${client},le="0.0025"}`)).toBe(9)
  })

  it('counts reuse, connections by handshake and reason, evictions, retries and failed connects', async () => {
    const { metrics } = setUp()
    metrics.observe(exchange({ reused: true }))
    metrics.observe(exchange())
    for (const kind of ['full', 'full', 'resumed', 'none'] as const) metrics.observe(opened(kind))
    metrics.observe(closed('idle-timeout'))
    metrics.observe(closed('peer-closed'))
    const error = new TransportError('MM_CONNECT_REFUSED', 'x')
    metrics.observe({ type: 'exchange-retried', origin: SHOP, reason: 'stale-connection', error })
    metrics.observe({ type: 'connect-failed', origin: SHOP, error, durationMs: 1, retryAfterMs: 1 })
    const samples = await scrape(metrics)
    const labels = 'origin="shop",protocol="http/1.1"'
    expect(samples.get(`middlemile_requests_reused_total{${labels}}`)).toBe(1)
    expect(samples.get(`middlemile_connections_opened_total{${labels},handshake="full"}`)).toBe(2)
    expect(samples.get(`middlemile_connections_opened_total{${labels},handshake="resumed"}`)).toBe(1)
    expect(samples.get(`middlemile_connections_opened_total{${labels},handshake="none"}`)).toBe(1)
    expect(samples.get(`middlemile_connections_closed_total{${labels},reason="peer_closed"}`)).toBe(1)
    expect(samples.get(`middlemile_evictions_total{${labels},reason="idle_timeout"}`)).toBe(1)
    expect(samples.has(`middlemile_evictions_total{${labels},reason="peer_closed"}`)).toBe(false)
    expect(samples.get('middlemile_retries_total{origin="shop",reason="stale_connection"}')).toBe(1)
    expect(samples.get('middlemile_connect_failures_total{origin="shop",code="MM_CONNECT_REFUSED"}')).toBe(1)
  })

  it('counts connects that waited for their turn, and requests that were refused in an overload', async () => {
    const { metrics, ingress } = setUp({ overloaded: true })
    ingress.shed = 7
    const samples = await scrape(metrics)
    expect(samples.get('middlemile_deferred_dials_total')).toBe(4)
    expect(samples.get('middlemile_overloaded{origin="shop"}')).toBe(1)
    expect(samples.get('middlemile_stalled_connections{origin="shop"}')).toBe(2)
    expect(samples.get('middlemile_queue_shed_total{origin="shop"}')).toBe(6)
    expect(samples.get('middlemile_ingress_shed_total')).toBe(7)
  })

  it('shows how an origin is protected, and nothing where it is not', async () => {
    const shared = { share: 2, state: 'granted', asked: 9, all: undefined } as const
    const protection = { ceiling: 4, share: 2, holds: 3, wants: 5, fairBy: 'client', shared } as const
    const samples = await scrape(setUp({ protection, protectedRefusals: 2 }).metrics)
    const names = ['max_connections', 'share', 'connections', 'wanted', 'asks_total', 'refused_total']
    const shown = names.map(name => samples.get(`middlemile_protection_${name}{origin="shop"}`))
    expect(shown).toEqual([4, 2, 3, 5, 9, 2])
    const others = await scrape(setUp().metrics)
    expect(others.has('middlemile_protection_connections{origin="shop"}')).toBe(false)
  })

  it('counts migrations of connections by their outcome, and the longest gap of those that succeeded', async () => {
    const { metrics } = setUp()
    const moved = (changes: Partial<MigrationReport>) =>
      metrics.observe({
        type: 'migration',
        origin: SHOP,
        connection: fakeConnection({}, 'h3'),
        report: migrationReport(changes),
      })
    moved({ gapMs: 30 })
    moved({ gapMs: 70 })
    moved({ gapMs: undefined })
    moved({ outcome: 'validation-failed', gapMs: 900 })
    const samples = await scrape(metrics)
    expect(samples.get('middlemile_migrations_total{origin="shop",outcome="moved"}')).toBe(3)
    expect(samples.get('middlemile_migrations_total{origin="shop",outcome="validation_failed"}')).toBe(1)
    expect(samples.get('middlemile_migration_gap_seconds_count{origin="shop"}')).toBe(2)
    expect(samples.get('middlemile_migration_gap_seconds_sum{origin="shop"}')).toBeCloseTo(0.1)
    expect(samples.get('middlemile_migration_gap_seconds_bucket{origin="shop",le="0.05"}')).toBe(1)
  })

  it('counts early data by its outcome, and connections that were opened in it by their handshake', async () => {
    const { metrics } = setUp()
    const open = () => {
      const connection = fakeConnection({ kind: 'early_data' }, 'h3')
      metrics.observe({ type: 'connection-opened', origin: SHOP, connection })
      return connection
    }
    const settle = (outcome: 'accepted' | 'rejected', kind: HandshakeInfo['kind']) => {
      const connection = open()
      Object.assign(connection.handshake, { kind, earlyData: outcome })
      metrics.observe({ type: 'early-data', origin: SHOP, connection, outcome })
      metrics.observe(closed('idle-timeout', connection))
    }
    const labels = 'origin="shop",protocol="h3"'
    const broken = open()
    const names = [...(await scrape(metrics)).keys()].join()
    expect(names).not.toContain(`middlemile_connections_opened_total{${labels}`)
    settle('accepted', 'early_data')
    settle('rejected', 'full')
    settle('rejected', 'resumed')
    metrics.observe(closed('peer-closed', broken))
    for (const earlyData of ['accepted', 'accepted', 'rejected', 'none'] as const) {
      metrics.observe(exchange({ protocol: 'h3', earlyData }))
    }
    const samples = await scrape(metrics)
    const of = (name: string, label: string) => samples.get(`middlemile_${name}{${labels},${label}}`)
    expect(of('connections_opened_total', 'handshake="early_data"')).toBe(2)
    expect(of('connections_opened_total', 'handshake="full"')).toBe(1)
    expect(of('connections_opened_total', 'handshake="resumed"')).toBe(1)
    expect(of('early_data_total', 'outcome="accepted"')).toBe(2)
    expect(of('early_data_total', 'outcome="rejected"')).toBe(1)
  })

  it('shows how long losses held data back, where the protocol can measure it', async () => {
    const { metrics } = setUp()
    metrics.observe(exchange({ protocol: 'h3', stallMs: 0 }))
    metrics.observe(exchange({ protocol: 'h3', stallMs: 80 }))
    metrics.observe(exchange())
    const samples = await scrape(metrics)
    const labels = 'origin="shop",protocol="h3"'
    expect(samples.get(`middlemile_stream_stall_seconds_count{${labels}}`)).toBe(2)
    expect(samples.get(`middlemile_stream_stall_seconds_sum{${labels}}`)).toBeCloseTo(0.08)
    expect(samples.has('middlemile_stream_stall_seconds_count{origin="shop",protocol="http/1.1"}')).toBe(
      false,
    )
  })

  it('shows the state of the paths, where they are measured, by protocol', async () => {
    const h3 = { connections: 2, rttMs: 40, lossRatio: 0.02, outOfOrderRatio: undefined }
    const h2 = { connections: 1, rttMs: 50, lossRatio: 0.01, outOfOrderRatio: 0.25 }
    const samples = await scrape(setUp({ pathByProtocol: { h3, h2 } }).metrics)
    expect(samples.get('middlemile_rtt_seconds{origin="shop",protocol="h3"}')).toBe(0.04)
    expect(samples.get('middlemile_rtt_seconds{origin="shop",protocol="h2"}')).toBe(0.05)
    expect(samples.get('middlemile_loss_ratio{origin="shop",protocol="h3"}')).toBe(0.02)
    expect(samples.get('middlemile_loss_ratio{origin="shop",protocol="h2"}')).toBe(0.01)
    expect(samples.get('middlemile_out_of_order_ratio{origin="shop",protocol="h2"}')).toBe(0.25)
    expect(samples.has('middlemile_out_of_order_ratio{origin="shop",protocol="h3"}')).toBe(false)
    expect([...(await scrape(setUp().metrics)).keys()].join()).not.toContain('middlemile_rtt_seconds{')
  })

  it('has histograms in seconds whose buckets, sum and count agree', async () => {
    const { metrics } = setUp()
    metrics.observe(exchange({ totalMs: 4, ttfbMs: 3, queueMs: 0 }))
    metrics.observe(exchange({ totalMs: 100_000, ttfbMs: 700, queueMs: 20 }))
    metrics.observe(exchange({ status: 0, ttfbMs: 0, totalMs: 1, queueMs: 1 }))
    const samples = await scrape(metrics)
    const labels = 'origin="shop",protocol="http/1.1"'
    const of = (name: string, le: string) =>
      samples.get(`middlemile_${name}_seconds_bucket{${labels},le="${le}"}`)
    expect(of('request_duration', '0.001')).toBe(1)
    expect(of('request_duration', '0.005')).toBe(2)
    expect(of('request_duration', '60')).toBe(2)
    expect(of('request_duration', '+Inf')).toBe(3)
    expect(samples.get(`middlemile_request_duration_seconds_sum{${labels}}`)).toBeCloseTo(100.005)
    expect(samples.get(`middlemile_request_duration_seconds_count{${labels}}`)).toBe(3)
    expect(samples.get(`middlemile_ttfb_seconds_count{${labels}}`), 'none came for the third').toBe(2)
    expect(samples.get(`middlemile_queue_seconds_count{${labels}}`)).toBe(3)
  })

  it('shows the state of the pools', async () => {
    const samples = await scrape(setUp().metrics)
    const connections = (protocol: string, state: string) =>
      samples.get(`middlemile_connections{origin="shop",protocol="${protocol}",state="${state}"}`)
    expect(connections('none', 'connecting')).toBe(1)
    expect(['idle', 'leased', 'draining'].map(state => connections('h2', state))).toEqual([0, 2, 1])
    expect(['idle', 'leased', 'draining'].map(state => connections('http/1.1', state))).toEqual([2, 1, 3])
    expect(samples.get('middlemile_streams{origin="shop",protocol="h2"}')).toBe(7)
    expect(samples.get('middlemile_stream_capacity{origin="shop",protocol="h2"}')).toBe(200)
    expect(samples.get('middlemile_streams{origin="shop",protocol="http/1.1"}')).toBe(4)
    expect(samples.get('middlemile_queue_depth{origin="shop"}')).toBe(5)
    expect(samples.get('middlemile_reuse_ratio{origin="shop"}')).toBe(0.9)
    expect(samples.get('middlemile_handshake_rtts_saved_total{origin="shop"}')).toBe(18)
    expect(samples.get('middlemile_handshake_seconds_saved_total{origin="shop"}')).toBe(0.25)
  })

  it('shows what handshakes cost and what was avoided, by means, where it was measured', async () => {
    const handshakes = handshakeFigures(
      {
        reuse: { count: 90, roundTrips: 180, seconds: 4.5, bytes: 360_000, cpuMs: 270 },
        resumption: { count: 7, bytes: 14_000 },
        fastOpen: { count: 5, roundTrips: 5, seconds: 0.2 },
        earlyData: { count: 3, roundTrips: 3, seconds: 0.1 },
      },
      {
        paid: {
          byKind: { full: 2, resumed: 4, earlyData: 3, cleartext: 0 },
          roundTrips: 10,
          seconds: 0.4,
          bytes: 30_000,
          cpuMs: undefined,
        },
        lastDay: { savedSeconds: 2.4, windowSeconds: 21_600, perDay: 9.6 },
      },
    )
    const samples = await scrape(setUp({ handshakes }).metrics)
    const of = (name: string, means?: string) => {
      const more = means === undefined ? '' : `,means="${means}"`
      return samples.get(`middlemile_handshake_${name}{origin="shop"${more}}`)
    }
    const all = (name: string) => ['reuse', 'resumption', 'fast_open', 'early_data'].map(m => of(name, m))
    expect(all('avoided_total')).toEqual([90, 7, 5, 3])
    expect(all('avoided_round_trips_total')).toEqual([180, 0, 5, 3])
    expect(all('avoided_seconds_total')).toEqual([4.5, 0, 0.2, 0.1])
    expect(all('avoided_bytes_total')).toEqual([360_000, 14_000, undefined, undefined])
    expect(all('avoided_cpu_seconds_total')).toEqual([0.27, undefined, undefined, undefined])
    expect(of('paid_round_trips_total')).toBe(10)
    expect(of('paid_seconds_total')).toBe(0.4)
    expect(of('paid_bytes_total')).toBe(30_000)
    expect(of('paid_cpu_seconds_total'), 'nobody measured it').toBeUndefined()
    expect(of('saved_seconds_per_day')).toBe(9.6)
    expect(of('saved_window_seconds')).toBe(21_600)
  })

  it('has no label for handshakes but the origin and the four means, and none of origins that are not configured', async () => {
    const { metrics } = setUp({ handshakes: handshakeFigures({ reuse: { count: 1 } }) })
    const ofHandshakes = async () =>
      [...(await scrape(metrics)).keys()].filter(name => name.startsWith('middlemile_handshake_'))
    const labels = new Set((await ofHandshakes()).map(name => name.slice(name.indexOf('{'))))
    expect(labels).toEqual(
      new Set([
        '{origin="shop"}',
        ...['reuse', 'resumption', 'fast_open', 'early_data'].map(m => `{origin="shop",means="${m}"}`),
      ]),
    )
    metrics.configure({ origins: [{ name: 'other', origin: OTHER }], routes: [] })
    expect(await ofHandshakes()).toEqual([])
  })

  it('counts the limits that took effect against origins, by name', async () => {
    const { metrics } = setUp()
    for (const limit of ['maxPingsPerSecond', 'maxPingsPerSecond', 'maxContinuations'])
      metrics.observe({ type: 'defence', origin: SHOP, limit })
    const samples = await scrape(metrics)
    const count = (limit: string) => samples.get(`middlemile_defences_total{origin="shop",limit="${limit}"}`)
    expect([count('maxPingsPerSecond'), count('maxContinuations')]).toEqual([2, 1])
  })

  it('shows the state of the listeners and of the process', async () => {
    const { metrics, ingress } = setUp()
    ingress.connections = { open: 2, accepted: 7, refused: 1, failedHandshakes: 3 }
    ingress.badRequests = { MM_BAD_REQUEST: 4 }
    ingress.protocols.h2 = { connections: 2, requests: 30 }
    ingress.protocols['http/1.1'] = { connections: 5, requests: 6 }
    ingress.defences = { maxPingsPerSecond: 1 }
    const samples = await scrape(metrics)
    expect(samples.get('middlemile_ingress_connections')).toBe(2)
    expect(samples.get('middlemile_ingress_connections_total{outcome="accepted"}')).toBe(7)
    expect(samples.get('middlemile_ingress_bad_requests_total{code="MM_BAD_REQUEST"}')).toBe(4)
    expect(samples.get('middlemile_ingress_sessions_total{protocol="h2"}')).toBe(2)
    expect(samples.get('middlemile_ingress_requests_total{protocol="h2"}')).toBe(30)
    expect(samples.get('middlemile_ingress_requests_total{protocol="http/1.1"}')).toBe(6)
    expect(samples.get('middlemile_ingress_defences_total{limit="maxPingsPerSecond"}')).toBe(1)
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(0)
  })

  it('has no other origin label than the configured names, none and removed', async () => {
    const { metrics } = setUp()
    metrics.observe(exchange({ origin: OTHER }))
    metrics.onAnswered(answer({ origin: undefined, originProtocol: undefined, status: 404 }))
    const names = new Set(
      [...(await scrape(metrics)).keys()].flatMap(name => /origin="([^"]*)"/.exec(name)?.[1] ?? []),
    )
    expect(names).toEqual(new Set(['shop', 'removed', 'none']))
  })

  it('keeps the counters of an origin that a reload did not touch', async () => {
    const { metrics } = setUp()
    metrics.onAnswered(answer())
    const origins = Object.entries({ shop: SHOP, other: OTHER }).map(([name, origin]) => ({ name, origin }))
    metrics.configure({ origins, routes: [] })
    metrics.onAnswered(answer())
    metrics.onAnswered(answer({ origin: OTHER }))
    const samples = await scrape(metrics)
    expect(
      samples.get('middlemile_requests_total{origin="shop",protocol="http/1.1",status_class="2xx"}'),
    ).toBe(2)
    expect(
      samples.get('middlemile_requests_total{origin="other",protocol="http/1.1",status_class="2xx"}'),
    ).toBe(1)
  })

  it('counts what an origin still does after a reload removed it under the name removed', async () => {
    const { metrics } = setUp()
    metrics.onAnswered(answer())
    metrics.configure({ origins: [{ name: 'other', origin: OTHER }], routes: [] })
    metrics.onAnswered(answer())
    const samples = await scrape(metrics)
    expect(
      samples.get('middlemile_requests_total{origin="removed",protocol="http/1.1",status_class="2xx"}'),
    ).toBe(1)
  })

  it('shows the status of HTTP/3 for the best alternative of an origin, as long as the origin exists', async () => {
    const { metrics } = setUp()
    const statuses = async () => {
      const samples = await scrape(metrics)
      return Object.fromEntries(
        [...samples]
          .filter(([name]) => name.startsWith('middlemile_h3_status'))
          .map(([name, value]) => [name.replace(/^.*status="(\w+)".*$/, '$1'), value]),
      )
    }
    const observe = (alternative: string, status: Http3StatusName) =>
      metrics.observe({ type: 'http3-status', origin: SHOP, alternative, status, because: 'x' })
    expect(await statuses(), 'without an alternative there is none').toEqual({})
    observe('a:443', 'pending')
    expect(await statuses()).toEqual({ confirmed: 0, pending: 1, failed_recently: 0, broken: 0 })
    observe('a:443', 'broken')
    observe('b:443', 'failedRecently')
    expect(await statuses()).toEqual({ confirmed: 0, pending: 0, failed_recently: 1, broken: 0 })
    observe('b:443', 'broken')
    expect(await statuses()).toEqual({ confirmed: 0, pending: 0, failed_recently: 0, broken: 1 })
    observe('a:443', 'confirmed')
    expect(await statuses()).toEqual({ confirmed: 1, pending: 0, failed_recently: 0, broken: 0 })
    metrics.configure({ origins: [{ name: 'other', origin: OTHER }], routes: [] })
    observe('a:443', 'confirmed')
    expect(await statuses(), 'the origin is gone').toEqual({})
  })

  it('keeps the status of a bounded number of alternatives', async () => {
    const selection = new SelectionMetrics()
    const tell = (alternative: string, status: Http3StatusName) =>
      selection.onHttp3Status({ type: 'http3-status', origin: SHOP, alternative, status, because: 'x' })
    tell('first:443', 'confirmed')
    for (let i = 1; i < 32; i++) tell(`${i}:443`, 'broken')
    expect(selection.http3Status).toBe('confirmed')
    tell('32:443', 'broken')
    expect(selection.http3Status, 'the one unheard of for longest is forgotten').toBe('broken')
  })

  it('counts decisions, races, lanes and evidence, with labels from a fixed list only', async () => {
    const { metrics } = setUp()
    const decision = { at: 0, because: 'x', candidates: [], wouldChange: [] }
    const decide = (lane: LaneName, rule: DecisionRule) =>
      metrics.observe({ type: 'decision', origin: SHOP, decision: { ...decision, lane, rule } })
    decide('tcp', 'unmeasured')
    decide('h3', 'faster')
    decide('h3', 'faster')
    for (const winner of ['h3', 'h3', undefined] as const)
      metrics.observe({ type: 'race-ended', origin: SHOP, race: [], winner })
    metrics.observe(exchange({ lane: 'h3' }))
    metrics.observe(exchange())
    metrics.observe(exchange())
    for (const source of [
      'alt-svc',
      'ALTSVC frame',
      'ALPN',
      'handshake with 192.0.2.1:443',
      'handshake with 192.0.2.2:443',
      'x" forged',
      '',
    ])
      metrics.observe({ type: 'evidence', origin: SHOP, source, fact: 'x' })
    metrics.observe({ type: 'dial-ended', origin: SHOP, lane: 'h3', attempts: [], atMs: 0 })
    const samples = await scrape(metrics)
    const of = (name: string) =>
      Object.fromEntries(
        [...samples]
          .filter(([key]) => key.startsWith(`middlemile_${name}{origin="shop",`))
          .map(([key, value]) => [key.slice(key.indexOf(',') + 1, -1).replaceAll('"', ''), value]),
      )
    expect(of('decisions_total')).toEqual({ 'lane=tcp,rule=unmeasured': 1, 'lane=h3,rule=faster': 2 })
    expect(of('races_total')).toEqual({ 'winner=h3': 2, 'winner=none': 1 })
    expect(of('lane_requests_total')).toEqual({ 'lane=h3': 1, 'lane=tcp': 2 })
    expect(of('evidence_total')).toEqual({
      'source=alt_svc': 1,
      'source=altsvc_frame': 1,
      'source=alpn': 1,
      'source=handshake': 2,
      'source=other': 2,
    })
  })
})
