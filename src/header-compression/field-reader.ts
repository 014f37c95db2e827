import { HpackError } from './hpack-error.ts'
import { decodeHuffman, maxDecodedBytes } from './huffman-decoder.ts'
import { cachedLiteral, cacheLiteral, literalSlot, MAX_CACHED_LITERAL_BYTES } from './literal-cache.ts'

/** What an integer may be at the most. Nothing on the wire has a use for more. */
const MAX_INTEGER = 2 ** 31
/** Enough for MAX_INTEGER; more are zeros that waste our time (RFC 7541 5.1 demands such limits). */
const MAX_CONTINUATION_BYTES = 5

/** Up to this length a string is made from an array of char codes: 15 to 40 ns, where a slice of a Buffer takes 45 to 80. */
const MAX_CHAR_CODES = 32
const charCodes: readonly number[][] = Array.from({ length: MAX_CHAR_CODES + 1 }, (_, length) =>
  Array.from({ length }, () => 0),
)

/** Where Huffman codes are decoded to; longer strings get memory of their own. */
const scratch = Buffer.allocUnsafeSlow(4096)

/** Reads prefix integers (RFC 7541 5.1) and string literals (5.2) one after the other. Throws HpackError where they are broken. */
export class FieldReader {
  #buffer: Buffer = scratch
  #end = 0
  /** Of the next byte to read. */
  position = 0

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

  /** Reads a string literal with a 7-bit length. `mayRemember`: it is neither a secret nor likely to come only once. */
  readString(mayRemember: boolean): string {
    const literalStart = this.position
    if (literalStart >= this.#end) throw truncated()
    const buffer = this.#buffer
    const first = byteAt(buffer, this.position++)
    let length = first & 0x7f
    if (length === 0x7f) length = this.#readContinuation(0x7f)
    const start = this.position
    if (length > this.#end - start) throw truncated()
    const end = start + length
    this.position = end
    const isHuffman = first >= 0x80
    if (!mayRemember || end - literalStart > MAX_CACHED_LITERAL_BYTES) {
      return isHuffman ? huffmanText(buffer, start, end) : latin1Text(buffer, start, end)
    }
    const slot = literalSlot(buffer, literalStart, end)
    const cached = cachedLiteral(slot, buffer, literalStart, end)
    if (cached !== undefined) return cached
    const text = isHuffman ? huffmanText(buffer, start, end) : latin1Text(buffer, start, end)
    cacheLiteral(slot, buffer, literalStart, end, text)
    return text
  }

  #readContinuation(prefix: number): number {
    let value = prefix
    let factor = 1
    for (let i = 0; i < MAX_CONTINUATION_BYTES; i++) {
      if (this.position >= this.#end) throw truncated()
      const byte = byteAt(this.#buffer, this.position++)
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (value > MAX_INTEGER) throw new HpackError(`an integer is larger than ${MAX_INTEGER}`)
        return value
      }
      factor *= 0x80
    }
    throw new HpackError(`an integer has more than ${MAX_CONTINUATION_BYTES} continuation bytes`)
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
