import { TinyFrameBucket } from '../multiplex/tiny-frames.ts'
import { AVERAGED_SECONDS, TokenBucket } from '../multiplex/token-bucket.ts'
import type { Http2Options } from '../options.ts'
import { ConnectionFault } from './http2-error.ts'

/** What is counted, by the name of its limit in Http2Options. */
export type FloodKind =
  | 'maxPingsPerSecond'
  | 'maxSettingsPerSecond'
  | 'maxResetsPerSecond'
  | 'maxEmptyFramesPerSecond'
  | 'maxTinyWindowUpdatesPerSecond'
  | 'maxIgnoredFramesPerSecond'

/** Holds a peer to the rates of Http2Options: a token bucket for each. */
export class FloodGuard {
  readonly #options: Http2Options
  readonly #buckets: Readonly<Record<FloodKind, TokenBucket>>
  readonly #tinyFrames: TinyFrameBucket

  constructor(options: Http2Options) {
    this.#options = options
    this.#tinyFrames = new TinyFrameBucket(options.maxTinyFramesPerSecond)
    this.#buckets = {
      maxPingsPerSecond: new TokenBucket(options.maxPingsPerSecond),
      maxSettingsPerSecond: new TokenBucket(options.maxSettingsPerSecond),
      maxResetsPerSecond: new TokenBucket(options.maxResetsPerSecond),
      maxEmptyFramesPerSecond: new TokenBucket(options.maxEmptyFramesPerSecond),
      maxTinyWindowUpdatesPerSecond: new TokenBucket(options.maxTinyWindowUpdatesPerSecond),
      maxIgnoredFramesPerSecond: new TokenBucket(options.maxIgnoredFramesPerSecond),
    }
  }

  /** A DATA frame with so much content. Throws ENHANCE_YOUR_CALM when too many are tiny. */
  receiveContent(bytes: number, endsStream: boolean, now: number): void {
    if (this.#tinyFrames.receive(bytes, !endsStream, now)) return
    throw new ConnectionFault(
      'ENHANCE_YOUR_CALM',
      `more than ${this.#options.maxTinyFramesPerSecond} tiny DATA frames per second (maxTinyFramesPerSecond)`,
      'maxTinyFramesPerSecond',
    )
  }

  /** Counts one at `now` (monotonic milliseconds), or as many as it costs. Throws ENHANCE_YOUR_CALM when that exceeds the rate. A limit of 0 is none. */
  count(kind: FloodKind, now: number, cost = 1): void {
    if (this.#buckets[kind].take(now, cost)) return
    throw new ConnectionFault(
      'ENHANCE_YOUR_CALM',
      `more than ${this.#options[kind]} per second over ${AVERAGED_SECONDS} seconds (${kind})`,
      kind,
    )
  }
}
