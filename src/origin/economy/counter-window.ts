/** Counters that only grow, as they stood at a time. */
interface Sampled<Counters> {
  readonly at: number
  readonly counters: Counters
}

/**
 * What counters were at times that lie at least `stepMs` apart, the last `steps` of them: what happened
 * within the time that they span is a difference of two. Memory is bounded, and nothing is added up on the
 * way of a request.
 */
export class CounterWindow<Counters> {
  readonly #stepMs: number
  readonly #samples: (Sampled<Counters> | undefined)[]
  #next = 0
  #lastAt = -Infinity

  constructor(stepMs: number, steps: number) {
    this.#stepMs = stepMs
    this.#samples = Array.from({ length: steps + 1 }, () => undefined)
  }

  /** The counters as they stand. Times between two steps are not kept. */
  add(counters: Counters, now: number): void {
    if (now - this.#lastAt < this.#stepMs) return
    this.#lastAt = now
    this.#samples[this.#next] = { at: now, counters }
    this.#next = (this.#next + 1) % this.#samples.length
  }

  /**
   * The counters at the begin of the last `windowMs`: those of the latest sample that is that old. Undefined:
   * none is, since it began later.
   */
  before(windowMs: number, now: number): Sampled<Counters> | undefined {
    const from = now - windowMs
    let best: Sampled<Counters> | undefined
    for (const sample of this.#samples) {
      if (sample === undefined || sample.at > from) continue
      if (best === undefined || sample.at > best.at) best = sample
    }
    return best
  }
}
