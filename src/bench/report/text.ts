import type { ResultFile } from '../results/result-file.ts'
import type {
  CaseResult,
  Http3Outcome,
  Http3Verdict,
  JudgedAim,
  MachineFacts,
  Metric,
  RatioResult,
  ScenarioResult,
  SubjectResult,
} from '../results/scenario-result.ts'
import {
  CONFIDENCE,
  estimateMedian,
  type Interval,
  isShown,
  MIN_ROUNDS_FOR_INTERVAL,
} from '../results/statistics.ts'
import { ratioInterval } from '../results/summarize-case.ts'
import { formatNumber, formatTable, formatTimes } from './table.ts'

/**
 * A table for each figure that subjects were compared by. `n/a`: too few pairs for an interval, which then
 * shows nothing either.
 */
function formatRatios(result: CaseResult, metrics: readonly Metric[]): string[] {
  const { name, ratios } = result
  return [...new Set(ratios.map(({ metric }) => metric))].map(key => {
    const title = metrics.find(metric => metric.key === key)?.title ?? key
    const rows = ratios
      .filter(({ metric }) => metric === key)
      .map(ratio => formatRatio(ratio, ratioInterval(result, ratio)))
    const header = ['subject / to', 'median', `${100 * CONFIDENCE} %`, 'min', 'max', 'pairs', 'shown']
    return `[${name}] ${title}, round by round\n${formatTable(header, rows)}`
  })
}

function formatRatio(
  { subject, to, median, min, max, pairs }: RatioResult,
  interval: Interval | undefined,
): string[] {
  const none = pairs < MIN_ROUNDS_FOR_INTERVAL ? 'n/a' : '-'
  return [
    `${subject} / ${to}`,
    formatTimes(median),
    interval === undefined ? none : `${formatTimes(interval.low)}..${formatTimes(interval.high)}`,
    formatTimes(min),
    formatTimes(max),
    String(pairs),
    interval === undefined ? none : verdict(interval),
  ]
}

function verdict(interval: Interval): string {
  if (!isShown({ interval })) return 'no difference'
  return interval.high < 1 ? 'less' : 'more'
}

/** Each subject's medians, and beneath them between what they may lie. */
function formatFigures({ name, subjects }: CaseResult, metrics: readonly Metric[]): string {
  const rows = subjects.flatMap(subject => {
    const medians = [subject.subject, ...metrics.map(({ key }) => formatNumber(subject.median[key]))]
    return [medians, [spreadTitle(subject), ...metrics.map(({ key }) => formatSpread(subject, key))]]
  })
  return `[${name}] medians\n${formatTable(['subject', ...metrics.map(({ title }) => title)], rows)}`
}

function hasInterval({ rounds }: SubjectResult): boolean {
  return rounds.length >= MIN_ROUNDS_FOR_INTERVAL
}

function spreadTitle(subject: SubjectResult): string {
  const what = hasInterval(subject) ? `${100 * CONFIDENCE} %` : 'min..max'
  return `  ${what} of ${subject.rounds.length} rounds`
}

/** Nothing where all rounds were the same, or where too few of them have the figure. */
function formatSpread(subject: SubjectResult, key: string): string {
  const estimate = estimateMedian(subject.rounds.map(round => round[key]))
  if (estimate === undefined) return ''
  if (!hasInterval(subject)) return formatRange(estimate.min, estimate.max)
  const { interval } = estimate
  return interval === undefined ? '' : formatRange(interval.low, interval.high)
}

/** Nothing where the two are told by the same digits. */
function formatRange(low: number, high: number): string {
  const [from, to] = [formatNumber(low), formatNumber(high)]
  return from === to ? '' : `${from}..${to}`
}

/** A whole file for a terminal: when and on what it was measured, and every table. */
export function formatFile({ startedAt, arguments: args, machine, results }: ResultFile): string {
  const head = `measured ${startedAt}: ${args.join(' ')}\n${formatMachine(machine)}`
  return [head, ...results.map(formatScenario)].join('\n\n')
}

/** A scenario's tables for a terminal. */
export function formatScenario(result: ScenarioResult): string {
  const missing = result.unavailable.map(({ subject, because }) => `\n  not measured: ${subject}: ${because}`)
  const parts = [`${result.scenario}: ${result.description}${missing.join('')}`]
  for (const entry of result.cases) parts.push(formatCase(entry, result.metrics))
  const verdicts = formatVerdicts(result)
  if (verdicts !== undefined) parts.push(verdicts)
  const { limits = [] } = result
  if (limits.length > 0)
    parts.push(`What these figures do not show:\n${limits.map(limit => `  ${limit}`).join('\n')}`)
  return parts.join('\n\n')
}

function formatCase(result: CaseResult, metrics: readonly Metric[]): string {
  const { name, notes = [], aims = [] } = result
  const parts = [formatFigures(result, metrics), ...formatRatios(result, metrics)]
  if (notes.length > 0) parts.push(notes.map(note => `[${name}] ${note}`).join('\n'))
  if (aims.length > 0) parts.push(aims.map(aim => formatAim(name, aim, metrics)).join('\n'))
  return parts.join('\n\n')
}

function formatAim(
  name: string,
  { subject, metric, to, atLeast, atMost, measured, met }: JudgedAim,
  metrics: readonly Metric[],
): string {
  const title = metrics.find(({ key }) => key === metric)?.title ?? metric
  const unit = to === undefined ? title : `x ${to}`
  const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
  const verdict =
    measured === undefined ? 'not measured' : `${formatNumber(measured)}: ${met ? 'met' : 'MISSED'}`
  return `[${name}] aim: ${subject} ${wanted} ${unit}: ${verdict}`
}

/** Two lines: the machine, and what ran on it. */
export function formatMachine(machine: MachineFacts): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  return `${machine.cores} cores, ${machine.cpuModel}, Linux ${machine.kernel}, load ${machine.loadAtStart.toFixed(2)}\n${versions.join(', ')}; revision ${machine.revision}`
}

export const OUTCOME_WORDS: Readonly<Record<Http3Outcome, string>> = {
  wins: 'WINS',
  loses: 'LOSES',
  even: 'even',
  'not-shown': 'not shown',
}

/** Where HTTP/3 wins and where it loses, over all cases of a scenario. Undefined: nothing in it says. */
function formatVerdicts({ cases, metrics }: ScenarioResult): string | undefined {
  const rows = cases.flatMap(({ name, http3 = [] }) =>
    http3.map(verdict => [`[${name}] ${pairText(verdict)}`, ...cells(verdict, metrics)]),
  )
  if (rows.length === 0) return undefined
  const all = cases.flatMap(({ http3 = [] }) => http3)
  const header = ['HTTP/3 / the same client over TCP', 'figure', 'HTTP/3', 'ratio', `${100 * CONFIDENCE} %`]
  return `${countText(all)}\n${formatTable(header, rows)}`
}

/** How often it was the one and the other: a line. */
export function countText(verdicts: readonly Http3Verdict[]): string {
  const count = (wanted: Http3Outcome): number => verdicts.filter(({ outcome }) => outcome === wanted).length
  return `Where HTTP/3 wins and where it loses, in ${verdicts.length} comparisons: ${count('wins')} won, ${count('loses')} lost, ${count('even')} even, ${count('not-shown')} not shown`
}

function pairText({ subject, to }: Http3Verdict): string {
  return `${subject} / ${to}`
}

function cells({ metric, outcome, ratio }: Http3Verdict, metrics: readonly Metric[]): readonly string[] {
  const { median, interval } = ratio
  const title = metrics.find(({ key }) => key === metric)?.title ?? metric
  const range = interval === undefined ? 'n/a' : `${formatTimes(interval.low)}..${formatTimes(interval.high)}`
  return [title, OUTCOME_WORDS[outcome], formatTimes(median), range]
}
