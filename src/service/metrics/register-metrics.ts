import type { Registry } from 'prom-client'
import type { CloseReason } from '../../entry/events.ts'
import type { PathHealth, PoolStats, TransportStats } from '../../index.ts'
import { REMOVED_ORIGIN } from '../config/fields/listen-address.ts'
import type { DurationHistogram } from './metric-types.ts'
import { type Labels, registerScraped, registerScrapedHistogram, type Sample } from './metric-types.ts'
import type { OriginMetrics, ProtocolMetrics } from './origin-metrics.ts'
import { perPool } from './pool-metrics.ts'

/** Closed while they worked, for a limit or an age of ours. */
const EVICTION_REASONS: readonly CloseReason[] = [
  'idle-timeout',
  'keep-alive-timeout',
  'max-age',
  'max-requests',
  'evicted',
  'surplus',
]

type Origins = () => readonly OriginMetrics[]

/** What is counted by the observer. */
export function registerExchangeMetrics(registry: Registry, origins: Origins): void {
  const counter = (
    name: string,
    help: string,
    samples: (metrics: ProtocolMetrics, labels: Labels) => Sample[],
  ) => registerScraped(registry, 'counter', name, help, () => perProtocol(origins, samples))
  const histogram = (name: string, help: string, pick: (metrics: ProtocolMetrics) => DurationHistogram) =>
    registerScrapedHistogram(registry, name, help, () =>
      perProtocol(origins, (metrics, labels) =>
        pick(metrics).count > 0 ? [{ labels, histogram: pick(metrics) }] : [],
      ),
    )

  counter(
    'middlemile_request_body_bytes_total',
    'Bytes of request bodies that went to origins, those of retries and of tunnels included',
    (metrics, labels) => [{ labels, value: metrics.requestBytes }],
  )
  counter(
    'middlemile_response_body_bytes_total',
    'Bytes of response bodies that came from origins, those of tunnels included',
    (metrics, labels) => [{ labels, value: metrics.responseBytes }],
  )
  histogram(
    'middlemile_request_duration_seconds',
    'Whole exchanges, waiting included',
    metrics => metrics.requestDuration,
  )
  histogram(
    'middlemile_ttfb_seconds',
    'From the lease of a connection to the head of the response',
    metrics => metrics.ttfb,
  )
  histogram(
    'middlemile_stream_stall_seconds',
    'For which received data of a response sat behind a gap that a loss had left',
    metrics => metrics.stall,
  )
  counter(
    'middlemile_early_data_total',
    'Requests that left in early data (0-RTT), by what became of it',
    (metrics, labels) =>
      Array.from(metrics.earlyData.entries(), ([outcome, value]) => ({
        labels: { ...labels, outcome },
        value,
      })),
  )
  histogram(
    'middlemile_queue_seconds',
    'Waiting for connections, tries not included',
    metrics => metrics.queue,
  )
  counter(
    'middlemile_requests_reused_total',
    'Requests on a connection that had carried one before',
    (metrics, labels) => [{ labels, value: metrics.reused }],
  )
  counter(
    'middlemile_connections_opened_total',
    'Connections opened, by kind of handshake',
    (metrics, labels) =>
      Array.from(metrics.opened.entries(), ([handshake, value]) => ({
        labels: { ...labels, handshake },
        value,
      })),
  )
  counter('middlemile_connections_closed_total', 'Connections closed, by reason', (metrics, labels) =>
    Array.from(metrics.closed.entries(), ([reason, value]) => ({ labels: { ...labels, reason }, value })),
  )
  counter(
    'middlemile_evictions_total',
    'Deprecated: middlemile_connections_closed_total with reason=~"idle_timeout|keep_alive_timeout|max_age|max_requests|evicted|surplus"',
    (metrics, labels) =>
      EVICTION_REASONS.map(reason => ({
        labels: { ...labels, reason },
        value: metrics.closed.get(reason),
      })).filter(({ value }) => value > 0),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_retries_total',
    'Requests that were sent again, by reason',
    () =>
      origins().flatMap(({ name, retries }) =>
        Array.from(retries.entries(), ([reason, value]) => ({ labels: { origin: name, reason }, value })),
      ),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_connect_failures_total',
    'Connects that failed, by error code',
    () =>
      origins().flatMap(({ name, connectFailures }) =>
        Array.from(connectFailures.entries(), ([code, value]) => ({ labels: { origin: name, code }, value })),
      ),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_tfo_total',
    'Connects that asked for TCP Fast Open, by whether their SYN carried data that the origin took',
    () =>
      origins().flatMap(({ name, fastOpen }) =>
        Array.from(fastOpen.entries(), ([outcome, value]) => ({ labels: { origin: name, outcome }, value })),
      ),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_coalesced_total',
    'Connections of other origins that carry requests of this one (joined, left), and that do not, by the reason',
    () =>
      origins().flatMap(({ name, coalesced }) =>
        Array.from(coalesced.entries(), ([outcome, value]) => ({ labels: { origin: name, outcome }, value })),
      ),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_defences_total',
    'Limits that took effect against the peers of connections to origins, by their names',
    () =>
      origins().flatMap(({ name, defences }) =>
        Array.from(defences.entries(), ([limit, value]) => ({ labels: { origin: name, limit }, value })),
      ),
  )
}

function perProtocol<Out>(
  origins: Origins,
  make: (metrics: ProtocolMetrics, labels: Labels) => Out[],
): Out[] {
  const out: Out[] = []
  for (const origin of origins()) {
    for (const [protocol, metrics] of origin.protocols())
      out.push(...make(metrics, { origin: origin.name, protocol }))
  }
  return out
}

/** What the pools know of themselves. `configured` names each origin key. */
export function registerPoolMetrics(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): void {
  const byPool = perPool(registry, configured, stats)
  /** What is there now, in pools that a reload has put out of use as well. */
  const perOrigin = (
    name: string,
    help: string,
    samples: (pool: PoolStats, labels: Labels) => Iterable<Sample>,
  ) =>
    registerScraped(registry, 'gauge', name, help, () => {
      const { pools, leaving } = stats()
      const names = new Map(configured().map(({ key, name }) => [key, name]))
      const shown = [...pools.filter(({ origin }) => names.has(origin)), ...leaving]
      return added(
        shown.flatMap(pool => [...samples(pool, { origin: names.get(pool.origin) ?? REMOVED_ORIGIN })]),
      )
    })

  perOrigin(
    'middlemile_connections',
    'Connections by protocol and state; those that are being made have no protocol yet',
    ({ connections, byProtocol }, labels) => [
      { labels: { ...labels, protocol: 'none', state: 'connecting' }, value: connections.connecting },
      ...Object.entries(byProtocol).flatMap(([protocol, { idle, leased, draining }]) =>
        Object.entries({ idle, leased, draining }).map(([state, value]) => ({
          labels: { ...labels, protocol, state },
          value,
        })),
      ),
    ],
  )
  const perProtocol = (name: string, help: string, field: 'streams' | 'capacity') =>
    perOrigin(name, help, ({ byProtocol }, labels) =>
      Object.entries(byProtocol).map(([protocol, counts]) => ({
        labels: { ...labels, protocol },
        value: counts[field],
      })),
    )
  perProtocol('middlemile_streams', 'Exchanges under way', 'streams')
  perProtocol(
    'middlemile_stream_capacity',
    'Streams that may be open at once on the connections that take requests',
    'capacity',
  )
  const perPath = (name: string, help: string, pick: (path: PathHealth) => number | undefined) =>
    byPool('gauge', name, help, ({ pathByProtocol }, labels) =>
      Object.entries(pathByProtocol).flatMap(([protocol, path]) => {
        const value = pick(path)
        return value === undefined ? [] : [{ labels: { ...labels, protocol }, value }]
      }),
    )
  perPath(
    'middlemile_rtt_seconds',
    'The mean of the smoothed round trips of the open connections, where they are measured',
    ({ rttMs }) => rttMs / 1000,
  )
  perPath(
    'middlemile_loss_ratio',
    'Packets that were lost / packets that were sent, on the open connections',
    ({ lossRatio }) => lossRatio,
  )
  perPath(
    'middlemile_out_of_order_ratio',
    'Packets that came behind a gap / packets that came, on the open connections over TCP',
    ({ outOfOrderRatio }) => outOfOrderRatio,
  )
  perOrigin('middlemile_queue_depth', 'Requests that wait for a connection', ({ waiters }, labels) => [
    { labels, value: waiters },
  ])
  perOrigin(
    'middlemile_stalled_connections',
    'Connections beside pool.maxConnections, since their readers stall: a part of those that are leased or draining',
    ({ stalled }, labels) => [{ labels, value: stalled }],
  )
  perOrigin(
    'middlemile_coalesced_connections',
    'Connections of other origins that carry requests of this one; they are no part of middlemile_connections',
    ({ coalesced }, labels) => [{ labels, value: coalesced }],
  )
  perOrigin('middlemile_overloaded', 'Pools that shed requests just now', ({ overloaded }, labels) => [
    { labels, value: overloaded ? 1 : 0 },
  ])
  byPool(
    'gauge',
    'middlemile_backing_off',
    '1 while connects to an origin fail and the next one waits, 0 else',
    ({ backingOff }, labels) => [{ labels, value: backingOff ? 1 : 0 }],
  )
  byPool(
    'counter',
    'middlemile_queue_shed_total',
    'Requests that waited too long and made room for newer ones',
    ({ shed }, labels) => [{ labels, value: shed }],
  )
  byPool(
    'counter',
    'middlemile_protection_refused_total',
    'Requests that were refused with MM_ORIGIN_PROTECTED',
    ({ protectedRefusals }, labels) => [{ labels, value: protectedRefusals }],
  )
  const perProtected = (name: string, help: string, field: 'ceiling' | 'share' | 'holds' | 'wants') =>
    byPool('gauge', name, help, ({ protection }, labels) =>
      protection === undefined ? [] : [{ labels, value: protection[field] }],
    )
  perProtected(
    'middlemile_protection_connections',
    'Connections that count against protection.maxConnections, those of an earlier configuration included',
    'holds',
  )
  perProtected('middlemile_protection_max_connections', 'protection.maxConnections', 'ceiling')
  perProtected(
    'middlemile_protection_share',
    'Connections of protection.maxConnections that may be had now; the others are for other processes',
    'share',
  )
  perProtected(
    'middlemile_protection_wanted',
    'Connections to a protected origin that there is a use for, those that are missing included',
    'wants',
  )
  byPool(
    'counter',
    'middlemile_protection_asks_total',
    'Questions for a share of protection.maxConnections, where other processes have a part in it',
    ({ protection }, labels) =>
      protection?.shared === undefined ? [] : [{ labels, value: protection.shared.asked }],
  )
  byPool(
    'gauge',
    'middlemile_reuse_ratio',
    'Deprecated: middlemile_requests_reused_total / middlemile_request_duration_seconds_count',
    ({ reuseRatio }, labels) => [{ labels, value: reuseRatio }],
  )
  byPool(
    'counter',
    'middlemile_handshake_rtts_saved_total',
    'Deprecated: sum by (origin) (middlemile_handshake_avoided_round_trips_total)',
    ({ handshakeRttsSaved }, labels) => [{ labels, value: handshakeRttsSaved }],
  )
  byPool(
    'counter',
    'middlemile_handshake_seconds_saved_total',
    'Deprecated: sum by (origin) (middlemile_handshake_avoided_seconds_total)',
    ({ handshakeSecondsSaved }, labels) => [{ labels, value: handshakeSecondsSaved }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_deferred_dials_total',
    'Connects that waited for their turn, since connecting had taken its share of the time (limits.dialShare)',
    () => [{ labels: {}, value: stats().deferredDials }],
  )
}

/** One sample for each set of labels: the sum. */
function added(samples: readonly Sample[]): Iterable<Sample> {
  const sums = new Map<string, Sample>()
  for (const { labels, value } of samples) {
    const key = JSON.stringify(labels)
    sums.set(key, { labels, value: value + (sums.get(key)?.value ?? 0) })
  }
  return sums.values()
}
