import type { TransportError } from '../base/errors.ts'
import type { PoolOptions } from '../base/options/options.ts'
import type { PoolAction } from './pool-action.ts'
import { Backoff } from './rules/backoff.ts'
import type { ConnectionBudget } from './rules/connection-budget.ts'
import { QueueOverload } from './rules/queue-overload.ts'
import type { Slot } from './slot.ts'
import { SlotTable } from './slot-table.ts'
import { WaiterQueue } from './waiters.ts'

/**
 * The one timer of a pool, kept lazily: it is moved only when something becomes due earlier. What is no
 * longer due when it fires costs one look at what is due next (OkHttp's `closeConnections` answers in the
 * same way), so that leases and releases, which only ever push deadlines into the future, need no timer at
 * all.
 */
class WakeUp {
  #armedAt = Infinity

  get armedAt(): number {
    return this.#armedAt
  }

  /** Be woken at `at` or before. */
  arm(at: number, actions: PoolAction<unknown, unknown>[]): void {
    if (at >= this.#armedAt) return
    this.#armedAt = at
    actions.push({ type: 'setTimer', at })
  }

  disarm(actions: PoolAction<unknown, unknown>[]): void {
    if (this.#armedAt === Infinity) return
    this.#armedAt = Infinity
    actions.push({ type: 'clearTimer' })
  }

  /** The timer fired and is gone. */
  onFired(): void {
    this.#armedAt = Infinity
  }
}

export interface PoolStateConfig<Link = unknown> {
  /** The origin, as messages name it. */
  readonly name: string
  readonly options: PoolOptions
  readonly budget: ConnectionBudget
  readonly random: () => number
  /** What a connection will carry, if that is known before the first one. */
  readonly expectedCapacity: number | undefined
  /**
   * Multiplexed exchanges are spread over up to so many connections; see spread.ts. Default 1: as few as
   * carry them.
   */
  readonly spreadOver?: number
  /**
   * Since when the reader of the connection's exchange has paused the response; undefined: it has not. Left
   * out: none ever does.
   */
  pausedSince?(slot: Slot<Link>): number | undefined
}

/**
 * What the concerns of the policy (assignment, dialing, upkeep, …) work on. Private to PoolState and these.
 */
export class PoolCore<Link, Waiter> {
  readonly name: string
  readonly options: PoolOptions
  readonly budget: ConnectionBudget
  readonly random: () => number
  readonly slots: SlotTable<Link>
  /** Those that take any connection. */
  readonly waiters = new WaiterQueue<Waiter>()
  /** Those that a reused connection died under: they want a new one. */
  readonly freshWaiters = new WaiterQueue<Waiter>()
  readonly overload: QueueOverload
  readonly backoff: Backoff
  readonly wakeUp = new WakeUp()

  // Options with "off" spelled out
  readonly maxConnections: number
  readonly #links: Pick<PoolStateConfig<Link>, 'pausedSince'>
  readonly maxStreams: number
  readonly maxRequests: number
  readonly maxErrors: number
  readonly idleTimeoutMs: number
  readonly verifyAfterIdleMs: number
  /** At least 1, and no more than `maxConnections`: a pool that is full is not looked at in vain. */
  readonly spreadOver: number

  /** Connections that are kept ready. */
  warm: number
  mode: 'open' | 'draining' | 'closed' = 'open'
  /** Why newcomers are refused once the mode is `closed`. */
  closeError: TransportError | undefined
  /** What one connection carries, going by the last one that told; undefined before the first. */
  expectedCapacity: number | undefined
  /**
   * Exchanges that the origin takes on one connection, as far as that was learned, and what the last one
   * took; see request-limit.ts.
   */
  requestLimit = Infinity
  lastTaken = 0
  /** Connections that a preconnect() under way wants. */
  preconnectTarget = 0
  /** No slot needs upkeep before: a lower bound, made exact by the upkeep itself. */
  slotsDueAt = Infinity
  /** When the warm connections are checked next. */
  warmCheckAt = Infinity
  /** Stalled readers are looked for no sooner; see stalled.ts. */
  stallCheckAt = -Infinity
  /** When one was last set aside. */
  setAsideAt = -Infinity
  /** End of the period over which `peakStreams` is taken; Infinity: not watched. */
  surplusCheckAt = Infinity
  peakStreams = 0

  // Totals for stats
  shed = 0
  requests = 0
  reused = 0
  connectFailures = 0

  constructor(config: PoolStateConfig<Link>) {
    const { options } = config
    this.name = config.name
    this.options = options
    this.budget = config.budget
    this.random = config.random
    this.expectedCapacity = config.expectedCapacity
    this.maxConnections = orInfinity(options.maxConnections)
    this.#links = config
    this.maxStreams = orInfinity(options.maxStreamsPerConnection)
    this.maxRequests = orInfinity(options.maxRequests)
    this.maxErrors = orInfinity(options.maxErrors)
    this.idleTimeoutMs = orInfinity(options.idleTimeoutMs)
    // Verifying means waiting; where nobody may wait, a stale connection is used as it is.
    this.verifyAfterIdleMs = options.maxWaiters === 0 ? Infinity : orInfinity(options.verifyAfterIdleMs)
    this.spreadOver = Math.max(1, Math.min(config.spreadOver ?? 1, this.maxConnections))
    this.warm = options.warm
    this.slots = new SlotTable(this.maxStreams, config.budget)
    this.overload = new QueueOverload(options.queueTargetMs, options.queueIntervalMs)
    this.backoff = new Backoff(options.backoffBaseMs, options.backoffMaxMs, config.random)
  }

  pausedSince(slot: Slot<Link>): number | undefined {
    return this.#links.pausedSince?.(slot)
  }

  /** No further connection that counts may be made. */
  get isFull(): boolean {
    return this.slots.counted >= this.maxConnections
  }

  /** How many more of its connections may be set aside; see stalled.ts. */
  get stalledPlaces(): number {
    if (this.expectedStreams !== 1 || !this.budget.hasStalledPlace) return 0
    const ownPlaces = this.options.maxStalledConnections - this.slots.aside
    return Math.max(0, Math.min(ownPlaces, this.budget.stalledPlaces))
  }

  /** Exchanges that one new connection is expected to carry, under our own cap; undefined: not known yet. */
  get expectedStreams(): number | undefined {
    if (this.expectedCapacity === undefined) return undefined
    return Math.min(this.expectedCapacity, this.maxStreams, this.requestLimit)
  }

  /** Connections that are to be there whether or not anybody waits. */
  get targetConnections(): number {
    return this.mode === 'open' ? Math.max(this.warm, this.preconnectTarget) : 0
  }

  /** All who wait. */
  get waiting(): number {
    return this.waiters.size + this.freshWaiters.size
  }

  rejectAll(error: TransportError, actions: PoolAction<Link, Waiter>[]): void {
    for (const queue of [this.freshWaiters, this.waiters]) {
      for (let waiter = queue.shift(); waiter !== undefined; waiter = queue.shift()) {
        actions.push({ type: 'reject', waiter, error })
      }
    }
  }
}

function orInfinity(value: number): number {
  return value === 0 ? Infinity : value
}
