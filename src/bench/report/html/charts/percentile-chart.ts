import type { HistogramRecord } from '../../../results/histogram.ts'
import { isFigure } from '../../table.ts'
import {
  CHART_WIDTH,
  type Chart,
  drawAcross,
  drawMarker,
  drawSwatch,
  drawUpright,
  staircase,
} from '../chart.ts'
import { millisecondsText } from '../figure-text.ts'
import { type Markup, markup } from '../markup.ts'
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
  const shown = [0.5, 0.9, 0.99, 0.999].flatMap(share => {
    const ms = recordedQuantile(record, share)
    return ms === undefined ? [] : [`${share * 100} % within ${millisecondsText(ms)}`]
  })
  return `${look.subject}: ${shown.length === 0 ? 'too few requests for a percentile' : shown.join(', ')}.`
}

export interface CurvePoint {
  /** So large a share of all values, 0 to 1, is not above `ms`. */
  readonly share: number
  readonly ms: number
}

/**
 * The curve of a histogram from its smallest value to the share at which a single value is left: what lies
 * beyond was not seen. The last bucket's own share is 1, which a scale of tails has no place for. At most one
 * point in a 500th of a nine, so that a page stays small.
 */
export function percentileCurve(record: HistogramRecord): readonly CurvePoint[] {
  const { buckets, total } = soundBuckets(record)
  const points: CurvePoint[] = []
  let below = 0
  let drawnAt = Number.NEGATIVE_INFINITY
  for (const [us, count] of buckets) {
    // A bucket spans the shares from the values below it up to its own last one.
    const share = below / total
    below += count
    const nines = -Math.log10(1 - share)
    if (nines - drawnAt < 0.002) continue
    drawnAt = nines
    points.push({ share, ms: us / 1_000 })
  }
  const [slowest] = buckets.slice(-1)
  if (slowest !== undefined && total > 1) points.push({ share: 1 - 1 / total, ms: slowest[0] / 1_000 })
  return points.sort((a, b) => a.share - b.share || a.ms - b.ms)
}

/**
 * The value that so large a share is not above, in ms. Undefined when not a single value lies beyond it: it
 * would be the slowest one.
 */
export function recordedQuantile(record: HistogramRecord, share: number): number | undefined {
  const { buckets, total } = soundBuckets(record)
  if (total * (1 - share) < LEAST_BEYOND - 1e-9) return undefined
  const rank = Math.max(1, Math.ceil(share * total - 1e-9))
  let below = 0
  for (const [us, count] of buckets) {
    below += count
    if (below >= rank) return us / 1_000
  }
  return undefined
}

/**
 * So many values have to be slower than a quantile for it to be shown: 100 values for the 99th percentile.
 */
const LEAST_BEYOND = 1

function soundBuckets({ buckets }: HistogramRecord): {
  buckets: HistogramRecord['buckets']
  total: number
} {
  const sound = buckets.filter(([us, count]) => isFigure(us) && us >= 0 && isFigure(count) && count > 0)
  return { buckets: sound, total: sound.reduce((sum, [, count]) => sum + count, 0) }
}
