import { TransportError } from '../../base/errors.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'
import { queueDeadline } from './settle.ts'

/** A connection that dies unused and as young as this counts as a failed connect. */
const CLOSED_ON_OPEN_MS = 1_000

/**
 * What a connection carries tells what the next one will. None at all is a passing mood of the peer and tells
 * nothing. What it takes before the peer has told tells only that an expectation below it (of an origin that
 * spoke HTTP/1.1 so far) is out of date.
 */
export function learnCapacity(
  core: PoolCore<unknown, unknown>,
  capacity: number,
  isProvisional: boolean,
): void {
  if (isProvisional) {
    if (core.expectedCapacity !== undefined && core.expectedCapacity < capacity)
      core.expectedCapacity = undefined
  } else if (capacity > 0) core.expectedCapacity = capacity
}

/**
 * The peer ends a connection: if nobody had used it yet and it had just opened, there is no sense in dialing
 * the next one at once.
 */
export function onClosedOnOpen(
  core: PoolCore<unknown, unknown>,
  slot: Slot<unknown>,
  error: TransportError | undefined,
  now: number,
): void {
  const { kind } = slot.state
  if (kind !== 'idle' && kind !== 'verifying') return
  if (slot.leases > 0 || now - slot.openedAt >= CLOSED_ON_OPEN_MS) return
  const reason =
    error ??
    new TransportError('MM_CONNECTION_CLOSED', `${core.name}: the origin ended a new connection at once`)
  core.backoff.onClosedOnOpen(reason, slot.openedAt, now)
}

/** A new connection is not to be had just now: those that wanted one are content with any. */
export function takeWhatIsThere<Waiter>(core: PoolCore<unknown, Waiter>, now: number): void {
  const content: Waiter[] = []
  for (let waiter = core.freshWaiters.shift(); waiter !== undefined; waiter = core.freshWaiters.shift()) {
    content.push(waiter)
  }
  for (const waiter of content.toReversed()) core.waiters.pushFront(waiter, now, queueDeadline(core, now))
}

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
