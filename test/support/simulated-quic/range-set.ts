/**
 * Half-open ranges of numbers, ascending, disjoint and not touching: bytes of a stream, or packet numbers.
 */
export class RangeSet {
  readonly #ranges: [start: number, end: number][] = []

  get isEmpty(): boolean {
    return this.#ranges.length === 0
  }

  get first(): readonly [start: number, end: number] | undefined {
    return this.#ranges[0]
  }

  /** How many numbers are in it. */
  get size(): number {
    return this.#ranges.reduce((sum, [start, end]) => sum + end - start, 0)
  }

  /** Ascending. */
  ranges(): readonly (readonly [start: number, end: number])[] {
    return this.#ranges
  }

  has(value: number): boolean {
    return this.#ranges.some(([start, end]) => value >= start && value < end)
  }

  add(start: number, end: number): void {
    if (start >= end) return
    let from = 0
    while (from < this.#ranges.length && this.#ranges[from]![1] < start) from++
    let to = from
    let [first, last] = [start, end]
    while (to < this.#ranges.length && this.#ranges[to]![0] <= end) {
      first = Math.min(first, this.#ranges[to]![0])
      last = Math.max(last, this.#ranges[to]![1])
      to++
    }
    this.#ranges.splice(from, to - from, [first, last])
  }

  remove(start: number, end: number): void {
    if (start >= end) return
    const kept: [number, number][] = []
    for (const [first, last] of this.#ranges) {
      if (first < start) kept.push([first, Math.min(last, start)])
      if (last > end) kept.push([Math.max(first, end), last])
    }
    this.#ranges.splice(0, this.#ranges.length, ...kept)
  }

  /** Takes the lowest ranges away until there are at most `count`. */
  keepHighest(count: number): void {
    if (this.#ranges.length > count) this.#ranges.splice(0, this.#ranges.length - count)
  }
}
