import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'

/** Fewer are no limit of an origin's but chance: a reload or an overload that met young connections. */
const MIN_LIMIT = 8

/**
 * What an origin takes on one connection (nginx' `keepalive_requests`, 1000 by default), learned from how its
 * connections end. An HTTP/2 origin says it only when it is reached, with a GOAWAY that refuses everything
 * that is under way above it: at 64 requests at once and 100 a connection two in three requests are sent
 * twice. So when two connections in a row were told to end in the middle of their work after the same number
 * of requests, the next ones are given no more than that, and nothing is refused.
 */

/** The peer takes no more exchanges, and has taken so many. */
export function learnRequestLimit(
  core: PoolCore<unknown, unknown>,
  slot: Slot<unknown>,
  taken: number | undefined,
): void {
  // One that ends for idleness ends after as many as there were.
  if (taken === undefined || taken < MIN_LIMIT || slot.usedStreams === 0 || taken >= core.requestLimit) return
  if (taken === core.lastTaken) {
    core.requestLimit = taken
    // Those that are there will be no different. One that carried more already goes with its next release.
    for (const other of core.slots.all()) other.leaseLimit = Math.min(other.leaseLimit, taken)
  }
  core.lastTaken = taken
}

/**
 * A connection was given no more for its number of requests and has ended its work. If the peer had not said
 * so itself, the limit is gone.
 */
export function doubtRequestLimit(core: PoolCore<unknown, unknown>, slot: Slot<unknown>): void {
  if (slot.leases < core.requestLimit) return
  core.requestLimit = Infinity
  core.lastTaken = 0
}
