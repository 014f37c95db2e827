import type { Metric } from '../../src/bench/results/scenario-result.ts'

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

/** What a round tells of a case, per operation. */
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
