import { formatNumber, formatTable, formatTimes } from '../../src/bench/report/table.ts'
import type { ResultFile } from '../../src/bench/results/result-file.ts'
import type { CaseResult, ScenarioResult, SubjectResult } from '../../src/bench/results/scenario-result.ts'
import { estimateMedian, type MedianEstimate, median } from '../../src/bench/results/statistics.ts'
import {
  judgeChange,
  MICRO_METRICS,
  type MicroVerdict,
  normalizeRound,
  referenceOf,
  subjectsOf,
} from './micro-metrics.ts'

interface MicroChange {
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

interface MicroComparison {
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

/** The speed of the core stands above the tables, and is taken out of the times in them. */
const COLUMNS = MICRO_METRICS.filter(({ key }) => key !== 'calibrationNs')

/** Suites for a terminal. */
export function formatSuites(results: readonly ScenarioResult[]): string {
  const referenceNs = referenceOf(results)
  const head = `times of all rounds at the speed of the quickest ones, in which the calibration loop took ${formatFigure(referenceNs)} ns`
  return [head, ...results.map(result => formatSuite(result, referenceNs))].join('\n\n')
}

function formatSuite({ scenario, cases, unavailable }: ScenarioResult, referenceNs: number): string {
  return [
    ...cases.map(one => `${scenario}, ${one.name}\n${formatSubjects(one, referenceNs)}${formatAims(one)}`),
    ...unavailable.map(({ subject, because }) => `${subject}: ${because}`),
  ].join('\n')
}

function formatSubjects({ subjects }: CaseResult, referenceNs: number): string {
  const columns = COLUMNS.filter(({ key }) => subjects.some(({ median }) => key in median))
  const header = ['', ...columns.flatMap(({ key, title }) => (key === 'ns' ? ['ns', 'between'] : [title]))]
  const rows = subjects.map(({ subject, rounds }) => {
    const normalized = rounds.map(round => normalizeRound(round, referenceNs))
    return [
      subject,
      ...columns.flatMap(({ key }) => {
        const estimate = estimateMedian(normalized.map(round => round[key]))
        const figure = formatFigure(estimate?.median)
        return key === 'ns' ? [figure, estimate === undefined ? '-' : formatBetween(estimate)] : [figure]
      }),
    ]
  })
  return formatTable(header, rows, Number.POSITIVE_INFINITY)
}

function formatAims({ aims = [] }: CaseResult): string {
  if (aims.length === 0) return ''
  const missed = aims.filter(({ met }) => !met)
  return [
    `\naim: at most ${aims[0]?.atMost} CPU ns: met by ${aims.length - missed.length} of ${aims.length}`,
    ...missed.map(({ subject, measured }) => `  MISSED: ${subject}: ${formatFigure(measured)}`),
  ].join('\n')
}

/** The interval; the least and the most of too few rounds for one. */
function formatBetween({ interval, min, max }: MedianEstimate): string {
  return interval === undefined
    ? `(${formatFigure(min)}..${formatFigure(max)})`
    : `${formatFigure(interval.low)}..${formatFigure(interval.high)}`
}

/** ns and bytes: a fraction tells something below a hundred only. */
function formatFigure(value: number | undefined): string {
  return value !== undefined && Math.abs(value) >= 100
    ? formatNumber(Math.round(value))
    : formatNumber(value === undefined ? value : Math.round(value * 10) / 10)
}

/** What has changed beyond noise, and how far the whole can be trusted. `margin` is a share. */
export function formatMicroComparison(comparison: MicroComparison, margin: number): string {
  const { calibration, drift, changes, isNew } = comparison
  const found = (verdict: MicroVerdict): MicroChange[] => changes.filter(change => change.verdict === verdict)
  const unjudged = found('too few rounds').length
  return [
    `the calibration loop takes ${calibration.toFixed(2)} times what it took then; with that taken out of all times, the median case takes ${drift.toFixed(2)} times as long`,
    `rule: a figure has changed when the whole interval of its rounds lies beyond the stored interval by more than ${formatNumber(margin * 100)} % (bytes: 2 %)`,
    ...section('improvements', found('improvement')),
    ...section('REGRESSIONS', found('regression')),
    ...isNew.map(name => `not stored: ${name}`),
    `${changes.length} figures: ${found('regression').length} regressions, ${found('improvement').length} improvements, ${found('within noise').length} within noise${unjudged > 0 ? `, ${unjudged} not judged: too few rounds` : ''}`,
  ].join('\n')
}

function section(title: string, changes: readonly MicroChange[]): string[] {
  if (changes.length === 0) return []
  const rows = changes.map(({ suite, subject, title, stored, now, ratio }) => [
    `${suite}: ${subject}: ${title}`,
    formatFigure(stored.median),
    formatBetween(stored),
    formatFigure(now.median),
    formatBetween(now),
    ratio === undefined ? '-' : formatTimes(ratio),
  ])
  const header = [title, 'stored', 'between', 'now', 'between', 'now/stored']
  return ['', formatTable(header, rows, Number.POSITIVE_INFINITY), '']
}
