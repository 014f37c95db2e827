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

/** A DATA frame below this is tiny, unless it ends its stream. */
export const TINY_FRAME_BYTES = 64

/**
 * So much content pays for a tiny frame: small messages at any rate are honest, row after row of single bytes
 * are not.
 */
const BYTES_PER_TINY_FRAME = 16

/** Holds a peer to a rate of tiny DATA frames, above what the content that it sends pays for. */
export class TinyFrameBucket {
  readonly #bucket: TokenBucket

  /** `perSecond` 0: no limit. A second's worth may come at once. */
  constructor(perSecond: number) {
    this.#bucket = new TokenBucket(perSecond, 1)
  }

  /** A DATA frame with so much content. False: too many were tiny. `isCounted`: it could have been larger. */
  receive(contentBytes: number, isCounted: boolean, now: number): boolean {
    this.#bucket.give(contentBytes / BYTES_PER_TINY_FRAME)
    return !isCounted || contentBytes >= TINY_FRAME_BYTES || this.#bucket.take(now)
  }
}
