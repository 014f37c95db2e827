import { AVERAGED_SECONDS, TokenBucket } from '../multiplex/token-bucket.ts'
import type { Http3Options } from '../options.ts'
import { ConnectionFault } from './http3-error.ts'

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

  constructor(options: Http3Options) {
    this.#options = options
    this.#buckets = {
      maxResetsPerSecond: new TokenBucket(options.maxResetsPerSecond),
      maxEmptyFramesPerSecond: new TokenBucket(options.maxEmptyFramesPerSecond),
      maxIgnoredFramesPerSecond: new TokenBucket(options.maxIgnoredFramesPerSecond),
      maxStrayDatagramsPerSecond: new TokenBucket(options.maxStrayDatagramsPerSecond),
    }
  }

  /** Counts one at `now` (monotonic milliseconds). Throws H3_EXCESSIVE_LOAD when that exceeds the rate. A limit of 0 is none. */
  count(kind: FloodKind, now: number): void {
    if (this.#buckets[kind].take(now)) return
    throw new ConnectionFault(
      'H3_EXCESSIVE_LOAD',
      `more than ${this.#options[kind]} per second over ${AVERAGED_SECONDS} seconds (${kind})`,
      kind,
    )
  }
}
