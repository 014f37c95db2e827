import { writeHuffman } from './huffman.ts'

/**
 * Writes a string literal (RFC 7541 5.2, RFC 9204 4.1.2), Huffman coded where that is shorter: `bits` is what
 * huffmanBits says of it. The length has a prefix of `prefixBits`; the bit above it reports the Huffman
 * code; `flags` are the bits above that. The caller has made room for MAX_INTEGER_BYTES and the text. Returns
 * where it ended.
 */
export function writeStringLiteral(
  out: Uint8Array,
  at: number,
  flags: number,
  prefixBits: number,
  text: string,
  bits: number,
): number {
  const huffmanBytes = (bits + 7) >>> 3
  if (huffmanBytes < text.length) {
    const pos = writePrefixInteger(out, at, flags | (1 << prefixBits), prefixBits, huffmanBytes)
    return writeHuffman(out, pos, text)
  }
  let pos = writePrefixInteger(out, at, flags, prefixBits, text.length)
  for (let i = 0; i < text.length; i++) out[pos++] = text.charCodeAt(i)
  return pos
}

/**
 * Prefix integers (RFC 7541 5.1, RFC 9204 4.1.1): the last bits of a byte, and more bytes with seven bits
 * each.
 */

/** The most bytes that writePrefixInteger writes for what fits 32 bits. */
export const MAX_INTEGER_BYTES = 6

/** The most bytes that it writes for anything: a stream id of QUIC has up to 62 bits. */
export const MAX_LONG_INTEGER_BYTES = 10

/**
 * Writes `value` into the lowest `prefixBits` bits of a byte whose other bits are `flags`. The caller has
 * made room for MAX_INTEGER_BYTES, or for MAX_LONG_INTEGER_BYTES where the value may be above 2^31. Returns
 * where it ended.
 */
export function writePrefixInteger(
  out: Uint8Array,
  at: number,
  flags: number,
  prefixBits: number,
  value: number,
): number {
  const limit = (1 << prefixBits) - 1
  if (value < limit) {
    out[at] = flags | value
    return at + 1
  }
  out[at] = flags | limit
  let rest = value - limit
  let pos = at + 1
  // Above 32 bits no shift reaches.
  while (rest > 0xffff_ffff) {
    out[pos++] = (rest & 0x7f) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  while (rest >= 0x80) {
    out[pos++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[pos] = rest
  return pos + 1
}
