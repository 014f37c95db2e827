import type { LoadReport } from '../../../src/bench/load/load-tally.ts'
import { Histogram, type HistogramRecord } from '../../../src/bench/results/histogram.ts'
import type { LoadRound } from '../../../src/bench/results/load-measurement.ts'

/** A round of one request after the other on one connection, which took so long each. */
export function roundOf(
  latenciesMs: readonly number[],
  changes: Partial<LoadReport> = {},
  job: Partial<LoadRound['job']> = {},
): LoadRound {
  return {
    job: {
      arrival: { kind: 'closed', concurrency: 1 },
      measure: { requests: latenciesMs.length, seconds: 60 },
      ...job,
    },
    report: {
      requests: latenciesMs.length,
      failures: 0,
      failuresByCode: {},
      firstFailure: undefined,
      latency: recordOf(latenciesMs),
      firstByte: recordOf(latenciesMs.map(ms => ms / 2)),
      stall: undefined,
      receivedBytes: 1000 * latenciesMs.length,
      sentBytes: 0,
      wallMs: latenciesMs.reduce((sum, ms) => sum + ms, 0),
      cpuMs: latenciesMs.length / 10,
      rssMiB: 80,
      late: { mostWaiting: 0, longestMs: 0 },
      opened: undefined,
      byProtocol: { h2: latenciesMs.length },
      objects: [],
      phases: [],
      connections: [],
      stoppedBecause: undefined,
      ...changes,
    },
  }
}

export function recordOf(latenciesMs: readonly number[]): HistogramRecord {
  const histogram = new Histogram()
  for (const ms of latenciesMs) histogram.record(ms)
  return histogram.toRecord()
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)
