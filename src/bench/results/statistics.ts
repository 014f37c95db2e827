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
  /** Infinite for a single value, which tells nothing of its error. */
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
