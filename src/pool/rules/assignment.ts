import { TransportError } from '../../base/errors.ts'
import type { CloseReason } from '../../base/events/connection.ts'
import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'
import { dueAt, expiryOf, retire } from './retirement.ts'

/** A connection younger than this is as good as new, if it multiplexes or was not used yet. */
const FRESH_MS = 1_000

/** The one place that gives connections to waiters. Those that had bad luck with a reused one come first. */
export function assignWaiters<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  while (core.waiters.fresh.size > 0) {
    const slot = nextFresh(core, now)
    if (slot === undefined) break
    const waiter = core.waiters.fresh.shift()
    if (waiter !== undefined) lease(core, slot, waiter, actions)
  }
  while (core.waiters.any.size > 0) {
    const slot = nextFree(core, now, actions)
    if (slot === undefined) break
    const waiter = core.overload.isOverloaded ? core.waiters.any.pop() : core.waiters.any.shift()
    if (waiter !== undefined) lease(core, slot, waiter, actions)
  }
  if (core.waiters.any.size > 0) verifyIdle(core, now, actions)
}

/**
 * The connection that carries the next exchange:
 * 1. While fewer are busy than exchanges are to be spread over: an idle one, as in 3.
 * 2. The least loaded of those that carry something and have room. Idle ones are left alone while these
 *    suffice, so that a second multiplexed connection that is no longer needed ages out.
 * 3. The one that became idle last, so that the surplus ages out at the other end.
 * Not one that is to be verified first. What turns out to be too old on the way is retired.
 */
export function nextFree<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): Slot<Link> | undefined {
  if (core.spreadOver > 1 && core.slots.count('leased') < core.spreadOver) {
    const idle = nextIdle(core, now, actions)
    if (idle !== undefined) return idle
  }
  for (let slot = core.slots.leastLoaded; slot !== undefined; slot = core.slots.leastLoaded) {
    if (now >= slot.retireAt) retire(core, slot, 'max-age', actions)
    else if (hasFreeStream(core, slot)) return slot
  }
  return nextIdle(core, now, actions)
}

function nextIdle<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): Slot<Link> | undefined {
  if (core.rescues > 0) {
    core.rescues -= 1
    const { oldestIdle } = core.slots
    if (oldestIdle !== undefined && isGood(core, oldestIdle, now)) return leaveIdle(core, oldestIdle, now)
  }
  for (let slot = core.slots.newestIdle; slot !== undefined; slot = core.slots.newestIdle) {
    const since = idleSince(slot)
    const expired = expiryOf(core, slot, since, now)
    if (expired === undefined) {
      if (now - since >= core.verifyAfterIdleMs) return undefined
      if (!hasFreeStream(core, slot)) continue
      return leaveIdle(core, slot, now)
    }
    if (expired === 'keep-alive-timeout') core.horizons.onRaceAvoided(slot, now)
    retire(core, slot, expired, actions)
  }
  return undefined
}

/** It is about to be leased. */
function leaveIdle<Link>(core: PoolCore<Link, unknown>, slot: Slot<Link>, now: number): Slot<Link> {
  core.horizons.onReused(slot, now)
  slot.onIdleEnds(now)
  return slot
}

/** Neither too old nor to be verified first, and with a stream that others do not have. */
function isGood(core: PoolCore<unknown, unknown>, slot: Slot<unknown>, now: number): boolean {
  if (slot.share?.free === 0 || isStale(core, slot, now)) return false
  return expiryOf(core, slot, idleSince(slot), now) === undefined
}

/** Others who share the connection may have all that it has; then it waits for a stream. */
function hasFreeStream<Link, Waiter>(core: PoolCore<Link, Waiter>, slot: Slot<Link>): boolean {
  if (slot.share === undefined || slot.share.free > 0) return true
  core.slots.block(slot)
  return false
}

/**
 * Whether a newcomer would be given a connection at once. One that turns out to be too old at this very
 * moment hides what is behind it (a newcomer's request would retire it), so that a no may be wrong; a yes
 * never is.
 */
export function hasRoom(core: PoolCore<unknown, unknown>, now: number): boolean {
  if (core.mode !== 'open' || core.waiters.any.size > 0) return false
  const busy = core.slots.leastLoaded
  if (busy !== undefined && now < busy.retireAt && busy.share?.free !== 0) return true
  const idle = core.slots.newestIdle
  return idle !== undefined && isGood(core, idle, now)
}

/** Silent for so long that it is to show that it lives before it is used. */
export function isStale(core: PoolCore<unknown, unknown>, slot: Slot<unknown>, now: number): boolean {
  return now - idleSince(slot) >= core.verifyAfterIdleMs
}

/**
 * A connection for a waiter that a reused one died under. Others that are idle may be as dead, and a request
 * is not sent again and again, so it gets:
 * 1. One that has just opened, and was not used yet unless it multiplexes.
 * 2. When the pool is full, one that ended an exchange this very moment: better than to starve while others
 *    are served.
 */
function nextFresh<Link, Waiter>(core: PoolCore<Link, Waiter>, now: number): Slot<Link> | undefined {
  const busy = core.slots.leastLoaded
  if (busy !== undefined) {
    if (isFresh(busy, now)) return busy
    // The new one may carry more than an old one does: looked for among all, since such waiters are rare.
    const fresh = core.slots.all().find(slot => slot.heapIndex >= 0 && isFresh(slot, now))
    if (fresh !== undefined) return fresh
  }
  const idle = core.slots.newestIdle
  if (idle === undefined || now >= idle.retireAt) return undefined
  if (idle.share?.free === 0) return undefined
  const isFull = core.isFull && core.slots.count('starting') === 0
  return isFresh(idle, now) || (isFull && idleSince(idle) === now) ? idle : undefined
}

function isFresh(slot: Slot<unknown>, now: number): boolean {
  if (slot.isGuest || slot.share?.free === 0) return false
  return now - slot.openedAt < FRESH_MS && now < slot.retireAt && (slot.leases === 0 || slot.capacity > 1)
}

/** Gives the waiter a stream of the connection. */
export function lease<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  waiter: Waiter,
  actions: PoolAction<Link, Waiter>[],
): void {
  // Before it is counted: the last one that it may carry takes a stream as all others do.
  core.slots.move(slot, { kind: 'leased', usedStreams: slot.usedStreams + 1 })
  const reused = slot.onLeased() || slot.isGuest
  core.tally.onLeased(reused)
  if (!reused) core.backoff.onFirstLease()
  core.surplus.onLease(core.slots.usedStreams)
  actions.push({ type: 'lease', slot, waiter, reused })
  if (slot.hasReachedLeaseLimit) retire(core, slot, 'max-requests', actions)
}

/** Takes one exchange off the connection. Answers why it must go, if it must. */
export function releaseStream<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  now: number,
): CloseReason | undefined {
  const { state } = slot
  if (state.kind === 'leased') {
    if (state.usedStreams > 1) {
      core.slots.move(slot, { kind: 'leased', usedStreams: state.usedStreams - 1 })
    } else becomeIdle(core, slot, now)
    if (slot.errors >= core.maxErrors) return 'errors'
    if (slot.hasReachedLeaseLimit) return 'max-requests' // the limit sank by a hint
    if (slot.state.kind !== 'idle') return undefined
    return expiryOf(core, slot, now, now) ?? core.stalled.takeBack(slot)
  }
  if (state.kind === 'draining' && state.usedStreams > 0) {
    core.slots.move(slot, { ...state, usedStreams: state.usedStreams - 1 })
    return state.by === 'pool' && slot.usedStreams === 0 ? state.reason : undefined
  }
  throw new TransportError('MM_INTERNAL', `pool: an exchange ended on ${slot.toString()}, which carried none`)
}

export function becomeIdle<Link, Waiter>(core: PoolCore<Link, Waiter>, slot: Slot<Link>, now: number): void {
  core.slots.move(slot, { kind: 'idle', since: now })
  core.schedule.coverSlot(dueAt(core, slot, now))
}

/**
 * Sends stale idle connections a liveness probe: as many as the waiters need beyond what is on its way
 * already.
 */
function verifyIdle<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  const starting = core.slots.count('starting')
  const dialed = starting === 0 ? 0 : starting * (core.limits.streams ?? Infinity)
  const promised = core.slots.promisedStreams(core.limits.streams)
  for (let slot = core.slots.newestIdle; slot !== undefined; slot = core.slots.newestIdle) {
    if (core.waiters.size <= dialed + promised + core.slots.verifyingStreams) return
    const expired = expiryOf(core, slot, idleSince(slot), now)
    if (expired === undefined) verify(core, slot, now, actions)
    else retire(core, slot, expired, actions)
  }
}

export function verify<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  const deadline = core.options.pingTimeoutMs === 0 ? Infinity : now + core.options.pingTimeoutMs
  slot.onPing()
  core.slots.move(slot, { kind: 'verifying', deadline })
  core.schedule.coverSlot(deadline)
  actions.push({ type: 'ping', slot })
}

export function idleSince(slot: Slot<unknown>): number {
  return slot.state.kind === 'idle' ? slot.state.since : -Infinity
}
