import { estimateMedian, pairedRatio } from './estimates.ts'
import type { Measurement } from './measurement.ts'
import type { CaseResult, RatioResult, SubjectResult } from './scenario-result.ts'

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
