import { HpackError } from './hpack-error.ts'
import { CODE_LENGTHS, CODES, EOS } from './huffman-code.ts'

/**
 * Theory of operation. The code is a binary tree with 256 inner nodes. A state is an inner node: how far into a code the bits so far
 * have led. A step takes four bits; since no code is shorter than five, it completes one symbol at most. So one table of 256 states
 * times 16 nibbles (16 KB, which the first-level cache holds) does everything: TABLE[state << 4 | nibble] has the next state, whether
 * a symbol came out and which, and whether the string may end there.
 */
const SYMBOL_MASK = 0xff
const HAS_SYMBOL = 0x100
/** The bits since the last symbol are fewer than eight and all ones: proper padding. */
const MAY_END = 0x200
/** EOS was completed: an error wherever it happens. */
const IS_EOS = 0x400
const STATE_SHIFT = 16

const TABLE = buildTable()
/** Of a string that has not begun. */
const START = MAY_END

function buildTable(): Int32Array {
  // children[2 * node + bit]: an inner node, or -1 - symbol. Node 0 is the root.
  const children: number[] = [0, 0]
  const padding: boolean[] = [true]
  for (const [symbol, length] of CODE_LENGTHS.entries()) {
    const code = CODES[symbol] as number // as long as CODE_LENGTHS
    let node = 0
    for (let depth = length - 1; depth >= 0; depth--) {
      const edge = 2 * node + ((code >>> depth) & 1)
      if (depth === 0) children[edge] = -1 - symbol
      else if (children[edge] === 0) {
        const depthOfChild = length - depth
        children[edge] = padding.length
        padding.push(code >>> depth === 2 ** depthOfChild - 1 && depthOfChild < 8)
        children.push(0, 0)
        node = padding.length - 1
      } else node = children[edge] as number // set by an earlier symbol
    }
  }
  const table = new Int32Array(padding.length * 16)
  for (let state = 0; state < padding.length; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state
      let entry = 0
      for (let bit = 3; bit >= 0 && (entry & IS_EOS) === 0; bit--) {
        node = children[2 * node + ((nibble >>> bit) & 1)] as number // the code is complete: every edge leads somewhere
        if (node >= 0) continue
        entry = node === -1 - EOS ? IS_EOS : HAS_SYMBOL | (-1 - node)
        node = 0
      }
      table[state * 16 + nibble] = entry | (padding[node] === true ? MAY_END : 0) | (node << STATE_SHIFT)
    }
  }
  return table
}

/** The most bytes that `length` coded bytes can become: no code is shorter than five bits. */
export function maxDecodedBytes(length: number): number {
  return Math.floor((length * 8) / 5)
}

/**
 * Decodes `input[start, end)` to `out[0, …)`, which has room for maxDecodedBytes. Returns how many bytes came out. Throws HpackError
 * for EOS in the data, for padding longer than seven bits and for padding that is not of ones (RFC 7541 5.2).
 */
export function decodeHuffman(input: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let length = 0
  let entry = START
  for (let i = start; i < end; i++) {
    const byte = input[i] as number // the caller's bounds are within the input
    entry = TABLE[((entry >>> STATE_SHIFT) << 4) | (byte >>> 4)] as number // 256 states times 16
    if ((entry & (HAS_SYMBOL | IS_EOS)) !== 0) {
      if ((entry & IS_EOS) !== 0) throw new HpackError('a Huffman coded string contains EOS')
      out[length++] = entry & SYMBOL_MASK
    }
    entry = TABLE[((entry >>> STATE_SHIFT) << 4) | (byte & 0xf)] as number // likewise
    if ((entry & (HAS_SYMBOL | IS_EOS)) !== 0) {
      if ((entry & IS_EOS) !== 0) throw new HpackError('a Huffman coded string contains EOS')
      out[length++] = entry & SYMBOL_MASK
    }
  }
  if ((entry & MAY_END) === 0) throw new HpackError('the padding of a Huffman coded string is wrong')
  return length
}
