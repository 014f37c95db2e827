import { type MedianEstimate, MIN_ROUNDS_FOR_INTERVAL } from '../results/statistics.ts'
import {
  type ComparedCase,
  type ComparedFigure,
  type ComparedRun,
  type Comparison,
  couldDiffer,
  type Verdict,
} from './compare.ts'
import { formatNumber, formatTable, formatTimes, wrapText } from './table.ts'
import type { ReportScreen } from './text.ts'
import { NO_DIFFERENCE } from './verdict.ts'

/** What only one of two files has is listed up to here, and counted beyond. */
const MAX_LISTED = 12

/** What changed between two files, and how much did not. `screen`: of a terminal, if any. */
export function formatComparison(comparison: Comparison, screen?: ReportScreen): string {
  const { a, b, warnings, cases, onlyIn, rule } = comparison
  const wrapped = (text: string): string => wrapText(text, screen?.columns, '  ')
  const warn = (text: string): string => screen?.paint('yellow', text) ?? text
  const head = [
    ...[formatRun('A', a), formatRun('B', b)].map(wrapped),
    ...warnings.map(warning => warn(wrapped(`warning: ${warning}`))),
  ]
  const missing = [...listed('only in A', onlyIn.a), ...listed('only in B', onlyIn.b)].map(wrapped)
  return [
    head.join('\n'),
    wrapped(formatSummary(cases)),
    ...cases.flatMap(entry => formatCase(entry, screen)),
    ...(missing.length > 0 ? [missing.join('\n')] : []),
    wrapped(rule),
  ].join('\n\n')
}

function listed(what: string, paths: readonly string[]): string[] {
  const more = paths.length - MAX_LISTED
  return [
    ...paths.slice(0, MAX_LISTED).map(path => `${what}: ${path}`),
    ...(more > 0 ? [`${what}: and ${more} more`] : []),
  ]
}

function formatRun(name: string, { startedAt, revision, arguments: args }: ComparedRun): string {
  return `${name}: ${startedAt}, revision ${revision}: ${args.join(' ')}`
}

/** Those of a table that changed. The verdict stands beside its figure, however long the line. */
function formatCase({ scenario, name, figures }: ComparedCase, screen: ReportScreen | undefined): string[] {
  const changed = figures.filter(({ verdict }) => verdict !== NO_DIFFERENCE)
  if (changed.length === 0) return []
  const header = ['figure', 'A', 'between', 'B', 'between', 'B/A', 'verdict']
  const rows = changed.map(figure => formatFigure(figure, screen))
  return [`[${scenario} / ${name}]\n${formatTable(header, rows, Number.POSITIVE_INFINITY)}`]
}

function formatFigure(
  { subject, to, title, a, b, ratio, verdict }: ComparedFigure,
  screen: ReportScreen | undefined,
): string[] {
  return [
    `${subject}${to === undefined ? '' : ` / ${to}`}: ${title}`,
    formatNumber(a.median),
    formatBetween(a),
    formatNumber(b.median),
    formatBetween(b),
    ratio === undefined ? '-' : formatTimes(ratio),
    painted(verdict, screen),
  ]
}

function painted(verdict: Verdict, screen: ReportScreen | undefined): string {
  if (screen === undefined) return verdict
  if (verdict === 'better') return screen.paint('green', verdict)
  return verdict === 'worse' ? screen.paint('red', verdict) : verdict
}

/** The interval, or the least and the most of too few rounds for one. */
function formatBetween({ interval, min, max }: MedianEstimate): string {
  return interval === undefined
    ? `(${formatNumber(min)}..${formatNumber(max)})`
    : `${formatNumber(interval.low)}..${formatNumber(interval.high)}`
}

function formatSummary(cases: readonly ComparedCase[]): string {
  const all = cases.flatMap(({ figures }) => figures)
  const count = (wanted: Verdict): number => all.filter(({ verdict }) => verdict === wanted).length
  const same = count(NO_DIFFERENCE)
  const changed = all.length - same
  if (all.length === 0) return 'The two files have no figure in common.'
  const words = (['better', 'worse', 'different'] as const).map(word => `${count(word)} ${word}`)
  const isBlind = !all.some(({ a, b }) => couldDiffer(a, b))
  const unchanged = isBlind
    ? `Whether anything changed cannot be shown by so few rounds: --rounds ${MIN_ROUNDS_FOR_INTERVAL} on both sides can`
    : 'Nothing changed'
  const what = changed === 0 ? unchanged : `${changed} changed: ${words.join(', ')}`
  const few = cases.some(({ figures }) =>
    figures.some(
      ({ a, b, verdict }) =>
        verdict !== NO_DIFFERENCE && (a.interval === undefined || b.interval === undefined),
    ),
  )
  const brackets = few ? ' In parentheses: the least and the most of too few rounds for an interval.' : ''
  return `${what}. ${NO_DIFFERENCE[0]?.toUpperCase()}${NO_DIFFERENCE.slice(1)} in ${same} of ${all.length} figures, which are not listed.${brackets}`
}
