import { hashBytes } from './block-hash.ts'

/** 2^9: the slot is the upper nine bits of a hash. */
const SLOTS = 512

/** Of the bytes behind the length. Longer ones are rare among values that come again. */
export const MAX_CACHED_LITERAL_BYTES = 40

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
export function literalSlot(buffer: Buffer, start: number, end: number): number {
  // The upper bits depend on all bytes.
  return hashBytes(buffer, start, end) >>> 23
}

/** The string of the literal `buffer[start, end)`, if the slot has it. */
export function cachedLiteral(
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
export function cacheLiteral(
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
