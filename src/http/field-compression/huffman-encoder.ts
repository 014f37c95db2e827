import { CODE_LENGTHS, CODES } from './huffman-code.ts'

/**
 * Above this a code does not fit beside up to seven bits that wait, in the 32 bits that a number is shifted
 * in.
 */
const MAX_SINGLE_SHIFT_BITS = 24

/** Bits that the text takes when Huffman coded. Characters above 255 have none: NaN comes out. */
export function huffmanBits(text: string): number {
  let bits = 0
  for (let i = 0; i < text.length; i++) bits += CODE_LENGTHS[text.charCodeAt(i)] as number // NaN, see above
  return bits
}

/**
 * Writes the text, latin1 only, and its padding at `at`; the caller has made room. Returns where it ended.
 */
export function writeHuffman(out: Uint8Array, at: number, text: string): number {
  let pending = 0 // the lowest `count` bits wait; what is above them was written
  let count = 0
  let pos = at
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i)
    let code = CODES[symbol] as number // the caller has checked for latin1
    let length = CODE_LENGTHS[symbol] as number // likewise
    if (length > MAX_SINGLE_SHIFT_BITS) {
      length -= 8
      pending = (pending << length) | (code >>> 8)
      count += length
      while (count >= 8) out[pos++] = pending >>> (count -= 8) // a Uint8Array keeps the lowest eight bits
      code &= 0xff
      length = 8
    }
    pending = (pending << length) | code
    count += length
    while (count >= 8) out[pos++] = pending >>> (count -= 8) // likewise
  }
  // RFC 7541 5.2: the padding is the beginning of EOS, which is all ones.
  if (count > 0) out[pos++] = (pending << (8 - count)) | (0xff >>> count)
  return pos
}
