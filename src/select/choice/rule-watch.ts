import type { DecisionRule } from '../../base/events/decision.ts'

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

  /** `told`: the rule of the decision that was told last; it is `rule` after this, if this is news. */
  isNews(rule: DecisionRule, told: DecisionRule, now: number): boolean {
    if (rule === told) {
      this.#other = undefined
      return false
    }
    if (COMPARING.includes(rule) && COMPARING.includes(told)) {
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
