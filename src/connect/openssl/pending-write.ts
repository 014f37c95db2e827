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

/**
 * More is not held back for early data, whatever the ticket allows: servers allow 16 KB as a rule, and a SYN
 * has room for one.
 */
const MAX_COLLECTED_BYTES = 65_536

/** What was written before the ClientHello leaves. It is copied: whoever wrote it goes on with its memory. */
export class EarlyBytes {
  readonly #limit: number
  #pieces: Buffer[] = []
  #byteCount = 0

  /** `maxBytes`: what the ticket allows. */
  constructor(maxBytes: number) {
    this.#limit = Math.min(maxBytes, MAX_COLLECTED_BYTES)
  }

  get byteCount(): number {
    return this.#byteCount
  }

  /** False: that would be too much, and nothing of it was taken. */
  add(chunks: readonly Buffer[]): boolean {
    let count = this.#byteCount
    for (const { length } of chunks) count += length
    if (count > this.#limit) return false
    for (const chunk of chunks) this.#pieces.push(Buffer.from(chunk))
    this.#byteCount = count
    return true
  }

  /** All of them, in one piece; they stay. */
  all(): Buffer {
    const [first] = this.#pieces
    if (first === undefined || this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0] as Buffer // set above when there was none, or more than one
  }

  clear(): void {
    this.#pieces = []
    this.#byteCount = 0
  }
}
