/**
 * What is shown of one breaker.
 *
 * @example
 * ```ts
 * for (const { origin, breakers } of transport.stats().pools)
 *   if (breakers.requests.refused > 0) console.log(origin, breakers.requests)
 * ```
 */
export interface BreakerFigures {
  /** 0: none. */
  readonly limit: number
  /** What holds a place now; not counted, and 0, where there is no limit. */
  readonly used: number
  /** Turned away since the start. */
  readonly refused: number
}

/** A counter with a bound: what take() has counted, give() gives back, exactly once. Pure. */
export class Breaker {
  readonly #limit: number
  #used = 0
  #refused = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** False: the bound is reached, and the one that came is counted as turned away. */
  take(): boolean {
    if (this.#used >= this.#limit) {
      this.#refused += 1
      return false
    }
    this.#used += 1
    return true
  }

  give(): void {
    if (this.#used === 0) throw new Error('the breaker was given back more than it gave')
    this.#used -= 1
  }

  figures(): BreakerFigures {
    return { limit: this.#limit, used: this.#used, refused: this.#refused }
  }
}
