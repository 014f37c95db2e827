import type { MedianEstimate } from '../../src/bench/results/estimates.ts'

/** How one figure is beside the stored one; of all that are judged less is better. */
export type MicroVerdict = 'regression' | 'improvement' | 'within noise' | 'too few rounds'

export interface Tolerance {
  /** A share: 0.1 is 10 %. */
  readonly margin: number
  /** Differences up to this are nothing, in the figure's own unit: a tenth of next to nothing is less. */
  readonly slack: number
}

/**
 * A regression: the whole interval of the rounds lies above the stored interval, and by more than the margin:
 * its lower end beyond the stored upper end times 1 + margin, plus the slack. An improvement is the same
 * turned round. Without an interval on both sides nothing is judged.
 */
export function judgeChange(stored: MedianEstimate, now: MedianEstimate, tolerance: Tolerance): MicroVerdict {
  if (stored.interval === undefined || now.interval === undefined) return 'too few rounds'
  if (isBeyond(now.interval.low, stored.interval.high, tolerance)) return 'regression'
  if (isBeyond(stored.interval.low, now.interval.high, tolerance)) return 'improvement'
  return 'within noise'
}

function isBeyond(low: number, high: number, { margin, slack }: Tolerance): boolean {
  return low > high * (1 + margin) + slack
}
