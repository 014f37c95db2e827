import type { ConcurrencyOptions } from '../../base/options/admission-options.ts'

/**
 * What is shown of a limit of concurrency.
 *
 * @example
 * ```ts
 * for (const { origin, concurrency } of transport.stats().pools)
 *   if (concurrency !== undefined) console.log(origin, concurrency.inFlight, 'of', concurrency.limit)
 * ```
 */
export interface ConcurrencyFigures {
  /** Requests that may be under way now. */
  readonly limit: number
  readonly inFlight: number
  /** Turned away since the start. */
  readonly refused: number
  /** What answers took in the last window, and what they take over the long run. Undefined: not known yet. */
  readonly recentMs: number | undefined
  readonly longMs: number | undefined
}

/** Windows over which the long-run latency is averaged, and those of them that it begins with. */
const LONG_WINDOWS = 600
const WARMUP_WINDOWS = 10
/** How much of a new limit is taken over at once; the rest is the old one. */
const SMOOTHING = 0.2
/** The limit falls to at least this share in a window. */
const MIN_GRADIENT = 0.5
/** With refusals or time-outs of the origin it falls by this at least. */
const DROP_SHARE = 0.9
/** Where answers are this much faster than in the long run, that is out of date and decays. */
const STALE_FACTOR = 2
const STALE_DECAY = 0.95

/**
 * A limit of concurrency by the gradient of latency (Netflix' concurrency-limits, `Gradient2Limit`): while
 * answers take what they took in the long run, the limit grows by its square root, as much as a short queue;
 * when they take longer by more than `tolerance`, it shrinks with their ratio. Without load it does not grow:
 * who uses less than half of it learns nothing about it. Pure.
 */
export class GradientLimiter {
  readonly #options: Omit<ConcurrencyOptions, 'limit'>
  /** With its fraction, which the growth needs. */
  #limit: number
  #inFlight = 0
  #refused = 0
  #longMs: number | undefined
  #recentMs: number | undefined
  #windows = 0

  // The window that is open
  #windowStart: number
  #measured = 0
  #drops = 0
  #totalMs = 0
  #peak = 0

  constructor(options: Omit<ConcurrencyOptions, 'limit'>, now: number) {
    this.#options = options
    this.#limit = this.#bounded(options.initial)
    this.#windowStart = now
    this.#longMs = undefined
    this.#recentMs = undefined
  }

  get limit(): number {
    return Math.floor(this.#limit)
  }

  /** One more begins. False: the limit is reached. */
  take(): boolean {
    if (this.#inFlight >= this.limit) {
      this.#refused += 1
      return false
    }
    this.#inFlight += 1
    if (this.#inFlight > this.#peak) this.#peak = this.#inFlight
    return true
  }

  /**
   * One ends. `latencyMs`: until the head of its answer came; undefined: that says nothing. `isDrop`: the
   * origin refused it, or did not answer in time.
   */
  give(latencyMs: number | undefined, isDrop: boolean, now: number): void {
    if (this.#inFlight === 0) throw new Error('the limiter was given back more than it gave')
    this.#inFlight -= 1
    if (isDrop) this.#drops += 1
    else if (latencyMs !== undefined) {
      this.#measured += 1
      this.#totalMs += latencyMs
    }
    const { windowMs, minSamples } = this.#options
    if (this.#measured + this.#drops >= minSamples && now - this.#windowStart >= windowMs)
      this.#closeWindow(now)
  }

  figures(): ConcurrencyFigures {
    return {
      limit: this.limit,
      inFlight: this.#inFlight,
      refused: this.#refused,
      recentMs: this.#recentMs,
      longMs: this.#longMs,
    }
  }

  #closeWindow(now: number): void {
    const { tolerance } = this.#options
    const isLoaded = this.#peak >= this.#limit / 2
    let next = this.#limit
    if (this.#totalMs > 0) {
      const recentMs = this.#totalMs / this.#measured
      const longMs = this.#learn(recentMs)
      if (isLoaded) {
        const gradient = Math.max(MIN_GRADIENT, Math.min(1, (tolerance * longMs) / recentMs))
        const wanted = this.#limit * gradient + Math.sqrt(this.#limit)
        next = this.#limit * (1 - SMOOTHING) + wanted * SMOOTHING
      }
    }
    if (this.#drops > 0) next = Math.min(next, this.#limit * DROP_SHARE)
    this.#limit = this.#bounded(next)
    this.#windowStart = now
    this.#measured = 0
    this.#drops = 0
    this.#totalMs = 0
    this.#peak = this.#inFlight
  }

  #bounded(limit: number): number {
    const { min, max } = this.#options
    return Math.min(max, Math.max(min, limit))
  }

  /** The long-run latency with this window in it. */
  #learn(recentMs: number): number {
    this.#recentMs = recentMs
    this.#windows += 1
    const weight = this.#windows <= WARMUP_WINDOWS ? 1 / this.#windows : 2 / (LONG_WINDOWS + 1)
    const before = this.#longMs ?? recentMs
    let longMs = before + (recentMs - before) * weight
    if (longMs > recentMs * STALE_FACTOR) longMs *= STALE_DECAY
    this.#longMs = longMs
    return longMs
  }
}
