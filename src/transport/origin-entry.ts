import type { Clock } from '../clock.ts'
import type { Connection, Connector } from '../connection.ts'
import type { Resolver } from '../endpoint.ts'
import type { TransportError } from '../errors.ts'
import { MultiplexedConnection } from '../multiplex/connection.ts'
import type { ExchangeEnded, Observer, RetryReason, TransportEvent } from '../observer.ts'
import type { Origin } from '../origin.ts'
import type { Pool } from '../pool/pool.ts'
import type { OwnPoolConfig } from '../pool/pools.ts'
import type { OriginRecord } from '../select/origin-record.ts'
import type { PoolStats } from './api.ts'
import { BUILT_PROTOCOLS } from './built-protocols.ts'
import { HandshakeLedger } from './handshake-ledger.ts'
import type { ConnectorHooks, OriginConnector } from './origin-connector.ts'
import type { OriginSettings } from './origin-settings.ts'
import { pathHealth } from './path-health.ts'
import { poolStats } from './pool-stats.ts'
import type { ProcessHold } from './process-hold.ts'
import { RetryBudget } from './retry-budget.ts'
import { UpgradeRoute, upgradePoolOptions } from './upgrade-route.ts'

/** What differs between the pools of an entry; the transport adds the rest. */
export type EntryPoolConfig = Pick<
  OwnPoolConfig,
  'connector' | 'observer' | 'options' | 'expectedCapacity' | 'onCapacity'
>

/** What an entry is made of. Its pools are made for it, with its own observer. */
export interface OriginEntryParts {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly makeConnector: (isForUpgrades: boolean, hooks: ConnectorHooks) => OriginConnector
  readonly clock: Clock
  readonly observer: Observer
  /** Whether anybody listens to the observer just now. */
  readonly isObserved: () => boolean
  readonly hold: ProcessHold
  readonly makePool: (config: EntryPoolConfig) => Pool
  /** Undefined: the origin's pools are going away. */
  readonly makeSecondPool: (first: Pool, config: EntryPoolConfig) => Pool | undefined
}

/** Everything that the transport holds for one origin: its settings, its pools, what is known of it, and what it saved. */
export class OriginEntry {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly connector: OriginConnector
  readonly ledger: HandshakeLedger = new HandshakeLedger()
  readonly retryBudget: RetryBudget
  readonly pool: Pool
  readonly upgrades: UpgradeRoute
  readonly hold: ProcessHold
  readonly #observer: Observer
  readonly #isObserved: () => boolean
  readonly #clock: Clock
  #retries = 0
  /** Requests that wait for a connection and may leave early. */
  #earlyWaiters = 0
  readonly #refusedEarly = { full: 0, resumed: 0 }

  constructor(parts: OriginEntryParts) {
    const { origin, settings, record } = parts
    this.origin = origin
    this.settings = settings
    this.record = record
    this.resolver = parts.resolver
    this.retryBudget = new RetryBudget(settings.retry, parts.clock.now())
    this.hold = parts.hold
    this.#observer = parts.observer
    this.#isObserved = parts.isObserved
    this.#clock = parts.clock
    this.connector = parts.makeConnector(false, this.#hooks)
    // What a connection over TCP would offer now. One protocol that carries one request at a time: nothing has to be found out before
    // the second dial.
    const { offered } = this.connector.plan({ addresses: [], source: 'none' })
    const isHttp1Only = offered.every(protocol => protocol === 'http/1.1')
    this.pool = parts.makePool(this.#poolConfig(this.connector, isHttp1Only ? 1 : undefined))
    this.upgrades = new UpgradeRoute({
      record,
      main: this.pool,
      hasDetour:
        !isHttp1Only && settings.protocols.includes('http/1.1') && BUILT_PROTOCOLS.includes('http/1.1'),
      makePool: () => {
        const config = this.#poolConfig(parts.makeConnector(true, this.#hooks), 1)
        return parts.makeSecondPool(this.pool, { ...config, options: upgradePoolOptions(settings.pool) })
      },
    })
  }

  /** Whether anybody hears of exchanges: an event that nobody hears of need not be made. */
  get isObserved(): boolean {
    return this.#isObserved()
  }

  onEarlyWaiter(change: 1 | -1): void {
    this.#earlyWaiters += change
  }

  onRetry(reason: RetryReason, error: TransportError): void {
    this.#retries += 1
    this.#observer({ type: 'exchange-retried', origin: this.origin, reason, error })
  }

  onExchangeEnded(event: ExchangeEnded): void {
    this.#observer(event)
  }

  stats(): PoolStats {
    return poolStats(this.origin.key, this.pool.stats(), this.upgrades.pool?.stats(), {
      retries: this.#retries,
      handshakeRttsSaved: this.ledger.rttsSaved,
      handshakeSecondsSaved: this.ledger.secondsSaved,
      refusedEarly: this.#refusedEarly,
      path: pathHealth(this.connector.pathsOf(this.pool.connections())),
    })
  }

  /** Takes into the record what the open connections have heard meanwhile and nobody was told of. */
  refreshRecord(): void {
    for (const connection of this.pool.connections()) this.#learnOrigins(connection)
  }

  #poolConfig(connector: Connector, expectedCapacity: number | undefined): EntryPoolConfig {
    return {
      connector,
      observer: this.#observe,
      options: this.settings.pool,
      expectedCapacity,
      onCapacity: this.#onCapacity,
    }
  }

  readonly #hooks: ConnectorHooks = {
    onDefence: limit => this.#observer({ type: 'defence', origin: this.origin, limit }),
    wantsEarlyData: () => this.#earlyWaiters > 0,
    onEarlyData: (connection, outcome) => {
      const { handshake, protocol } = connection
      this.ledger.onOpened(handshake, protocol)
      if (handshake.kind === 'full' || handshake.kind === 'resumed') this.#refusedEarly[handshake.kind] += 1
      this.#observer({ type: 'early-data', origin: this.origin, connection, outcome })
    },
  }

  /** The peer has told what it allows: for HTTP/2 its SETTINGS came. */
  readonly #onCapacity = (connection: Connection): void => {
    const now = this.#clock.now()
    this.record.onCapacity(connection.capacity, connection.protocol, now)
    if (connection instanceof MultiplexedConnection) {
      this.record.onExtendedConnect(connection.enablesExtendedConnect === true, now)
    }
  }

  readonly #observe = (event: TransportEvent): void => {
    if (event.type === 'connection-opened') {
      const { handshake, protocol } = event.connection
      // What was opened in early data is counted when it is known what became of it.
      if (handshake.kind !== 'early_data' || handshake.earlyData !== 'none')
        this.ledger.onOpened(handshake, protocol)
    }
    if (event.type === 'connection-closed') {
      const { connection } = event
      if (connection.keepAlive !== undefined) this.record.onKeepAlive(connection.keepAlive, this.#clock.now())
      this.#learnOrigins(connection)
    }
    this.#observer(event)
  }

  #learnOrigins(connection: Connection): void {
    if (!(connection instanceof MultiplexedConnection)) return
    const { originSet } = connection
    if (originSet !== undefined) this.record.onOriginSet([...originSet], this.#clock.now())
  }
}
