const WINDOW_MS = 120_000

/**
 * The shortest round trip of the last two to four minutes: a path that has become longer for good is the new
 * measure after that.
 */
export class ShortestRoundTrip {
  #windowAt = Number.NEGATIVE_INFINITY
  #beforeMs = Number.POSITIVE_INFINITY
  #currentMs = Number.POSITIVE_INFINITY

  /** The shortest, this one included. */
  onRoundTrip(rttMs: number, now: number): number {
    if (now - this.#windowAt >= WINDOW_MS) {
      this.#beforeMs = now - this.#windowAt >= 2 * WINDOW_MS ? Number.POSITIVE_INFINITY : this.#currentMs
      this.#currentMs = Number.POSITIVE_INFINITY
      this.#windowAt = now
    }
    this.#currentMs = Math.min(this.#currentMs, rttMs)
    return Math.min(this.#beforeMs, this.#currentMs)
  }

  reset(): void {
    this.#windowAt = Number.NEGATIVE_INFINITY
    this.#beforeMs = Number.POSITIVE_INFINITY
    this.#currentMs = Number.POSITIVE_INFINITY
  }
}
