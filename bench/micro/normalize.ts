import type { Measurement } from '../../src/bench/results/measurement.ts'
import type { ScenarioResult, SubjectResult } from '../../src/bench/results/scenario-result.ts'
import { quantile } from '../../src/bench/results/statistics.ts'

/** What the speed of the core changes: 1 for times, -1 for rates. Bytes are bytes anywhere. */
const POWERS: Readonly<Record<string, number>> = {
  ns: 1,
  p50Ns: 1,
  p99Ns: 1,
  cpuNs: 1,
  megabytesPerSecond: -1,
}
/** Of the rounds, as of the calls within one: those in which nobody else had a share of the core. */
const UNDISTURBED = 0.1

/**
 * The times of one round as they would be on a core that takes `referenceNs` for the calibration loop. A
 * round that has no calibration loses its times: they cannot be compared.
 */
export function normalizeRound(round: Measurement, referenceNs: number): Measurement {
  const factor = referenceNs / (round['calibrationNs'] ?? 0)
  return Object.fromEntries(
    Object.entries(round).flatMap(([key, value]) => {
      const power = POWERS[key]
      if (power === undefined) return [[key, value]]
      return Number.isFinite(factor) ? [[key, value * factor ** power]] : []
    }),
  )
}

/** The ns that the calibration loop took in the quickest rounds. NaN of none. */
export function referenceOf(results: readonly ScenarioResult[]): number {
  const rounds = results.flatMap(subjectsOf).flatMap(subject => subject.rounds)
  const told = rounds.flatMap(({ calibrationNs }) => (calibrationNs === undefined ? [] : [calibrationNs]))
  return quantile(told, UNDISTURBED)
}

/** The rows of all tables of a suite. */
export function subjectsOf({ cases }: ScenarioResult): readonly SubjectResult[] {
  return cases.flatMap(({ subjects }) => subjects)
}
