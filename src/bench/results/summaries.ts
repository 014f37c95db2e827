import { Histogram, type HistogramRecord } from './histogram.ts'
import { LOAD_METRICS, type LoadRound, loadMeasurement } from './load-measurement.ts'
import {
  type CaseResult,
  EVEN_WITHIN,
  type Http3Outcome,
  type Http3Verdict,
  type Measurement,
  type Metric,
  type RatioResult,
  type SubjectDetail,
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

interface LoadSummaryOptions {
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
