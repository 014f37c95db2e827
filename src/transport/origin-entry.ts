import type { Clock } from '../clock.ts'
import type { Connection } from '../connection.ts'
import type { Resolver } from '../endpoint.ts'
import type { TransportError } from '../errors.ts'
import type { LaneName } from '../lane.ts'
import { MultiplexedConnection } from '../multiplex/connection.ts'
import type { ExchangeEnded, Observer, RetryReason, TransportEvent } from '../observer.ts'
import type { Origin } from '../origin.ts'
import type { Pool, PoolCounts } from '../pool/pool.ts'
import type { OwnPoolConfig } from '../pool/pools.ts'
import type { OriginRecord } from '../select/record/origin-record.ts'
import type { PoolStats } from './api.ts'
import { BUILT_PROTOCOLS } from './built-protocols.ts'
import type { CpuMeter } from './cpu-meter.ts'
import { Discovery, type DiscoveryTools } from './discovery.ts'
import { HandshakeLedger } from './handshake-ledger.ts'
import { Lane } from './lane.ts'
import { Lanes } from './lanes.ts'
import type { ConnectorConfig, ConnectorHooks, OriginConnector } from './origin-connector.ts'
import type { OriginSettings } from './origin-settings.ts'
import { pathHealth } from './path-health.ts'
import { poolStats } from './pool-stats.ts'
import type { ProcessHold } from './process-hold.ts'
import { RetryBudget } from './retry-budget.ts'
import { UpgradeRoute, upgradePoolOptions } from './upgrade-route.ts'

/** What differs between the pools of an entry; the transport adds the rest. */
type EntryPoolConfig = Pick<
  OwnPoolConfig,
  'connector' | 'observer' | 'options' | 'expectedCapacity' | 'onCapacity' | 'spreadOver' | 'ceiling'
>

/** What an entry is made of. Its pools are made for it, with its own observer. */
export interface OriginEntryParts {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly makeConnector: (purpose: ConnectorConfig['purpose'], hooks: ConnectorHooks) => OriginConnector
  readonly clock: Clock
  readonly observer: Observer
  /** Whether anybody listens to the observer just now. */
  readonly isObserved: () => boolean
  readonly hold: ProcessHold
  readonly makePool: (config: EntryPoolConfig) => Pool
  /** Undefined: the origin's pools are going away. */
  readonly makePoolBeside: (first: Pool, config: EntryPoolConfig) => Pool | undefined
  readonly http3Fault: () => string | undefined
  readonly cpuMeter: CpuMeter
  readonly discovery: DiscoveryTools & { readonly isResolved: boolean }
  /** The record has changed: it is to be kept. */
  readonly onRecordChanged: () => void
}

/** Everything that the transport holds for one origin: its settings, its lanes with their pools, what is known of it, and what it saved. */
export class OriginEntry {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly ledger: HandshakeLedger = new HandshakeLedger()
  readonly retryBudget: RetryBudget
  readonly lanes: Lanes
  readonly upgrades: UpgradeRoute
  readonly hold: ProcessHold
  readonly discovery: Discovery
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
    this.retryBudget = new RetryBudget(settings.retry, clock.now())
    this.hold = parts.hold
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

  /** Whether anybody hears of exchanges: an event that nobody hears of need not be made. */
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

  onExchangeEnded(event: ExchangeEnded): void {
    this.#parts.observer(event)
  }

  onNetworkChanged(now: number): void {
    this.discovery.onNetworkChanged(now)
    this.lanes.onNetworkChanged(now)
  }

  stats(): PoolStats {
    const pools: { label: string | undefined; counts: PoolCounts }[] = Array.from(this.lanes, lane => ({
      label: lane === this.lanes.primary ? undefined : lane.name,
      counts: lane.pool.stats(),
    }))
    const upgrades = this.upgrades.pool?.stats()
    if (upgrades !== undefined) pools.push({ label: 'for upgrades', counts: upgrades })
    const paths = Array.from(this.lanes, ({ connector, pool }) => connector.pathsOf(pool.connections()))
    return poolStats(this.origin.key, pools, {
      retries: this.#retries,
      handshakeRttsSaved: this.ledger.rttsSaved,
      handshakeSecondsSaved: this.ledger.secondsSaved,
      refusedEarly: this.#refusedEarly,
      path: pathHealth(paths.flat()),
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
      ceiling: first === undefined ? undefined : () => this.#leftFor(name),
      observer: event => this.#observe(event, name),
      onCapacity: connection => this.#onCapacity(connection, name),
    }
    const pool =
      first === undefined ? this.#parts.makePool(config) : this.#parts.makePoolBeside(first.pool, config)
    return pool === undefined ? undefined : new Lane(name, pool, connector)
  }

  /** `pool.maxConnections` is for the origin: a lane beside the first takes what the others leave of it, and one at the least: its waiters wait for nobody else. */
  #leftFor(name: LaneName): number {
    const { maxConnections } = this.settings.pool
    if (maxConnections === 0) return Number.POSITIVE_INFINITY
    let others = 0
    for (const lane of this.lanes) if (lane.name !== name) others += lane.pool.size
    return Math.max(1, maxConnections - others)
  }

  #upgradeRoute(): UpgradeRoute {
    const { settings, record, lanes } = this
    const { primary } = lanes
    const isHttp1Only = primary.connector.offered.every(protocol => protocol === 'http/1.1')
    return new UpgradeRoute({
      record,
      main: primary.pool,
      hasDetour:
        !isHttp1Only && settings.protocols.includes('http/1.1') && BUILT_PROTOCOLS.includes('http/1.1'),
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
        const { handshake, protocol } = connection
        this.ledger.onOpened(handshake, protocol)
        if (handshake.kind === 'full' || handshake.kind === 'resumed') this.#refusedEarly[handshake.kind] += 1
        observer({ type: 'early-data', origin, connection, outcome })
      },
      onAttempts: (attempts, atMs) => {
        if (purpose !== 'upgrades') observer({ type: 'dial-ended', origin, lane: purpose, attempts, atMs })
      },
      onEvidence: (source, fact) => this.lanes.onEvidence(source, fact),
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
      const { handshake, protocol } = connection
      // What was opened in early data is counted when it is known what became of it.
      if (handshake.kind !== 'early_data' || handshake.earlyData !== 'none')
        this.ledger.onOpened(handshake, protocol)
      this.#onOpened(connection, purpose)
    }
    if (event.type === 'connection-closed') {
      const { connection } = event
      if (connection.keepAlive !== undefined)
        this.record.onKeepAlive(connection.keepAlive, this.#parts.clock.now())
      this.#learnOrigins(connection)
    }
    this.#parts.observer(event)
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
