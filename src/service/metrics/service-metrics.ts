import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Observer, Origin, Protocol, TransportEvent, TransportStats } from '../../index.ts'
import type { IngressStats } from '../../ingress/ingress-stats.ts'
import { NO_ORIGIN, REMOVED_ORIGIN } from '../config/fields/listen-address.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import { bothClocks, type FleetMetric, fleetMetrics } from '../fleet/fleet-pages.ts'
import type { FleetStatus } from '../fleet/fleet-shares.ts'
import type { ForwardProxyStatus } from '../forward-proxy/forward-proxies.ts'
import type { ForwardProxyReports } from '../forward-proxy/forward-proxy.ts'
import type { ClientAnswer } from '../forwarding/forwarded-exchange.ts'
import type { StallStats } from '../forwarding/stalled-readers.ts'
import type { FaultCause, FaultKind } from '../lifecycle/process-faults.ts'
import type { SessionCounts } from '../web-transport/session-counts.ts'
import { registerClientMetrics } from './client-metrics.ts'
import { registerIngressMetrics } from './ingress-metrics.ts'
import { CounterSet, registerScraped } from './metric-types.ts'
import { OriginMetrics, registerMigrationMetrics } from './origin-metrics.ts'
import {
  type CertificateExpiry,
  type ReloadReport,
  registerConfigurationMetrics,
  registerForwardingMetrics,
  registerMirrorMetrics,
  registerProcessMetrics,
  registerResolverMetrics,
} from './process-metrics.ts'
import { PROXY_LABEL, registerProxyMetrics } from './proxy-metrics.ts'
import { registerAdmissionMetrics } from './register-admission-metrics.ts'
import { registerEconomyMetrics } from './register-economy-metrics.ts'
import { registerEgressMetrics } from './register-egress-metrics.ts'
import { registerEndpointMetrics } from './register-endpoint-metrics.ts'
import { registerHandshakeMetrics } from './register-handshake-metrics.ts'
import { registerExchangeMetrics, registerPoolMetrics } from './register-metrics.ts'
import { registerSelectionMetrics } from './register-selection-metrics.ts'
import { registerSessionMetrics, type SessionsPage, sessionsPage } from './session-metrics.ts'

/** Where the numbers come from that are kept elsewhere. */
export interface MetricSources {
  transportStats(): TransportStats
  ingressStats(): readonly IngressStats[]
  stallStats(): StallStats
  /** Copies of requests for other origins, by route and by what became of them. */
  mirrorCounts(): ReadonlyMap<string, { readonly counts: ReadonlyMap<string, number> }>
  /** Routes with `forward`, and how they stand. */
  proxies(): readonly ForwardProxyStatus[]
  /** Lines that were dropped, by where they were to go. */
  dropped(): Readonly<Record<'log' | 'access_log' | 'qlog', number>>
  /** Those that are in use, of listeners and of origins. */
  certificates(): readonly CertificateExpiry[]
  /** Left out: this process shares no ceiling with other hosts. */
  readonly fleet?: (() => FleetStatus | undefined) | undefined
  /** Of this program. */
  readonly version: string
}

/** Gauges of prom-client whose names end like those of counters (promtool check metrics). */
const MISNAMED_DEFAULTS = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** What of a configuration has metrics of its own. */
interface MeteredParts {
  readonly origins: readonly { readonly name: string; readonly origin: Origin }[]
  readonly routes: ServiceSettings['routes']
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
  readonly reloads: ReloadReport = {
    outcomes: new CounterSet(),
    takenAtSeconds: Date.now() / 1000,
    isCurrent: true,
  }
  readonly certificateChanges = new CounterSet<'loaded' | 'refused'>()
  readonly #unrouted = new OriginMetrics(NO_ORIGIN)
  readonly #removed = new OriginMetrics(REMOVED_ORIGIN)
  #origins: ReadonlyMap<string, OriginMetrics> = new Map()
  /** By route: what was counted of the origins that requests have named. */
  #proxies: ReadonlyMap<string, OriginMetrics> = new Map()
  readonly #all: () => readonly OriginMetrics[]
  #lastOrigin: Origin | undefined
  #lastMetrics: OriginMetrics = this.#removed

  constructor(sources: MetricSources) {
    const origins = () => [
      ...this.#origins.values(),
      ...this.#proxies.values(),
      this.#removed,
      this.#unrouted,
    ]
    this.#all = origins
    registerClientMetrics(this.registry, origins, () => sources.ingressStats())
    registerSessionMetrics(this.registry, origins)
    registerExchangeMetrics(this.registry, origins)
    registerMigrationMetrics(this.registry, origins)
    registerSelectionMetrics(this.registry, { configured: () => [...this.#origins.values()], all: origins })
    const configured = () => [...this.#origins].map(([key, { name }]) => ({ key, name }))
    registerPoolMetrics(this.registry, configured, () => sources.transportStats())
    registerAdmissionMetrics(this.registry, configured, () => sources.transportStats())
    registerEconomyMetrics(this.registry, configured, () => sources.transportStats())
    registerEgressMetrics(this.registry, configured, () => sources.transportStats())
    registerEndpointMetrics(this.registry, configured, () => sources.transportStats())
    registerHandshakeMetrics(this.registry, configured, () => sources.transportStats())
    registerIngressMetrics(this.registry, () => sources.ingressStats())
    registerForwardingMetrics(this.registry, () => sources.stallStats())
    registerMirrorMetrics(this.registry, () => sources.mirrorCounts())
    registerProxyMetrics(this.registry, () => sources.proxies())
    registerProcessMetrics(
      this.registry,
      this.faults,
      () => this.returnedMemoryBytes,
      () => sources.dropped(),
    )
    registerResolverMetrics(this.registry, () => sources.transportStats().resolver)
    registerConfigurationMetrics(this.registry, {
      version: sources.version,
      reloads: this.reloads,
      certificates: () => sources.certificates(),
      certificateChanges: this.certificateChanges,
    })
    const { fleet } = sources
    const nameOf = (key: string) => this.#origins.get(key)?.name
    if (fleet !== undefined)
      registerFleetMetrics(this.registry, () => fleetMetrics(fleet(), nameOf, bothClocks()))
    collectDefaultMetrics({ register: this.registry })
    for (const name of MISNAMED_DEFAULTS) this.registry.removeSingleMetric(name)
  }

  /** Takes the origins and forward proxies of a configuration; those that stay keep their counters. */
  configure({ origins, routes }: MeteredParts): void {
    this.#configureProxies(routes)
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
    if (event.type !== 'state-fault') countEvent(event, this.#of(event.origin))
  }

  /** For the transport of a forward proxy. */
  observeProxy(route: string): Observer {
    return event => {
      if (event.type !== 'state-fault') countEvent(event, this.#ofProxy(route))
    }
  }

  /** For a forward proxy: all of the origins that requests name count as one. */
  proxyReports(route: string): ForwardProxyReports {
    return {
      onAnswered: answer => this.#ofProxy(route).clients.onAnswered(answer),
      onCarried: (protocol, fromClient, fromOrigin) =>
        this.#ofProxy(route).of(protocol).onCarried(fromClient, fromOrigin),
      sessionCounts: () => this.#ofProxy(route).sessions,
    }
  }

  /** When the certificate of an origin expires, in ms since 1970; undefined: no handshake has shown one. */
  certificateExpiresAt(origin: Origin): number | undefined {
    return this.#origins.get(origin.key)?.certificateExpiresAt
  }

  onReloaded(isTaken: boolean): void {
    this.reloads.outcomes.add(isTaken ? 'taken' : 'refused')
    this.reloads.isCurrent = isTaken
    if (isTaken) this.reloads.takenAtSeconds = Date.now() / 1000
  }

  /** For the forwarder. */
  onAnswered(answer: ClientAnswer): void {
    const metrics = answer.origin === undefined ? this.#unrouted : this.#of(answer.origin)
    metrics.clients.onAnswered(answer)
  }

  /** For the forwarder: bytes of tunnels, as they come. */
  onCarried(origin: Origin, protocol: Protocol, fromClient: number, fromOrigin: number): void {
    this.#of(origin).of(protocol).onCarried(fromClient, fromOrigin)
  }

  /** For the forwarder: of WebTransport. */
  sessionCounts(origin: Origin): SessionCounts {
    return this.#of(origin).sessions
  }

  /** For `GET /pools`. */
  sessionsPage(): readonly SessionsPage[] {
    return sessionsPage(this.#all())
  }

  #ofProxy(route: string): OriginMetrics {
    return this.#proxies.get(route) ?? this.#removed
  }

  #configureProxies(routes: ServiceSettings['routes']): void {
    const before = this.#proxies
    const names = routes.flatMap(({ name, action }) => (action.forward === undefined ? [] : [name]))
    this.#proxies = new Map(
      names.map(name => [name, before.get(name) ?? new OriginMetrics(`${PROXY_LABEL}${name}`)]),
    )
  }

  #of(origin: Origin): OriginMetrics {
    if (origin !== this.#lastOrigin) {
      this.#lastOrigin = origin
      this.#lastMetrics = this.#origins.get(origin.key) ?? this.#removed
    }
    return this.#lastMetrics
  }
}

function registerFleetMetrics(registry: Registry, metrics: () => readonly FleetMetric[]): void {
  for (const { type, name, help } of metrics())
    registerScraped(registry, type, name, help, () => metrics().find(one => one.name === name)?.values ?? [])
}

/** What happened, to the counters of whose origin it is. */
function countEvent(event: Exclude<TransportEvent, { type: 'state-fault' }>, metrics: OriginMetrics): void {
  switch (event.type) {
    case 'exchange-ended':
      metrics.of(event.protocol ?? 'none').onExchangeEnded(event)
      metrics.selection.laneRequests.add(event.lane)
      return
    case 'connection-opened':
      metrics.onHandshake(event.connection.handshake)
      metrics.of(event.connection.protocol).onOpened(event.connection.handshake)
      return
    case 'early-data':
      metrics.onHandshake(event.connection.handshake)
      metrics.of(event.connection.protocol).opened.add(event.connection.handshake.kind)
      return
    case 'connection-closed':
      metrics.of(event.connection.protocol).onClosed(event.connection.handshake)
      metrics.of(event.connection.protocol).closed.add(event.reason)
      return
    case 'connection-joined':
      metrics.coalesced.add('joined')
      return
    case 'connection-left':
      metrics.coalesced.add('left')
      return
    case 'coalescing-refused':
      metrics.coalesced.add(event.reason)
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
    case 'objective': // likewise
    case 'requests-refused': // likewise, from the pools
    case 'socket-option-refused':
  }
}
