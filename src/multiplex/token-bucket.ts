/** Rates are averaged over this: a burst of ten seconds' worth is nobody's attack. */
export const AVERAGED_SECONDS = 10

/** Holds a peer to a rate. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  /** What may still come at `#countedAt`. */
  #left: number
  #countedAt = Number.NEGATIVE_INFINITY

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#burst = perSecond * AVERAGED_SECONDS
    this.#left = this.#burst
  }

  /** Counts one at `now` (monotonic milliseconds). False: that exceeds the rate. */
  take(now: number): boolean {
    if (this.#perSecond === 0) return true
    const regained = ((now - this.#countedAt) / 1000) * this.#perSecond
    this.#left = Math.min(this.#burst, this.#left + regained)
    this.#countedAt = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
