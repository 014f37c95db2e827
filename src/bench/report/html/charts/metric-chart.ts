import type { Metric } from '../../../results/scenario-result.ts'
import { estimateMedian, type MedianEstimate } from '../../../results/statistics.ts'
import { isFigure } from '../../table.ts'
import {
  AXIS_HEIGHT,
  CHART_WIDTH,
  type Chart,
  coordinate,
  dots,
  drawAcross,
  drawLabel,
  drawWhiskers,
  INSET,
  rowPlaces,
} from '../chart.ts'
import { figureText, rangeText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'
import { extent, linearScale, type Scale } from '../scale.ts'
import type { SubjectLook } from '../subject-look.ts'

export interface MetricSeries {
  readonly look: SubjectLook
  /** A figure a round; undefined where there is none. */
  readonly rounds: readonly (number | undefined)[]
}

interface Row {
  readonly look: SubjectLook
  readonly estimate: MedianEstimate
  readonly values: readonly number[]
}

const BAR = 16
/** Within the bar: rounds below what they come to, so that neither hides the other. */
const WHISKERS_AT = 5.5
const DOTS_AT = 12

/**
 * The medians of one figure as bars, with every round as a dot. Undefined when there is nothing to see: no
 * figure, or the same one everywhere, as far as its digits go.
 */
export function metricChart(id: string, metric: Metric, series: readonly MetricSeries[]): Chart | undefined {
  const rows = series.flatMap(({ look, rounds }): Row[] => {
    const values = rounds.filter(isFigure)
    const estimate = estimateMedian(values)
    return estimate === undefined ? [] : [{ look, estimate, values }]
  })
  const span = extent(rows.flatMap(({ values }) => values))
  if (span === undefined || figureText(span[0]) === figureText(span[1])) return undefined
  const { top, bottom } = rowPlaces(rows.length, BAR)
  const scale = linearScale(span, { from: INSET, to: CHART_WIDTH - INSET })
  return {
    kind: 'metric',
    id,
    title: metric.title,
    hint: { less: 'Less is better.', more: 'More is better.', none: '' }[metric.better ?? 'none'],
    description: rows.map(describe).join(' '),
    height: bottom + AXIS_HEIGHT,
    drawing: [drawAcross(scale, 0, bottom), rows.map((row, i) => drawRow(row, top(i), scale))],
  }
}

function drawRow({ look, estimate, values }: Row, top: number, scale: Scale): Markup {
  const zero = scale.place(0)
  const end = scale.place(estimate.median)
  const places = values.map(value => [scale.place(value), top + DOTS_AT] as const)
  return markup`${drawLabel(look, top, figureText(estimate.median))}<rect class="mark bar ${look.color}" x="${coordinate(Math.min(zero, end))}" y="${coordinate(top)}" width="${coordinate(Math.abs(end - zero))}" height="${BAR}"/><path class="median ${look.color}" d="M${coordinate(end)} ${coordinate(top)}v${BAR}"/>${drawWhiskers(estimate, top + WHISKERS_AT, scale)}<path class="dots ${look.color}" d="${dots(places)}"/>`
}

function describe({ look, estimate: { median, min, max, rounds, interval } }: Row): string {
  const sure = interval === undefined ? '' : `, 95 % interval ${rangeText(interval.low, interval.high)}`
  return `${look.subject}: ${figureText(median)}, ${rangeText(min, max)} over ${rounds} rounds${sure}.`
}
