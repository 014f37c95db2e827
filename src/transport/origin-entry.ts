import type { Clock } from '../clock.ts'
import type { Connector } from '../connection.ts'
import type { Resolver } from '../endpoint.ts'
import type { TransportError } from '../errors.ts'
import type { ExchangeEnded, Observer, RetryReason, TransportEvent } from '../observer.ts'
import type { Origin } from '../origin.ts'
import type { Pool } from '../pool/pool.ts'
import type { OriginRecord } from '../select/origin-record.ts'
import type { PoolStats } from './api.ts'
import { HandshakeLedger } from './handshake-ledger.ts'
import type { OriginConnector } from './origin-connector.ts'
import type { OriginSettings } from './origin-settings.ts'
import type { ProcessHold } from './process-hold.ts'
import { RetryBudget } from './retry-budget.ts'

/** What an entry is made of; the pool is made for it, with its `observe` as observer. */
export interface OriginEntryParts {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly connector: OriginConnector
  readonly clock: Clock
  readonly observer: Observer
  readonly hold: ProcessHold
  readonly makePool: (connector: Connector, observer: Observer) => Pool
}

/** Everything that the transport holds for one origin: its settings, its pool, what is known of it, and what it saved. */
export class OriginEntry {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly connector: OriginConnector
  readonly ledger: HandshakeLedger = new HandshakeLedger()
  readonly retryBudget: RetryBudget
  readonly pool: Pool
  readonly hold: ProcessHold
  readonly #observer: Observer
  readonly #clock: Clock
  #retries = 0

  constructor(parts: OriginEntryParts) {
    this.origin = parts.origin
    this.settings = parts.settings
    this.record = parts.record
    this.resolver = parts.resolver
    this.connector = parts.connector
    this.retryBudget = new RetryBudget(parts.settings.retry, parts.clock.now())
    this.hold = parts.hold
    this.#observer = parts.observer
    this.#clock = parts.clock
    this.pool = parts.makePool(parts.connector, this.#observe)
  }

  onRetry(reason: RetryReason, error: TransportError): void {
    this.#retries += 1
    this.#observer({ type: 'exchange-retried', origin: this.origin, reason, error })
  }

  onExchangeEnded(event: ExchangeEnded): void {
    this.#observer(event)
  }

  stats(): PoolStats {
    const counts = this.pool.stats()
    const opened =
      counts.opened.full + counts.opened.resumed + counts.opened.earlyData + counts.opened.cleartext
    return {
      origin: this.origin.key,
      ...counts,
      retries: this.#retries,
      reuseRatio: counts.requests === 0 ? 0 : Math.max(0, 1 - opened / counts.requests),
      handshakeRttsSaved: this.ledger.rttsSaved,
      handshakeSecondsSaved: this.ledger.secondsSaved,
    }
  }

  readonly #observe = (event: TransportEvent): void => {
    if (event.type === 'connection-opened') this.ledger.onOpened(event.connection.handshake)
    if (event.type === 'connection-closed' && event.connection.keepAlive !== undefined) {
      this.record.onKeepAlive(event.connection.keepAlive, this.#clock.now())
    }
    this.#observer(event)
  }
}
