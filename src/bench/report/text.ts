import type { ResultFile } from '../results/result-file.ts'
import type {
  CaseResult,
  Http3Verdict,
  JudgedAim,
  MachineFacts,
  Metric,
  RatioResult,
  ScenarioResult,
  SubjectResult,
} from '../results/scenario-result.ts'
import { CONFIDENCE, estimateMedian, type Interval, MIN_ROUNDS_FOR_INTERVAL } from '../results/statistics.ts'
import { ratioInterval } from '../results/summaries.ts'
import { formatNumber, formatTable, formatTimes, wrapText } from './table.ts'
import {
  CAVEATS,
  countText,
  differenceText,
  hasFigures,
  NOT_MEASURED,
  OUTCOME_WORDS,
  TOO_FEW_ROUNDS,
  unavailableTexts,
  verdictText,
} from './verdict.ts'

/** Where a report is shown; a terminal has a width and colors. */
export interface ReportScreen {
  /** Undefined: no terminal. Tables are as wide as a report's, and lines of prose are not broken. */
  readonly columns?: number | undefined
  readonly paint: (style: 'bold' | 'red' | 'green' | 'yellow', text: string) => string
}

const PLAIN: ReportScreen = { paint: (_, text) => text }

/** A table for each figure that subjects were compared by. */
function formatRatios(result: CaseResult, metrics: readonly Metric[], screen: ReportScreen): string[] {
  const { name, ratios } = result
  return [...new Set(ratios.map(({ metric }) => metric))].map(key => {
    const title = metrics.find(metric => metric.key === key)?.title ?? key
    const rows = ratios
      .filter(({ metric }) => metric === key)
      .map(ratio => formatRatio(ratio, ratioInterval(result, ratio)))
    const header = ['subject / to', 'median', `${100 * CONFIDENCE} %`, 'min', 'max', 'pairs', 'difference']
    return `[${name}] ${title}, round by round\n${formatTable(header, rows, screen.columns)}`
  })
}

function formatRatio(
  { subject, to, median, min, max, pairs }: RatioResult,
  interval: Interval | undefined,
): string[] {
  return [
    `${subject} / ${to}`,
    formatTimes(median),
    interval === undefined ? '-' : `${formatTimes(interval.low)}..${formatTimes(interval.high)}`,
    formatTimes(min),
    formatTimes(max),
    String(pairs),
    differenceText({ pairs, ...(interval !== undefined && { interval }) }),
  ]
}

/** Each subject's medians, and beneath them between what they may lie. */
function formatFigures(
  { name, subjects }: CaseResult,
  metrics: readonly Metric[],
  screen: ReportScreen,
): string {
  const rows = subjects.flatMap(subject => {
    const medians = [subject.subject, ...metrics.map(({ key }) => formatNumber(subject.median[key]))]
    return [medians, [spreadTitle(subject), ...metrics.map(({ key }) => formatSpread(subject, key))]]
  })
  return `[${name}] medians\n${formatTable(['subject', ...metrics.map(({ title }) => title)], rows, screen.columns)}`
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

/** A whole file for a terminal: when and on what it was measured, what it comes to, and every table. */
export function formatFile(
  { startedAt, arguments: args, machine, results }: ResultFile,
  screen: ReportScreen = PLAIN,
): string {
  const head = `measured ${startedAt}: ${args.join(' ')}\n${formatMachine(machine)}`
  const verdict = screen.paint('bold', wrapText(verdictText({ results }), screen.columns))
  return [head, verdict, ...results.map(result => formatScenario(result, screen))].join('\n\n')
}

/** A scenario's tables for a terminal. */
export function formatScenario(result: ScenarioResult, screen: ReportScreen = PLAIN): string {
  const missing = unavailableTexts(result.unavailable).map(
    text => `\n${wrapText(`  ${NOT_MEASURED}: ${text}`, screen.columns, '    ')}`,
  )
  const what = wrapText(`${result.scenario}: ${result.description}`, screen.columns)
  const parts = [missing.length === 0 ? what : `${what}${screen.paint('yellow', missing.join(''))}`]
  for (const entry of result.cases) parts.push(...formatCase(entry, result.metrics, screen))
  const verdicts = formatVerdicts(result, screen)
  if (verdicts !== undefined) parts.push(verdicts)
  const { limits = [] } = result
  if (limits.length > 0 && result.cases.some(hasFigures))
    parts.push(
      `${CAVEATS}:\n${limits.map(limit => wrapText(`  ${limit}`, screen.columns, '    ')).join('\n')}`,
    )
  return parts.join('\n\n')
}

/** Of a case without a figure there is no table: what it says of itself is why. */
function formatCase(result: CaseResult, metrics: readonly Metric[], screen: ReportScreen): string[] {
  const { name, notes = [], aims = [] } = result
  const said = notes.map(note => wrapText(`[${name}] ${note}`, screen.columns, '  '))
  if (!hasFigures(result)) return said.length === 0 ? [] : [said.join('\n')]
  const parts = [formatFigures(result, metrics, screen), ...formatRatios(result, metrics, screen)]
  if (said.length > 0) parts.push(said.join('\n'))
  if (aims.length > 0) parts.push(aims.map(aim => formatAim(name, aim, metrics, screen)).join('\n'))
  return parts
}

function formatAim(
  name: string,
  { subject, metric, to, atLeast, atMost, measured, met }: JudgedAim,
  metrics: readonly Metric[],
  { paint }: ReportScreen,
): string {
  const title = metrics.find(({ key }) => key === metric)?.title ?? metric
  const unit = to === undefined ? title : `x ${to}`
  const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
  const word = met ? paint('green', 'met') : paint('red', 'MISSED')
  const verdict =
    measured === undefined ? paint('yellow', NOT_MEASURED) : `${formatNumber(measured)}: ${word}`
  return `[${name}] aim: ${subject} ${wanted} ${unit}: ${verdict}`
}

/** Two lines: the machine, and what ran on it. */
export function formatMachine(machine: MachineFacts): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  return `${machine.cores} cores, ${machine.cpuModel}, Linux ${machine.kernel}, load ${machine.loadAtStart.toFixed(2)}\n${versions.join(', ')}; revision ${machine.revision}`
}

/** Where HTTP/3 wins and where it loses, over all cases of a scenario. Undefined: nothing in it says. */
function formatVerdicts({ cases, metrics }: ScenarioResult, screen: ReportScreen): string | undefined {
  const rows = cases.flatMap(({ name, http3 = [] }) =>
    http3.map(verdict => [`[${name}] ${pairText(verdict)}`, ...cells(verdict, metrics, screen)]),
  )
  if (rows.length === 0) return undefined
  const all = cases.flatMap(({ http3 = [] }) => http3)
  const header = ['HTTP/3 / the same client over TCP', 'figure', 'HTTP/3', 'ratio', `${100 * CONFIDENCE} %`]
  return `${wrapText(countText(all), screen.columns)}\n${formatTable(header, rows, screen.columns)}`
}

function pairText({ subject, to }: Http3Verdict): string {
  return `${subject} / ${to}`
}

function cells(
  { metric, outcome, ratio }: Http3Verdict,
  metrics: readonly Metric[],
  { paint }: ReportScreen,
): readonly string[] {
  const { median, interval } = ratio
  const title = metrics.find(({ key }) => key === metric)?.title ?? metric
  const range =
    interval === undefined ? TOO_FEW_ROUNDS : `${formatTimes(interval.low)}..${formatTimes(interval.high)}`
  const word = OUTCOME_WORDS[outcome]
  const colored = outcome === 'wins' ? paint('green', word) : outcome === 'loses' ? paint('red', word) : word
  return [title, colored, formatTimes(median), range]
}
