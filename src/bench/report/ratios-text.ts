import { CONFIDENCE, type Interval, isShown, MIN_ROUNDS_FOR_INTERVAL } from '../results/estimates.ts'
import { ratioInterval } from '../results/ratio-interval.ts'
import type { CaseResult, Metric, RatioResult } from '../results/scenario-result.ts'
import { formatTable, formatTimes } from './table.ts'

/**
 * A table for each figure that subjects were compared by. `n/a`: too few pairs for an interval, which then
 * shows nothing either.
 */
export function formatRatios(result: CaseResult, metrics: readonly Metric[]): string[] {
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
