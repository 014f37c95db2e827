import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import { retire } from './retirement.ts'

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
