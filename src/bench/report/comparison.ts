import { CONFIDENCE, type MedianEstimate, MIN_ROUNDS_FOR_INTERVAL } from '../results/estimates.ts'
import type { Metric } from '../results/scenario-result.ts'

/** Two result files side by side. Plain data: its JSON is the comparison for programs. */
export interface Comparison {
  readonly a: ComparedRun
  readonly b: ComparedRun
  /** What a verdict means. */
  readonly rule: string
  /** What speaks against comparing the two at all. */
  readonly warnings: readonly string[]
  readonly cases: readonly ComparedCase[]
  /** `scenario`, `scenario / case`, …: the outermost part that the other file lacks. */
  readonly onlyIn: { readonly a: readonly string[]; readonly b: readonly string[] }
}

export interface ComparedRun {
  readonly startedAt: string
  readonly revision: string
  readonly arguments: readonly string[]
}

export interface ComparedCase {
  readonly scenario: string
  readonly name: string
  readonly figures: readonly ComparedFigure[]
}

export interface ComparedFigure {
  readonly subject: string
  /** The figure is a multiple of this subject's, round by round. Undefined: it is a figure by itself. */
  readonly to?: string
  readonly metric: string
  readonly title: string
  readonly a: MedianEstimate
  readonly b: MedianEstimate
  /** B's median as a multiple of A's; undefined where A's is 0. */
  readonly ratio: number | undefined
  readonly verdict: Verdict
}

/** `different`: a difference is shown, and nobody says which way is better. */
export type Verdict = 'better' | 'worse' | 'different' | 'no difference shown'

/** What isDifferent() holds to, for whoever reads its verdicts. */
export const COMPARE_RULE = `A difference is shown when the two runs' ${100 * CONFIDENCE} % intervals of the median do not touch. With fewer than ${MIN_ROUNDS_FOR_INTERVAL} rounds on either side there is no such interval: then every round of one run has to lie beyond every round of the other, and the rounds have to be so many that luck brings that about at most ${formatLuck()} times in 100 (4 and 4 rounds, or 3 and 5). Rounds tell nothing of what differs between runs, as the machine's temper: a ratio within one run is surer than a figure, and two runs each, in turns, are surer than one.`

/** What B's figure is beside A's. */
export function judge(a: MedianEstimate, b: MedianEstimate, better: Metric['better']): Verdict {
  if (!isDifferent(a, b)) return 'no difference shown'
  if (better === undefined) return 'different'
  return b.median < a.median === (better === 'less') ? 'better' : 'worse'
}

function isDifferent(a: MedianEstimate, b: MedianEstimate): boolean {
  if (a.interval !== undefined && b.interval !== undefined) {
    return a.interval.high < b.interval.low || b.interval.high < a.interval.low
  }
  return (a.max < b.min || b.max < a.min) && luckOfSeparation(a.rounds, b.rounds) <= 1 - CONFIDENCE + 1e-9
}

/**
 * Of all orders in which n and m values that differ in nothing can come, the share of the two that keep them
 * apart (Mann & Whitney, 1947).
 */
function luckOfSeparation(n: number, m: number): number {
  let orders = 1
  for (let i = 1; i <= n; i++) orders = (orders * (m + i)) / i
  return 2 / orders
}

function formatLuck(): string {
  return String(Math.round(100 * (1 - CONFIDENCE)))
}
