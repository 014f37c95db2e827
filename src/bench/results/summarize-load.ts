import { Histogram, type HistogramRecord } from './histogram.ts'
import { LOAD_METRICS, type LoadRound, loadMeasurement } from './load-measurement.ts'
import type { CaseResult, Metric, SubjectDetail } from './scenario-result.ts'
import { judgeHttp3, summarizeCase } from './summarize-case.ts'

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

type Counts = Readonly<Record<string, number>>

/**
 * What no column says of a subject: what failed and why, which rounds ended before their time, who carried
 * its requests.
 */
function loadNotes(subject: string, rounds: readonly LoadRound[]): string[] {
  const reports = rounds.map(({ report }) => report)
  const notes: string[] = []
  const failures = sum(reports.map(report => report.failures))
  if (failures > 0) {
    const byCode = listed(added(reports.map(report => report.failuresByCode)))
    const first = reports.find(({ firstFailure }) => firstFailure !== undefined)?.firstFailure
    notes.push(
      `${failures} of ${sum(reports.map(report => report.requests))} failed: ${byCode}${first === undefined ? '' : `; the first: ${first}`}`,
    )
  }
  for (const [round, { stoppedBecause }] of reports.entries()) {
    if (stoppedBecause !== undefined)
      notes.push(`round ${round + 1} ended before its time: ${stoppedBecause}`)
  }
  const protocols = added(reports.map(report => report.byProtocol))
  if (Object.keys(protocols).length > 1) notes.push(`carried by ${listed(protocols)}`)
  const above = sum(reports.map(({ latency }) => latency.aboveMaximum ?? 0))
  if (above > 0) notes.push(`${above} took longer than an hour and are counted as an hour`)
  return notes.map(note => `${subject}: ${note}`)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function added(all: readonly Counts[]): Counts {
  const total: Record<string, number> = {}
  for (const [name, count] of all.flatMap(Object.entries<number>)) total[name] = (total[name] ?? 0) + count
  return total
}

/** The most frequent first. */
function listed(counts: Counts): string {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
