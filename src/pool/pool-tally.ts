import type { CloseReason, HandshakeInfo } from '../base/events/connection.ts'
import type { ProtocolCounts } from './protocol-counts.ts'

/** What a pool shows of itself. All of it is counted as it happens. */
export interface PoolCounts {
  /**
   * How many are in each state. Those under verification count as idle, those that were told to close as
   * draining.
   */
  readonly connections: {
    readonly connecting: number
    readonly idle: number
    readonly leased: number
    readonly draining: number
  }
  /** The open ones of these by what they speak. */
  readonly byProtocol: ProtocolCounts
  readonly backingOff: boolean
  readonly waiters: number
  /** More requests come than are served: see PoolOptions.queueTargetMs. */
  readonly overloaded: boolean
  /** Exchanges under way. */
  readonly streams: number
  /**
   * Of the connections that are leased or draining, those that do not count against `maxConnections`: see
   * PoolOptions.maxStalledConnections.
   */
  readonly stalled: number
  // Totals since the pool was made
  readonly opened: {
    readonly full: number
    readonly resumed: number
    readonly earlyData: number
    readonly cleartext: number
  }
  /** By reason. */
  readonly closed: Readonly<Record<string, number>>
  readonly connectFailures: number
  /** Requests that made room for newer ones while the pool was overloaded. */
  readonly shed: number
  /** Leases. */
  readonly requests: number
  /** Leases of connections that were leased before. */
  readonly reused: number
  /** One line per connection. */
  readonly list: readonly string[]
}

const OPENED_AS = { none: 'cleartext', full: 'full', resumed: 'resumed', early_data: 'earlyData' } as const

/** Counts openings by handshake and ends by reason. */
export class PoolTally {
  readonly #opened = { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }
  readonly #closed: Record<string, number> = {}

  onOpened(kind: HandshakeInfo['kind']): void {
    this.#opened[OPENED_AS[kind]] += 1
  }

  onClosed(reason: CloseReason): void {
    this.#closed[reason] = (this.#closed[reason] ?? 0) + 1
  }

  /** As they stand now. */
  get counts(): Pick<PoolCounts, 'opened' | 'closed'> {
    return { opened: { ...this.#opened }, closed: { ...this.#closed } }
  }
}
