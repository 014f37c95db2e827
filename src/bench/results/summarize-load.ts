import type { HistogramRecord } from './histogram.ts'
import { Histogram } from './histogram.ts'
import { judgeHttp3 } from './judge-http3.ts'
import { LOAD_METRICS, type LoadRound, loadMeasurement } from './load-measurement.ts'
import { loadNotes } from './load-notes.ts'
import type { CaseResult, Metric } from './scenario-result.ts'
import type { SubjectDetail } from './subject-detail.ts'
import { summarizeCase } from './summarize-case.ts'

/** The material of a subject's charts: distributions over all rounds, and one round that stands for them. */
function loadDetail(rounds: readonly LoadRound[]): SubjectDetail {
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

export interface LoadSummaryOptions {
  /** Of the table. */
  readonly name: string
  /** By keys of LOAD_METRICS: the figures for which subjects are compared pair by pair. */
  readonly compared: readonly string[]
  /** With whom a subject is compared. */
  readonly references: (subject: string) => readonly string[]
  /**
   * Of one that goes over HTTP/3: with whom over TCP it is to be compared. Of others: nobody. Default: nobody
   * at all.
   */
  readonly rivals?: (subject: string) => readonly string[]
}

/** One table of a load: rows, ratios, the material of charts, and what no column says. */
export function summarizeLoad(
  rounds: ReadonlyMap<string, readonly LoadRound[]>,
  { name, compared, references, rivals = () => [] }: LoadSummaryOptions,
): CaseResult {
  const measurements = new Map([...rounds].map(([subject, all]) => [subject, all.map(loadMeasurement)]))
  const result = summarizeCase(name, measurements, compared, references)
  const subjects = result.subjects.map(subject => ({
    ...subject,
    detail: loadDetail(rounds.get(subject.subject) ?? []),
  }))
  const metrics = LOAD_METRICS.filter(({ key }) => compared.includes(key))
  const http3 = judgeHttp3(measurements, metrics, rivals)
  const notes = [...rounds].flatMap(([subject, all]) => loadNotes(subject, all))
  return { ...result, subjects, ...(http3.length > 0 && { http3 }), ...(notes.length > 0 && { notes }) }
}

/** Those of LOAD_METRICS that some subject of some case has a figure for. */
export function loadMetricsOf(cases: readonly CaseResult[]): readonly Metric[] {
  const filled = new Set(
    cases.flatMap(({ subjects }) => subjects.flatMap(({ rounds }) => rounds.flatMap(Object.keys))),
  )
  return LOAD_METRICS.filter(({ key }) => filled.has(key))
}
