import type { CloseReason } from '../../base/events/connection.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'

/**
 * A reader that stalls holds an HTTP/1.1 connection for as long as it likes, and enough of them would hold
 * all that an origin may have. The origin is idle on such a connection: its response waits in buffers of the
 * kernel. So while requests wait for a connection and none may be added, those that stand still are set
 * aside: they have no part in `maxConnections` and in the budget over all pools any more, up to limits of
 * their own (`maxStalledConnections` of the pool and of all pools). One that was set aside stays so until its
 * exchange has ended, since a slow reader goes on and stalls in turns. Then it takes a place again if one is
 * free, and is closed if not.
 */

/**
 * Readers that keep up pause and go on all the time; one that has paused for as long as this stalls. Also how
 * often they are looked for at the most, while requests wait and none is found.
 */
export const STALL_MS = 100

/**
 * A pool that has set one aside within this goes on growing: who waits waits for handshakes and for further
 * readers to stall.
 */
const GROWTH_MS = 1_000

export function isGrowing(core: PoolCore<unknown, unknown>, now: number): boolean {
  return now - core.setAsideAt < GROWTH_MS
}

/** Sets up to `count` connections aside. Answers how many. */
export function setStalledAside<Link>(core: PoolCore<Link, unknown>, count: number, now: number): number {
  if (now < core.stallCheckAt) return 0
  const places = Math.min(count, core.stalledPlaces)
  if (places <= 0) return 0
  let found = 0
  for (const slot of core.slots.all()) {
    if (!isStalled(core, slot, now)) continue
    if (!core.budget.hasStalledPlace) break
    core.slots.setAside(slot)
    core.setAsideAt = now
    found += 1
    if (found === places) return found
  }
  core.stallCheckAt = now + STALL_MS
  return found
}

/** An exchange has ended on a connection that may have been set aside. Answers why it must go, if it must. */
export function takeBack<Link>(core: PoolCore<Link, unknown>, slot: Slot<Link>): CloseReason | undefined {
  if (!slot.isAside) return undefined
  if (core.isFull || core.budget.isFull) return 'surplus'
  core.slots.takeBack(slot)
  return undefined
}

function isStalled<Link>(core: PoolCore<Link, unknown>, slot: Slot<Link>, now: number): boolean {
  if (slot.state.kind !== 'leased' || slot.isAside || slot.capacity !== 1) return false
  const since = core.pausedSince(slot)
  return since !== undefined && now - since >= STALL_MS
}
