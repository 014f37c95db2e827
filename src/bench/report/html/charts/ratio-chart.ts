import type { RatioResult } from '../../../results/scenario-result.ts'
import { isShown } from '../../../results/statistics.ts'
import { isFigure } from '../../table.ts'
import { NO_DIFFERENCE } from '../../verdict.ts'
import {
  AXIS_HEIGHT,
  CHART_WIDTH,
  type Chart,
  coordinate,
  drawAcross,
  drawLabel,
  drawMarker,
  drawWhiskers,
  INSET,
  rowPlaces,
} from '../chart.ts'
import { timesRangeText, timesText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'
import { extent, ratioScale, type Scale } from '../scale.ts'
import { lookOf, type SubjectLook } from '../subject-look.ts'

const BAND = 13

/**
 * How many times another subject's figure, round by round, around a line at 1: a forest plot. Undefined:
 * nothing to compare.
 */
export function ratioChart(
  id: string,
  title: string,
  ratios: readonly RatioResult[],
  looks: ReadonlyMap<string, SubjectLook>,
): Chart | undefined {
  const rows = ratios.filter(({ median, min, max }) => [median, min, max].every(v => isFigure(v) && v > 0))
  const span = extent(rows.flatMap(({ min, max }) => [min, max]))
  // All at 1: the table says that in a word.
  if (span === undefined || (span[0] === 1 && span[1] === 1)) return undefined
  const { top, bottom } = rowPlaces(rows.length, BAND)
  const scale = ratioScale(span, { from: INSET, to: CHART_WIDTH - INSET })
  const one = coordinate(scale.place(1))
  return {
    kind: 'ratio',
    id,
    title: `${title}: how many times the other’s`,
    hint: 'Round by round (log scale). Filled: the 95 % interval leaves 1 out. Hollow: no difference shown.',
    description: rows.map(describe).join(' '),
    height: bottom + AXIS_HEIGHT,
    drawing: [
      drawAcross(scale, 0, bottom),
      markup`<path class="one" d="M${one} 0V${coordinate(bottom)}"/>`,
      rows.map((row, i) => drawRow(row, top(i), scale, lookOf(looks, row.subject))),
    ],
  }
}

function drawRow(row: RatioResult, top: number, scale: Scale, look: SubjectLook): Markup {
  const middle = top + BAND / 2
  const label = drawLabel(look, top, timesText(row.median), `${row.subject} / ${row.to}`)
  return markup`${label}<g class="mark">${drawWhiskers(row, middle, scale)}${drawMarker(look, scale.place(row.median), middle, !isShown(row))}</g>`
}

function describe(row: RatioResult): string {
  const verdict = isShown(row) ? 'a difference is shown' : NO_DIFFERENCE
  return `${row.subject} to ${row.to}: ${timesText(row.median)}, ${timesRangeText(row.min, row.max)} over ${row.pairs} pairs, ${verdict}.`
}
