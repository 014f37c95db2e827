/**
 * Upper bounds in seconds: half a millisecond on a loopback to a minute of a slow origin, each about twice
 * the last.
 */
export const DURATION_BUCKETS_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]

const BOUNDS_MS: Float64Array = Float64Array.from(DURATION_BUCKETS_SECONDS, seconds => seconds * 1000)

/**
 * A histogram with fixed buckets. Observing is a short search and two additions; sums and text are made when
 * it is scraped.
 */
export class DurationHistogram {
  /** How many fell into each bucket and in no lower one; the last one has no upper bound. */
  readonly #counts = new Float64Array(BOUNDS_MS.length + 1)
  #sumMs = 0

  observe(durationMs: number): void {
    let bucket = 0
    // Most exchanges end in one of the first buckets, where a linear search beats a binary one.
    while (bucket < BOUNDS_MS.length && durationMs > (BOUNDS_MS[bucket] as number)) bucket++ // the index is below the length
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1 // bucket <= BOUNDS_MS.length
    this.#sumMs += durationMs
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  get sumSeconds(): number {
    return this.#sumMs / 1000
  }

  /** As Prometheus wants it: each bucket counts everything up to its bound; `+Inf` is all. */
  cumulative(): { upTo: number | '+Inf'; count: number }[] {
    let count = 0
    return Array.from(this.#counts, (inBucket, index) => {
      count += inBucket
      return { upTo: DURATION_BUCKETS_SECONDS[index] ?? '+Inf', count }
    })
  }
}
