import type { TransportError } from '../base/errors.ts'
import type { CloseReason, KeepAliveHint, StreamShare } from '../base/events/connection.ts'
import { assertConsistent } from './consistency.ts'
import { NO_ACTIONS, type PoolAction } from './pool-action.ts'
import { PoolCore, type PoolStateConfig } from './pool-core.ts'
import type { PoolDemand, PoolLoad } from './pool-counts.ts'
import { becomeIdle, hasRoom, lease, nextFree, releaseStream } from './rules/assignment.ts'
import { abandonDials, connectionsWanted } from './rules/dialing.ts'
import { queueFullError, queueTimeoutError, shedLate } from './rules/queue-refusals.ts'
import { closeNow, evictLongestIdle, noteEnd, retire } from './rules/retirement.ts'
import { isHopeless, isSettledByLease, isSettledByRelease, settle } from './rules/settle.ts'
import { applyDemand, changeWarm, closeSilent, followDemand, keepUp } from './rules/upkeep.ts'
import type { Slot } from './slot.ts'
import { isSpare } from './slot-table.ts'

type Actions<Link, Waiter> = readonly PoolAction<Link, Waiter>[]

/**
 * Who gets which connection: the whole policy of one pool, without a socket, a timer or a clock.
 *
 * Theory of operation. There are slots (connections, see slot.ts) and waiters. Every event changes one of
 * them, and then `settle` looks at the whole. Each event returns what the driver has to do. The events that a
 * request costs when all is well (onAcquire with a free connection, onStreamClosed without waiters) take a
 * short cut that is O(1), or O(log n) among multiplexed connections.
 *
 * There is one machine for all protocols: an HTTP/1.1 connection is one with capacity 1.
 */
export class PoolState<Link, Waiter> {
  readonly #core: PoolCore<Link, Waiter>
  readonly #random: () => number

  constructor(config: PoolStateConfig<Link, Waiter>) {
    this.#random = config.random
    this.#core = new PoolCore(config)
  }

  /** Makes the warm level. */
  onStart(now: number): Actions<Link, Waiter> {
    this.#core.warm.startChecks(now)
    return settle(this.#core, now, [])
  }

  /**
   * A request wants a stream; `fresh`: of a new connection, since it had bad luck with a reused one.
   * `isReplay`: it was served before and comes back.
   */
  onAcquire(waiter: Waiter, fresh: boolean, now: number, isReplay: boolean = fresh): Actions<Link, Waiter> {
    const core = this.#core
    const actions: PoolAction<Link, Waiter>[] = []
    // Who was served before the drain and had bad luck is no newcomer: a drain lets exchanges finish.
    if (core.mode === 'closed' || (core.mode === 'draining' && !isReplay)) {
      actions.push({ type: 'reject', waiter, error: core.life.refusal(core.name) })
      return actions
    }
    core.demand.onArrival(core.slots.usedStreams, now)
    if (core.waiters.any.size === 0 && !fresh) {
      const slot = nextFree(core, now, actions)
      if (slot !== undefined) {
        lease(core, slot, waiter, actions)
        return actions.length === 1 && isSettledByLease(core) ? actions : settle(core, now, actions)
      }
    }
    shedLate(core, now, actions)
    if (core.waiters.size < core.maxWaiters) core.waiters.push(waiter, fresh, now)
    else {
      const other = fresh ? undefined : core.waiters.any.popFor(waiter)
      if (other !== undefined) core.waiters.push(waiter, fresh, now)
      actions.push({ type: 'reject', waiter: other ?? waiter, error: queueFullError(core) })
    }
    return settle(core, now, actions)
  }

  /** The waiter gave up. Nothing happens when it does not wait. */
  onCancel(waiter: Waiter, now: number): Actions<Link, Waiter> {
    const core = this.#core
    if (!core.waiters.remove(waiter)) return NO_ACTIONS
    return settle(core, now, [])
  }

  /** An exchange ended. `hint` is what the connection says about keep-alive now. */
  onStreamClosed(
    slot: Slot<Link>,
    failed: boolean,
    hint: KeepAliveHint | undefined,
    now: number,
  ): Actions<Link, Waiter> {
    const { kind } = slot.state
    if (kind === 'closing' || kind === 'closed') return NO_ACTIONS // its streams end with it
    slot.onExchangeEnded(failed, now)
    if (hint !== undefined || slot.keepAliveUntil !== Infinity) {
      const { options, maxRequests } = this.#core
      slot.applyHint(hint, options.keepAliveMarginMs, maxRequests, now)
    }
    return this.#release(slot, now)
  }

  /** A lease was given back without an exchange. */
  onReleased(slot: Slot<Link>, now: number): Actions<Link, Waiter> {
    const { kind } = slot.state
    if (kind === 'closing' || kind === 'closed') return NO_ACTIONS
    slot.onLeaseUndone()
    return this.#release(slot, now)
  }

  /**
   * Leases of the slot that could not be handed over, because it drained or ended first. The waiters go back
   * to the head, in order.
   */
  onLeasesLost(slot: Slot<Link>, waiters: readonly Waiter[], now: number): Actions<Link, Waiter> {
    const core = this.#core
    const actions: PoolAction<Link, Waiter>[] = []
    for (const waiter of waiters.toReversed()) {
      core.tally.onLeaseUndone(slot.onLeaseUndone() || slot.isGuest)
      if (slot.state.kind === 'draining') releaseStream(core, slot, now)
      if (core.mode === 'closed')
        actions.push({ type: 'reject', waiter, error: core.life.refusal(core.name) })
      else core.waiters.pushFront(waiter, now)
    }
    return settle(core, now, actions)
  }

  /** The dial of a slot succeeded. `isProvisional`, `share`: see Connection. */
  onConnected(
    slot: Slot<Link>,
    capacity: number,
    now: number,
    isProvisional: boolean = false,
    share?: StreamShare,
  ): Actions<Link, Waiter> {
    const core = this.#core
    const { maxAgeMs, maxAgeJitter } = core.options
    const retireAt = maxAgeMs === 0 ? Infinity : now + maxAgeMs * (1 - maxAgeJitter * this.#random())
    slot.onOpened(now, retireAt, core.limits.leases)
    if (share === undefined) core.backoff.onConnected()
    else core.slots.becomeGuest(slot, share)
    core.slots.setCapacity(slot, capacity, isProvisional, now)
    becomeIdle(core, slot, now)
    // What is left of another origin's connection says nothing of those that are dialed.
    if (share === undefined) core.limits.onCapacity(capacity, isProvisional)
    return settle(core, now, [])
  }

  onConnectFailed(slot: Slot<Link>, error: TransportError, now: number): Actions<Link, Waiter> {
    const core = this.#core
    const actions: PoolAction<Link, Waiter>[] = []
    const { state } = slot
    core.slots.remove(slot)
    // A dial that we stopped ourselves says nothing about the origin.
    if (state.kind === 'starting') {
      core.tally.onConnectFailed()
      core.warm.endPreconnect()
      core.backoff.onConnectFailed(state.round, error, now)
      if (isHopeless(core)) core.rejectAll(error, actions)
      else core.waiters.takeWhatIsThere(now)
    }
    return settle(core, now, actions)
  }

  /** The peer reported, or changed, how many streams it allows. */
  onCapacityChanged(
    slot: Slot<Link>,
    capacity: number,
    now: number,
    isProvisional: boolean = false,
  ): Actions<Link, Waiter> {
    const { kind } = slot.state
    if (kind !== 'idle' && kind !== 'verifying' && kind !== 'leased') return NO_ACTIONS
    const core = this.#core
    core.slots.setCapacity(slot, capacity, isProvisional, now)
    if (!slot.isGuest) core.limits.onCapacity(capacity, isProvisional)
    return settle(core, now, [])
  }

  /** Others may take streams of the connection from now on: the share of one. Undefined: it takes no more. */
  lend(slot: Slot<Link>): StreamShare | undefined {
    const { kind } = slot.state
    const isLive = kind === 'idle' || kind === 'verifying' || kind === 'leased'
    return isLive && !slot.isGuest && !slot.hasReachedLeaseLimit ? this.#core.slots.lend(slot) : undefined
  }

  /** This pool has a stream of a shared connection; or the connection has carried its last. */
  onStreamsFree(slot: Slot<Link>, now: number): Actions<Link, Waiter> {
    const { kind } = slot.state
    if (kind !== 'idle' && kind !== 'leased') return NO_ACTIONS
    const core = this.#core
    const actions: PoolAction<Link, Waiter>[] = []
    core.slots.unblock(slot, now)
    if (!slot.isGuest && slot.hasReachedLeaseLimit) retire(core, slot, 'max-requests', actions)
    return settle(core, now, actions)
  }

  /** Those whose streams others use as well. */
  get shared(): ReadonlySet<Slot<Link>> {
    return this.#core.slots.shared
  }

  /** The connection takes no more exchanges; it will end by itself. `taken`: see Connection.requestsTaken. */
  onDraining(slot: Slot<Link>, reason: CloseReason, now: number, taken?: number): Actions<Link, Waiter> {
    const { kind } = slot.state
    if (kind === 'starting' || kind === 'closing' || kind === 'closed') return NO_ACTIONS
    const core = this.#core
    noteEnd(core, slot, reason, undefined, now)
    if (!slot.isGuest) core.limits.onDraining(slot, taken, core.slots.all())
    core.slots.move(slot, {
      kind: 'draining',
      usedStreams: slot.usedStreams,
      reason,
      by: 'connection',
    })
    return settle(core, now, [])
  }

  /** The connection is gone. `wasSilent`: since its peer said nothing any more. */
  onClosed(
    slot: Slot<Link>,
    reason: CloseReason,
    error: TransportError | undefined,
    now: number,
    wasSilent: boolean = false,
  ): Actions<Link, Waiter> {
    if (slot.state.kind === 'closed') return NO_ACTIONS
    const core = this.#core
    const actions: PoolAction<Link, Waiter>[] = []
    noteEnd(core, slot, reason, error, now)
    core.slots.remove(slot)
    if (wasSilent) closeSilent(core, now, actions)
    return settle(core, now, actions)
  }

  onPinged(slot: Slot<Link>, isAlive: boolean, now: number): Actions<Link, Waiter> {
    const core = this.#core
    if (slot.state.kind !== 'verifying') return NO_ACTIONS // it closed, or the deadline passed
    const actions: PoolAction<Link, Waiter>[] = []
    if (isAlive) becomeIdle(core, slot, now)
    else closeNow(core, slot, 'ping-failed', actions)
    return settle(core, now, actions)
  }

  /** The time that setTimer asked for has come. */
  onTimer(now: number): Actions<Link, Waiter> {
    const core = this.#core
    const actions: PoolAction<Link, Waiter>[] = []
    const { waiters } = core
    core.schedule.onFired()
    if (now >= core.demand.tickAt) followDemand(core, now, actions)
    keepUp(core, now, actions)
    const surplus = core.surplus.take(now)
    if (surplus !== undefined) retire(core, surplus, 'surplus', actions)
    for (let waiter = waiters.shiftExpired(now); waiter !== undefined; waiter = waiters.shiftExpired(now)) {
      actions.push({ type: 'reject', waiter, error: queueTimeoutError(core) })
    }
    return settle(core, now, actions)
  }

  /** `connections` are to be there, waiters or not, until onPreconnectSettled. */
  onPreconnect(connections: number, now: number): Actions<Link, Waiter> {
    this.#core.warm.preconnect(connections)
    return settle(this.#core, now, [])
  }

  onPreconnectSettled(): void {
    this.#core.warm.endPreconnect()
  }

  /** The connection gets no more exchanges, and ends with those that it carries. */
  onRetire(slot: Slot<Link>, reason: CloseReason, now: number): Actions<Link, Waiter> {
    const { kind } = slot.state
    if (kind !== 'idle' && kind !== 'verifying' && kind !== 'leased') return NO_ACTIONS
    const actions: PoolAction<Link, Waiter>[] = []
    retire(this.#core, slot, reason, actions)
    return settle(this.#core, now, actions)
  }

  /** Another warm level: what is missing is made, what is too much ages out. */
  onWarm(connections: number, now: number): Actions<Link, Waiter> {
    const core = this.#core
    if (connections === core.warm.floor) return NO_ACTIONS
    const actions: PoolAction<Link, Waiter>[] = []
    changeWarm(core, connections, now, actions)
    return settle(core, now, actions)
  }

  /** An earlier process left such a demand: exchanges at once, requests per second. */
  onDemandRestored(streams: number, rps: number, now: number): Actions<Link, Waiter> {
    const core = this.#core
    const actions: PoolAction<Link, Waiter>[] = []
    core.demand.restore(streams, rps, now)
    applyDemand(core, now, actions)
    return settle(core, now, actions)
  }

  /** Stops the dials that neither a waiter nor a preconnect, the warm level or the spread needs. */
  onAbandonDials(reason: CloseReason, now: number): Actions<Link, Waiter> {
    const actions: PoolAction<Link, Waiter>[] = []
    abandonDials(this.#core, reason, actions)
    return actions.length === 0 ? NO_ACTIONS : settle(this.#core, now, actions)
  }

  /** The budget over all pools has a place for this one. */
  onBudgetAvailable(now: number): Actions<Link, Waiter> {
    return settle(this.#core, now, [])
  }

  /** Gives up the connection that was idle for longest. No actions: there is none. */
  onEvict(now: number): Actions<Link, Waiter> {
    const actions: PoolAction<Link, Waiter>[] = []
    return evictLongestIdle(this.#core, actions) ? settle(this.#core, now, actions) : NO_ACTIONS
  }

  /** Another pool needs a place: a stalled reader gives up its own. False: there is none. */
  setStalledAside(now: number): boolean {
    return this.#core.stalled.setAside(1, now) > 0
  }

  /** No new waiters; those that wait are still served; connections close as they become free. */
  onDrain(now: number): Actions<Link, Waiter> {
    this.#core.life.drain()
    return settle(this.#core, now, [])
  }

  /** Everything ends now. */
  onClose(error: TransportError, now: number): Actions<Link, Waiter> {
    const core = this.#core
    const actions: PoolAction<Link, Waiter>[] = []
    core.life.close(error)
    core.surplus.end()
    core.rejectAll(error, actions)
    for (const slot of core.slots.all()) closeNow(core, slot, 'shutdown', actions)
    return settle(core, now, actions)
  }

  /** What stats() shows. */
  get counts() {
    const { slots, waiters, overload, tally } = this.#core
    return {
      connections: slots.ownCounts(),
      coalesced: slots.guests,
      waiters: waiters.size,
      overloaded: overload.isOverloaded && waiters.size > 0,
      streams: slots.usedStreams,
      stalled: slots.aside,
      idleHorizon: this.#core.horizons.figures,
      ...tally.counts,
    }
  }

  /** What its size follows. */
  demandAt(now: number): PoolDemand {
    const { demand, slots, warm, limits } = this.#core
    return {
      streamMs: demand.streamMsAt(slots.usedStreams, now),
      streams: demand.streams,
      rps: demand.rps,
      level: warm.connections,
      streamsPerConnection: limits.streams,
    }
  }

  /** How sure it is of the time for which the origin keeps idle connections, from an earlier process. */
  restoreHorizon(keptMs: number, confidence: number): void {
    this.#core.horizons.restore(keptMs, confidence)
  }

  /** Whether the next connection that a newcomer would be given was reused before. */
  get hasProven(): boolean {
    const { slots } = this.#core
    return ((slots.leastLoaded ?? slots.newestIdle)?.leases ?? 0) > 1
  }

  get load(): PoolLoad {
    const { slots, waiters, stalled } = this.#core
    return {
      waiters: waiters.size,
      streams: slots.usedStreams,
      starting: slots.count('starting'),
      stalledPlaces: stalled.places,
    }
  }

  get underWay(): number {
    return this.#core.waiters.size + this.#core.slots.usedStreams
  }

  get mode(): 'open' | 'draining' | 'closed' {
    return this.#core.mode
  }

  /** What newcomers hear when the mode is not `open`. */
  get closedError(): TransportError {
    return this.#core.life.refusal(this.#core.name)
  }

  get slots(): readonly Slot<Link>[] {
    return this.#core.slots.all()
  }

  /** Connections that are open and not on the way out. */
  get live(): number {
    return this.#core.slots.live
  }

  /** All connections, those that are being made or ended included. */
  get size(): number {
    return this.#core.slots.size
  }

  /** Those of them that there is a use for, and those that are missing. */
  get wanted(): number {
    return connectionsWanted(this.#core)
  }

  /** Those of them that count against `maxConnections`. */
  get counted(): number {
    return this.#core.slots.counted
  }

  get aside(): number {
    return this.#core.slots.aside
  }

  /** Those of all whose peer takes requests, whatever their load. */
  get serving(): number {
    return this.#core.slots.live - this.#core.slots.zeroCapacity
  }

  /** Whether a newcomer would be given a stream at once. A yes is sure; see assignment.ts. */
  hasRoom(now: number): boolean {
    return hasRoom(this.#core, now)
  }

  get starting(): number {
    return this.#core.slots.count('starting')
  }

  get hasWaiters(): boolean {
    return this.#core.waiters.size > 0
  }

  /** Neither a connection nor a waiter. */
  get isEmpty(): boolean {
    return this.#core.slots.size === 0 && this.#core.waiters.size === 0
  }

  /** No waiter, and nothing but idle connections. */
  get isUnused(): boolean {
    const { slots, waiters } = this.#core
    return (
      waiters.size === 0 &&
      slots.all().every(slot => (slot.isGuest ? slot.state.kind === 'idle' : isSpare(slot)))
    )
  }

  /** Since when the connection is idle that would make room first; Infinity: none would. */
  get idleSince(): number {
    const state = this.#core.slots.oldestSpare?.state
    return state?.kind === 'idle' ? state.since : Infinity
  }

  get expectedCapacity(): number | undefined {
    return this.#core.limits.capacity
  }

  get lastConnectError(): TransportError | undefined {
    return this.#core.backoff.lastError
  }

  /** When the next dial may start; not after `now`: at once. */
  get retryAt(): number {
    return this.#core.backoff.dueAt
  }

  isBackingOff(now: number): boolean {
    return this.#core.backoff.isActive(now)
  }

  /** `https://example.com open: 1 connecting, 2 idle, 3 leased (12 streams), 0 draining, 4 waiting` */
  toString(): string {
    const { connections, streams, waiters } = this.counts
    return (
      `${this.#core.name} ${this.#core.mode}: ${connections.connecting} connecting, ${connections.idle} idle, ` +
      `${connections.leased} leased (${streams} streams), ${connections.draining} draining, ${waiters} waiting`
    )
  }

  /** Throws unless every counter and every order is what a recount says. For tests. */
  assertConsistent(): void {
    assertConsistent(this.#core)
  }

  #release(slot: Slot<Link>, now: number): Actions<Link, Waiter> {
    const core = this.#core
    core.demand.onChange(core.slots.usedStreams, now)
    const reason = releaseStream(core, slot, now)
    if (reason === undefined && isSettledByRelease(core)) return NO_ACTIONS
    const actions: PoolAction<Link, Waiter>[] = []
    if (reason === 'max-requests' && slot.state.kind === 'draining') core.limits.onLimitKept(slot)
    if (reason !== undefined) retire(core, slot, reason, actions)
    return settle(core, now, actions)
  }
}
