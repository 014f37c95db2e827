import { TokenBucket } from './token-bucket.ts'

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
