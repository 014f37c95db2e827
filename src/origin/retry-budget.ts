import type { RetryOptions } from '../base/options/options.ts'

/**
 * What the balance may hold above the minimum, not for a storm: a connection that ends may leave a hundred
 * requests unanswered at once, and the next one that they go to as well. It is earned by 5,000 requests
 * with the default ratio.
 */
const MAX_SAVED = 1_000
/** `budgetMin` replays come back over this time. */
const REFILL_MS = 10_000

/**
 * What is shown of the retry budget of an origin.
 *
 * @example
 * ```ts
 * for (const { origin, retryBudget } of transport.stats().pools)
 *   if (retryBudget.left === 0) console.log(origin, retryBudget.refused, 'replays were not made')
 * ```
 */
export interface RetryBudgetFigures {
  /** Replays that it would allow now. */
  readonly left: number
  /** Replays that it did not allow, since the start. */
  readonly refused: number
}

type BudgetOptions = Pick<RetryOptions, 'budgetRatio' | 'budgetMin'>

/**
 * How many replays the transport may still make: a token bucket. Each request pays `budgetRatio` in, each
 * replay takes 1, and `budgetMin` trickle in every 10 s, so that retries can multiply the load on a failing
 * origin only by 1 + budgetRatio (the idea of Finagle's RetryBudget).
 */
export class RetryBudget {
  readonly #options: BudgetOptions
  readonly #maxSaved: number
  #balance: number
  #refilledAt: number
  #refused = 0

  /** `maxSaved`: what the balance may hold above the minimum. */
  constructor(options: BudgetOptions, now: number, maxSaved = MAX_SAVED) {
    this.#options = options
    this.#maxSaved = maxSaved
    this.#balance = options.budgetMin
    this.#refilledAt = now
  }

  /** A request was made. On the hot path: two additions. */
  deposit(): void {
    const balance = this.#balance + this.#options.budgetRatio
    if (balance <= this.#options.budgetMin + this.#maxSaved) this.#balance = balance
  }

  /** Takes one replay out, if there is one. */
  withdraw(now: number): boolean {
    this.#refill(now)
    if (this.#balance < 1) {
      this.#refused += 1
      return false
    }
    this.#balance -= 1
    return true
  }

  figures(now: number): RetryBudgetFigures {
    this.#refill(now)
    return { left: Math.floor(this.#balance), refused: this.#refused }
  }

  #refill(now: number): void {
    const { budgetMin } = this.#options
    if (this.#balance < budgetMin) {
      const earned = (budgetMin * (now - this.#refilledAt)) / REFILL_MS
      this.#balance = Math.min(budgetMin, this.#balance + earned)
    }
    this.#refilledAt = now
  }
}
