import type { Http2Options } from '../../base/options/protocol-options.ts'
import { AVERAGED_SECONDS, TinyFrameBucket, TokenBucket } from '../multiplex/token-bucket.ts'
import { ConnectionFault } from './frames/error-codes.ts'

/** What is counted, by the name of its limit in Http2Options. */
export type FloodKind =
  | 'maxPingsPerSecond'
  | 'maxSettingsPerSecond'
  | 'maxResetsPerSecond'
  | 'maxEmptyFramesPerSecond'
  | 'maxTinyWindowUpdatesPerSecond'
  | 'maxIgnoredFramesPerSecond'

/**
 * What a new client may reset or make us reset at once, in seconds of the rate: two times all the streams
 * that it may have open, and a half. Who makes a connection for a flood, and another one when that is ended,
 * has no more than this on each.
 */
const NEWCOMER_SECONDS = 3

/**
 * A request that breaks the rules counts for so many that are given up: browsers give up hundreds, and break
 * no rules.
 */
const RESETS_PER_FAULT = 5

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

  /** A client has connected. */
  beginWithClient(now: number): void {
    this.#buckets.maxResetsPerSecond.begin(now, NEWCOMER_SECONDS)
  }

  /**
   * The peer broke a rule on a stream, so that we reset it. `isOfRequest`: it is a client, and none that only
   * crossed what we say.
   */
  countStreamFault(isOfRequest: boolean, now: number): void {
    this.count('maxResetsPerSecond', now, isOfRequest ? RESETS_PER_FAULT : 1)
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

  /**
   * Counts one at `now` (monotonic milliseconds), or as many as it costs. Throws ENHANCE_YOUR_CALM when that
   * exceeds the rate. A limit of 0 is none.
   */
  count(kind: FloodKind, now: number, cost = 1): void {
    if (this.#buckets[kind].take(now, cost)) return
    throw new ConnectionFault(
      'ENHANCE_YOUR_CALM',
      `more than ${this.#options[kind]} per second over ${AVERAGED_SECONDS} seconds (${kind})`,
      kind,
    )
  }
}
