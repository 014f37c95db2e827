/** What is allocated at once on the word of an origin; a body that is really longer grows from there. */
const MAX_FIRST_BYTES = 1_048_576
const MIN_BYTES = 16_384

/**
 * Puts bytes together that come in borrowed pieces: each is copied once, into its place. With the length
 * known (and true) there is one allocation.
 */
export class GrowingBytes {
  #buffer: Buffer
  #length = 0

  constructor(expectedBytes: number | undefined) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(expectedBytes ?? MIN_BYTES, MAX_FIRST_BYTES))
  }

  add(chunk: Uint8Array): void {
    const length = this.#length + chunk.length
    if (length > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#buffer.length, MIN_BYTES))
      this.#buffer.copy(grown, 0, 0, this.#length)
      this.#buffer = grown
    }
    this.#buffer.set(chunk, this.#length)
    this.#length = length
  }

  /** Everything that was added. The memory is the caller's. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }
}
