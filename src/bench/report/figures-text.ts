import { CONFIDENCE, estimateMedian, MIN_ROUNDS_FOR_INTERVAL } from '../results/estimates.ts'
import type { CaseResult, Metric, SubjectResult } from '../results/scenario-result.ts'
import { formatNumber, formatTable } from './table.ts'

/** Each subject's medians, and beneath them between what they may lie. */
export function formatFigures({ name, subjects }: CaseResult, metrics: readonly Metric[]): string {
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
