import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import { assignWaiters } from './assignment.ts'
import { dial, dialDueAt, dialsMissing, dialsWanted, isSpreadUnfilled, verifyForSpread } from './dialing.ts'
import { closeUnneeded, evictLongestIdle } from './retirement.ts'

/**
 * What follows from every event, in this order:
 * 1. Free connections go to waiters.
 * 2. Waiters that cannot hope are refused.
 * 3. Dials start for those that are left, for the warm level and for the spread; for the spread, stale
 *    connections are verified.
 * 4. What nobody needs is given up: to a drain, or to another pool that starves.
 * 5. The next wake-up is asked for, if it is earlier than the one before.
 */
export function settle<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): PoolAction<Link, Waiter>[] {
  core.demand.onChange(core.slots.usedStreams, now)
  if (core.mode !== 'closed') {
    assignWaiters(core, now, actions)
    refuseHopeless(core, now, actions)
    if (core.spreadOver > 1) verifyForSpread(core, now, actions)
    dial(core, now, actions)
    if (core.mode === 'draining' && core.waiters.size === 0) closeUnneeded(core, actions)
    while (core.budget.needsEviction && evictLongestIdle(core, actions));
    core.surplus.watch(now)
  }
  schedule(core, now, actions)
  return actions
}

/** Whether a lease from an idle or roomy connection leaves nothing else to do. */
export function isSettledByLease(core: PoolCore<unknown, unknown>): boolean {
  if (core.spreadOver > 1 && isSpreadUnfilled(core)) return false
  if (core.demand.tickAt < core.schedule.armedAt) return false
  return core.surplus.isSettled
}

/** Whether a release that retired nothing leaves nothing else to do. */
export function isSettledByRelease(core: PoolCore<unknown, unknown>): boolean {
  return (
    core.waiters.size === 0 &&
    core.mode === 'open' &&
    core.schedule.slotsDueAt >= core.schedule.armedAt &&
    !core.budget.needsEviction
  )
}

/** No connection is there or on its way. */
export function isHopeless(core: PoolCore<unknown, unknown>): boolean {
  return core.slots.live === 0 && core.slots.count('starting') === 0
}

/**
 * While the pool backs off and nothing is there or on its way, waiting makes sense only if the next attempt
 * is near.
 */
function refuseHopeless<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  const { backoff, options } = core
  if (core.waiters.size === 0 || backoff.lastError === undefined) return
  const waitMs = backoff.requestDueAt - now
  if (waitMs > 0 && waitMs > options.backoffWaitMs && isHopeless(core)) {
    core.rejectAll(backoff.lastError, actions)
  }
}

/** When to look again for readers that stall; Infinity: nobody waits for what they hold. */
function nextStallCheckAt(core: PoolCore<unknown, unknown>, now: number): number {
  const { budget } = core
  if (core.waiters.size === 0 || core.mode === 'closed' || core.backoff.isActive(now)) return Infinity
  // Those of other pools may hold what the budget has.
  const mayFind = core.stalled.places > 0 || (budget.isFull && budget.hasStalledPlace)
  if (!mayFind || dialsMissing(core) === 0) return Infinity
  return core.stalled.nextCheckAt(now)
}

function schedule<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (core.slots.size === 0) core.schedule.forgetSlots()
  let at = Math.min(core.schedule.slotsDueAt, core.waiters.dueAt, core.surplus.checkAt)
  if (core.mode === 'open') at = Math.min(at, core.warm.checkAt, core.demand.tickAt)
  if (core.mode !== 'closed' && core.backoff.isActive(now) && dialsWanted(core) > 0) {
    const dueAt = dialDueAt(core)
    // What is due and was not started waits for a place, which is no matter of time.
    at = Math.min(at, dueAt > now ? dueAt : core.backoff.dueAt)
  }
  core.schedule.arm(Math.min(at, nextStallCheckAt(core, now)), actions)
}
