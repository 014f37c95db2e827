import type { MedianEstimate } from '../results/estimates.ts'
import type { Verdict } from './compare-rule.ts'

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
