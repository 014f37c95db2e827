import { median } from './statistics.ts'

/** How sure an interval has to be. */
export const CONFIDENCE = 0.95
/**
 * With fewer, not even the least and the most of them hold the true median so surely (5 rounds: 93.75 %):
 * there is no interval.
 */
export const MIN_ROUNDS_FOR_INTERVAL = 6

/** Between two of the values that were measured. */
export interface Interval {
  readonly low: number
  readonly high: number
  /** How often, 0 to 1, such an interval holds the truth; at least CONFIDENCE. */
  readonly coverage: number
}

/** A median over rounds, which are independent of each other as the requests of one round are not. */
export interface MedianEstimate {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly rounds: number
  /** Undefined: too few rounds for one. */
  readonly interval?: Interval
}

/** Rounds without a figure are left out. Undefined when none is left. */
export function estimateMedian(values: readonly (number | undefined)[]): MedianEstimate | undefined {
  const sorted = values.filter(isFigure).sort((a, b) => a - b)
  const min = sorted[0]
  const max = sorted.at(-1)
  if (min === undefined || max === undefined) return undefined
  const interval = medianInterval(sorted)
  return { median: median(sorted), min, max, rounds: sorted.length, ...(interval && { interval }) }
}

export interface Ratio {
  median: number
  min: number
  max: number
  /** How many pairs it is made of. */
  pairs: number
  /** Undefined: too few pairs for one. */
  interval?: Interval
}

/** a/b, round by round. Rounds in which one is missing or zero make no pair. */
export function pairwise(
  a: readonly (number | undefined)[],
  b: readonly (number | undefined)[],
): readonly number[] {
  const ratios: number[] = []
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const ratio = (a[i] ?? Number.NaN) / (b[i] ?? Number.NaN)
    if (Number.isFinite(ratio) && ratio > 0) ratios.push(ratio)
  }
  return ratios
}

/**
 * The median of a/b, round by round: the two were measured within seconds of each other, so that what the
 * machine did to one it did to the other as well. Undefined when there is no pair.
 */
export function pairedRatio(
  a: readonly (number | undefined)[],
  b: readonly (number | undefined)[],
): Ratio | undefined {
  const estimate = estimateMedian(pairwise(a, b))
  if (estimate === undefined) return undefined
  const { rounds, ...ratio } = estimate
  return { ...ratio, pairs: rounds }
}

/** Whether the two differ at all: the interval leaves 1 out. Without an interval nothing is shown. */
export function isShown({ interval }: Pick<Ratio, 'interval'>): boolean {
  return interval !== undefined && (interval.low > 1 || interval.high < 1)
}

/**
 * Free of any distribution: so many of n values lie below the true median as heads fall in n throws of a
 * coin, so that the k-th value from below and the k-th from above hold it unless fewer than k throws are
 * heads, or tails (Thompson, 1936). The narrowest one that is sure enough; undefined where none is.
 */
function medianInterval(sorted: readonly number[]): Interval | undefined {
  const n = sorted.length
  let interval: Interval | undefined
  let logChance = -n * Math.LN2 // of exactly k - 1 heads; as a logarithm, since 2^-n is 0 from 1,075 on
  let coverage = 1
  for (let k = 1; 2 * k <= n; k++) {
    coverage -= 2 * Math.exp(logChance)
    if (coverage < CONFIDENCE) break
    logChance += Math.log((n - k + 1) / k)
    const low = sorted[k - 1]
    const high = sorted[n - k]
    if (low !== undefined && high !== undefined) interval = { low, high, coverage }
  }
  return interval
}

function isFigure(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value)
}
