import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Observer, Origin, TransportStats } from '../../index.ts'
import type { IngressProtocolStats, IngressStats } from '../../ingress/ingress-stats.ts'
import { NO_ORIGIN, REMOVED_ORIGIN } from '../config/fields/listen-address.ts'
import type { StallStats } from '../forwarding/stalled-readers.ts'
import type { FaultCause, FaultKind } from '../lifecycle/process-faults.ts'
import { CounterSet, registerScraped } from './metric-types.ts'
import { OriginMetrics, registerMigrationMetrics } from './origin-metrics.ts'
import { registerHandshakeMetrics } from './register-handshake-metrics.ts'
import { registerExchangeMetrics, registerPoolMetrics } from './register-metrics.ts'
import { registerResolverMetrics } from './register-resolver-metrics.ts'
import { registerSelectionMetrics } from './register-selection-metrics.ts'

/** What the process has lived through. */
function registerProcessMetrics(
  registry: Registry,
  faults: CounterSet<`${FaultKind} ${FaultCause}`>,
  returnedMemoryBytes: () => number,
  dropped: () => Readonly<Record<'log' | 'qlog', number>>,
): void {
  registerScraped(
    registry,
    'counter',
    'middlemile_faults_total',
    'Errors in timers, events and callbacks that did not end the process: contained by a guard or caught by nobody, of the system or a defect',
    () =>
      (['contained system', 'contained defect', 'uncaught system', 'uncaught defect'] as const).map(words => {
        const [kind = '', cause = ''] = words.split(' ')
        return { labels: { kind, cause }, value: faults.get(words) }
      }),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_memory_returned_bytes_total',
    'Memory that was given back to the system since nothing used it any more (memory.maxUnusedBytes), in bytes',
    () => [{ labels: {}, value: returnedMemoryBytes() }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_log_dropped_total',
    'Lines of the log, and events of the qlog trace, that were dropped, since they were read or written too slowly',
    () => Object.entries(dropped()).map(([to, value]) => ({ labels: { to }, value })),
  )
}

/** What slow clients cost, and what became of them. */
export function registerForwardingMetrics(registry: Registry, stats: () => StallStats): void {
  const register = (type: 'counter' | 'gauge', name: string, help: string, value: () => number) =>
    registerScraped(registry, type, name, help, () => [{ labels: {}, value: value() }])
  register(
    'gauge',
    'middlemile_buffered_response_bytes',
    'Memory that holds responses for clients that stall, in bytes',
    () => stats().bufferedBytes,
  )
  register(
    'counter',
    'middlemile_buffered_responses_total',
    'Responses that were buffered because their client stalled',
    () => stats().bufferedResponses,
  )
  register(
    'gauge',
    'middlemile_stalled_readers',
    'Clients that stall now, with a response that is not buffered to its end',
    () => stats().stalledReaders,
  )
  register(
    'counter',
    'middlemile_stalled_readers_ended_total',
    'Clients that stalled and were ended, since others waited for their connection to the origin',
    () => stats().endedReaders,
  )
}

/** Where the numbers come from that are kept elsewhere. */
export interface MetricSources {
  transportStats(): TransportStats
  ingressStats(): readonly IngressStats[]
  stallStats(): StallStats
  /** Lines that were dropped, by where they were to go. */
  dropped(): Readonly<Record<'log' | 'qlog', number>>
}

/**
 * Everything that `GET /metrics` shows. The origin label takes the configured names only, so that it is
 * bounded.
 */
export class ServiceMetrics {
  readonly registry = new Registry()
  /** What was thrown where nobody waits for an outcome. */
  readonly faults = new CounterSet<`${FaultKind} ${FaultCause}`>()
  /** Since the start. */
  returnedMemoryBytes = 0
  readonly #unrouted = new OriginMetrics(NO_ORIGIN)
  readonly #removed = new OriginMetrics(REMOVED_ORIGIN)
  #origins: ReadonlyMap<string, OriginMetrics> = new Map()
  #lastOrigin: Origin | undefined
  #lastMetrics: OriginMetrics = this.#removed

  constructor(sources: MetricSources) {
    const origins = () => [...this.#origins.values(), this.#removed, this.#unrouted]
    registerExchangeMetrics(this.registry, origins)
    registerMigrationMetrics(this.registry, origins)
    registerSelectionMetrics(this.registry, { configured: () => [...this.#origins.values()], all: origins })
    const configured = () => [...this.#origins].map(([key, { name }]) => ({ key, name }))
    registerPoolMetrics(this.registry, configured, () => sources.transportStats())
    registerHandshakeMetrics(this.registry, configured, () => sources.transportStats())
    registerIngressMetrics(this.registry, () => sources.ingressStats())
    registerForwardingMetrics(this.registry, () => sources.stallStats())
    registerProcessMetrics(
      this.registry,
      this.faults,
      () => this.returnedMemoryBytes,
      () => sources.dropped(),
    )
    registerResolverMetrics(this.registry, () => sources.transportStats().resolver)
    collectDefaultMetrics({ register: this.registry })
  }

  /** Takes the origins of a configuration; those that stay keep their counters. */
  configure(origins: readonly { name: string; origin: Origin }[]): void {
    const before = this.#origins
    this.#origins = new Map(
      origins.map(({ name, origin }) => {
        const kept = before.get(origin.key)
        return [origin.key, kept?.name === name ? kept : new OriginMetrics(name)]
      }),
    )
    this.#lastOrigin = undefined
  }

  /** For the transport. */
  readonly observe: Observer = event => {
    if (event.type === 'state-fault') return
    const metrics = this.#of(event.origin)
    switch (event.type) {
      case 'exchange-ended':
        metrics.of(event.protocol ?? 'none').onExchangeEnded(event)
        metrics.selection.laneRequests.add(event.lane)
        return
      case 'connection-opened':
        metrics.of(event.connection.protocol).onOpened(event.connection.handshake)
        return
      case 'early-data':
        metrics.of(event.connection.protocol).opened.add(event.connection.handshake.kind)
        return
      case 'connection-closed':
        metrics.of(event.connection.protocol).onClosed(event.connection.handshake)
        metrics.of(event.connection.protocol).closed.add(event.reason)
        return
      case 'connect-failed':
        metrics.connectFailures.add(event.error.code)
        return
      case 'exchange-retried':
        metrics.retries.add(event.reason)
        return
      case 'defence':
        metrics.defences.add(event.limit)
        return
      case 'fast-open':
        metrics.fastOpen.add(event.outcome)
        return
      case 'migration':
        metrics.migrations.onMigration(event)
        return
      case 'decision':
        metrics.selection.onDecision(event)
        return
      case 'race-ended':
        metrics.selection.onRaceEnded(event)
        return
      case 'http3-status':
        metrics.selection.onHttp3Status(event)
        return
      case 'evidence':
        metrics.selection.onEvidence(event)
        return
      case 'dial-ended':
      case 'connect-started':
      case 'connection-draining':
      case 'path-sampled': // scraped from the open connections
      case 'socket-option-refused':
    }
  }

  /** A request that was answered without an origin. */
  countUnrouted(status: number): void {
    this.#unrouted.of('none').countStatus(status)
  }

  #of(origin: Origin): OriginMetrics {
    if (origin !== this.#lastOrigin) {
      this.#lastOrigin = origin
      this.#lastMetrics = this.#origins.get(origin.key) ?? this.#removed
    }
    return this.#lastMetrics
  }
}

function registerIngressMetrics(registry: Registry, stats: () => readonly IngressStats[]): void {
  const sum = (pick: (stats: IngressStats) => number) => stats().reduce((total, one) => total + pick(one), 0)
  registerScraped(
    registry,
    'gauge',
    'middlemile_ingress_connections',
    'Client connections that are open now',
    () => [{ labels: {}, value: sum(({ connections }) => connections.open) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_connections_total',
    'Client connections by what became of them; one whose handshake failed was accepted before, and counts as both',
    () => [
      { labels: { outcome: 'accepted' }, value: sum(({ connections }) => connections.accepted) },
      { labels: { outcome: 'refused' }, value: sum(({ connections }) => connections.refused) },
      {
        labels: { outcome: 'handshake_failed' },
        value: sum(({ connections }) => connections.failedHandshakes),
      },
    ],
  )
  registerScraped(
    registry,
    'gauge',
    'middlemile_ingress_paused',
    'Listeners that accept no more until connections end, since descriptors are about to run out',
    () => [{ labels: {}, value: sum(({ accepting }) => Number(accepting.isPaused)) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_accept_pauses_total',
    'Times that a listener stopped accepting, since descriptors were about to run out',
    () => [{ labels: {}, value: sum(({ accepting }) => accepting.pauses) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_accept_limited_turns_total',
    'Turns of the event loop in which a listener accepted ingress.maxAcceptsPerTurn connections, so that more may have waited',
    () => [{ labels: {}, value: sum(({ accepting }) => accepting.limitedTurns) }],
  )
  const perProtocol = (pick: (stats: IngressProtocolStats) => number) =>
    (['http/1.1', 'h2'] as const).map(protocol => ({
      labels: { protocol },
      value: sum(({ protocols }) => pick(protocols[protocol])),
    }))
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_sessions_total',
    'Client connections by the protocol that they turned out to speak',
    () => perProtocol(({ connections }) => connections),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_requests_total',
    'Requests of clients whose head was read, by protocol',
    () => perProtocol(({ requests }) => requests),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_defences_total',
    'Defences against clients that took effect, by the name of their limit',
    () =>
      Array.from(
        merged(stats(), ({ defences }) => defences),
        ([limit, value]) => ({ labels: { limit }, value }),
      ),
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_shed_total',
    'Requests that were refused before any work was done on them, since the process was overloaded',
    () => [{ labels: {}, value: sum(({ shed }) => shed) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_dropped_fields_total',
    'Request fields that were left out for the underscore in their name',
    () => [{ labels: {}, value: sum(({ droppedFields }) => droppedFields) }],
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_ingress_bad_requests_total',
    'Requests that were refused before they were routed, and clients that were too slow, by error code',
    () =>
      Array.from(
        merged(stats(), ({ badRequests }) => badRequests),
        ([code, value]) => ({ labels: { code }, value }),
      ),
  )
}

/** The counts of all listeners, added up by name. */
function merged(
  all: readonly IngressStats[],
  pick: (stats: IngressStats) => Readonly<Record<string, number>>,
): Map<string, number> {
  const counts = new Map<string, number>()
  for (const stats of all) {
    for (const [name, count] of Object.entries(pick(stats))) counts.set(name, (counts.get(name) ?? 0) + count)
  }
  return counts
}
