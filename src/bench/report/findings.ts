import type { CaseResult, Metric, RatioResult, ScenarioResult } from '../results/scenario-result.ts'
import { type Interval, isShown, pairedRatio, type Ratio } from '../results/statistics.ts'
import { isFigure } from './table.ts'

/** One subject's median, with the subject behind it. */
export interface Snapshot {
  readonly subject: string
  readonly median: number
}

/** What a case says of one figure: who was first, and how far the next one is behind. */
export interface Finding {
  readonly metric: Metric
  readonly first: Snapshot
  /** Undefined: nobody else has the figure. */
  readonly next: Rival | undefined
  /** Last of all; undefined if there is nobody behind the next one. */
  readonly last: Rival | undefined
}

export interface Rival extends Snapshot {
  /** The first one's figure as a multiple of this one's, round by round. */
  readonly ratio: Ratio | undefined
  readonly evidence: Evidence
}

/** What the rounds say of a difference. */
type Evidence =
  /** The interval leaves 1 out. */
  | { readonly kind: 'shown'; readonly interval: Interval }
  /** Every round points the same way, but there are too few of them for an interval. */
  | { readonly kind: 'tooFew'; readonly pairs: number }
  /** There are rounds, or an interval, on both sides of 1. */
  | { readonly kind: 'crosses'; readonly pairs: number }
  /** No round has both figures. */
  | { readonly kind: 'unpaired' }

/**
 * Of the figures of a case that can be better or worse, in the order of the columns. Where no metric says
 * which way it is to go (as in old files), the one that the case's ratios are made of, lowest first.
 */
export function findingsOf({ metrics }: ScenarioResult, result: CaseResult): readonly Finding[] {
  const judged = metrics.filter(({ better }) => better !== undefined)
  const chief = chiefMetric(metrics, result)
  const asked = judged.length > 0 ? judged : [chief].filter(metric => metric !== undefined)
  return asked.flatMap(metric => findingOf(metric, result) ?? [])
}

/** The metric that a case is about: that of its ratios, of its aims, or the first one. */
export function chiefMetric(
  metrics: readonly Metric[],
  { ratios, aims = [] }: CaseResult,
): Metric | undefined {
  const key = ratios[0]?.metric ?? aims[0]?.metric
  return (
    metrics.find(metric => metric.key === key) ??
    metrics.find(({ better }) => better !== undefined) ??
    metrics[0]
  )
}

function findingOf(metric: Metric, { subjects }: CaseResult): Finding | undefined {
  const sign = metric.better === 'more' ? -1 : 1
  const snapshots = subjects
    .flatMap(({ subject, median, rounds }) => {
      const value = median[metric.key]
      return isFigure(value)
        ? [{ subject, median: value, rounds: rounds.map(round => round[metric.key]) }]
        : []
    })
    .sort((a, b) => sign * (a.median - b.median))
  const [first, next, ...others] = snapshots
  if (first === undefined) return undefined
  const rival = (other: typeof first | undefined): Rival | undefined => {
    if (other === undefined) return undefined
    const ratio = pairedRatio(first.rounds, other.rounds)
    return { subject: other.subject, median: other.median, ratio, evidence: evidenceOf(ratio) }
  }
  return {
    metric,
    first: { subject: first.subject, median: first.median },
    next: rival(next),
    last: rival(others.at(-1)),
  }
}

function evidenceOf(ratio: Ratio | undefined): Evidence {
  if (ratio === undefined) return { kind: 'unpaired' }
  const { interval, min, max, pairs } = ratio
  if (interval !== undefined) return isShown(ratio) ? { kind: 'shown', interval } : { kind: 'crosses', pairs }
  return max < 1 || min > 1 ? { kind: 'tooFew', pairs } : { kind: 'crosses', pairs }
}

/** A case's own ratio, with the interval that older files do not have: their rounds do. */
export function completeRatio(ratio: RatioResult, { subjects }: CaseResult): RatioResult {
  const figures = (name: string): readonly (number | undefined)[] =>
    subjects.find(({ subject }) => subject === name)?.rounds.map(round => round[ratio.metric]) ?? []
  return { ...ratio, ...pairedRatio(figures(ratio.subject), figures(ratio.to)) }
}
