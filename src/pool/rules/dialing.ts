import type { CloseReason } from '../../base/events/connection.ts'
import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'
import { idleSince, isStale, verify } from './assignment.ts'
import { closeNow, evictLongestIdle, expiryOf } from './retirement.ts'

/** Connections that take nothing, beyond which waiters wait for them instead of for further ones. */
const MAX_ZERO_CAPACITY = 2

/**
 * How many dials the pool should start, limits and backoff aside: what is demanded and not under way yet.
 * 1. For the waiters: each dial counts for as many of them as a connection carries, and so does each
 *    connection that is being verified (but not for those that want a new one). As long as nobody knows what
 *    a connection carries, one dial is to find out: a burst to an unknown origin must not become a hundred
 *    handshakes where one HTTP/2 connection would have done. An HTTP/2 connection whose peer has not sent its
 *    SETTINGS yet counts for what it is expected to carry once they came, not for the few streams that it
 *    takes before. Where connections stand open that take nothing at all (SETTINGS_MAX_CONCURRENT_STREAMS of
 *    0), a second one may find out whether that is the mood of the first one only; more would be a storm on
 *    an origin that wants to be left alone.
 * 2. For the warm level or a preconnect: what is missing, or about to expire.
 * 3. For the spread: what is missing.
 * 4. While dials fail: one at a time.
 */
export function dialsWanted<Link, Waiter>(core: PoolCore<Link, Waiter>): number {
  const starting = core.slots.count('starting')
  let wanted = Math.max(0, dialsDemanded(core) - starting)
  if (core.spreadOver > 1) wanted = Math.max(wanted, dialsForSpread(core) - starting)
  return core.backoff.isFailing ? Math.min(wanted, Math.max(0, 1 - starting)) : wanted
}

/** Dials that should be under way for the waiters, the warm level and a preconnect. */
function dialsDemanded<Link, Waiter>(core: PoolCore<Link, Waiter>): number {
  const lasting = core.slots.live - core.slots.expiring
  return Math.max(dialsForWaiters(core), core.targetConnections - lasting)
}

/** Dials that should be under way for the spread: a luxury. */
function dialsForSpread<Link, Waiter>(core: PoolCore<Link, Waiter>): number {
  return connectionsForSpread(core) - core.slots.live
}

function dialsForWaiters<Link, Waiter>(core: PoolCore<Link, Waiter>): number {
  const waiting = Math.max(0, core.waiters.any.size - core.slots.verifyingStreams) + core.waiters.fresh.size
  if (waiting === 0) return 0
  const perConnection = core.limits.streams
  const uncovered = waiting - core.slots.promisedStreams(perConnection)
  if (uncovered <= 0) return 0
  const dials = perConnection === undefined ? 1 : Math.max(1, Math.ceil(uncovered / perConnection))
  return core.slots.zeroCapacity === 0
    ? dials
    : Math.min(dials, Math.max(0, MAX_ZERO_CAPACITY - core.slots.zeroCapacity))
}

/** Dials that the waiters still miss. While dials fail: one at a time. */
export function dialsMissing(core: PoolCore<unknown, unknown>): number {
  const missing = Math.max(0, dialsForWaiters(core) - core.slots.count('starting'))
  return core.backoff.isFailing ? Math.min(1, missing) : missing
}

/**
 * Connections that there is a use for: those that carry something, those to come, and those to be kept ready.
 */
export function connectionsWanted(core: PoolCore<unknown, unknown>): number {
  const { connecting, leased, draining } = core.slots.ownCounts()
  const used = connecting + leased + draining + dialsMissing(core)
  return Math.min(core.maxConnections, Math.max(used, core.targetConnections))
}

/** When the next dial may start, going by how the last ones went; not after `now`: at once. */
export function dialDueAt(core: PoolCore<unknown, unknown>): number {
  const hasNothing = core.slots.live === 0
  return hasNothing && dialsMissing(core) > 0 ? core.backoff.requestDueAt : core.backoff.dueAt
}

/** Starts what is wanted, as far as backoff and limits allow. */
export function dial<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  const wanted = dialsWanted(core)
  if (wanted === 0 || now < dialDueAt(core)) return
  const essential = core.spreadOver === 1 ? wanted : dialsDemanded(core) - core.slots.count('starting')
  if (core.stalled.mayFind(now)) {
    const missing = core.slots.counted + dialsMissing(core) - core.maxConnections
    if (missing > 0) core.stalled.setAside(missing, now)
  }
  for (let started = 0; started < wanted; started += 1) {
    if (core.isFull) {
      if (started < essential && !closeUnresponsive(core, actions)) makeRoomForFresh(core, actions)
      return
    }
    // Those that are set aside are connections of the origin all the same: a ceiling has no place for them.
    if (core.budget.isFull && core.budget.reachedCeiling === undefined)
      core.stalled.setAside(dialsMissing(core), now)
    const slot = core.slots.create(core.backoff.round)
    if (slot === undefined) {
      if (started >= essential || closeUnresponsive(core, actions)) return
      makeRoomForFresh(core, actions)
      if (isWorthEviction(core)) actions.push({ type: 'starve' })
      return
    }
    actions.push({ type: 'connect', slot })
  }
}

/**
 * A waiter is worth an idle connection of another pool. So is a preconnect, if that pool is of the same
 * origin: a lane that is to be ready would else wait for as long as others use all of `maxConnections`. A
 * warm level or a spread is not.
 */
function isWorthEviction(core: PoolCore<unknown, unknown>): boolean {
  return core.waiters.size > 0 || (core.warm.preconnects > core.slots.live && core.budget.isReached)
}

/** Stops the dials that nobody would start now, the youngest first. */
export function abandonDials<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  reason: CloseReason,
  actions: PoolAction<Link, Waiter>[],
): void {
  const demanded = Math.max(dialsDemanded(core), dialsForSpread(core), 0)
  const surplus = core.slots.count('starting') - demanded
  if (surplus <= 0) return
  const youngestFirst = core.slots
    .all()
    .filter(({ state }) => state.kind === 'starting')
    .sort((a, b) => b.id - a.id)
  for (const slot of youngestFirst.slice(0, surplus)) closeNow(core, slot, reason, actions)
}

/**
 * The pool is full: whoever still waits on a connection whose peer is gone, as it looks, makes room for all
 * others. False: there is none.
 */
function closeUnresponsive<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  actions: PoolAction<Link, Waiter>[],
): boolean {
  if (core.slots.count('draining') === 0) return false
  const slot = core.slots
    .all()
    .find(({ state }) => state.kind === 'draining' && state.reason === 'unresponsive')
  if (slot === undefined) return false
  closeNow(core, slot, 'unresponsive', actions)
  return true
}

/** The pool is full, but not of connections that a waiter for a new one would take: idle ones give way. */
function makeRoomForFresh<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  actions: PoolAction<Link, Waiter>[],
): void {
  const { slots } = core
  while (core.waiters.fresh.size > slots.count('starting') + slots.count('closing')) {
    if (!evictLongestIdle(core, actions)) return
  }
}

/**
 * Exchanges that one multiplexed connection could carry, spread over several (`spreadOver`): a lost segment
 * then holds up those on its own connection only, and congestion control has as many windows. Nobody waits
 * for it: a request leaves on what is open, and what the spread wants is dialed or verified beside that.
 */

/**
 * Connections that the exchanges of now should be spread over: as many as there are exchanges, up to
 * `spreadOver`. 0: nothing to spread.
 */
export function connectionsForSpread(core: PoolCore<unknown, unknown>): number {
  if (core.spreadOver === 1 || core.mode !== 'open') return 0
  if (core.slots.zeroCapacity > 0) return 0 // the origin wants to be left alone
  return Math.min(core.spreadOver, core.slots.liveStreams + core.waiters.size)
}

/**
 * Whether a lease may leave something to be dialed or verified for the spread. Asked at every lease of a pool
 * that spreads.
 */
export function isSpreadUnfilled(core: PoolCore<unknown, unknown>): boolean {
  const leased = core.slots.count('leased')
  return leased < core.spreadOver && leased < core.slots.usedStreams + core.waiters.size
}

/**
 * Idle connections that were silent for too long are passed over while a busy one has room. Those that the
 * spread has a use for are sent a liveness probe, so that the next exchange finds them good.
 */
export function verifyForSpread<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (!isSpreadUnfilled(core)) return
  let missing = connectionsForSpread(core) - core.slots.count('leased') - core.slots.count('verifying')
  for (let slot = core.slots.newestIdle; slot !== undefined && missing > 0; ) {
    const next: Slot<Link> | undefined = slot.older
    // What is too old goes by the timer.
    if (expiryOf(core, slot, idleSince(slot), now) === undefined) {
      missing -= 1
      if (isStale(core, slot, now)) verify(core, slot, now, actions)
    }
    slot = next
  }
}
