import type { PercentileSeries } from '../charts/percentile-chart.ts'
import { figureText } from '../figure-text.ts'
import { drawSwatch } from '../marker.ts'
import { type Markup, markup } from '../markup.ts'
import { recordedQuantile } from '../percentiles.ts'
import { drawTable } from './table.ts'

const SHARES = [0.5, 0.9, 0.99, 0.999]

/**
 * The figures of a percentile chart, in ms; of all rounds together, which is why they need not be the medians
 * over rounds.
 */
export function percentilesTable(of: string, title: string, series: readonly PercentileSeries[]): Markup {
  return drawTable(
    `${title}, all rounds together, ms`,
    of,
    'subject',
    ['requests', 'least', ...SHARES.map(share => `p${share * 100}`), 'most'].map(head => ({ head })),
    series.map(({ look, record }) => ({
      head: markup`${drawSwatch(look)} <bdi>${look.subject}</bdi>`,
      cells: [
        figureText(record.count),
        record.count > 0 ? figureText(record.minUs / 1_000) : '-',
        ...SHARES.map(share => figureText(recordedQuantile(record, share))),
        record.count > 0 ? figureText(record.maxUs / 1_000) : '-',
      ],
    })),
  )
}
