/** In this time a measured latency loses 63 % of its say. */
const DECAY_MS = 10_000
/** The cost of one that has requests under way and answered none yet: behind all that have answered. */
const UNKNOWN_MS = 60_000

/**
 * Latency of one endpoint as peak-EWMA balancing wants it (Finagle's): a slower answer counts at once and in
 * full, a faster one bit by bit, and silence makes it forget, so that a slow endpoint is tried again.
 */
export class PeakLatency {
  #ms = 0
  #at = -Infinity

  /** An answer's first bytes came after `ms`. */
  onAnswered(ms: number, now: number): void {
    const kept = this.#at === -Infinity ? 0 : Math.exp(-(now - this.#at) / DECAY_MS)
    this.#ms = ms > this.#ms ? ms : this.#ms * kept + ms * (1 - kept)
    this.#at = now
  }

  /** What one more request would cost, with so many under way. */
  cost(underWay: number, now: number): number {
    if (this.#at === -Infinity) return underWay === 0 ? 0 : UNKNOWN_MS * underWay
    // Idle, it forgets; busy, its silence is no good news.
    const ms = underWay > 0 ? this.#ms : this.#ms * Math.exp(-(now - this.#at) / DECAY_MS)
    return ms * (underWay + 1)
  }

  /** Undefined: nothing was measured. */
  get ms(): number | undefined {
    return this.#at === -Infinity ? undefined : this.#ms
  }
}
