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

/** One that takes turns. */
export interface TurnTaker {
  readonly index: number
  readonly weight: number
}

/**
 * Smooth weighted round robin, as nginx has it: at each turn everybody gains its weight, and who has most
 * gives the sum of all back and takes the turn. Weights 5, 1, 1 give a a b a c a a, not five in a row.
 */
export class SmoothRoundRobin {
  /** By index. The credits of all takers sum up to nothing. */
  readonly #credit = new Map<number, number>()

  /** Whose turn it is; undefined: there is nobody. */
  next(takers: readonly TurnTaker[]): number | undefined {
    let total = 0
    let best: number | undefined
    let most = -Infinity
    for (const { index, weight } of takers) {
      const credit = (this.#credit.get(index) ?? 0) + weight
      this.#credit.set(index, credit)
      total += weight
      if (credit <= most) continue
      most = credit
      best = index
    }
    if (best !== undefined) this.#credit.set(best, most - total)
    return best
  }

  /**
   * Others take turns from now on. What one gathered while it was away is no claim; nor is what one that
   * went owed, which would add up to turns in a row for a new endpoint.
   */
  reset(): void {
    this.#credit.clear()
  }
}
