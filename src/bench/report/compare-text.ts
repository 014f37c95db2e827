import type { MedianEstimate } from '../results/statistics.ts'
import type { ComparedCase, ComparedFigure, ComparedRun, Comparison, Verdict } from './compare.ts'
import { formatNumber, formatTable, formatTimes } from './table.ts'

/** A comparison for a terminal. */
export function formatComparison(comparison: Comparison): string {
  const { a, b, warnings, cases, onlyIn, rule } = comparison
  const head = [formatRun('A', a), formatRun('B', b), ...warnings.map(warning => `warning: ${warning}`)]
  const missing = [
    ...onlyIn.a.map(path => `only in A: ${path}`),
    ...onlyIn.b.map(path => `only in B: ${path}`),
  ]
  return [
    head.join('\n'),
    ...cases.flatMap(formatCase),
    ...(missing.length > 0 ? [missing.join('\n')] : []),
    formatSummary(cases),
    rule,
  ].join('\n\n')
}

function formatRun(name: string, { startedAt, revision, arguments: args }: ComparedRun): string {
  return `${name}: ${startedAt}, revision ${revision}: ${args.join(' ')}`
}

/** The verdict stands beside its figure, however long the line. */
function formatCase({ scenario, name, figures }: ComparedCase): string[] {
  const moved = figures.filter(figure => !isConstant(figure))
  if (moved.length === 0) return []
  const header = ['figure', 'A', 'between', 'B', 'between', 'B/A', 'verdict']
  return [
    `[${scenario} / ${name}]\n${formatTable(header, moved.map(formatFigure), Number.POSITIVE_INFINITY)}`,
  ]
}

/** The same in every round of both runs, as the failures of a good one. */
function isConstant({ a, b }: ComparedFigure): boolean {
  return Math.min(a.min, b.min) === Math.max(a.max, b.max)
}

function formatFigure({ subject, to, title, a, b, ratio, verdict }: ComparedFigure): string[] {
  return [
    `${subject}${to === undefined ? '' : ` / ${to}`}: ${title}`,
    formatNumber(a.median),
    formatBetween(a),
    formatNumber(b.median),
    formatBetween(b),
    ratio === undefined ? '-' : formatTimes(ratio),
    verdict,
  ]
}

/** The interval, or the least and the most of too few rounds for one. */
function formatBetween({ interval, min, max }: MedianEstimate): string {
  return interval === undefined
    ? `(${formatNumber(min)}..${formatNumber(max)})`
    : `${formatNumber(interval.low)}..${formatNumber(interval.high)}`
}

const VERDICTS: readonly Verdict[] = ['better', 'worse', 'different', 'no difference shown']

function formatSummary(cases: readonly ComparedCase[]): string {
  const all = cases.flatMap(({ figures }) => figures)
  const counts = VERDICTS.map(name => `${all.filter(({ verdict }) => verdict === name).length} ${name}`)
  return [
    `${all.length} figures compared: ${counts.join(', ')}.`,
    `Not listed: ${all.filter(isConstant).length} that were the same in every round of both.`,
    'In parentheses: the least and the most of too few rounds for an interval.',
  ].join(' ')
}
