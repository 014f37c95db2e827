import { CONFIDENCE } from '../results/estimates.ts'
import type { Http3Outcome, Http3Verdict } from '../results/http3-verdict.ts'
import type { Metric, ScenarioResult } from '../results/scenario-result.ts'
import { formatTable, formatTimes } from './table.ts'

export const OUTCOME_WORDS: Readonly<Record<Http3Outcome, string>> = {
  wins: 'WINS',
  loses: 'LOSES',
  even: 'even',
  'not-shown': 'not shown',
}

/** Where HTTP/3 wins and where it loses, over all cases of a scenario. Undefined: nothing in it says. */
export function formatVerdicts({ cases, metrics }: ScenarioResult): string | undefined {
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
