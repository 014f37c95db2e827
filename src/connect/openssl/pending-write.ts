/** One write of a stream on its way through TLS, slice by slice. */
export class PendingWrite {
  readonly callback: (error?: Error | null) => void
  readonly #chunks: readonly Buffer[]
  #index = 0
  #offset = 0

  constructor(chunks: readonly Buffer[], callback: (error?: Error | null) => void) {
    this.#chunks = chunks
    this.callback = callback
    this.#skipEmpty()
  }

  get isEmpty(): boolean {
    return this.#index === this.#chunks.length
  }

  /**
   * The next bytes, `maxBytes` at the most: what is left of a chunk, or several small ones put together, so
   * that they share records.
   */
  next(maxBytes: number): Buffer {
    const first = this.#take(maxBytes)
    if (first.length === maxBytes || this.isEmpty) return first
    const pieces = [first]
    let left = maxBytes - first.length
    while (left > 0 && !this.isEmpty) {
      const piece = this.#take(left)
      pieces.push(piece)
      left -= piece.length
    }
    return Buffer.concat(pieces)
  }

  #take(maxBytes: number): Buffer {
    const chunk = this.#chunks[this.#index]
    if (chunk === undefined) return Buffer.alloc(0)
    const end = Math.min(chunk.length, this.#offset + maxBytes)
    const piece = chunk.subarray(this.#offset, end)
    this.#offset = end
    this.#skipEmpty()
    return piece
  }

  #skipEmpty(): void {
    for (;;) {
      const chunk = this.#chunks[this.#index]
      if (chunk === undefined || this.#offset < chunk.length) return
      this.#index++
      this.#offset = 0
    }
  }
}
