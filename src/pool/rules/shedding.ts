import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import { queueOverloadedError } from './queue-errors.ts'
import { MAX_SHED_PER_ARRIVAL } from './queue-overload.ts'
import { isGrowing } from './stalled.ts'

/**
 * Before somebody is to wait: where the pool is overloaded, those who have waited too long give way. (Without
 * newcomers everybody is served in the end, so that nobody is refused.) Those that a connection died under
 * are not looked at: they are few, and were admitted before.
 */
export function shedLate<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  const { overload, waiters } = core
  const headSince = waiters.headSince
  if (overload.targetMs === 0) return
  if (headSince === undefined) {
    overload.onEmpty()
    return
  }
  if (!overload.isOverloaded) overload.onArrival(headSince, isFull(core, now), now)
  if (!overload.isOverloaded) return
  // Many slow readers at once make a queue that drains as they are set aside: newcomers go first meanwhile,
  // and nobody is refused for it while there is room to wait.
  if (isGrowing(core, now) && core.waiting < core.options.maxWaiters) return
  for (let shed = 0; shed < MAX_SHED_PER_ARRIVAL; shed++) {
    const since = waiters.headSince
    if (since === undefined || now - since <= overload.targetMs) return
    const waiter = waiters.shift()
    if (waiter === undefined) return
    core.shed += 1
    actions.push({ type: 'reject', waiter, error: queueOverloadedError(core) })
  }
}

/**
 * The connections carry requests, and no further one can be made now. Before the first one is open, whoever
 * waits waits for a handshake: that says nothing of the load.
 */
function isFull(core: PoolCore<unknown, unknown>, now: number): boolean {
  const { slots, budget, backoff } = core
  if (slots.count('leased') === 0) return false
  return core.isFull || backoff.isActive(now) || budget.isFull
}
