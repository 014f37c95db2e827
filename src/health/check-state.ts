import type { HealthOptions } from '../base/options/health-options.ts'

/** What active checks say of one endpoint. */
export type CheckStatus = 'healthy' | 'unhealthy'

/** How one check ended. */
export interface CheckResult {
  readonly isGood: boolean
  /** For people: `200`, `503 is none of 200`, `no answer within 1000 ms`. */
  readonly because: string
}

/** What follows from it. */
export interface CheckVerdict {
  /** The status is another one from now on. Undefined: it is as before. */
  readonly changedTo: CheckStatus | undefined
  readonly nextInMs: number
}

type CheckRules = Pick<HealthOptions, 'intervalMs' | 'jitter' | 'healthyAfter' | 'unhealthyAfter' | 'initial'>

/**
 * The thresholds and the schedule of the active checks of one endpoint. A check follows the end of the one
 * before, so that checks that hang do not pile up. The first result decides alone, whatever `initial` says: who
 * starts beside an endpoint that is down should not need three intervals to see it.
 */
export class CheckState {
  readonly #rules: CheckRules
  readonly #random: () => number
  #status: CheckStatus
  #checks = 0
  #failed = 0
  /** Results in a row that speak against the status. */
  #against = 0
  #last: (CheckResult & { readonly at: number }) | undefined

  constructor(rules: CheckRules, random: () => number) {
    this.#rules = rules
    this.#random = random
    this.#status = rules.initial
    this.#last = undefined
  }

  get status(): CheckStatus {
    return this.#status
  }

  /** Checks that have ended, and those of them that failed. */
  get counts(): { readonly checks: number; readonly failed: number } {
    return { checks: this.#checks, failed: this.#failed }
  }

  /** How the last one ended, and when. */
  get last(): (CheckResult & { readonly at: number }) | undefined {
    return this.#last
  }

  /** The first check comes within an interval, at a time of its own for each endpoint. */
  firstInMs(): number {
    // An endpoint that counts as unhealthy takes nothing before it: it is not kept waiting.
    return this.#status === 'unhealthy' ? 0 : this.#random() * Math.min(this.#rules.intervalMs, 1_000)
  }

  onResult(result: CheckResult, now: number): CheckVerdict {
    const { intervalMs, jitter, healthyAfter, unhealthyAfter } = this.#rules
    const isFirst = this.#checks === 0
    this.#checks += 1
    if (!result.isGood) this.#failed += 1
    this.#last = { ...result, at: now }
    const nextInMs = intervalMs * (1 + jitter * this.#random())
    const shown: CheckStatus = result.isGood ? 'healthy' : 'unhealthy'
    if (shown === this.#status) {
      this.#against = 0
      return { changedTo: undefined, nextInMs }
    }
    this.#against += 1
    const needed = isFirst ? 1 : result.isGood ? healthyAfter : unhealthyAfter
    if (this.#against < needed) return { changedTo: undefined, nextInMs }
    this.#against = 0
    this.#status = shown
    return { changedTo: shown, nextInMs }
  }
}
