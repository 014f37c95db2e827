import type { HistogramRecord } from '../../results/histogram.ts'
import { isFigure } from './figure-text.ts'

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

/** So many values have to be slower than a quantile for it to be told: 100 values for the 99th percentile. */
const LEAST_BEYOND = 1

function soundBuckets({ buckets }: HistogramRecord): {
  buckets: HistogramRecord['buckets']
  total: number
} {
  const sound = buckets.filter(([us, count]) => isFigure(us) && us >= 0 && isFigure(count) && count > 0)
  return { buckets: sound, total: sound.reduce((sum, [, count]) => sum + count, 0) }
}
