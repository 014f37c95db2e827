/** Buckets grow by so much: a quantile is off by half of it at the most. */
const GROWTH = 1.05
const LOG_GROWTH = Math.log(GROWTH)
const LEAST_MS = 0.1
/** Up to ten minutes; what takes longer counts as that. */
const BUCKETS = Math.ceil(Math.log(600_000 / LEAST_MS) / LOG_GROWTH) + 1

/** A histogram of the last two windows. */
class LatencyWindow {
  readonly counts = new Uint32Array(BUCKETS)
  total = 0

  clear(): void {
    this.counts.fill(0)
    this.total = 0
  }
}

/**
 * A quantile of recent latencies: of the window that runs and the one before it, in buckets that grow (as
 * HDR histograms do). A sample costs a logarithm and an addition; memory is fixed.
 */
export class LatencyQuantile {
  readonly #quantile: number
  readonly #windowMs: number
  #current = new LatencyWindow()
  #before = new LatencyWindow()
  #startedAt: number
  /** As of so many samples in the window. */
  #known: { readonly total: number; readonly ms: number } | undefined

  /** `quantile`: between 0 and 1. */
  constructor(quantile: number, windowMs: number, now: number) {
    this.#quantile = quantile
    this.#windowMs = windowMs
    this.#startedAt = now
    this.#known = undefined
  }

  add(ms: number, now: number): void {
    this.#turn(now)
    const bucket = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / LOG_GROWTH)
    const at = Math.min(BUCKETS - 1, bucket)
    this.#current.counts[at] = (this.#current.counts[at] ?? 0) + 1
    this.#current.total += 1
  }

  /** Undefined: there are fewer than `minSamples`. Found out anew when there are a tenth more of them. */
  ms(minSamples: number, now: number): number | undefined {
    this.#turn(now)
    const total = this.#current.total + this.#before.total
    if (total < minSamples || total === 0) return undefined
    if (this.#known !== undefined && total < this.#known.total * 1.1) return this.#known.ms
    this.#known = { total, ms: this.#find(total) }
    return this.#known.ms
  }

  /** The upper end of the bucket that the quantile is in. */
  #find(total: number): number {
    const wanted = Math.ceil(total * this.#quantile)
    let seen = 0
    for (let at = 0; at < BUCKETS; at += 1) {
      seen += (this.#current.counts[at] ?? 0) + (this.#before.counts[at] ?? 0)
      if (seen >= wanted) return LEAST_MS * GROWTH ** at
    }
    return LEAST_MS * GROWTH ** (BUCKETS - 1)
  }

  #turn(now: number): void {
    const passed = now - this.#startedAt
    if (passed < this.#windowMs) return
    const spare = this.#before
    this.#before = this.#current
    this.#current = spare
    this.#current.clear()
    if (passed >= 2 * this.#windowMs) this.#before.clear() // nothing came for longer than that
    this.#startedAt = now
    this.#known = undefined
  }
}
