import { type DynamicTable, entryBytes } from '../field-compression/dynamic-table.ts'
import { type FieldClass, fieldName, QPACK_STATIC_CLASSES } from '../field-compression/field-classes.ts'
import { FieldReader } from '../field-compression/field-reader.ts'
import {
  MAX_INTEGER_BYTES,
  writePrefixInteger,
  writeStringLiteral,
} from '../field-compression/field-writer.ts'
import { QPACK_STATIC_NAMES } from '../field-compression/static-tables.ts'
import { QpackError } from './qpack-error.ts'

// The first byte of an instruction tells what it is (RFC 9204 4.3).
const INSERT_WITH_NAME_REFERENCE = 0x80
const IS_STATIC = 0x40
const INSERT_WITH_LITERAL_NAME = 0x40
const SET_CAPACITY = 0x20
const DUPLICATE = 0x00

/** RFC 9204 4.1.1. What is above 2^53 has lost its lowest bits, but nothing so large is legal anywhere. */
const MAX_INTEGER = 2 ** 62

const INITIAL_PENDING_BYTES = 128

/**
 * Reads the peer's encoder stream (RFC 9204 4.3) and does to the table what it says. An instruction that is
 * not whole is kept until its end comes: never more than about four times the capacity, as one that cannot
 * fit is refused at its length.
 */
export class EncoderStreamReader {
  readonly #table: DynamicTable
  readonly #maxTableBytes: number
  readonly #reader = new FieldReader(MAX_INTEGER)
  /** The beginning of an instruction: the first `pendingLength` bytes. */
  #pending: Buffer | undefined
  #pendingLength = 0
  /** How many bytes must be pending before it is worth to look again. */
  #needed = 0

  /** `maxTableBytes`: the SETTINGS_QPACK_MAX_TABLE_CAPACITY that we announce. */
  constructor(table: DynamicTable, maxTableBytes: number) {
    this.#table = table
    this.#maxTableBytes = maxTableBytes
  }

  /**
   * Reads a piece of the stream. Throws QpackError 'encoder-stream', or HpackError for a string that cannot
   * be decoded.
   */
  receive(buffer: Buffer, start: number, end: number): void {
    let at = this.#pendingLength === 0 ? start : this.#completePending(buffer, start, end)
    while (at < end) {
      const next = scanInstruction(buffer, at, end, this.#table.maxBytes)
      if (next > end) {
        this.#keep(buffer, at, end)
        this.#needed = next - at
        return
      }
      this.#apply(buffer, at, next)
      at = next
    }
  }

  /**
   * Takes as much of the piece as the pending instruction needs, and does it if it is whole then. Returns
   * where the rest begins.
   */
  #completePending(buffer: Buffer, start: number, end: number): number {
    let at = start
    for (;;) {
      const taken = Math.min(this.#needed - this.#pendingLength, end - at)
      const pending = this.#keep(buffer, at, at + taken)
      at += taken
      if (this.#pendingLength < this.#needed) return at
      const length = scanInstruction(pending, 0, this.#pendingLength, this.#table.maxBytes)
      if (length <= this.#pendingLength) {
        this.#pendingLength = 0
        if (pending.length > INITIAL_PENDING_BYTES) this.#pending = undefined
        this.#apply(pending, 0, length)
        return at
      }
      this.#needed = length
    }
  }

  /** The room grows with what has come, not with what was said to come. */
  #keep(buffer: Buffer, start: number, end: number): Buffer {
    const length = this.#pendingLength + end - start
    let pending = (this.#pending ??= Buffer.allocUnsafeSlow(INITIAL_PENDING_BYTES))
    if (length > pending.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * pending.length))
      pending.copy(grown, 0, 0, this.#pendingLength)
      pending = grown
      this.#pending = pending
    }
    buffer.copy(pending, this.#pendingLength, start, end)
    this.#pendingLength = length
    return pending
  }

  #apply(buffer: Buffer, start: number, end: number): void {
    const reader = this.#reader
    reader.start(buffer, start, end)
    const first = buffer[start] as number // start < end
    if (first >= INSERT_WITH_NAME_REFERENCE) {
      const index = reader.readInteger(0x3f)
      if ((first & IS_STATIC) === 0) {
        const name = this.#table.nameAt(this.#requireIndex(index))
        this.#insert(name, fieldName(name).fieldClass)
      } else {
        const name = QPACK_STATIC_NAMES[index] as string // the scan has seen to that
        this.#insert(name, QPACK_STATIC_CLASSES[index] as FieldClass) // likewise
      }
    } else if (first >= INSERT_WITH_LITERAL_NAME) {
      const { name, fieldClass } = fieldName(reader.readString(true, 0x1f))
      this.#insert(name, fieldClass)
    } else {
      const value = reader.readInteger(0x1f)
      if (first >= SET_CAPACITY) this.#setCapacity(value)
      else {
        const index = this.#requireIndex(value)
        this.#insertEntry(this.#table.nameAt(index), this.#table.valueAt(index))
      }
    }
    reader.stop()
  }

  #insert(name: string, fieldClass: FieldClass): void {
    this.#insertEntry(name, this.#reader.readString(fieldClass === 'stable' || fieldClass === 'adaptive'))
  }

  /** RFC 9204 3.2.2: an entry larger than the table is an error here, unlike in HPACK. */
  #insertEntry(name: string, value: string): void {
    const { maxBytes } = this.#table
    const bytes = entryBytes(name, value)
    if (bytes > maxBytes) {
      throw new QpackError(
        'encoder-stream',
        `an entry of ${bytes} bytes is larger than the table of ${maxBytes}`,
      )
    }
    this.#table.insert(name, value)
  }

  #setCapacity(bytes: number): void {
    if (bytes > this.#maxTableBytes) {
      throw new QpackError(
        'encoder-stream',
        `a capacity of ${bytes} is above the ${this.#maxTableBytes} that were announced`,
      )
    }
    this.#table.resize(bytes)
  }

  /** The index, 0 for the newest entry, of an entry that is there. */
  #requireIndex(index: number): number {
    if (index >= this.#table.count) {
      throw new QpackError(
        'encoder-stream',
        `an instruction refers to entry ${index}, which is not in the table`,
      )
    }
    return index
  }
}

/** What an entry counts above its name and value (RFC 9204 3.2.1). */
const ENTRY_OVERHEAD_BYTES = 32

/** No code is longer than 30 bits, and the padding has seven at the most. */
const MAX_CODE_BITS = 30
const MAX_PADDING_BITS = 7

/** Seven bits each: enough for the 62 bits that an integer may have (RFC 9204 4.1.1). */
const MAX_CONTINUATION_BYTES = 9

/**
 * Finds the end of the instruction of an encoder that begins at `start`, which is below `end`, without
 * reading its strings: if it is at most `end`, the instruction is whole; otherwise it is how far the bytes
 * must reach before it is worth to look again.
 *
 * Throws QpackError 'encoder-stream' for what cannot fit a table of `maxTableBytes` as soon as its length is
 * there, so that nobody has to keep more of an instruction than about four times the table (what a Huffman
 * code of rare characters takes); and for a name that is not in the static table.
 */
function scanInstruction(buffer: Buffer, start: number, end: number, maxTableBytes: number): number {
  const room = maxTableBytes - ENTRY_OVERHEAD_BYTES
  const first = byteAt(buffer, start)
  if (first >= INSERT_WITH_NAME_REFERENCE) {
    const nameEnd = integerEnd(buffer, start, end, 0x3f)
    if (nameEnd > end) return nameEnd
    if ((first & IS_STATIC) !== 0) requireStatic(integerAt(buffer, start, 0x3f))
    return stringEnd(buffer, nameEnd, end, 0x7f, room)
  }
  if (first >= INSERT_WITH_LITERAL_NAME) {
    const nameEnd = stringEnd(buffer, start, end, 0x1f, room)
    if (nameEnd > end) return nameEnd
    return stringEnd(buffer, nameEnd, end, 0x7f, room - leastBytes(buffer, start, 0x1f))
  }
  // Set Dynamic Table Capacity or Duplicate: a number and nothing else.
  return integerEnd(buffer, start, end, 0x1f)
}

function requireStatic(index: number): void {
  if (index < QPACK_STATIC_NAMES.length) return
  throw new QpackError('encoder-stream', `an insertion refers to the static entry ${index}`)
}

/** Where the string literal ends, as far as can be known. */
function stringEnd(buffer: Buffer, at: number, end: number, mask: number, room: number): number {
  const lengthEnd = integerEnd(buffer, at, end, mask)
  if (lengthEnd > end) return lengthEnd
  if (leastBytes(buffer, at, mask) > room) {
    throw new QpackError('encoder-stream', 'an entry is larger than the table')
  }
  return lengthEnd + integerAt(buffer, at, mask)
}

/** The least that the string literal at `at`, whose length is there, can come to. */
function leastBytes(buffer: Buffer, at: number, mask: number): number {
  const length = integerAt(buffer, at, mask)
  const isHuffman = (byteAt(buffer, at) & (mask + 1)) !== 0
  return isHuffman ? Math.ceil((8 * length - MAX_PADDING_BITS) / MAX_CODE_BITS) : length
}

/** Behind the integer; above `end` when more bytes must come. */
function integerEnd(buffer: Buffer, at: number, end: number, mask: number): number {
  if (at >= end) return end + 1
  if ((byteAt(buffer, at) & mask) < mask) return at + 1
  for (let i = 1; i <= MAX_CONTINUATION_BYTES; i++) {
    if (at + i >= end) return end + 1
    if (byteAt(buffer, at + i) < 0x80) return at + i + 1
  }
  throw new QpackError('encoder-stream', 'an integer has more than 62 bits')
}

/** The value of an integer that is whole. */
function integerAt(buffer: Buffer, at: number, mask: number): number {
  let value = byteAt(buffer, at) & mask
  if (value < mask) return value
  let factor = 1
  for (let pos = at + 1; ; pos++) {
    const byte = byteAt(buffer, pos)
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value
    factor *= 0x80
  }
}

function byteAt(buffer: Buffer, index: number): number {
  return buffer[index] as number // the callers have compared with the end
}

const INITIAL_BYTES = 512
/** A block that one burst made larger than this is let go of. */
const MAX_IDLE_BYTES = 4096

/** Writes our encoder stream. Relative indexes count from the newest entry, which is 0. */
export class EncoderStreamWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #length = 0

  setCapacity(bytes: number): void {
    this.#writeInteger(SET_CAPACITY, 5, bytes)
  }

  duplicate(relative: number): void {
    this.#writeInteger(DUPLICATE, 5, relative)
  }

  /** `valueBits`: what the value takes when Huffman coded. */
  insertWithStaticName(index: number, value: string, valueBits: number): void {
    this.#writeInteger(INSERT_WITH_NAME_REFERENCE | IS_STATIC, 6, index)
    this.#writeString(0, 7, value, valueBits)
  }

  insertWithName(relative: number, value: string, valueBits: number): void {
    this.#writeInteger(INSERT_WITH_NAME_REFERENCE, 6, relative)
    this.#writeString(0, 7, value, valueBits)
  }

  insertWithLiteralName(name: string, nameBits: number, value: string, valueBits: number): void {
    this.#writeString(INSERT_WITH_LITERAL_NAME, 5, name, nameBits)
    this.#writeString(0, 7, value, valueBits)
  }

  /** What is to be sent. */
  take(): Buffer | undefined {
    if (this.#length === 0) return undefined
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    if (this.#bytes.length > MAX_IDLE_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    return taken
  }

  #writeInteger(flags: number, prefixBits: number, value: number): void {
    this.#ensure(MAX_INTEGER_BYTES)
    this.#length = writePrefixInteger(this.#bytes, this.#length, flags, prefixBits, value)
  }

  #writeString(flags: number, prefixBits: number, text: string, bits: number): void {
    this.#ensure(MAX_INTEGER_BYTES + text.length)
    this.#length = writeStringLiteral(this.#bytes, this.#length, flags, prefixBits, text, bits)
  }

  #ensure(room: number): void {
    const needed = this.#length + room
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
