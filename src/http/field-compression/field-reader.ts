import { HpackError } from './hpack-error.ts'
import { decodeHuffman, maxDecodedBytes } from './huffman.ts'
import { cachedLiteral, cacheLiteral, literalSlot, MAX_CACHED_LITERAL_BYTES } from './literal-cache.ts'

/** What an integer of HPACK may be at the most. Nothing there has a use for more. */
const MAX_INTEGER = 2 ** 31

/**
 * Up to this length a string is made from an array of char codes: 15 to 40 ns, where a slice of a Buffer
 * takes 45 to 80.
 */
const MAX_CHAR_CODES = 32
const charCodes: readonly number[][] = Array.from({ length: MAX_CHAR_CODES + 1 }, (_, length) =>
  Array.from({ length }, () => 0),
)

/** Where Huffman codes are decoded to; longer strings get memory of their own. */
const scratch = Buffer.allocUnsafeSlow(4096)

/**
 * Reads prefix integers (RFC 7541 5.1, RFC 9204 4.1.1) and string literals (RFC 7541 5.2, RFC 9204 4.1.2) one
 * after the other. Throws HpackError where they are broken.
 */
export class FieldReader {
  readonly #maxInteger: number
  /**
   * Enough for the largest integer; more are zeros that waste our time (RFC 7541 5.1 demands such limits).
   */
  readonly #maxContinuationBytes: number
  #buffer: Buffer = scratch
  #end = 0
  /** Of the next byte to read. */
  position = 0

  /** `maxInteger`: what an integer may be at the most. */
  constructor(maxInteger: number = MAX_INTEGER) {
    this.#maxInteger = maxInteger
    this.#maxContinuationBytes = Math.ceil(Math.log2(maxInteger) / 7)
  }

  /** Reads `buffer[start, end)` from now on. */
  start(buffer: Buffer, start: number, end: number): void {
    this.#buffer = buffer
    this.#end = end
    this.position = start
  }

  /** Lets go of the buffer. */
  stop(): void {
    this.#buffer = scratch
  }

  /** Reads an integer whose first byte has `mask` for its prefix. */
  readInteger(mask: number): number {
    if (this.position >= this.#end) throw truncated()
    const prefix = byteAt(this.#buffer, this.position++) & mask
    return prefix < mask ? prefix : this.#readContinuation(mask)
  }

  /**
   * Reads a string literal whose first byte has `mask` for the prefix of its length, and the Huffman flag
   * above it. `mayRemember`: it is neither a secret nor likely to come only once.
   */
  readString(mayRemember: boolean, mask = 0x7f): string {
    if (this.position >= this.#end) throw truncated()
    const buffer = this.#buffer
    const first = byteAt(buffer, this.position++)
    let length = first & mask
    if (length === mask) length = this.#readContinuation(mask)
    const start = this.position
    if (length > this.#end - start) throw truncated()
    const end = start + length
    this.position = end
    const isHuffman = (first & (mask + 1)) !== 0
    if (!mayRemember || length > MAX_CACHED_LITERAL_BYTES) {
      return isHuffman ? huffmanText(buffer, start, end) : latin1Text(buffer, start, end)
    }
    const slot = literalSlot(buffer, start, end)
    const cached = cachedLiteral(slot, isHuffman, buffer, start, end)
    if (cached !== undefined) return cached
    const text = isHuffman ? huffmanText(buffer, start, end) : latin1Text(buffer, start, end)
    cacheLiteral(slot, isHuffman, buffer, start, end, text)
    return text
  }

  /** Goes over a string literal without a look at what it says. */
  skipString(): void {
    if (this.position >= this.#end) throw truncated()
    const length = this.readInteger(0x7f)
    if (length > this.#end - this.position) throw truncated()
    this.position += length
  }

  #readContinuation(prefix: number): number {
    let value = prefix
    let factor = 1
    for (let i = 0; i < this.#maxContinuationBytes; i++) {
      if (this.position >= this.#end) throw truncated()
      const byte = byteAt(this.#buffer, this.position++)
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (value > this.#maxInteger) throw new HpackError(`an integer is larger than ${this.#maxInteger}`)
        return value
      }
      factor *= 0x80
    }
    throw new HpackError(`an integer has more than ${this.#maxContinuationBytes} continuation bytes`)
  }
}

function byteAt(buffer: Buffer, index: number): number {
  return buffer[index] as number // the callers have compared with the end
}

function huffmanText(buffer: Buffer, start: number, end: number): string {
  const room = maxDecodedBytes(end - start)
  const out = room <= scratch.length ? scratch : Buffer.allocUnsafeSlow(room)
  return latin1Text(out, 0, decodeHuffman(buffer, start, end, out))
}

function latin1Text(buffer: Buffer, start: number, end: number): string {
  const length = end - start
  if (length > MAX_CHAR_CODES) return buffer.toString('latin1', start, end)
  const codes = charCodes[length] as number[] // 0 <= length <= MAX_CHAR_CODES
  for (let i = 0; i < length; i++) codes[i] = byteAt(buffer, start + i)
  return String.fromCharCode.apply(undefined, codes)
}

function truncated(): HpackError {
  return new HpackError('a field block ends within a field')
}
