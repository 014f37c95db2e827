/** Rates are averaged over this: a burst of ten seconds' worth is nobody's attack. */
export const AVERAGED_SECONDS = 10

/** Holds a peer to a rate. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  /** What may still come at `#countedAt`. */
  #left: number
  #countedAt = Number.NEGATIVE_INFINITY

  /**
   * `perSecond` 0: no limit. `averagedSeconds`: what may come at once is what the rate allows in so many
   * seconds.
   */
  constructor(perSecond: number, averagedSeconds: number = AVERAGED_SECONDS) {
    this.#perSecond = perSecond
    this.#burst = perSecond * averagedSeconds
    this.#left = this.#burst
  }

  /** Begins at `now` with what the rate allows in so many seconds; the rest of the burst is saved up. */
  begin(now: number, seconds: number): void {
    this.#left = Math.min(this.#burst, this.#perSecond * seconds)
    this.#countedAt = now
  }

  /** The peer has earned so many, up to the burst. */
  give(tokens: number): void {
    this.#left = Math.min(this.#burst, this.#left + tokens)
  }

  /** Counts one at `now` (monotonic milliseconds), or as many as it costs. False: that exceeds the rate. */
  take(now: number, tokens = 1): boolean {
    if (this.#perSecond === 0) return true
    const regained = ((now - this.#countedAt) / 1000) * this.#perSecond
    this.#left = Math.min(this.#burst, this.#left + regained)
    this.#countedAt = now
    if (this.#left < tokens) return false
    this.#left -= tokens
    return true
  }
}
