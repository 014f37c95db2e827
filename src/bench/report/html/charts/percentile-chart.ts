import type { HistogramRecord } from '../../../results/histogram.ts'
import { drawAcross, drawUpright } from '../axis.ts'
import { CHART_WIDTH, type Chart, drawMarker, drawSwatch } from '../chart.ts'
import { staircase } from '../coordinate.ts'
import { millisecondsText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'
import { type CurvePoint, percentileCurve, recordedQuantile } from '../percentiles.ts'
import { extent, linearScale, logScale, type Scale, shareScale } from '../scale.ts'
import type { SubjectLook } from '../subject-look.ts'

export interface PercentileSeries {
  readonly look: SubjectLook
  readonly record: HistogramRecord
}

interface Curve extends PercentileSeries {
  readonly points: readonly CurvePoint[]
}

const LEFT = 42
const TOP = 20
const BOTTOM = 196
/**
 * Times that reach so many times as far as the shortest one are drawn by multiples: the tail would press all
 * else to the floor.
 */
const LOG_FROM = 8
/** Where a curve carries its subject's marker. */
const MARKED = [0.5, 0.9, 0.99, 0.999, 0.9999]

/**
 * Which share of all requests took how long; each nine as wide as the one before (HdrHistogram's way).
 * Undefined: nothing to draw.
 */
export function percentileChart(
  identity: Pick<Chart, 'kind' | 'id' | 'title'>,
  series: readonly PercentileSeries[],
): Chart | undefined {
  const curves = series
    .map(entry => ({ ...entry, points: percentileCurve(entry.record) }))
    .filter(({ points }) => points.length > 1)
  const times = extent(curves.flatMap(({ points }) => points.map(({ ms }) => ms)))
  if (times === undefined) return undefined
  const deepest = Math.max(...curves.map(({ points }) => points.at(-1)?.share ?? 0))
  const isLog = times[0] > 0 && times[1] / times[0] > LOG_FROM
  const upright = { from: BOTTOM, to: TOP, isUpright: true }
  const x = shareScale(deepest, { from: LEFT, to: CHART_WIDTH - 6 })
  const y = isLog ? logScale(times, upright) : linearScale(times, upright)
  return {
    ...identity,
    hint: `Share of requests that took no longer, in ms${isLog ? ' (log scale)' : ''}; all rounds together. A curve ends at its slowest request.`,
    description: curves.map(describe).join(' '),
    height: BOTTOM + 18,
    drawing: [
      drawUpright(y, LEFT, CHART_WIDTH),
      drawAcross(x, TOP, BOTTOM),
      markup`<text x="${LEFT - 5}" y="9" text-anchor="end">ms</text>`,
      curves.map(curve => drawCurve(curve, x, y)),
    ],
    key: markup`<ul class="key">${curves.map(({ look }) => markup`<li>${drawSwatch(look)} ${look.subject}</li>`)}</ul>`,
  }
}

function drawCurve({ look, points, record }: Curve, x: Scale, y: Scale): Markup {
  const places = points.map(({ share, ms }) => [x.place(share), y.place(ms)] as const)
  const markers = MARKED.map(share => {
    const ms = recordedQuantile(record, share)
    return ms === undefined ? undefined : drawMarker(look, x.place(share), y.place(ms))
  })
  return markup`<path class="mark line ${look.color}" stroke-dasharray="${look.dash}" d="${staircase(places)}"/>${markers}`
}

function describe({ look, record }: Curve): string {
  const told = [0.5, 0.9, 0.99, 0.999].flatMap(share => {
    const ms = recordedQuantile(record, share)
    return ms === undefined ? [] : [`${share * 100} % within ${millisecondsText(ms)}`]
  })
  return `${look.subject}: ${told.length === 0 ? 'too few requests for a percentile' : told.join(', ')}.`
}
