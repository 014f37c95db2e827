import { HpackError } from './field-block.ts'

/**
 * The Huffman code of RFC 7541 Appendix B. It is canonical (codes of one length count up in the order of
 * their symbols, and longer codes follow shorter ones), so that the lengths say everything.
 */

/** The end of the string. It must never stand in one; its first bits are the padding. */
export const EOS = 256

/** Bits per symbol, 16 symbols a row. */
// biome-ignore format: a table
export const CODE_LENGTHS: Uint8Array = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
)

const MAX_CODE_BITS = 30

/** The code of a symbol, in its lowest CODE_LENGTHS bits. */
export const CODES: Uint32Array = assignCodes()

function assignCodes(): Uint32Array {
  const codes = new Uint32Array(CODE_LENGTHS.length)
  let next = 0
  for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
    next *= 2
    for (const [symbol, length] of CODE_LENGTHS.entries()) if (length === bits) codes[symbol] = next++
  }
  return codes
}

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

/**
 * Theory of operation. The code is a binary tree with 256 inner nodes. A state is an inner node: how far into
 * a code the bits so far have led. A step takes four bits; since no code is shorter than five, it completes
 * one symbol at most. So one table does everything: TABLE[state << 4 | nibble] has the symbol that came out,
 * the next state, and whether the string may end there.
 *
 * 4 ns a coded byte. A table for whole bytes takes 2.3, but has 256 KB instead of 16, and 5 ms of every start
 * would go into building it; values that come again are not decoded anyway (ValueCache).
 */
const SYMBOL_MASK = 0xff
const HAS_SYMBOL = 0x100
/** EOS was completed: an error wherever it happens. */
const IS_EOS = 0x200
const HAS_SYMBOL_OR_IS_EOS: number = HAS_SYMBOL | IS_EOS
/** The bits since the last symbol are fewer than eight and all ones: proper padding. */
const MAY_END = 0x400
const STATE_SHIFT = 16

const STATES = 256
const TABLE = buildTable()
/** Of a string that has not begun. */
const START = MAY_END

function buildTable(): Int32Array {
  // At 2 * node + bit: an inner node, or -1 - symbol. Node 0 is the root.
  const children = new Int16Array(2 * STATES)
  // Nodes to which nothing but ones leads, seven at the most.
  const isPadding = new Uint8Array(STATES)
  isPadding[0] = 1
  let nodes = 1
  for (const [symbol, length] of CODE_LENGTHS.entries()) {
    const code = CODES[symbol] as number // as long as CODE_LENGTHS
    let node = 0
    for (let depth = 1; depth < length; depth++) {
      const prefix = code >>> (length - depth)
      const edge = 2 * node + (prefix & 1)
      node = children[edge] as number // node < STATES
      if (node !== 0) continue
      node = nodes++
      children[edge] = node
      isPadding[node] = depth < 8 && prefix === 2 ** depth - 1 ? 1 : 0
    }
    children[2 * node + (code & 1)] = -1 - symbol
  }
  const table = new Int32Array(STATES * 16)
  for (let index = 0; index < table.length; index++) {
    let node = index >>> 4
    let entry = 0
    for (let bit = 3; bit >= 0; bit--) {
      node = children[2 * node + ((index >>> bit) & 1)] as number // the code is complete
      if (node >= 0) continue
      const symbol = -1 - node
      entry = symbol === EOS ? IS_EOS : HAS_SYMBOL | symbol
      node = 0
    }
    table[index] = entry | (isPadding[node] === 1 ? MAY_END : 0) | (node << STATE_SHIFT)
  }
  return table
}

/** The most bytes that `length` coded bytes can become: no code is shorter than five bits. */
export function maxDecodedBytes(length: number): number {
  return Math.floor((length * 8) / 5)
}

/**
 * Decodes `input[start, end)` to `out[0, …)`, which has room for maxDecodedBytes. Returns how many bytes came
 * out. Throws HpackError for EOS in the data, for padding longer than seven bits and for padding that is not
 * of ones (RFC 7541 5.2).
 */
export function decodeHuffman(input: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let length = 0
  let entry = START
  for (let i = start; i < end; i++) {
    const byte = input[i] as number // i < end
    entry = TABLE[((entry >>> STATE_SHIFT) << 4) | (byte >>> 4)] as number // 256 states times 16
    if ((entry & HAS_SYMBOL_OR_IS_EOS) !== 0) out[length++] = symbolOf(entry)
    entry = TABLE[((entry >>> STATE_SHIFT) << 4) | (byte & 0xf)] as number // likewise
    if ((entry & HAS_SYMBOL_OR_IS_EOS) !== 0) out[length++] = symbolOf(entry)
  }
  if ((entry & MAY_END) === 0) throw new HpackError('the padding of a Huffman coded string is wrong')
  return length
}

function symbolOf(entry: number): number {
  if ((entry & IS_EOS) !== 0) throw new HpackError('a Huffman coded string contains EOS')
  return entry & SYMBOL_MASK
}
