/**
 * A place in a chart: two digits are finer than any screen. What is no number is a mistake in here, not in
 * the data.
 */
export function coordinate(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`a chart has no place for ${value}`)
  return String(Math.round(value * 100) / 100)
}

/** `x y` within a path. */
export function point(x: number, y: number): string {
  return `${coordinate(x)} ${coordinate(y)}`
}

/**
 * A path that goes straight across to each point, and only there up or down: a value that holds until the
 * next one.
 */
export function staircase(points: readonly (readonly [x: number, y: number])[]): string {
  return points
    .map(([x, y], i) => (i === 0 ? `M${point(x, y)}` : `H${coordinate(x)}V${coordinate(y)}`))
    .join('')
}

/** Dots, as lines of no length with round ends: a tenth of the size of circles. */
export function dots(points: readonly (readonly [x: number, y: number])[]): string {
  return points.map(([x, y]) => `M${point(x, y)}h0`).join('')
}
