import type { Http2Options } from '../options.ts'
import { ConnectionFault } from './http2-error.ts'

/** What is counted, by the name of its limit in Http2Options. */
export type FloodKind =
  | 'maxPingsPerSecond'
  | 'maxSettingsPerSecond'
  | 'maxResetsPerSecond'
  | 'maxEmptyFramesPerSecond'
  | 'maxTinyFramesPerSecond'
  | 'maxTinyWindowUpdatesPerSecond'
  | 'maxIgnoredFramesPerSecond'

/** Rates are averaged over this: a burst of ten seconds' worth is nobody's attack. */
const AVERAGED_SECONDS = 10

interface Bucket {
  readonly perSecond: number
  readonly burst: number
  /** What may still come at `countedAt`. */
  left: number
  countedAt: number
}

/** Holds a peer to the rates of Http2Options: a token bucket for each. */
export class FloodGuard {
  readonly #buckets: Readonly<Record<FloodKind, Bucket>>

  constructor(options: Http2Options) {
    const bucket = (kind: FloodKind): Bucket => {
      const burst = options[kind] * AVERAGED_SECONDS
      return { perSecond: options[kind], burst, left: burst, countedAt: Number.NEGATIVE_INFINITY }
    }
    this.#buckets = {
      maxPingsPerSecond: bucket('maxPingsPerSecond'),
      maxSettingsPerSecond: bucket('maxSettingsPerSecond'),
      maxResetsPerSecond: bucket('maxResetsPerSecond'),
      maxEmptyFramesPerSecond: bucket('maxEmptyFramesPerSecond'),
      maxTinyFramesPerSecond: bucket('maxTinyFramesPerSecond'),
      maxTinyWindowUpdatesPerSecond: bucket('maxTinyWindowUpdatesPerSecond'),
      maxIgnoredFramesPerSecond: bucket('maxIgnoredFramesPerSecond'),
    }
  }

  /** Counts one at `now` (monotonic milliseconds). Throws ENHANCE_YOUR_CALM when that exceeds the rate. A limit of 0 is none. */
  count(kind: FloodKind, now: number): void {
    const bucket = this.#buckets[kind]
    if (bucket.perSecond === 0) return
    const regained = ((now - bucket.countedAt) / 1000) * bucket.perSecond
    bucket.left = Math.min(bucket.burst, bucket.left + regained)
    bucket.countedAt = now
    if (bucket.left < 1) {
      throw new ConnectionFault(
        'ENHANCE_YOUR_CALM',
        `more than ${bucket.perSecond} per second over ${AVERAGED_SECONDS} seconds (${kind})`,
        kind,
      )
    }
    bucket.left--
  }
}
