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
