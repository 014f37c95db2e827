import type { Http3Outcome } from '../../../results/http3-verdict.ts'
import type { ScenarioResult } from '../../../results/scenario-result.ts'
import { countText, OUTCOME_WORDS } from '../../verdicts-text.ts'
import { timesRangeText, timesText } from '../figure-text.ts'
import { type Markup, markup, type Part } from '../markup.ts'
import { drawTable } from './table.ts'

/** Where HTTP/3 wins and where it loses, over all cases of a scenario. Undefined: nothing in it says. */
export function verdictsTable({ scenario, cases, metrics }: ScenarioResult): Markup | undefined {
  const all = cases.flatMap(({ name, http3 = [] }) => http3.map(verdict => ({ name, ...verdict })))
  if (all.length === 0) return undefined
  return drawTable(
    countText(all),
    scenario,
    'HTTP/3 / the same client over TCP',
    [
      { head: 'case', kind: 'text' },
      { head: 'figure', kind: 'text' },
      { head: 'HTTP/3', kind: 'text' },
      { head: 'ratio' },
      { head: '95\u2009% interval' },
    ],
    all.map(({ name, subject, to, metric, outcome, ratio: { median, interval } }) => ({
      head: markup`<bdi>${subject}</bdi> / <bdi>${to}</bdi>`,
      cells: [
        name,
        metrics.find(({ key }) => key === metric)?.title ?? metric,
        drawOutcome(outcome),
        timesText(median),
        interval === undefined ? '-' : timesRangeText(interval.low, interval.high),
      ],
    })),
  )
}

function drawOutcome(outcome: Http3Outcome): Part {
  const word = OUTCOME_WORDS[outcome].toLowerCase()
  return outcome === 'wins' || outcome === 'loses' ? markup`<strong>${word}</strong>` : word
}
