import type { Clock } from '../base/clock.ts'
import type { Connection } from '../base/events/connection.ts'
import type { Observer, TransportEvent } from '../base/events/observer.ts'
import { formatEndpoint, type Resolver } from '../base/http/endpoint.ts'
import type { Origin } from '../base/http/origin.ts'
import type { LaneName } from '../base/http/protocol.ts'
import type { SocketSettings } from '../connect/tcp/socket-settings.ts'
import { MultiplexedConnection } from '../http/multiplex/connection.ts'
import type { OriginCeiling } from '../pool/origin-ceiling.ts'
import type { OriginRecord } from '../select/record/origin-record.ts'
import type { NewsPort } from '../state/shares/host-news.ts'
import type { ShareFigures } from '../state/shares/share-keeper.ts'
import type { Coalescing } from './coalescing/coalescing.ts'
import { OriginCoalescing } from './coalescing/origin-coalescing.ts'
import type { ConnectorHooks, ConnectorPurpose } from './connecting/connector-config.ts'
import type { DialTurns } from './connecting/dial-turns.ts'
import type { OriginConnector } from './connecting/origin-connector.ts'
import type { EconomyCounters } from './economy/economy-figures.ts'
import { OriginEconomy } from './economy/origin-economy.ts'
import { poolSizing } from './economy/pool-sizing.ts'
import type { LocalRoute } from './egress/local-route.ts'
import type { ProxiedRoute } from './egress/proxied-route.ts'
import { OriginEndpoints } from './endpoints/origin-endpoints.ts'
import type { EventLoopReference } from './event-loop-reference.ts'
import { OriginExchanges } from './exchange-origin.ts'
import { EndpointProber } from './health/endpoint-prober.ts'
import { HealthChecks } from './health/health-checks.ts'
import { OriginHints } from './hints/origin-hints.ts'
import type { PreconnectHints } from './hints/preconnect-hints.ts'
import type { CpuMeter } from './lanes/cpu-meter.ts'
import type { Lanes } from './lanes/lanes.ts'
import type { ConnectionHandshake } from './ledger/handshake-figures.ts'
import { HandshakeLedger } from './ledger/handshake-ledger.ts'
import { OriginPools, type OriginPoolsParts } from './origin-pools.ts'
import type { OriginSettings } from './origin-settings.ts'
import { OriginPaths, type OriginPathsParts } from './paths/origin-paths.ts'
import { pathHealth, pathsByProtocol } from './paths/path-health.ts'
import { Discovery, type DiscoveryTools } from './probing/discovery.ts'
import { FastOpenNews } from './probing/fast-open.ts'
import { type PoolStats, type ProtectionStatus, poolStats } from './stats.ts'

/** What an entry is made of. Its pools are made for it, with its own observer. */
export interface OriginEntryParts
  extends Pick<OriginPoolsParts, 'makePool' | 'makePoolBeside' | 'endPool' | 'isBudgetFull' | 'random'>,
    Pick<OriginPathsParts, 'dnsRefreshMs' | 'network'> {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  /** Finds one of the endpoints, or the addresses of a host name among them. */
  readonly endpointResolver: (text: string, settings: OriginSettings) => Resolver
  readonly route: ProxiedRoute | undefined
  readonly locals: LocalRoute | undefined
  readonly socketSettings: SocketSettings
  readonly makeConnector: (purpose: ConnectorPurpose, hooks: ConnectorHooks) => OriginConnector
  readonly clock: Clock
  readonly observer: Observer
  /** Whether anybody listens to the observer just now. */
  readonly isObserved: () => boolean
  readonly hold: EventLoopReference
  readonly dialTurns: DialTurns
  readonly coalescing: Coalescing
  readonly preconnectHints: PreconnectHints
  /** Undefined: the origin is not protected. */
  readonly ceiling: () => OriginCeiling | undefined
  /** Undefined: nobody else has a part in the ceiling. */
  readonly share: () => ShareFigures | undefined
  readonly http3Fault: () => string | undefined
  readonly cpuMeter: CpuMeter
  readonly discovery: DiscoveryTools & { readonly isResolved: boolean }
  /** Undefined: no other process is to learn of it. */
  readonly news: NewsPort | undefined
  /** The record has changed: it is to be kept. */
  readonly onRecordChanged: () => void
}

/**
 * One origin put together: its pools and lanes, its exchanges, the paths of its connections, and what is
 * known of it. Puts what happens on its connections to where it belongs, and answers for the whole. Whoever
 * needs one part is handed that part.
 */
export class OriginEntry {
  readonly origin: Origin
  readonly record: OriginRecord
  readonly resolver: Resolver
  /** Those that requests are balanced over. Undefined: they are not. */
  readonly endpoints: OriginEndpoints | undefined
  /** Undefined: connections go directly. */
  readonly route: ProxiedRoute | undefined
  /** Undefined: they leave from where the kernel lets them. */
  readonly locals: LocalRoute | undefined
  readonly pools: OriginPools
  readonly lanes: Lanes
  readonly exchanges: OriginExchanges
  readonly paths: OriginPaths
  readonly discovery: Discovery
  readonly coalescing: OriginCoalescing
  readonly hints: OriginHints
  readonly socketSettings: SocketSettings
  readonly fastOpenNews = new FastOpenNews()
  readonly #ledger: HandshakeLedger
  readonly #economy: OriginEconomy
  readonly #checks: HealthChecks | undefined
  readonly #parts: OriginEntryParts
  #settings: OriginSettings
  /** Handshakes whose early data the peer refused. */
  readonly #refusedEarly = { full: 0, resumed: 0 }

  constructor(parts: OriginEntryParts) {
    const { origin, settings, record, resolver, clock, observer } = parts
    this.#parts = parts
    this.origin = origin
    this.#settings = settings
    this.record = record
    this.resolver = resolver
    this.route = parts.route
    this.locals = parts.locals
    this.socketSettings = parts.socketSettings
    this.#ledger = new HandshakeLedger(clock.now())
    this.discovery = new Discovery({
      ...parts.discovery,
      origin,
      settings,
      record,
      clock,
      onEvidence: (source, fact) => this.lanes.onEvidence(source, fact),
    })
    const endpointResolver = (text: string): Resolver => parts.endpointResolver(text, this.#settings)
    this.endpoints =
      settings.balance &&
      new OriginEndpoints({
        origin,
        settings,
        balance: settings.balance,
        clock,
        random: parts.random,
        observer,
        resolverOf: endpointResolver,
        dnsRefreshMs: parts.dnsRefreshMs,
        news: parts.news,
      })
    this.pools = new OriginPools({
      lanes: {
        origin,
        settings,
        record,
        clock,
        observer,
        http3Fault: parts.http3Fault,
        cpuMeter: parts.cpuMeter,
        onChanged: parts.onRecordChanged,
      },
      makeConnector: purpose => parts.makeConnector(purpose, this.#hooks(purpose)),
      makePool: parts.makePool,
      makePoolBeside: parts.makePoolBeside,
      endPool: parts.endPool,
      isBudgetFull: parts.isBudgetFull,
      random: parts.random,
      endpoints: this.endpoints,
      endpointResolver,
      isCeilingReached: () => parts.ceiling()?.isReached === true,
      observe: (event, purpose) => this.#observe(event, purpose),
      onCapacity: (connection, lane) => this.#onCapacity(connection, lane),
    })
    const { pools } = this
    this.lanes = pools.lanes
    this.coalescing = new OriginCoalescing({
      origin,
      settings,
      pools,
      coalescing: parts.coalescing,
      clock,
      observer,
    })
    this.hints = new OriginHints({ origin, settings, pools, hints: parts.preconnectHints, observer })
    this.#economy = new OriginEconomy({
      origin,
      objective: settings.objective,
      isReuseOff: settings.reuse === 'never',
      clock,
      observer,
      counters: now => this.#counters(now),
    })
    const { dnsRefreshMs, network } = parts
    this.paths = new OriginPaths({
      origin,
      settings,
      resolver,
      pools,
      clock,
      observer,
      dnsRefreshMs,
      network,
    })
    this.exchanges = new OriginExchanges({
      origin,
      settings,
      record,
      lanes: pools.lanes,
      upgrades: pools.upgrades,
      hints: this.hints,
      ledger: this.#ledger,
      economy: this.#economy,
      hold: parts.hold,
      dialTurns: parts.dialTurns,
      clock,
      observer,
      isObserved: parts.isObserved,
      hasMoved: connection => this.paths.hasMoved(connection),
      onMisdirected: connection => this.coalescing.onMisdirected(connection),
    })
    this.#checks = this.#startChecks(endpointResolver)
    this.endpoints?.watch()
    this.lanes.start()
    this.#restorePool()
  }

  get settings(): OriginSettings {
    return this.#settings
  }

  /** The same settings but for the endpoints that requests are balanced over. */
  configureEndpoints(settings: OriginSettings): void {
    this.#settings = settings
    if (settings.balance !== undefined) this.endpoints?.configure(settings.balance)
  }

  /** `present`: the addresses that this machine has now. */
  onNetworkChanged(now: number, present: ReadonlySet<string>): void {
    this.discovery.onNetworkChanged(now)
    this.lanes.onNetworkChanged(now)
    this.paths.onNetworkChanged(present)
    this.endpoints?.onNetworkChanged()
  }

  stats(): PoolStats {
    const paths = Array.from(this.lanes, ({ connector, pool }) =>
      connector.pathsOf(pool.connections()),
    ).flat()
    const now = this.#parts.clock.now()
    const economy = this.#economy.figures(now)
    const endpoints = this.pools.endpointStats()
    const endpointNames = this.endpoints?.names(now) ?? []
    const egress = this.route ?? this.locals
    return poolStats(this.origin.key, this.pools.counts(), {
      ...(this.endpoints !== undefined && { endpoints }),
      ...(endpointNames.length > 0 && { endpointNames }),
      ...(egress !== undefined && { egress: egress.figures(now) }),
      retries: this.exchanges.retries,
      handshakes: {
        ...this.#ledger.figures(now),
        connections: this.#openHandshakes(),
      },
      refusedEarly: this.#refusedEarly,
      path: pathHealth(paths),
      pathByProtocol: pathsByProtocol(paths),
      migrations: this.paths.migrations,
      economy,
      objective: this.#economy.objective,
      ...this.exchanges.bounds(now),
      ...(this.exchanges.hedging && { hedging: this.exchanges.hedging.figures(now) }),
      protection: this.#protection(),
      hints: this.hints.figures(),
      sizing: poolSizing(economy.lastMinute, this.settings.pool, this.pools.demand(now)),
    })
  }

  /** Takes into the record what the open connections have received meanwhile and nobody was notified of. */
  refreshRecord(): void {
    for (const { pool } of this.lanes) {
      for (const connection of pool.connections()) this.#learnOrigins(connection)
    }
  }

  /** What is to be kept of what is known. */
  snapshot(): unknown {
    const now = this.#parts.clock.now()
    const wallNow = Date.now()
    const { horizon, demand } = this.pools.kept(now)
    this.record.onPool(horizon, demand, now)
    this.record.onEstimates(this.lanes.snapshotEstimates(now, wallNow), now)
    return this.record.snapshot(now, wallNow)
  }

  /** What another process has kept of it since. */
  learn(facts: unknown): void {
    const now = this.#parts.clock.now()
    // A look at the lanes may begin a trial: without news it would be one too many.
    if (this.record.learn(facts, now, Date.now())) this.lanes.refresh(now)
  }

  /** What its pools have learned and were sized for is to be kept before they go. */
  keep(): void {
    this.#parts.onRecordChanged()
  }

  /** Its pools take no new requests. */
  retire(): void {
    this.discovery.close()
    this.#checks?.close()
  }

  /** Its pools are going away. */
  close(): void {
    this.retire()
    this.#economy.close()
    this.exchanges.close()
    this.paths.close()
    this.endpoints?.close()
  }

  /** Undefined: none are wanted, or nothing would follow from them. */
  #startChecks(resolverOf: (address: string) => Resolver): HealthChecks | undefined {
    const { origin, lanes, endpoints } = this
    const { health: options } = this.settings
    const { clock, makeConnector } = this.#parts
    if (endpoints === undefined || options.check === 'off') return undefined
    const prober = new EndpointProber({
      origin,
      options,
      clock,
      resolverOf,
      laneName: () => lanes.preferred(clock.now()).name,
      localOf: endpoint => this.locals?.next(endpoint).local,
      poolOf: (name, index) => lanes.named(name).balanced?.poolAt(index),
      makeConnector: name => makeConnector(name, IGNORED),
    })
    const checks = new HealthChecks({
      clock,
      endpoints: endpoints.list,
      timeoutMs: options.timeoutMs,
      health: endpoints.health,
      probe: (endpoint, signal) => prober.probe(endpoint, signal),
    })
    endpoints.add(checks)
    return checks
  }

  #protection(): ProtectionStatus | undefined {
    const { maxConnections, fairBy } = this.settings.protection
    if (maxConnections === 0) return undefined
    const ceiling = this.#parts.ceiling()
    const shared = this.#parts.share()
    return {
      ceiling: maxConnections,
      share: shared?.share ?? maxConnections,
      holds: ceiling?.holds ?? 0,
      wants: ceiling?.wants ?? 0,
      fairBy,
      shared,
    }
  }

  #counters(now: number): EconomyCounters {
    const { seconds, roundTrips } = this.#ledger.saved(now)
    return {
      ...this.pools.counters(now),
      uncovered: this.coalescing.uncovered,
      proxyChanges: (this.route ?? this.locals)?.changes ?? 0,
      savedSeconds: seconds,
      savedRoundTrips: roundTrips,
    }
  }

  /** The lane that is chosen begins with what an earlier process knew. */
  #restorePool(): void {
    const { idleHorizon, demand } = this.record
    if (idleHorizon === undefined && demand === undefined) return
    const { lane } = this.lanes.decision(this.#parts.clock.now())
    this.lanes.named(lane).pool.restore(idleHorizon?.value, demand?.value)
  }

  /** Of the open connections, those that still shake hands left out. */
  #openHandshakes(): ConnectionHandshake[] {
    return this.pools
      .all()
      .flatMap(pool =>
        Array.from(pool.connections(), connection => ({ connection, reuses: pool.reusesOf(connection) })),
      )
      .flatMap(({ connection, reuses }) => this.#ledger.of(connection, reuses) ?? [])
  }

  #hooks(purpose: ConnectorPurpose): ConnectorHooks {
    const { observer } = this.#parts
    const { origin } = this
    return {
      onDefence: limit => observer({ type: 'defence', origin, limit }),
      wantsEarlyData: () => this.exchanges.wantsEarlyData,
      onEarlyData: (connection, outcome) => {
        const { handshake } = connection
        this.#ledger.onOpened(connection, this.#parts.clock.now())
        if (handshake.kind === 'full' || handshake.kind === 'resumed') this.#refusedEarly[handshake.kind] += 1
        this.coalescing.offer(connection)
        observer({ type: 'early-data', origin, connection, outcome })
      },
      onFastOpen: (endpoint, report) => {
        this.fastOpenNews.onReport(endpoint, report, this.#parts.clock.now())
        const { outcome, because } = report
        observer({ type: 'fast-open', origin, endpoint: formatEndpoint(endpoint), outcome, because })
      },
      onAttempts: (attempts, atMs) => {
        if (purpose !== 'upgrades') observer({ type: 'dial-ended', origin, lane: purpose, attempts, atMs })
      },
      onEvidence: (source, fact) => this.lanes.onEvidence(source, fact),
      onSocket: (connection, socket, tcp) => this.paths.onSocket(connection, socket, tcp),
      onLink: (connection, link) => this.paths.onLink(connection, link),
      onCoalescingMissed: missed => this.coalescing.onMissed(missed),
      onGuestDismissed: guest => this.coalescing.onDismissed(guest),
      onOrigins: connection => this.coalescing.onOrigins(connection),
    }
  }

  /** The peer has reported what it allows: for HTTP/2 its SETTINGS came. */
  #onCapacity(connection: Connection, lane: LaneName): void {
    const now = this.#parts.clock.now()
    this.record.onCapacity(connection.capacity, connection.protocol, now)
    if (connection instanceof MultiplexedConnection && connection.webTransportDrafts !== undefined)
      this.record.onWebTransport(connection.webTransportDrafts, now)
    // Upgrades take the primary lane.
    if (lane === this.lanes.primary.name && connection instanceof MultiplexedConnection) {
      this.record.onExtendedConnect(connection.enablesExtendedConnect === true, now)
    }
  }

  #observe(event: TransportEvent, purpose: ConnectorPurpose): void {
    if (event.type === 'connection-opened') {
      const { connection } = event
      const { handshake } = connection
      // What was opened in early data is counted when it is known what became of it.
      if (handshake.kind !== 'early_data' || handshake.earlyData !== 'none')
        this.#ledger.onOpened(connection, this.#parts.clock.now())
      this.paths.onOpened()
      this.#onOpened(connection, purpose)
      this.coalescing.offer(connection)
    }
    if (event.type === 'connection-joined') this.#onJoined(event.connection, purpose)
    if (event.type === 'connection-draining') this.coalescing.withdraw(event.connection)
    if (event.type === 'connection-closed') {
      const { connection } = event
      this.coalescing.withdraw(connection)
      if (connection.keepAlive !== undefined)
        this.record.onKeepAlive(connection.keepAlive, this.#parts.clock.now())
      this.#learnOrigins(connection)
    }
    this.#parts.observer(event)
    if (event.type === 'connection-draining' && event.reason === 'unresponsive')
      this.lanes.onUnresponsive(event.connection)
  }

  #onOpened(connection: Connection, purpose: ConnectorPurpose): void {
    const lane = Array.from(this.lanes).find(({ name }) => name === purpose)
    if (lane === undefined) return
    this.lanes.onConnected(lane, connection)
    if (purpose === 'tcp') this.discovery.onTcpConnected(connection.endpoint)
    this.#parts.onRecordChanged()
  }

  /** A connection of another origin carries requests of this one. */
  #onJoined(connection: Connection, purpose: ConnectorPurpose): void {
    this.coalescing.onJoined()
    this.#ledger.onJoined(connection)
    this.paths.onOpened()
    const lane = Array.from(this.lanes).find(({ name }) => name === purpose)
    if (lane !== undefined) this.lanes.onJoined(lane, connection)
    if (purpose === 'tcp') this.discovery.onTcpConnected(connection.endpoint)
  }

  #learnOrigins(connection: Connection): void {
    if (!(connection instanceof MultiplexedConnection)) return
    const { originSet } = connection
    if (originSet !== undefined) this.record.onOriginSet([...originSet], this.#parts.clock.now())
  }
}

/** What is learned on the connections of health checks is nothing to anybody. */
const IGNORED: ConnectorHooks = {
  onDefence: () => {},
  wantsEarlyData: () => false,
  onEarlyData: () => {},
  onFastOpen: () => {},
  onSocket: () => {},
  onLink: () => {},
  onAttempts: () => {},
  onEvidence: () => {},
  onCoalescingMissed: () => {},
  onGuestDismissed: () => {},
  onOrigins: () => {},
}
