import type { Clock } from '../../base/clock.ts'
import type { HedgeOptions } from '../../base/options/hedge-options.ts'
import { AnswerWatch, type AwaitedAnswer } from '../lanes/answer-watch.ts'
import { RetryBudget } from '../retry-budget.ts'
import { LatencyQuantile } from './latency-quantile.ts'

/** Latencies are those of this window and the one before. */
const WINDOW_MS = 30_000
/** One within 10 s: see RetryBudget. */
const BUDGET_MIN = 1
const MAX_SAVED = 100

/**
 * What became of a second copy: `won`: it was answered first; `lost`: the first one was; `failed`: it came
 * to nothing.
 */
export type HedgeOutcome = 'won' | 'lost' | 'failed'

/**
 * What is shown of the hedged requests of an origin (`hedge`).
 *
 * @example
 * ```ts
 * for (const { origin, hedging } of transport.stats().pools)
 *   if (hedging !== undefined) console.log(origin, hedging.delayMs, hedging.outcomes.won)
 * ```
 */
export interface HedgingFigures {
  /** After so long a second copy is sent. Undefined: too few answers came to know. */
  readonly delayMs: number | undefined
  /** Second copies that have ended, by how. */
  readonly outcomes: Readonly<Record<HedgeOutcome, number>>
  /** Those that were not sent since the budget was empty. */
  readonly refused: number
}

/** Which requests of an origin are hedged for being slow, and how many. */
export class Hedging {
  readonly #options: HedgeOptions
  readonly #watch: AnswerWatch
  readonly #latencies: LatencyQuantile
  readonly #budget: RetryBudget
  readonly #outcomes: Record<HedgeOutcome, number> = { won: 0, lost: 0, failed: 0 }

  /** Undefined: none is. */
  static of(options: HedgeOptions, clock: Clock): Hedging | undefined {
    return options.quantile === 0 ? undefined : new Hedging(options, clock)
  }

  private constructor(options: HedgeOptions, clock: Clock) {
    const now = clock.now()
    const { quantile, budgetRatio } = options
    this.#options = options
    this.#watch = new AnswerWatch(clock)
    this.#latencies = new LatencyQuantile(quantile, WINDOW_MS, now)
    this.#budget = new RetryBudget({ budgetRatio, budgetMin: BUDGET_MIN }, now, MAX_SAVED)
  }

  /** A request is sent for the first time that may be hedged. */
  onRequest(): void {
    this.#budget.deposit()
  }

  /** It is called when it has waited for as long as most answers take. */
  watch(answer: AwaitedAnswer, sentAt: number): void {
    const delayMs = this.#delayMs(sentAt)
    if (delayMs !== undefined) this.#watch.add(answer, sentAt + delayMs)
  }

  /** Whether the budget allows a copy, which is sent then. */
  take(now: number): boolean {
    return this.#budget.withdraw(now)
  }

  /** An answer began so long after its request was first sent. */
  onAnswered(ms: number, now: number): void {
    this.#latencies.add(ms, now)
  }

  onEnded(outcome: HedgeOutcome): void {
    this.#outcomes[outcome] += 1
  }

  figures(now: number): HedgingFigures {
    return {
      delayMs: this.#delayMs(now),
      outcomes: { ...this.#outcomes },
      refused: this.#budget.figures(now).refused,
    }
  }

  close(): void {
    this.#watch.close()
  }

  #delayMs(now: number): number | undefined {
    const { minDelayMs, minSamples } = this.#options
    const ms = this.#latencies.ms(minSamples, now)
    return ms === undefined ? undefined : Math.max(minDelayMs, ms)
  }
}
