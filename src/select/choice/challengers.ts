import type { DecisionRule } from '../../base/events/decision.ts'
import type { LaneName } from '../../base/http/protocol.ts'
import { age } from './decision-reason.ts'

interface Challenge {
  readonly since: number
  /** Of its lane, when it began. */
  readonly samples: number
}

/**
 * Which lanes look better than the one that carries, and since when. A lane that carries nothing is measured
 * by its trials only: what they said stays as it is while the incumbent's figures move on. So a challenger
 * must
 * - look better for `sustainMs` without a break,
 * - and show it once more: `confirmations` samples that came after it began to look better. One lucky trial,
 *   or an origin that was slow for a while whatever carried, then change nothing.
 */
export class Challengers {
  readonly #sustainMs: number
  readonly #confirmations: number
  readonly #challenges = new Map<LaneName, Challenge>()
  readonly #leftAt = new Map<LaneName, number>()

  constructor(sustainMs: number, confirmations: number) {
    this.#sustainMs = sustainMs
    this.#confirmations = confirmations
  }

  /** At each evaluation, for each lane that does not carry. `samples`: all that ever came of it. */
  onJudged(lane: LaneName, isBetter: boolean, samples: number, now: number): void {
    if (!isBetter) this.#challenges.delete(lane)
    else if (!this.#challenges.has(lane)) this.#challenges.set(lane, { since: now, samples })
  }

  /** Another lane carries: what was said in relation to the one before is void. */
  onChanged(left: LaneName, now: number): void {
    this.#challenges.clear()
    this.#leftAt.set(left, now)
  }

  clear(): void {
    this.#challenges.clear()
    this.#leftAt.clear()
  }

  /** It looks better and was not measured since it does. */
  needsTrial(lane: LaneName, samples: number): boolean {
    const challenge = this.#challenges.get(lane)
    return challenge !== undefined && samples - challenge.samples < this.#confirmations
  }

  /** What still keeps a challenger from being taken; undefined: nothing. */
  holds(lane: LaneName, samples: number, now: number): string | undefined {
    const challenge = this.#challenges.get(lane)
    if (challenge === undefined) return 'it is not better by more than chance explains'
    const sustain = age(this.#sustainMs)
    const leftAt = this.#leftAt.get(lane) ?? -Infinity
    if (now - leftAt < this.#sustainMs) return `it was left less than ${sustain} ago`
    const forMs = now - challenge.since
    if (forMs < this.#sustainMs) return `it must stay better for ${sustain}, and has for ${age(forMs)}`
    return this.needsTrial(lane, samples) ? 'another trial must show it again' : undefined
  }
}

/** Rules that compare figures: which of them applies may change with each sample. */
const COMPARING: readonly DecisionRule[] = ['faster', 'cheaper', 'safer', 'kept']

/**
 * Whether another reason for the same lane is worth telling. Figures near a bound make comparing rules
 * alternate: another one of those is news when it has held for `holdMs`. All other rules are at once.
 */
export class RuleWatch {
  readonly #holdMs: number
  #other: { readonly rule: DecisionRule; readonly since: number } | undefined

  constructor(holdMs: number) {
    this.#holdMs = holdMs
  }

  /** `reported`: the rule of the decision reported last; `rule` after this, if this is news. */
  isNews(rule: DecisionRule, reported: DecisionRule, now: number): boolean {
    if (rule === reported) {
      this.#other = undefined
      return false
    }
    if (COMPARING.includes(rule) && COMPARING.includes(reported)) {
      if (this.#other?.rule !== rule) this.#other = { rule, since: now }
      if (now - this.#other.since < this.#holdMs) return false
    }
    this.#other = undefined
    return true
  }

  /** Another lane carries. */
  reset(): void {
    this.#other = undefined
  }
}
