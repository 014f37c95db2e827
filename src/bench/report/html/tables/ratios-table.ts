import type { RatioResult } from '../../../results/scenario-result.ts'
import { timesRangeText, timesText } from '../figure-text.ts'
import { type Evidence, evidenceOf } from '../findings.ts'
import { type Markup, markup } from '../markup.ts'
import { drawTable } from './table.ts'

const VERDICTS: Readonly<Record<Evidence['kind'], string>> = {
  shown: 'shown',
  tooFew: 'in every round, of too few',
  crosses: 'not shown',
  unpaired: '-',
}

/** The figures of a ratio chart. */
export function ratiosTable(of: string, title: string, ratios: readonly RatioResult[]): Markup {
  return drawTable(
    `${title}, round by round`,
    of,
    'subject / to',
    [
      { head: 'median' },
      { head: 'least\u2013most' },
      { head: '95\u2009% interval' },
      { head: 'pairs' },
      { head: 'difference', kind: 'text' },
    ],
    ratios.map(ratio => ({
      head: markup`<bdi>${ratio.subject}</bdi> / <bdi>${ratio.to}</bdi>`,
      cells: [
        timesText(ratio.median),
        timesRangeText(ratio.min, ratio.max),
        ratio.interval === undefined ? '-' : timesRangeText(ratio.interval.low, ratio.interval.high),
        ratio.pairs,
        VERDICTS[evidenceOf(ratio).kind],
      ],
    })),
  )
}
