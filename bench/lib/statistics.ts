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
