import { hashBytes } from './block-cache.ts'
import { HpackError } from './field-block.ts'
import { decodeHuffman, maxDecodedBytes } from './huffman.ts'

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

/** 2^9: the slot is the upper nine bits of a hash. */
const SLOTS = 512

/** Of the bytes behind the length. Longer ones are rare among values that come again. */
const MAX_CACHED_LITERAL_BYTES = 40

/** Beside the length: the bytes are a Huffman code. */
const HUFFMAN = 0x80

/**
 * Strings by the bytes of their literal, without the length in front, whose prefix differs: `content-type:
 * text/html` is the same bytes from every server, in HPACK as in QPACK. 15 to 45 ns where decoding and making
 * a string take 30 to 160, and all who compare the value later find the very same string.
 *
 * One for the process, so that its size does not depend on the number of connections. Nothing secret may come
 * in; the callers see to that. Direct-mapped: a newcomer takes the place.
 */
const bytes = new Uint8Array(SLOTS * MAX_CACHED_LITERAL_BYTES)
/** With the flag. An empty slot says that the empty string is empty. */
const lengths = new Uint8Array(SLOTS)
const strings: string[] = Array.from({ length: SLOTS }, () => '')

/** The slot in which the literal `buffer[start, end)` is, or would be; at most MAX_CACHED_LITERAL_BYTES. */
function literalSlot(buffer: Buffer, start: number, end: number): number {
  // The upper bits depend on all bytes.
  return hashBytes(buffer, start, end) >>> 23
}

/** The string of the literal `buffer[start, end)`, if the slot has it. */
function cachedLiteral(
  slot: number,
  isHuffman: boolean,
  buffer: Buffer,
  start: number,
  end: number,
): string | undefined {
  if (lengths[slot] !== lengthOf(isHuffman, start, end)) return undefined
  let at = slot * MAX_CACHED_LITERAL_BYTES
  for (let i = start; i < end; i++) if (bytes[at++] !== buffer[i]) return undefined
  return strings[slot]
}

/** Puts the string of the literal `buffer[start, end)` into the slot. */
function cacheLiteral(
  slot: number,
  isHuffman: boolean,
  buffer: Buffer,
  start: number,
  end: number,
  text: string,
): void {
  let at = slot * MAX_CACHED_LITERAL_BYTES
  for (let i = start; i < end; i++) bytes[at++] = buffer[i] as number // i < end
  lengths[slot] = lengthOf(isHuffman, start, end)
  strings[slot] = text
}

function lengthOf(isHuffman: boolean, start: number, end: number): number {
  return isHuffman ? (end - start) | HUFFMAN : end - start
}

/** For tests: the strings that are kept. */
export function cachedLiterals(): readonly string[] {
  return strings
}
