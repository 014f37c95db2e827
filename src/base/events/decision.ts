import type { LaneName, Protocol } from '../http/protocol.ts'

/**
 * Which rule decided (select/choice.ts has them in order). The word is API and a metric label: add to it, do
 * not rename.
 * - `only-candidate`: nothing else is allowed, built or known to work
 * - `unmeasured`: nothing was measured yet: the preferred candidate by evidence
 * - `cheaper`: nothing is faster by more than the bound, so that what costs less CPU carries
 * - `safer`: nothing is faster by more than the bound, and where packets may get lost this one stands it best
 * - `faster`: predicted to be faster by more than the bound
 * - `kept`: another one looks better, but not by enough or not for long enough
 * - `failing`: the one before fails too often
 */
export type DecisionRule =
  | 'only-candidate'
  | 'unmeasured'
  | 'cheaper'
  | 'safer'
  | 'faster'
  | 'kept'
  | 'failing'

/** One lane as the decision saw it. */
export interface DecisionCandidate {
  readonly lane: LaneName
  /** What it speaks, or would. */
  readonly protocol: Protocol
  /** It may carry requests. */
  readonly isEligible: boolean
  /** Why it may, or may not. */
  readonly because: string
  /** What is known of it, for people: `first byte after 42.1 ms (18 samples, last 3 s ago)`. */
  readonly evidence: readonly string[]
  /** How long a request would take over it, from its lease to its last byte. Undefined: not measured. */
  readonly predictedMs: number | undefined
  /** CPU of this process per request. Undefined: not measured. */
  readonly cpuMs: number | undefined
}

/**
 * Which lane carries an origin's requests from now on, and why.
 *
 * @example
 * ```ts
 * const { decision } = await transport.explain('https://origin.example')
 * console.log(decision.lane, decision.rule, decision.because)
 * ```
 */
export interface Decision {
  /** On the transport's clock. */
  readonly at: number
  readonly lane: LaneName
  readonly rule: DecisionRule
  /** The rule in words, with its figures. */
  readonly because: string
  readonly candidates: readonly DecisionCandidate[]
  /** What would have changed it, for people. Empty: nothing would. */
  readonly wouldChange: readonly string[]
}
