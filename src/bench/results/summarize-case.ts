import {
  type CaseResult,
  EVEN_WITHIN,
  type Http3Outcome,
  type Http3Verdict,
  type Measurement,
  type Metric,
  type RatioResult,
  type SubjectResult,
} from './scenario-result.ts'
import { estimateMedian, type Interval, isShown, pairedRatio, type Ratio } from './statistics.ts'

/**
 * Medians and ratios of one case. `references` says with whom a subject is compared, `metric` (one or
 * several) for which figures.
 */
export function summarizeCase(
  name: string,
  measurements: ReadonlyMap<string, readonly Measurement[]>,
  metric: string | readonly string[],
  references: (subject: string) => readonly string[],
): CaseResult {
  const subjects: SubjectResult[] = []
  const ratios: RatioResult[] = []
  for (const [subject, rounds] of measurements) {
    subjects.push({ subject, rounds, median: medianMeasurement(rounds) })
    for (const to of references(subject)) {
      const other = measurements.get(to)
      if (other === undefined || to === subject) continue
      for (const key of [metric].flat()) {
        const ratio = pairedRatio(
          rounds.map(round => round[key]),
          other.map(round => round[key]),
        )
        if (ratio !== undefined) ratios.push({ subject, to, metric: key, ...ratio })
      }
    }
  }
  return { name, subjects, ratios }
}

/**
 * Each metric's own median, over the rounds that have it: the values of one row may stem from different
 * rounds.
 */
function medianMeasurement(rounds: readonly Measurement[]): Measurement {
  const keys = new Set(rounds.flatMap(round => Object.keys(round)))
  const medians: Record<string, number> = {}
  for (const key of keys) {
    const estimate = estimateMedian(rounds.map(round => round[key]))
    if (estimate !== undefined) medians[key] = estimate.median
  }
  return medians
}

/**
 * A ratio's interval; of one that was stored without it, from its rounds. Undefined: too few pairs, or its
 * rounds are not there.
 */
export function ratioInterval({ subjects }: CaseResult, ratio: RatioResult): Interval | undefined {
  if (ratio.interval !== undefined) return ratio.interval
  const figures = (name: string): (number | undefined)[] =>
    subjects.find(({ subject }) => subject === name)?.rounds.map(round => round[ratio.metric]) ?? []
  const again = pairedRatio(figures(ratio.subject), figures(ratio.to))
  return again?.pairs === ratio.pairs ? again.interval : undefined
}

/** By subject, the rounds of a case. */
type Rounds = ReadonlyMap<string, readonly Measurement[]>

/**
 * Where HTTP/3 wins and where it loses. `rivals` says with whom over TCP a subject is compared; of one
 * that does not go over HTTP/3 it has none. Figures that are not better one way are left out.
 */
export function judgeHttp3(
  rounds: Rounds,
  metrics: readonly Metric[],
  rivals: (subject: string) => readonly string[],
): readonly Http3Verdict[] {
  return [...rounds].flatMap(([subject, ours]) =>
    rivals(subject).flatMap(to => {
      const theirs = rounds.get(to) ?? []
      return metrics.flatMap(({ key, better }) => {
        const ratio = pairedRatio(valuesOf(ours, key), valuesOf(theirs, key))
        if (ratio === undefined || better === undefined) return []
        return [{ subject, to, metric: key, outcome: outcomeOf(ratio, better, ours, theirs), ratio }]
      })
    }),
  )
}

function outcomeOf(
  ratio: Ratio,
  better: 'less' | 'more',
  ours: readonly Measurement[],
  theirs: readonly Measurement[],
): Http3Outcome {
  if (!isShown(ratio)) return 'not-shown'
  if (Math.abs(ratio.median - 1) < EVEN_WITHIN) return 'even'
  const isAhead = ratio.median < 1 === (better === 'less')
  // Times and rates are those of requests that did not fail: who fails more is spared the slow ones.
  const [winner, loser] = isAhead ? [ours, theirs] : [theirs, ours]
  if (failureRate(winner) > failureRate(loser)) return 'not-shown'
  return isAhead ? 'wins' : 'loses'
}

function failureRate(rounds: readonly Measurement[]): number {
  const total = (key: string): number =>
    valuesOf(rounds, key).reduce<number>((sum, value) => sum + (value ?? 0), 0)
  const requests = total('requests')
  return requests === 0 ? 0 : total('failures') / requests
}

function valuesOf(rounds: readonly Measurement[], key: string): readonly (number | undefined)[] {
  return rounds.map(round => round[key])
}
