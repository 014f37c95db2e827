/**
 * Bytes that came and were not taken yet: a view, so that the common case, all of them taken at once,
 * allocates nothing.
 */
export class UnreadInput {
  #buffer: Buffer | undefined
  #start = 0
  #end = 0

  get isEmpty(): boolean {
    return this.#buffer === undefined
  }

  /** Adds `buffer[start, end)`. */
  add(buffer: Buffer, start: number, end: number): void {
    if (start === end) return
    const before = this.takeAll()
    if (before === undefined) {
      this.#buffer = buffer
      this.#start = start
      this.#end = end
    } else {
      // Only what the stream had read already when it was told to pause.
      this.#buffer = Buffer.concat([before, buffer.subarray(start, end)])
      this.#start = 0
      this.#end = this.#buffer.length
    }
  }

  /**
   * Hands everything to `take`, which answers with the index of the first byte that it leaves. How many it
   * took.
   */
  offer(take: (buffer: Buffer, start: number, end: number) => number): number {
    const buffer = this.#buffer
    if (buffer === undefined) return 0
    const start = this.#start
    const next = take(buffer, start, this.#end)
    if (next >= this.#end) this.clear()
    else this.#start = next
    return next - start
  }

  takeAll(): Buffer | undefined {
    const rest = this.#buffer?.subarray(this.#start, this.#end)
    this.clear()
    return rest
  }

  clear(): void {
    this.#buffer = undefined
    this.#start = this.#end = 0
  }
}
