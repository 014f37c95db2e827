import type { JudgedAim } from '../../../results/aims.ts'
import type { Metric } from '../../../results/scenario-result.ts'
import { figureText, isFigure } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'
import { drawTable } from './table.ts'

/** What was hoped for, and whether it came true. */
export function aimsTable(of: string, aims: readonly JudgedAim[], metrics: readonly Metric[]): Markup {
  return drawTable(
    'Aims',
    of,
    'subject',
    [
      { head: 'figure', kind: 'text' },
      { head: 'aim' },
      { head: 'measured' },
      { head: 'verdict', kind: 'text' },
    ],
    aims.map(aim => ({
      head: markup`<bdi>${aim.subject}</bdi>`,
      cells: [titleOf(aim, metrics), wantedText(aim), figureText(aim.measured), drawVerdict(aim)],
    })),
  )
}

function titleOf({ metric, to }: JudgedAim, metrics: readonly Metric[]): string {
  const title = metrics.find(({ key }) => key === metric)?.title ?? metric
  return to === undefined ? title : `${title}, times that of ${to}`
}

function wantedText({ atLeast, atMost }: JudgedAim): string {
  const least = isFigure(atLeast) ? [`at least ${figureText(atLeast)}`] : []
  const most = isFigure(atMost) ? [`at most ${figureText(atMost)}`] : []
  return [...least, ...most].join(', ')
}

function drawVerdict({ measured, met }: JudgedAim): Markup {
  if (!isFigure(measured)) return markup`not measured`
  return met ? markup`<span class="met">\u2713 met</span>` : markup`<b class="missed">\u2717 missed</b>`
}
