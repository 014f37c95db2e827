import { formatNumber, formatTable, formatTimes } from '../../src/bench/report/table.ts'
import type { CaseResult, ScenarioResult } from '../../src/bench/results/scenario-result.ts'
import { estimateMedian, type MedianEstimate } from '../../src/bench/results/statistics.ts'
import type { MicroChange, MicroComparison } from './micro-comparison.ts'
import { MICRO_METRICS, type MicroVerdict, normalizeRound, referenceOf } from './micro-metrics.ts'

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
