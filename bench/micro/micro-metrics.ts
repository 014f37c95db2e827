import type {
  Measurement,
  Metric,
  ScenarioResult,
  SubjectResult,
} from '../../src/bench/results/scenario-result.ts'
import { type MedianEstimate, quantile } from '../../src/bench/results/statistics.ts'

export interface MicroMetric extends Metric {
  /** Undefined: shown, and never judged. */
  readonly tolerance?: {
    /** Of the stored figure; undefined: what the command line says. */
    readonly margin?: number
    /** What of a difference is nothing, in the metric's unit. */
    readonly slack: number
  }
}

/** Bytes are the same in nearly every process: 2 % of them are a change of the code. */
const BYTES = { margin: 0.02, slack: 8 }
const TIMES = { slack: 2 }

/** What a round reports a case, per operation. */
export const MICRO_METRICS: readonly MicroMetric[] = [
  { key: 'ns', title: 'ns', better: 'less', tolerance: TIMES },
  { key: 'p50Ns', title: 'p50 ns', better: 'less' },
  { key: 'p99Ns', title: 'p99 ns', better: 'less' },
  { key: 'cpuNs', title: 'CPU ns', better: 'less', tolerance: TIMES },
  { key: 'heapBytes', title: 'heap bytes', better: 'less', tolerance: BYTES },
  { key: 'bufferBytes', title: 'Buffer bytes', better: 'less', tolerance: BYTES },
  { key: 'megabytesPerSecond', title: 'MB/s', better: 'more' },
  { key: 'calibrationNs', title: 'calibration ns' },
]

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

/** How one figure is beside the stored one; of all that are judged less is better. */
export type MicroVerdict = 'regression' | 'improvement' | 'within noise' | 'too few rounds'

export interface Tolerance {
  /** A share: 0.1 is 10 %. */
  readonly margin: number
  /** Differences up to this are nothing, in the figure's own unit: a tenth of next to nothing is less. */
  readonly slack: number
}

/**
 * A regression: the whole interval of the rounds lies above the stored interval, and by more than the margin:
 * its lower end beyond the stored upper end times 1 + margin, plus the slack. An improvement is the same
 * turned round. Without an interval on both sides nothing is judged.
 */
export function judgeChange(stored: MedianEstimate, now: MedianEstimate, tolerance: Tolerance): MicroVerdict {
  if (stored.interval === undefined || now.interval === undefined) return 'too few rounds'
  if (isBeyond(now.interval.low, stored.interval.high, tolerance)) return 'regression'
  if (isBeyond(stored.interval.low, now.interval.high, tolerance)) return 'improvement'
  return 'within noise'
}

function isBeyond(low: number, high: number, { margin, slack }: Tolerance): boolean {
  return low > high * (1 + margin) + slack
}
