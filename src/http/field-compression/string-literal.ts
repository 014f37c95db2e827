import { writeHuffman } from './huffman-encoder.ts'
import { writePrefixInteger } from './prefix-integer.ts'

/**
 * Writes a string literal (RFC 7541 5.2, RFC 9204 4.1.2), Huffman coded where that is shorter: `bits` is what
 * huffmanBits says of it. The length has a prefix of `prefixBits`; the bit above it tells of the Huffman
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
