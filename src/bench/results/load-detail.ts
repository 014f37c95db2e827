import { Histogram } from './histogram.ts'
import type { HistogramRecord } from './histogram-record.ts'
import type { LoadRound } from './load-measurement.ts'
import type { SubjectDetail } from './subject-detail.ts'

/** The material of a subject's charts: distributions over all rounds, and one round that stands for them. */
export function loadDetail(rounds: readonly LoadRound[]): SubjectDetail {
  const latency = merged(rounds.map(({ report }) => report.latency))
  const firstByte = merged(rounds.map(({ report }) => report.firstByte))
  const typical = typicalRound(rounds)?.report
  return {
    ...(latency && { latency }),
    ...(firstByte && { firstByte }),
    ...(typical && typical.objects.length > 0 && { objects: typical.objects }),
    ...(typical && typical.phases.length > 0 && { phases: typical.phases }),
    ...(typical && typical.connections.length > 0 && { connections: typical.connections }),
  }
}

/** The one whose median latency is the median of all; of an even number the faster one of the middle two. */
function typicalRound(rounds: readonly LoadRound[]): LoadRound | undefined {
  const byMedian = rounds
    .filter(({ report }) => report.latency.count > 0)
    .map(round => ({ round, ms: Histogram.fromRecord(round.report.latency).quantile(0.5) }))
    .sort((a, b) => a.ms - b.ms)
  return byMedian[(byMedian.length - 1) >> 1]?.round
}

function merged(records: readonly HistogramRecord[]): HistogramRecord | undefined {
  const sum = new Histogram()
  for (const record of records) sum.add(record)
  return sum.count === 0 ? undefined : sum.toRecord()
}
