import type { Slot } from '../slot.ts'

/** Fewer are no limit of an origin's but chance: a reload or an overload that met young connections. */
const MIN_REQUESTS = 8

/**
 * What connections of an origin have taught of the next ones: how many exchanges one carries at once, and how
 * many in all.
 *
 * An origin takes so many requests on one connection (nginx' `keepalive_requests`, 1000 by default). An
 * HTTP/2 origin says it only when that is reached, with a GOAWAY that refuses everything that is under way
 * above it: at 64 requests at once and 100 a connection two in three requests are sent twice. So when two
 * connections in a row were told to end in the middle of their work after the same number of requests, the
 * next ones are given no more than that, and nothing is refused.
 */
export class LearnedLimits {
  readonly #maxStreams: number
  readonly #maxRequests: number
  #capacity: number | undefined
  #requests = Infinity
  /** Requests that the connection took that ended last. */
  #lastTaken = 0

  /** `capacity`: what a connection will carry, if that is known before the first one. The others: our own. */
  constructor(capacity: number | undefined, maxStreams: number, maxRequests: number) {
    this.#capacity = capacity
    this.#maxStreams = maxStreams
    this.#maxRequests = maxRequests
  }

  /** What one connection carries, going by the last one that reported it; undefined before the first. */
  get capacity(): number | undefined {
    return this.#capacity
  }

  /** Exchanges that one new connection is expected to carry, under our own cap; undefined: not known yet. */
  get streams(): number | undefined {
    if (this.#capacity === undefined) return undefined
    return Math.min(this.#capacity, this.#maxStreams, this.#requests)
  }

  /** Leases that a new connection is good for. */
  get leases(): number {
    return Math.min(this.#maxRequests, this.#requests)
  }

  /**
   * What a connection carries tells what the next one will. None at all is a passing mood of the peer and
   * tells nothing. What it takes before the peer has reported it says only that an expectation below it (of
   * an origin that spoke HTTP/1.1 so far) is out of date.
   */
  onCapacity(capacity: number, isProvisional: boolean): void {
    if (isProvisional) {
      if (this.#capacity !== undefined && this.#capacity < capacity) this.#capacity = undefined
    } else if (capacity > 0) this.#capacity = capacity
  }

  /** The slot's peer takes no more exchanges, and has `taken` so many. `slots`: all of the pool. */
  onDraining(slot: Slot<unknown>, taken: number | undefined, slots: readonly Slot<unknown>[]): void {
    // One that ends for idleness ends after as many as there were.
    if (taken === undefined || taken < MIN_REQUESTS || slot.usedStreams === 0 || taken >= this.#requests)
      return
    if (taken === this.#lastTaken) {
      this.#requests = taken
      // Those that are there will be no different. One that carried more already goes with its next release.
      for (const other of slots) other.limitLeases(taken)
    }
    this.#lastTaken = taken
  }

  /**
   * A connection was given no more for its number of requests and has ended its work. If the peer had not
   * said so itself, the limit is gone.
   */
  onLimitKept(slot: Slot<unknown>): void {
    if (slot.carried < this.#requests) return
    this.#requests = Infinity
    this.#lastTaken = 0
  }
}
