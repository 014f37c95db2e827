import type { CloseReason } from '../../base/events/connection.ts'
import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'

/**
 * Takes a connection out of the assignment and ends it: at once when it carries nothing, else when its
 * exchanges have ended.
 */
export function retire<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  reason: CloseReason,
  actions: PoolAction<Link, Waiter>[],
): void {
  const { state } = slot
  if (state.kind === 'leased') {
    core.slots.move(slot, { kind: 'draining', usedStreams: state.usedStreams, reason, by: 'pool' })
    actions.push({ type: 'drain', slot, reason })
  } else closeNow(core, slot, reason, actions)
}

/** Ends a connection or a dial, whatever it carries. */
export function closeNow<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  reason: CloseReason,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (slot.state.kind === 'closing') return
  core.slots.move(slot, { kind: 'closing', reason })
  actions.push({ type: 'close', slot, reason })
}

/** Why a connection that was idle `since` must not be used any more, if so. */
export function expiryOf<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  since: number,
  now: number,
): CloseReason | undefined {
  if (now >= slot.retireAt) return 'max-age'
  if (now >= slot.keepAliveUntil) return 'idle-timeout'
  if (now - since >= core.idleTimeoutMs && core.slots.live > core.warm) return 'idle-timeout'
  return undefined
}

/** While draining: what nobody waits for may go. */
export function closeUnneeded<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  actions: PoolAction<Link, Waiter>[],
): void {
  for (const slot of core.slots.all()) {
    const { kind } = slot.state
    if (kind === 'idle' || kind === 'verifying' || kind === 'starting') {
      closeNow(core, slot, 'drained', actions)
    }
  }
}

/**
 * Closes the connection that was idle for longest, so that another pool can have its place. False: none is
 * idle.
 */
export function evictLongestIdle<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  actions: PoolAction<Link, Waiter>[],
): boolean {
  const slot = core.slots.oldestIdle ?? core.slots.all().find(slot => slot.state.kind === 'idle')
  if (slot === undefined) return false
  closeNow(core, slot, 'evicted', actions)
  return true
}

/**
 * A second multiplexed connection ages out by the idle timeout only if it ever is idle. Under steady traffic
 * the least-loaded rule keeps all of them a little busy for ever, so the peak of concurrent exchanges is
 * watched over periods of the idle timeout: when it would have fit into half of what one connection fewer
 * offers, the least loaded one is drained. Half, so that the next burst does not dial it again. Connections
 * that exchanges are spread over on purpose are no surplus: those beyond the concurrency get nothing, and age
 * out as idle ones.
 */
export function watchSurplus<Link, Waiter>(core: PoolCore<Link, Waiter>, now: number): void {
  if (!canHaveSurplus(core)) core.surplusCheckAt = Infinity
  else if (core.surplusCheckAt === Infinity) {
    core.surplusCheckAt = now + core.idleTimeoutMs
    core.peakStreams = core.slots.usedStreams
  }
}

/**
 * More multiplexed connections carry something than exchanges are spread over, and the warm level does not
 * ask for all of them.
 */
export function canHaveSurplus<Link, Waiter>(core: PoolCore<Link, Waiter>): boolean {
  const leased = core.slots.count('leased')
  if (leased <= core.spreadOver) return false // the common case first: this is asked at every lease
  if (core.idleTimeoutMs === Infinity) return false
  return (core.expectedStreams ?? 1) > 1 && core.slots.live > core.targetConnections
}

export function retireSurplus<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (now < core.surplusCheckAt) return
  core.surplusCheckAt = Infinity
  if (!canHaveSurplus(core)) return
  const slot = core.slots.leastLoaded
  if (slot === undefined) return
  const remaining = (core.slots.count('leased') - 1) * (core.expectedStreams ?? 1)
  if (core.peakStreams <= remaining / 2) retire(core, slot, 'surplus', actions)
}
