/** Prefix integers (RFC 7541 5.1, RFC 9204 4.1.1): the last bits of a byte, and up to five more bytes with seven bits each. */

/** The most bytes that writePrefixInteger writes for what fits 32 bits. */
export const MAX_INTEGER_BYTES = 6

/**
 * Writes `value`, at most 2^31, into the lowest `prefixBits` bits of a byte whose other bits are `flags`. The caller has made room for
 * MAX_INTEGER_BYTES. Returns where it ended.
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
  while (rest >= 0x80) {
    out[pos++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[pos] = rest
  return pos + 1
}
