import { TransportError } from '../base/errors.ts'
import type { PoolOptions } from '../base/options/options.ts'
import type { PoolAction } from './pool-action.ts'
import { RequestTally } from './pool-counts.ts'
import { Backoff } from './rules/backoff.ts'
import type { ConnectionBudget } from './rules/connection-budget.ts'
import { Demand } from './rules/demand.ts'
import { IdleHorizons } from './rules/idle-horizons.ts'
import { LearnedLimits } from './rules/learned-limits.ts'
import { QueueOverload } from './rules/queue-overload.ts'
import { StalledReaders } from './rules/stalled.ts'
import { Surplus } from './rules/surplus.ts'
import type { Slot } from './slot.ts'
import { SlotTable } from './slot-table.ts'
import { Waiters } from './waiters.ts'
import { WarmLevel } from './warm-level.ts'

/**
 * When the pool is to be woken, and for which slots: its one timer, kept lazily. It is moved only when
 * something becomes due earlier. What is no longer due when it fires costs one look at what is due next
 * (OkHttp's `closeConnections` answers in the same way), so that leases and releases, which only ever push
 * deadlines into the future, need no timer at all.
 */
class PoolSchedule {
  #armedAt = Infinity
  #slotsDueAt = Infinity

  get armedAt(): number {
    return this.#armedAt
  }

  /** No slot needs upkeep before: a lower bound, made exact by the upkeep itself. */
  get slotsDueAt(): number {
    return this.#slotsDueAt
  }

  /** A slot needs upkeep at `at`. */
  coverSlot(at: number): void {
    if (at < this.#slotsDueAt) this.#slotsDueAt = at
  }

  /** All slots that there are get their upkeep now, or there is none: those to come are covered anew. */
  forgetSlots(): void {
    this.#slotsDueAt = Infinity
  }

  /** Be woken at `at` or before; Infinity: not at all. */
  arm(at: number, actions: PoolAction<unknown, unknown>[]): void {
    if (at === Infinity) {
      if (this.#armedAt === Infinity) return
      this.#armedAt = Infinity
      actions.push({ type: 'clearTimer' })
    } else if (at < this.#armedAt) {
      this.#armedAt = at
      actions.push({ type: 'setTimer', at })
    }
  }

  /** The timer fired and is gone. */
  onFired(): void {
    this.#armedAt = Infinity
  }
}

/** Valid transitions: draining, closed. */
interface Open {
  readonly kind: 'open'
}

/** Newcomers are refused; who waits is served. Valid transitions: closed. */
interface Draining {
  readonly kind: 'draining'
}

/** Everybody is refused with the error. Valid transitions: none. */
interface Closed {
  readonly kind: 'closed'
  readonly error: TransportError
}

/** Whom the pool still serves. */
class PoolLife {
  #state: Open | Draining | Closed = { kind: 'open' }

  get mode(): 'open' | 'draining' | 'closed' {
    return this.#state.kind
  }

  /** The refusal of requests to a pool called `name` that is going away. */
  refusal(name: string): TransportError {
    if (this.#state.kind === 'closed') return this.#state.error
    return new TransportError('MM_TRANSPORT_CLOSED', `${name}: the pool is ${this.#state.kind}`)
  }

  drain(): void {
    if (this.#state.kind === 'open') this.#state = { kind: 'draining' }
  }

  /** The first error stands. */
  close(error: TransportError): void {
    if (this.#state.kind !== 'closed') this.#state = { kind: 'closed', error }
  }
}

export interface PoolStateConfig<Link = unknown, Waiter = unknown> {
  /** The origin, as messages name it. */
  readonly name: string
  readonly options: PoolOptions
  readonly budget: ConnectionBudget
  /** Requests that may wait, where several pools share a number out. Default: `options.maxWaiters`. */
  readonly maxWaiters?: (() => number) | undefined
  /** What an operator knows `maxWaiters` by. Default `pool.maxWaiters`. */
  readonly maxWaitersOption?: string | undefined
  readonly random: () => number
  /** What a connection will carry, if that is known before the first one. */
  readonly expectedCapacity: number | undefined
  /**
   * Multiplexed exchanges are spread over up to so many connections; see dialing.ts. Default 1: as few as
   * carry them.
   */
  readonly spreadOver?: number
  /** Whose turn a waiter takes; left out: who comes first is served first. */
  readonly fairKeyOf?: ((waiter: Waiter) => string) | undefined
  /**
   * Since when the reader of the connection's exchange has paused the response; undefined: it has not. Left
   * out: none ever does.
   */
  pausedSince?(slot: Slot<Link>): number | undefined
}

/**
 * What the rules (assignment, dialing, upkeep, …) work on: the parts of one pool, each of which alone writes
 * what it holds. Private to PoolState and the rules.
 */
export class PoolCore<Link, Waiter> {
  readonly name: string
  readonly options: PoolOptions
  readonly budget: ConnectionBudget
  readonly slots: SlotTable<Link>
  readonly waiters: Waiters<Waiter>
  readonly overload: QueueOverload
  readonly backoff: Backoff
  readonly schedule = new PoolSchedule()
  readonly life = new PoolLife()
  readonly limits: LearnedLimits
  readonly horizons: IdleHorizons
  readonly warm: WarmLevel
  readonly demand: Demand
  readonly stalled: StalledReaders<Link>
  readonly surplus: Surplus<Link>
  readonly tally = new RequestTally()

  readonly maxWaitersOption: string
  readonly #maxWaiters: () => number
  // Options with "off" spelled out
  readonly maxConnections: number
  readonly maxRequests: number
  readonly maxErrors: number
  readonly idleTimeoutMs: number
  readonly verifyAfterIdleMs: number
  /** At least 1, and no more than `maxConnections`: a pool that is full is not looked at in vain. */
  readonly spreadOver: number

  /** The next so many requests go over the connections that were idle for longest: see upkeep.ts. */
  rescues = 0

  constructor(config: PoolStateConfig<Link, Waiter>) {
    const { options, budget } = config
    this.name = config.name
    this.options = options
    this.budget = budget
    this.#maxWaiters = config.maxWaiters ?? (() => options.maxWaiters)
    this.maxWaitersOption = config.maxWaitersOption ?? 'pool.maxWaiters'
    this.maxConnections = orInfinity(options.maxConnections)
    const maxStreams = orInfinity(options.maxStreamsPerConnection)
    this.maxRequests = orInfinity(options.maxRequests)
    this.maxErrors = orInfinity(options.maxErrors)
    this.idleTimeoutMs = orInfinity(options.idleTimeoutMs)
    // Verifying means waiting; where nobody may wait, a stale connection is used as it is.
    this.verifyAfterIdleMs = options.maxWaiters === 0 ? Infinity : orInfinity(options.verifyAfterIdleMs)
    this.spreadOver = Math.max(1, Math.min(config.spreadOver ?? 1, this.maxConnections))
    this.slots = new SlotTable(maxStreams, budget)
    this.waiters = new Waiters(options.queueTimeoutMs, config.fairKeyOf)
    this.overload = new QueueOverload(options.queueTargetMs, options.queueIntervalMs)
    this.backoff = new Backoff(options.backoffBaseMs, options.backoffMaxMs, config.random)
    this.limits = new LearnedLimits(config.expectedCapacity, maxStreams, this.maxRequests)
    this.horizons = new IdleHorizons(options.keepAliveMarginMs)
    this.demand = new Demand({ headroom: options.headroom })
    this.warm = new WarmLevel(options.warm, options.warmCheckMs)
    this.stalled = new StalledReaders({
      slots: this.slots,
      budget,
      limits: this.limits,
      maxStalled: options.maxStalledConnections,
      isFull: () => this.isFull,
      links: config,
    })
    this.surplus = new Surplus({
      slots: this.slots,
      limits: this.limits,
      target: () => this.targetConnections,
      spreadOver: this.spreadOver,
      idleTimeoutMs: this.idleTimeoutMs,
    })
  }

  get mode(): 'open' | 'draining' | 'closed' {
    return this.life.mode
  }

  /** Requests that may wait now. */
  get maxWaiters(): number {
    return this.#maxWaiters()
  }

  /** No further connection that counts may be made. */
  get isFull(): boolean {
    return this.slots.counted >= this.maxConnections
  }

  /** Connections that are to be there whether or not anybody waits. */
  get targetConnections(): number {
    return this.life.mode === 'open' ? this.warm.target : 0
  }

  rejectAll(error: TransportError, actions: PoolAction<Link, Waiter>[]): void {
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) {
      actions.push({ type: 'reject', waiter, error })
    }
  }
}

function orInfinity(value: number): number {
  return value === 0 ? Infinity : value
}
