/** The middle value; of an even number the mean of the middle two. NaN of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function mean(values: readonly number[]): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

/** The smallest value that is not below that share (0 to 1) of all. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[rankOf(share, sorted.length) - 1] ?? Number.NaN
}

/**
 * Which of `count` sorted values, from 1, is the quantile. The dust of floating point does not lift it: 0.07
 * x 100 is 7.000000000000001.
 */
export function rankOf(share: number, count: number): number {
  return Math.max(1, Math.ceil(share * count * (1 - Number.EPSILON * 2)))
}

/**
 * Half the width of an interval around an estimate that holds the truth 95 times out of 100, if its errors
 * are normal.
 */
export interface Estimate {
  value: number
  /** Infinite for a single value, which reports nothing of its error. */
  plusMinus: number
}

/** Two-sided 95 % of Student's t by degrees of freedom, from 1. Beyond it is falling to 1.96. */
const STUDENT = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13]
const STUDENT_BEYOND = 2.12

function student(values: number): number {
  return values < 2 ? Number.POSITIVE_INFINITY : (STUDENT[values - 2] ?? STUDENT_BEYOND)
}

/**
 * The mean of values that are independent of each other, as whole rounds are and the requests of a round are
 * not.
 */
export function estimateMean(values: readonly number[]): Estimate {
  return { value: mean(values), plusMinus: student(values.length) * standardError(values) }
}

/** mean(a) / mean(b) of two independent series; its error to the first order (the delta method). */
export function estimateRatio(a: readonly number[], b: readonly number[]): Estimate {
  const value = mean(a) / mean(b)
  const relative = Math.hypot(standardError(a) / mean(a), standardError(b) / mean(b))
  return { value, plusMinus: student(Math.min(a.length, b.length)) * value * relative }
}

function standardError(values: readonly number[]): number {
  if (values.length < 2) return 1 // times an infinite quantile
  const center = mean(values)
  const squares = mean(values.map(value => (value - center) ** 2))
  return Math.sqrt(squares / (values.length - 1))
}

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
