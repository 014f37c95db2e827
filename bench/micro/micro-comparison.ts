import type { ResultFile } from '../../src/bench/results/result-file.ts'
import type { ScenarioResult, SubjectResult } from '../../src/bench/results/scenario-result.ts'
import { estimateMedian, type MedianEstimate, median } from '../../src/bench/results/statistics.ts'
import {
  judgeChange,
  MICRO_METRICS,
  type MicroVerdict,
  normalizeRound,
  referenceOf,
  subjectsOf,
} from './micro-metrics.ts'

export interface MicroChange {
  readonly suite: string
  readonly subject: string
  readonly metric: string
  readonly title: string
  /** Both at the speed that the core had in the quickest rounds of the stored result. */
  readonly stored: MedianEstimate
  readonly now: MedianEstimate
  /** Undefined where the stored median is 0. */
  readonly ratio: number | undefined
  readonly verdict: MicroVerdict
}

export interface MicroComparison {
  /**
   * How long the calibration loop takes now in the quickest rounds, as a multiple of then. Above 1: the core
   * is slower.
   */
  readonly calibration: number
  /**
   * The median of all ratios of `ns`, the calibration taken out. Far from 1: the machine has changed in a way
   * that it does not see, or everything has.
   */
  readonly drift: number
  readonly changes: readonly MicroChange[]
  /** Measured now, and not in what is stored. */
  readonly isNew: readonly string[]
}

/**
 * Undefined: the two have different calibration loops, or none, and cannot be compared. `margin` is a share,
 * and that of the times.
 */
export function compareWithStored(
  stored: ResultFile,
  now: ResultFile,
  margin: number,
): MicroComparison | undefined {
  if (stored.settings['calibration'] !== now.settings['calibration']) return undefined
  const referenceNs = referenceOf(sharedWith(now, stored))
  const calibration = referenceOf(sharedWith(stored, now)) / referenceNs
  if (!(calibration > 0)) return undefined
  const changes: MicroChange[] = []
  const isNew: string[] = []
  for (const result of now.results) {
    for (const subject of subjectsOf(result)) {
      const before = findSubject(stored, result.scenario, subject.subject)
      if (before === undefined) isNew.push(`${result.scenario}: ${subject.subject}`)
      else changes.push(...changesOf(result.scenario, before, subject, referenceNs, margin))
    }
  }
  const ratios = changes.flatMap(({ metric, ratio }) =>
    metric === 'ns' && ratio !== undefined ? [ratio] : [],
  )
  return { calibration, drift: median(ratios), changes, isNew }
}

function changesOf(
  suite: string,
  stored: SubjectResult,
  now: SubjectResult,
  referenceNs: number,
  margin: number,
): MicroChange[] {
  return MICRO_METRICS.flatMap(({ key, title, tolerance }) => {
    if (tolerance === undefined) return []
    const estimateOf = ({ rounds }: SubjectResult): MedianEstimate | undefined =>
      estimateMedian(rounds.map(round => normalizeRound(round, referenceNs)[key]))
    const [a, b] = [estimateOf(stored), estimateOf(now)]
    if (a === undefined || b === undefined) return []
    const ratio = a.median === 0 ? undefined : b.median / a.median
    const verdict = judgeChange(a, b, { margin, ...tolerance })
    return [{ suite, subject: now.subject, metric: key, title, stored: a, now: b, ratio, verdict }]
  })
}

/**
 * A run of some of the suites is no other machine: the speed is that of those which the other file has as
 * well.
 */
function sharedWith(other: ResultFile, { results }: ResultFile): readonly ScenarioResult[] {
  return results.filter(({ scenario }) => other.results.some(result => result.scenario === scenario))
}

function findSubject(file: ResultFile, suite: string, name: string): SubjectResult | undefined {
  const result = file.results.find(({ scenario }) => scenario === suite)
  return result && subjectsOf(result).find(({ subject }) => subject === name)
}
