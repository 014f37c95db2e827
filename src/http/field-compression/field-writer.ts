import { TransportError } from '../../base/errors.ts'
import { classOf, HTAB, SP, TOKEN_LOWER_ONLY, VALUE } from '../../base/http/char-tables.ts'
import { CODE_LENGTHS, writeHuffman } from './huffman.ts'

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

/** The Huffman bits of what may stand in a value; 0 for what may not. */
const VALUE_BITS = VALUE.map((allowed, byte) => (allowed === 1 ? classOf(CODE_LENGTHS, byte) : 0))

/**
 * Throws unless the name, that of a pseudo-field without its colon, is a token in lower case (RFC 9113 8.2.1,
 * RFC 9114 4.2).
 */
export function requireSendableName(name: string, isPseudo: boolean): void {
  const start = isPseudo ? 1 : 0
  let isValid = name.length > start
  for (let i = start; i < name.length && isValid; i++) {
    const code = name.charCodeAt(i)
    isValid = code < 0x80 && classOf(TOKEN_LOWER_ONLY, code) !== 0
  }
  if (!isValid) throw invalidField('has a name that is not a token in lower case', name)
}

/**
 * Throws unless the value may be sent (RFC 9113 8.2.1, RFC 9114 10.3): no control characters but HTAB,
 * nothing above 255, no whitespace around it. Returns how many bits it takes when Huffman coded: both in one
 * pass.
 */
export function requireSendableValue(name: string, value: string): number {
  const { length } = value
  let bits = 0
  for (let i = 0; i < length; i++) {
    const charBits = VALUE_BITS[value.charCodeAt(i)]
    // undefined: above 255
    if (charBits === undefined || charBits === 0) {
      throw invalidField('has a value with a character that none may have', name)
    }
    bits += charBits
  }
  if (length > 0 && (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1)))) {
    throw invalidField('has a value that begins or ends with whitespace', name)
  }
  return bits
}

/** The error for a field that must not be sent. It names no value, which may be a secret. */
export function invalidField(what: string, name: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `the field ${JSON.stringify(name.slice(0, 40))} ${what}`)
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB
}
