import type { Clock } from '../base/clock.ts'
import type { TransportError } from '../base/errors.ts'
import type { CloseReason, Connection, StreamShare } from '../base/events/connection.ts'
import {
  countByProtocol,
  describeSlot,
  type PoolCounters,
  type PoolCounts,
  type PoolDemand,
  type PoolLoad,
} from './pool-counts.ts'
import { type Link, type PoolConfig, PoolDriver, type Waiter } from './pool-driver.ts'
import { PoolState } from './pool-state.ts'
import type { BudgetClient } from './rules/connection-budget.ts'
import type { IdleHorizonFigures } from './rules/idle-horizon.ts'

/** A pool as requests and the lanes of an origin use it: one, or one per endpoint behind the same calls. */
export type RequestPool = Pick<
  Pool,
  | 'acquire'
  | 'cancel'
  | 'release'
  | 'preconnect'
  | 'setWarm'
  | 'abandonDials'
  | 'retire'
  | 'lend'
  | 'stats'
  | 'counters'
  | 'idleHorizon'
  | 'demandAt'
  | 'restore'
  | 'hasProven'
  | 'load'
  | 'connections'
  | 'has'
  | 'reusesOf'
  | 'live'
  | 'size'
  | 'counted'
  | 'aside'
  | 'lastUsedAt'
>

/**
 * The connections to one origin, as those see it who use them: requests that want a stream, and who makes
 * ready, retires, drains, evicts and counts. Each call asks PoolState what follows, and has PoolDriver do it.
 */
export class Pool implements BudgetClient {
  readonly #clock: Clock
  readonly #state: PoolState<Link, Waiter>
  readonly #driver: PoolDriver
  #lastUsedAt: number

  constructor(config: PoolConfig) {
    this.#clock = config.clock
    this.#state = new PoolState({
      name: config.origin.key,
      options: config.options,
      budget: config.budget,
      random: config.random,
      expectedCapacity: config.expectedCapacity,
      maxWaiters: config.maxWaiters,
      maxWaitersOption: config.maxWaitersOption,
      spreadOver: config.spreadOver ?? 1,
      fairKeyOf: config.isFair === true ? waiter => waiter.fairKey ?? '' : undefined,
      pausedSince: slot => slot.link?.connection?.pausedSince,
    })
    this.#driver = new PoolDriver(config, this.#state, this)
    this.#lastUsedAt = config.clock.now()
    this.#driver.run(this.#state.onStart(this.#lastUsedAt))
  }

  /**
   * Asks for a stream; `fresh`: of a new connection, since a reused one died under the last try. `isReplay`:
   * the waiter was served before, so that a drain lets it in once more. `now`: the time, for who has just
   * looked (a look costs as much as the rest).
   */
  acquire(waiter: Waiter, fresh = false, isReplay = fresh, now: number = this.#clock.now()): void {
    this.#lastUsedAt = now
    this.#driver.run(this.#state.onAcquire(waiter, fresh, now, isReplay))
  }

  /** Takes the request for a stream back, before the lease. Does nothing afterwards. */
  cancel(waiter: Waiter): void {
    const fate = this.#driver.removeFate(waiter) // decided, but not done: what it would have got goes on
    if (fate === undefined) this.#driver.run(this.#state.onCancel(waiter, this.#clock.now()))
    else if (fate.type === 'lease') this.#driver.run(this.#state.onReleased(fate.slot, this.#clock.now()))
  }

  /** Gives back the lease that a waiter was just given and has opened no exchange with. */
  release(connection: Connection): void {
    const slot = this.#driver.slotOf(connection)
    if (slot !== undefined) this.#driver.run(this.#state.onReleased(slot, this.#clock.now()))
  }

  /**
   * Resolves when that many connections are open, or as many as the limits allow; rejects when a dial fails.
   */
  preconnect(connections: number): Promise<void> {
    const now = this.#clock.now()
    this.#lastUsedAt = now
    const { lastConnectError } = this.#state
    if (this.#state.mode !== 'open') return Promise.reject(this.#state.closedError)
    if (this.#state.live >= connections) return Promise.resolve()
    if (lastConnectError !== undefined && this.#state.isBackingOff(now))
      return Promise.reject(lastConnectError)
    const promise = this.#driver.preconnects.add(connections)
    this.#driver.run(this.#state.onPreconnect(connections, now))
    return promise
  }

  /**
   * Keeps that many connections ready from now on, in place of `options.warm`. 0: none; those that are there
   * age out.
   */
  setWarm(connections: number): void {
    this.#driver.run(this.#state.onWarm(connections, this.#clock.now()))
  }

  /**
   * Stops the dials that neither a waiter nor a preconnect, the warm level or the spread needs: those of who
   * gave up waiting, which would else go on and leave an idle connection behind.
   */
  abandonDials(reason: CloseReason = 'surplus'): void {
    this.#driver.run(this.#state.onAbandonDials(reason, this.#clock.now()))
  }

  /**
   * Gives the connection no more exchanges, for a reason that the pool cannot know; it closes when those that
   * it carries have ended. Does nothing when it is on its way out already, or not of this pool.
   */
  retire(connection: Connection, reason: CloseReason): void {
    const slot = this.#driver.slotOf(connection)
    if (slot !== undefined) this.#driver.run(this.#state.onRetire(slot, reason, this.#clock.now()))
  }

  /**
   * Lets others take streams of the connection: the share of one of them. Undefined: it is not of this pool,
   * or takes no more.
   */
  lend(connection: Connection): StreamShare | undefined {
    return this.#driver.lend(connection)
  }

  /** No new leases; those that wait are still served. Resolves when every connection is closed. */
  drain(): Promise<void> {
    const actions = this.#state.onDrain(this.#clock.now())
    this.#driver.preconnects.reject(this.#state.closedError)
    this.#driver.run(actions)
    return this.#driver.drainWaiters.wait()
  }

  /** Ends everything now: waiters are refused with the error. Resolves when every connection is closed. */
  close(error: TransportError): Promise<void> {
    this.#driver.preconnects.reject(error)
    this.#driver.run(this.#state.onClose(error, this.#clock.now()))
    return this.#driver.drainWaiters.wait()
  }

  stats(): PoolCounts {
    return {
      ...this.#state.counts,
      ...this.#driver.tally.counts,
      byProtocol: countByProtocol(this.#state.slots),
      backingOff: this.#state.isBackingOff(this.#clock.now()),
      list: this.#state.slots.map(slot => describeSlot(slot)),
    }
  }

  /** What it counts, without a list: of stats(), what costs little. */
  get counters(): PoolCounters {
    const { requests, idleHorizon } = this.#state.counts
    const { opened, closed } = this.#driver.tally.counts
    return { requests, opened, closed, idleEnds: idleHorizon.idleEnds }
  }

  /** How long the origin keeps idle connections, as it was seen. */
  get idleHorizon(): IdleHorizonFigures {
    return this.#state.counts.idleHorizon
  }

  /** What its size follows. */
  demandAt(now: number): PoolDemand {
    return this.#state.demandAt(now)
  }

  /** Begins with what an earlier process left. Undefined: it left none. */
  restore(
    horizon: { keptMs: number; confidence: number } | undefined,
    demand: { streams: number; rps: number } | undefined,
  ): void {
    if (horizon !== undefined) this.#state.restoreHorizon(horizon.keptMs, horizon.confidence)
    if (demand === undefined) return
    this.#driver.run(this.#state.onDemandRestored(demand.streams, demand.rps, this.#clock.now()))
  }

  /**
   * Whether the next connection that a newcomer would be given was reused before: its origin was seen to keep
   * it.
   */
  get hasProven(): boolean {
    return this.#state.hasProven
  }

  /** How its requests stand: of stats(), what costs nothing. */
  get load(): PoolLoad {
    return this.#state.load
  }

  /** Requests that it carries or that wait for it. */
  get underWay(): number {
    return this.#state.underWay
  }

  /** Those that are open now, on the way out or not. */
  connections(): Iterable<Connection> {
    return this.#driver.connections
  }

  /** It is open, and of this pool. */
  has(connection: Connection): boolean {
    return this.#driver.slotOf(connection) !== undefined
  }

  /**
   * How many requests found the connection there, of those that it was leased to so far. 0 for one that is
   * not open.
   */
  reusesOf(connection: Connection): number {
    const slot = this.#driver.slotOf(connection)
    return slot === undefined ? 0 : Math.max(0, slot.leases - 1)
  }

  /**
   * Open connections that take requests, whatever their load: above 0, a request that comes now has a stream,
   * or waits for an answer to a ping or for the end of another exchange, but not for a handshake (unless all
   * of these are lost or go on being full). Not counted are those on the way out and those whose peer allows
   * no stream at all just now. O(1).
   */
  get live(): number {
    return this.#state.serving
  }

  /**
   * Whether a request that comes now gets a stream at once: without a handshake, without waiting for others
   * and without a ping first. A yes is sure. A no is wrong only for the moment in which a connection has
   * become too old and the timer that says so is late. O(1). `now`: the time, for who has just looked.
   */
  hasRoom(now: number = this.#clock.now()): boolean {
    return this.#state.hasRoom(now)
  }

  /** All connections, those that are being made or ended included. O(1). */
  get size(): number {
    return this.#state.size
  }

  /** Those of them that there is a use for, and those that are missing. */
  get wanted(): number {
    return this.#state.wanted
  }

  /** Those of them that count against `maxConnections`. O(1). */
  get counted(): number {
    return this.#state.counted
  }

  /** The others: those whose readers stall. O(1). */
  get aside(): number {
    return this.#state.aside
  }

  /** Nobody waits, and there is no connection. */
  get isEmpty(): boolean {
    return this.#state.isEmpty
  }

  /** Nobody waits, and there are at most idle connections. */
  get isUnused(): boolean {
    return this.#state.isUnused
  }

  get lastUsedAt(): number {
    return this.#lastUsedAt
  }

  /** Since when its longest idle connection is idle; Infinity when none is. */
  get idleSince(): number {
    return this.#state.idleSince
  }

  /** Closes the connection that was idle for longest, if any is. */
  evictIdle(): boolean {
    const actions = this.#state.onEvict(this.#clock.now())
    this.#driver.run(actions)
    return actions.length > 0
  }

  /**
   * Takes the place of a connection whose reader stalls, for another pool; see stalled.ts. False: there is
   * none.
   */
  setStalledAside(): boolean {
    return this.#state.setStalledAside(this.#clock.now())
  }

  /** See PoolState.toString. */
  toString(): string {
    return this.#state.toString()
  }

  assertConsistent(): void {
    this.#state.assertConsistent()
  }

  /** For the budget only. */
  onBudgetAvailable(): void {
    this.#driver.run(this.#state.onBudgetAvailable(this.#clock.now()))
  }
}
