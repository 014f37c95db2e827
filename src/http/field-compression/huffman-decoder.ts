import { HpackError } from './hpack-error.ts'
import { CODE_LENGTHS, CODES, EOS } from './huffman-code.ts'

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
      node = children[2 * node + ((index >>> bit) & 1)] as number // the code is complete: every edge leads somewhere
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
