import type { Http3Options } from '../../base/options/protocol-options.ts'
import { AVERAGED_SECONDS, TinyFrameBucket, TokenBucket } from '../multiplex/token-bucket.ts'
import { ConnectionFault } from './frames/error-codes.ts'

/** What is counted, by the name of its limit in Http3Options. */
export type FloodKind =
  | 'maxResetsPerSecond'
  | 'maxEmptyFramesPerSecond'
  | 'maxIgnoredFramesPerSecond'
  | 'maxStrayDatagramsPerSecond'

/** Holds a peer to the rates of Http3Options: a token bucket for each. */
export class FloodGuard {
  readonly #options: Http3Options
  readonly #buckets: Readonly<Record<FloodKind, TokenBucket>>
  readonly #tinyFrames: TinyFrameBucket

  constructor(options: Http3Options) {
    this.#options = options
    this.#tinyFrames = new TinyFrameBucket(options.maxTinyFramesPerSecond)
    this.#buckets = {
      maxResetsPerSecond: new TokenBucket(options.maxResetsPerSecond),
      maxEmptyFramesPerSecond: new TokenBucket(options.maxEmptyFramesPerSecond),
      maxIgnoredFramesPerSecond: new TokenBucket(options.maxIgnoredFramesPerSecond),
      maxStrayDatagramsPerSecond: new TokenBucket(options.maxStrayDatagramsPerSecond),
    }
  }

  /**
   * A DATA frame with so much content; the first one of its stream may be all of a message. Throws
   * H3_EXCESSIVE_LOAD when too many are tiny.
   */
  receiveContent(bytes: number, isFirst: boolean, now: number): void {
    if (this.#tinyFrames.receive(bytes, !isFirst, now)) return
    throw new ConnectionFault(
      'H3_EXCESSIVE_LOAD',
      `more than ${this.#options.maxTinyFramesPerSecond} tiny DATA frames per second (maxTinyFramesPerSecond)`,
      'maxTinyFramesPerSecond',
    )
  }

  /**
   * Counts one at `now` (monotonic milliseconds), or as many as it costs. Throws H3_EXCESSIVE_LOAD when that
   * exceeds the rate. A limit of 0 is none.
   */
  count(kind: FloodKind, now: number, cost = 1): void {
    if (this.#buckets[kind].take(now, cost)) return
    throw new ConnectionFault(
      'H3_EXCESSIVE_LOAD',
      `more than ${this.#options[kind]} per second over ${AVERAGED_SECONDS} seconds (${kind})`,
      kind,
    )
  }
}
