import { QPACK_STATIC_NAMES } from '../field-compression/qpack-static-table.ts'
import { QpackError } from './qpack-error.ts'

/** What an entry counts above its name and value (RFC 9204 3.2.1). */
const ENTRY_OVERHEAD_BYTES = 32

/** No code is longer than 30 bits, and the padding has seven at the most. */
const MAX_CODE_BITS = 30
const MAX_PADDING_BITS = 7

/** Seven bits each: enough for the 62 bits that an integer may have (RFC 9204 4.1.1). */
const MAX_CONTINUATION_BYTES = 9

// The first byte of an instruction of the encoder (RFC 9204 4.3).
const INSERT_WITH_NAME_REFERENCE = 0x80
const IS_STATIC = 0x40
const INSERT_WITH_LITERAL_NAME = 0x40

/**
 * Finds the end of the instruction of an encoder that begins at `start`, which is below `end`, without
 * reading its strings: if it is at most `end`, the instruction is whole; otherwise it is how far the bytes
 * must reach before it is worth to look again.
 *
 * Throws QpackError 'encoder-stream' for what cannot fit a table of `maxTableBytes` as soon as its length is
 * there, so that nobody has to keep more of an instruction than about four times the table (what a Huffman
 * code of rare characters takes); and for a name that is not in the static table.
 */
export function scanInstruction(buffer: Buffer, start: number, end: number, maxTableBytes: number): number {
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
