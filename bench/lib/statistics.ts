/** The middle value; of an even number the mean of the middle two. NaN of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export interface Ratio {
  median: number
  min: number
  max: number
  /** How many pairs it is made of. */
  pairs: number
}

/**
 * a/b, round by round: the two were measured within seconds of each other, so that what the machine did to one it did to the
 * other as well. Rounds in which one is missing or zero make no pair. Undefined when no pair is left.
 */
export function pairedRatio(
  a: readonly (number | undefined)[],
  b: readonly (number | undefined)[],
): Ratio | undefined {
  const ratios: number[] = []
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const ratio = (a[i] ?? Number.NaN) / (b[i] ?? Number.NaN)
    if (Number.isFinite(ratio)) ratios.push(ratio)
  }
  if (ratios.length === 0) return undefined
  return {
    median: median(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    pairs: ratios.length,
  }
}

export function mean(values: readonly number[]): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

/** The smallest value that is not below that share (0 to 1) of all. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** Half the width of an interval around an estimate that holds the truth 95 times out of 100, if its errors are normal. */
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

/** The mean of values that are independent of each other, as whole rounds are and the requests of a round are not. */
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
