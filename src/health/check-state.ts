import type { HealthOptions } from '../base/options/health-options.ts'

/** How one check ended. */
export interface CheckResult {
  readonly isGood: boolean
  /** Human-readable: `200`, `503 is none of 200`, `no answer within 1000 ms`. */
  readonly because: string
}

export type CheckRules = Pick<HealthOptions, 'intervalMs' | 'jitter' | 'rise' | 'fall'>

/** Of the interval, at the most: an endpoint that is down when a process starts is to be found out soon. */
const MAX_FIRST_MS = 1_000

/**
 * The thresholds and the schedule of the active checks of one endpoint. A check follows the end of the one
 * before, so that checks that hang do not pile up. The first result decides alone: who starts beside an
 * endpoint that is down should not need three intervals to see it.
 */
export class CheckState {
  readonly #rules: CheckRules
  readonly #random: () => number
  #isHealthy = true
  #made = 0
  #failed = 0
  /** Results in a row that speak against the status. */
  #against = 0
  #last: CheckResult | undefined

  constructor(rules: CheckRules, random: () => number) {
    this.#rules = rules
    this.#random = random
    this.#last = undefined
  }

  get isHealthy(): boolean {
    return this.#isHealthy
  }

  /** Checks that have ended. */
  get made(): number {
    return this.#made
  }

  /** Those of them that failed. */
  get failed(): number {
    return this.#failed
  }

  /** How the last one ended. */
  get last(): CheckResult | undefined {
    return this.#last
  }

  /** When the next check is due: the first within an interval, at a time of its own for each endpoint. */
  nextInMs(): number {
    const { intervalMs, jitter } = this.#rules
    if (this.#made === 0) return this.#random() * Math.min(intervalMs, MAX_FIRST_MS)
    return intervalMs * (1 + jitter * this.#random())
  }

  /** Answers whether the status is another one from now on. */
  onResult(result: CheckResult): boolean {
    const { rise, fall } = this.#rules
    const isFirst = this.#made === 0
    this.#made += 1
    if (!result.isGood) this.#failed += 1
    this.#last = result
    this.#against = result.isGood === this.#isHealthy ? 0 : this.#against + 1
    if (this.#against === 0 || this.#against < (isFirst ? 1 : result.isGood ? rise : fall)) return false
    this.#against = 0
    this.#isHealthy = result.isGood
    return true
  }
}
