import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'
import { idleSince, isStale, verify } from './assignment.ts'
import { expiryOf } from './retirement.ts'

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
  if (core.slots.mute > 0) return 0 // the origin wants to be left alone
  return Math.min(core.spreadOver, core.slots.liveStreams + core.waiting)
}

/**
 * Whether a lease may leave something to be dialed or verified for the spread. Asked at every lease of a pool
 * that spreads.
 */
export function isSpreadUnfilled(core: PoolCore<unknown, unknown>): boolean {
  const leased = core.slots.count('leased')
  return leased < core.spreadOver && leased < core.slots.usedStreams + core.waiting
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
