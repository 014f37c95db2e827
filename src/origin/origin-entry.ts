import type { Clock } from '../base/clock.ts'
import type { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import type { ExchangeEnded, Observer, RetryReason, TransportEvent } from '../base/events/observer.ts'
import { formatEndpoint, type Resolver } from '../base/http/endpoint.ts'
import type { LaneName } from '../base/http/lane.ts'
import type { Origin } from '../base/http/origin.ts'
import type { StreamSocket } from '../base/socket/stream-socket.ts'
import { DeadPeerDetector } from '../connect/native/dead-peer-detector.ts'
import type { SocketSettings } from '../connect/tcp/socket-settings.ts'
import { MultiplexedConnection } from '../http/multiplex/connection.ts'
import type { Pool, PoolCounts } from '../pool/pool.ts'
import type { OwnPoolConfig } from '../pool/pools.ts'
import type { KnownFact } from '../select/evidence/evidence.ts'
import type { OriginRecord } from '../select/record/origin-record.ts'
import type { DialTurns } from './connecting/dial-turns.ts'
import { FastOpenNews } from './connecting/fast-open-news.ts'
import type { ConnectorConfig, ConnectorHooks, OriginConnector } from './connecting/origin-connector.ts'
import { silenceBoundMs } from './connecting/tcp-liveness.ts'
import { Discovery, type DiscoveryTools } from './discovery.ts'
import type { EventLoopReference } from './event-loop-reference.ts'
import type { CpuMeter } from './lanes/cpu-meter.ts'
import { Lane } from './lanes/lane.ts'
import { Lanes } from './lanes/lanes.ts'
import type { ConnectionHandshake } from './ledger/handshake-figures.ts'
import { HandshakeLedger } from './ledger/handshake-ledger.ts'
import type { OriginSettings } from './origin-settings.ts'
import { AddressDrain } from './paths/address-drain.ts'
import { ConnectionMoves } from './paths/connection-moves.ts'
import { drainedNames } from './paths/drained-names.ts'
import { LocalAddressLoss, type LocalAddressLossParts } from './paths/local-address-loss.ts'
import { pathHealth, pathsByProtocol } from './paths/path-health.ts'
import { poolStats } from './pool-stats.ts'
import { RetryBudget } from './retry-budget.ts'
import type { MigrateOptions, MigrationResult, OriginLoad, PoolStats } from './stats.ts'
import { UpgradeRoute, upgradePoolOptions } from './upgrade-route.ts'

/** What differs between the pools of an entry; the transport adds the rest. */
type EntryPoolConfig = Pick<
  OwnPoolConfig,
  'connector' | 'observer' | 'options' | 'expectedCapacity' | 'onCapacity' | 'spreadOver'
>

/** What an entry is made of. Its pools are made for it, with its own observer. */
export interface OriginEntryParts {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly socketSettings: SocketSettings
  readonly makeConnector: (purpose: ConnectorConfig['purpose'], hooks: ConnectorHooks) => OriginConnector
  readonly clock: Clock
  readonly observer: Observer
  /** Whether anybody listens to the observer just now. */
  readonly isObserved: () => boolean
  readonly hold: EventLoopReference
  readonly dialTurns: DialTurns
  readonly makePool: (config: EntryPoolConfig) => Pool
  /** Undefined: the origin's pools are going away. */
  readonly makePoolBeside: (first: Pool, config: EntryPoolConfig) => Pool | undefined
  /** No connection can be added to any origin. */
  readonly isBudgetFull: () => boolean
  readonly http3Fault: () => string | undefined
  readonly cpuMeter: CpuMeter
  readonly discovery: DiscoveryTools & { readonly isResolved: boolean }
  /** The record has changed: it is to be kept. */
  readonly onRecordChanged: () => void
  /** See ResolverOptions. */
  readonly dnsRefreshMs: number
  /** The addresses of this machine, and how soon after a change they are looked at again. */
  readonly network: Pick<LocalAddressLossParts, 'present' | 'checkMs'>
}

/**
 * Everything that the transport holds for one origin: its settings, its lanes with their pools, what is known
 * of it, and what it saved.
 */
export class OriginEntry {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly ledger: HandshakeLedger
  readonly retryBudget: RetryBudget
  readonly lanes: Lanes
  readonly upgrades: UpgradeRoute
  readonly hold: EventLoopReference
  readonly discovery: Discovery
  readonly socketSettings: SocketSettings
  readonly fastOpenNews = new FastOpenNews()
  readonly #moves: ConnectionMoves
  readonly #addressDrain: AddressDrain
  readonly #addressLoss: LocalAddressLoss
  /** It goes on when the entry is closed, as long as there are sockets: tunnels take their time. */
  readonly #deadPeerDetector: DeadPeerDetector
  readonly #parts: OriginEntryParts
  #retries = 0
  /** Requests that wait for a connection and may leave early. */
  #earlyWaiters = 0
  readonly #refusedEarly = { full: 0, resumed: 0 }

  constructor(parts: OriginEntryParts) {
    const { origin, settings, record, clock, observer } = parts
    this.#parts = parts
    this.origin = origin
    this.settings = settings
    this.record = record
    this.resolver = parts.resolver
    this.socketSettings = parts.socketSettings
    this.retryBudget = new RetryBudget(settings.retry, clock.now())
    this.ledger = new HandshakeLedger(clock.now())
    this.hold = parts.hold
    this.#moves = new ConnectionMoves({
      origin,
      isTrusted: settings.trusted,
      clock,
      observer,
      retire: (connection, reason) => this.lanes.retire(connection, reason),
    })
    this.#addressDrain = new AddressDrain({
      clock,
      refreshMs: parts.dnsRefreshMs,
      names: () => drainedNames(origin, this.resolver, this.lanes, clock),
      pools: () => this.#pools(),
      maxConnections: settings.pool.maxConnections,
    })
    this.#addressLoss = new LocalAddressLoss({
      ...parts.network,
      clock,
      connections: () => this.#connections(),
      retire: (connection, reason) => {
        for (const pool of this.#pools()) pool.retire(connection, reason)
      },
    })
    const boundMs = silenceBoundMs(settings.liveness, settings.socket)
    this.#deadPeerDetector = new DeadPeerDetector({ clock, boundMs })
    this.discovery = new Discovery({
      ...parts.discovery,
      origin,
      settings,
      record,
      clock,
      onEvidence: (source, fact) => this.lanes.onEvidence(source, fact),
    })
    this.lanes = new Lanes({
      origin,
      settings,
      record,
      clock,
      observer,
      makeLane: (name, first) => this.#makeLane(name, first),
      http3Fault: parts.http3Fault,
      cpuMeter: parts.cpuMeter,
      onChanged: parts.onRecordChanged,
    })
    this.upgrades = this.#upgradeRoute()
    this.lanes.start()
  }

  /** Whether anybody is notified of exchanges: an event that nobody is notified of need not be made. */
  get isObserved(): boolean {
    return this.#parts.isObserved()
  }

  onEarlyWaiter(change: 1 | -1): void {
    this.#earlyWaiters += change
  }

  onRetry(reason: RetryReason, error: TransportError): void {
    this.#retries += 1
    this.#parts.observer({ type: 'exchange-retried', origin: this.origin, reason, error })
  }

  /** A request begins. */
  onRequest(now: number): void {
    this.#parts.dialTurns.onRequest(this.origin.key, now)
  }

  /** A new connection ended without an answer: other endpoints of the origin come first for a while. */
  onUnanswered({ protocol, endpoint }: Connection, error: TransportError): void {
    const failed = {
      protocol,
      endpoint: formatEndpoint(endpoint),
      startedAtMs: 0,
      outcome: 'failed',
    } as const
    const attempt = { ...failed, because: 'a new connection', error: error.message }
    this.record.onAttempts([attempt], this.#parts.clock.now())
  }

  onExchangeEnded(event: ExchangeEnded, now: number): void {
    this.#parts.observer(event)
    this.lanes.onObserved(event.lane, now)
  }

  /** `present`: the addresses that this machine has now. */
  onNetworkChanged(now: number, present: ReadonlySet<string>): void {
    this.discovery.onNetworkChanged(now)
    this.lanes.onNetworkChanged(now)
    this.#addressDrain.onNetworkChanged()
    this.#moves.onAddresses(this.#connections(), present)
    this.#addressLoss.onAddresses(present)
  }

  /** Moves the open connections to another path, where they can. */
  migrate(to: MigrateOptions): Promise<readonly MigrationResult[]> {
    return this.#moves.migrate(this.#connections(), to)
  }

  /** It has left its first path, or tried to. */
  hasMoved(connection: Connection): boolean {
    return this.#moves.hasMoved(connection)
  }

  /** What is known of the ways of its open connections, for `explain`. */
  pathFacts(now: number): KnownFact[] {
    const { protocols } = this.settings
    const mayMove = this.origin.scheme === 'https' && protocols.includes('h3')
    return [...(mayMove ? this.#moves.facts(this.#connections(), now) : []), ...this.#addressDrain.facts()]
  }

  get load(): OriginLoad {
    let [waiters, streams, connections, starting, stalled, stalledPlaces] = [0, 0, 0, 0, 0, 0]
    for (const pool of this.#pools()) {
      const { load } = pool
      waiters += load.waiters
      streams += load.streams
      starting += load.starting
      connections += pool.counted
      stalled += pool.aside
      stalledPlaces = Math.max(stalledPlaces, load.stalledPlaces)
    }
    const { maxConnections } = this.settings.pool
    const hasReached = (maxConnections > 0 && connections >= maxConnections) || this.#parts.isBudgetFull()
    return { waiters, streams, stalled, isFull: hasReached && starting === 0 && stalledPlaces === 0 }
  }

  stats(): PoolStats {
    const pools: { label: string | undefined; counts: PoolCounts }[] = Array.from(this.lanes, lane => ({
      label: lane === this.lanes.primary ? undefined : lane.name,
      counts: lane.pool.stats(),
    }))
    const upgrades = this.upgrades.pool?.stats()
    if (upgrades !== undefined) pools.push({ label: 'for upgrades', counts: upgrades })
    const paths = Array.from(this.lanes, ({ connector, pool }) =>
      connector.pathsOf(pool.connections()),
    ).flat()
    return poolStats(this.origin.key, pools, {
      retries: this.#retries,
      handshakes: {
        ...this.ledger.figures(this.#parts.clock.now()),
        connections: this.#openHandshakes(),
      },
      refusedEarly: this.#refusedEarly,
      path: pathHealth(paths),
      pathByProtocol: pathsByProtocol(paths),
      migrations: this.#moves.figures,
    })
  }

  /** Takes into the record what the open connections have heard meanwhile and nobody was told of. */
  refreshRecord(): void {
    for (const { pool } of this.lanes) {
      for (const connection of pool.connections()) this.#learnOrigins(connection)
    }
  }

  /** What is to be kept of what is known. */
  snapshot(): unknown {
    const now = this.#parts.clock.now()
    const wallNow = Date.now()
    this.record.onEstimates(this.lanes.snapshotEstimates(now, wallNow), now)
    return this.record.snapshot(now, wallNow)
  }

  /** Its pools are going away. */
  close(): void {
    this.discovery.close()
    this.lanes.close()
    this.#addressDrain.close()
    this.#addressLoss.close()
  }

  #pools(): Pool[] {
    const pools = Array.from(this.lanes, ({ pool }) => pool)
    return this.upgrades.pool === undefined ? pools : [...pools, this.upgrades.pool]
  }

  #connections(): Connection[] {
    return this.#pools().flatMap(pool => [...pool.connections()])
  }

  /** Of the open connections, those that still shake hands left out. */
  #openHandshakes(): ConnectionHandshake[] {
    return this.#pools()
      .flatMap(pool =>
        Array.from(pool.connections(), connection => ({ connection, reuses: pool.reusesOf(connection) })),
      )
      .flatMap(({ connection, reuses }) => this.ledger.of(connection, reuses) ?? [])
  }

  #makeLane(name: LaneName, first: Lane | undefined): Lane | undefined {
    const connector = this.#parts.makeConnector(name, this.#hooks(name))
    // One protocol that carries one request at a time: nothing has to be found out before the second dial.
    const isHttp1Only = connector.offered.every(protocol => protocol === 'http/1.1')
    const { pool: options, select } = this.settings
    const config: EntryPoolConfig = {
      connector,
      // A lane that is not in use needs no warm connections: Lanes says when it is.
      options: first === undefined ? options : { ...options, warm: 0 },
      expectedCapacity: isHttp1Only ? 1 : undefined,
      spreadOver: name === 'h2-spread' ? select.spreadConnections : 1,
      observer: event => this.#observe(event, name),
      onCapacity: connection => this.#onCapacity(connection, name),
    }
    const pool =
      first === undefined ? this.#parts.makePool(config) : this.#parts.makePoolBeside(first.pool, config)
    return pool === undefined ? undefined : new Lane(name, pool, connector)
  }

  #upgradeRoute(): UpgradeRoute {
    const { settings, record, lanes } = this
    const { primary } = lanes
    const isHttp1Only = primary.connector.offered.every(protocol => protocol === 'http/1.1')
    return new UpgradeRoute({
      record,
      main: primary.pool,
      hasDetour: !isHttp1Only && settings.protocols.includes('http/1.1'),
      makePool: () =>
        this.#parts.makePoolBeside(primary.pool, {
          connector: this.#parts.makeConnector('upgrades', this.#hooks('upgrades')),
          options: upgradePoolOptions(settings.pool),
          expectedCapacity: 1,
          observer: event => this.#observe(event, 'upgrades'),
          onCapacity: () => {},
        }),
    })
  }

  #hooks(purpose: ConnectorConfig['purpose']): ConnectorHooks {
    const { observer } = this.#parts
    const { origin } = this
    return {
      onDefence: limit => observer({ type: 'defence', origin, limit }),
      wantsEarlyData: () => this.#earlyWaiters > 0,
      onEarlyData: (connection, outcome) => {
        const { handshake } = connection
        this.ledger.onOpened(connection, this.#parts.clock.now())
        if (handshake.kind === 'full' || handshake.kind === 'resumed') this.#refusedEarly[handshake.kind] += 1
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
      onSocket: (connection, socket, tcp) => {
        this.#deadPeerDetector.add(socket, tcp)
        this.#addressLoss.onConnected(connection, localAddressOf(tcp))
      },
      onLink: (connection, link) => this.#moves.onConnected(connection, link),
    }
  }

  /** The peer has told what it allows: for HTTP/2 its SETTINGS came. */
  #onCapacity(connection: Connection, lane: LaneName): void {
    const now = this.#parts.clock.now()
    this.record.onCapacity(connection.capacity, connection.protocol, now)
    // Upgrades take the primary lane.
    if (lane === this.lanes.primary.name && connection instanceof MultiplexedConnection) {
      this.record.onExtendedConnect(connection.enablesExtendedConnect === true, now)
    }
  }

  #observe(event: TransportEvent, purpose: ConnectorConfig['purpose']): void {
    if (event.type === 'connection-opened') {
      const { connection } = event
      const { handshake } = connection
      // What was opened in early data is counted when it is known what became of it.
      if (handshake.kind !== 'early_data' || handshake.earlyData !== 'none')
        this.ledger.onOpened(connection, this.#parts.clock.now())
      this.#addressDrain.onConnected()
      this.#onOpened(connection, purpose)
    }
    if (event.type === 'connection-closed') {
      const { connection } = event
      if (connection.keepAlive !== undefined)
        this.record.onKeepAlive(connection.keepAlive, this.#parts.clock.now())
      this.#learnOrigins(connection)
    }
    this.#parts.observer(event)
    if (event.type === 'connection-draining' && event.reason === 'unresponsive')
      this.lanes.onUnresponsive(event.connection)
  }

  #onOpened(connection: Connection, purpose: ConnectorConfig['purpose']): void {
    const lane = Array.from(this.lanes).find(({ name }) => name === purpose)
    if (lane === undefined) return
    this.lanes.onConnected(lane, connection)
    if (purpose === 'tcp') this.discovery.onTcpConnected(connection.endpoint)
    this.#parts.onRecordChanged()
  }

  #learnOrigins(connection: Connection): void {
    if (!(connection instanceof MultiplexedConnection)) return
    const { originSet } = connection
    if (originSet !== undefined) this.record.onOriginSet([...originSet], this.#parts.clock.now())
  }
}

function localAddressOf(socket: StreamSocket): string | undefined {
  return 'localAddress' in socket && typeof socket.localAddress === 'string' ? socket.localAddress : undefined
}
