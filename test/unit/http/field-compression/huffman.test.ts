import { describe, expect, it } from 'vitest'
import { HpackError } from '../../../../src/http/field-compression/field-block.ts'
import {
  CODE_LENGTHS,
  CODES,
  decodeHuffman,
  EOS,
  huffmanBits,
  maxDecodedBytes,
  writeHuffman,
} from '../../../../src/http/field-compression/huffman.ts'

function coded(text: string): Buffer {
  const out = Buffer.alloc(4 * text.length + 8, 0xaa)
  return out.subarray(0, writeHuffman(out, 0, text))
}

function decoded(input: Buffer): string {
  const out = Buffer.alloc(maxDecodedBytes(input.length))
  return out.toString('latin1', 0, decodeHuffman(input, 0, input.length, out))
}

/** Bits as text, filled up with ones. */
function bitsOf(...symbols: number[]): string {
  return symbols.map(symbol => CODES[symbol]!.toString(2).padStart(CODE_LENGTHS[symbol]!, '0')).join('')
}

function bytesOf(bits: string): Buffer {
  const whole = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1')
  return Buffer.from(whole.match(/.{8}/g)?.map(byte => Number.parseInt(byte, 2)) ?? [])
}

describe('the Huffman code', () => {
  it('has the codes of RFC 7541 Appendix B', () => {
    // The first and last of each block that the appendix is set in, and those that stand at the turns of the
    // code lengths.
    const samples: [symbol: number, code: number, bits: number][] = [
      [0, 0x1ff8, 13],
      [1, 0x7fffd8, 23],
      [9, 0xffffea, 24],
      [10, 0x3ffffffc, 30],
      [0x20, 0x14, 6],
      [0x30, 0x0, 5],
      [0x41, 0x21, 6],
      [0x5c, 0x7fff0, 19],
      [0x61, 0x3, 5],
      [0x74, 0x9, 5],
      [0x7a, 0x7b, 7],
      [0x7f, 0xffffffc, 28],
      [0x80, 0xfffe6, 20],
      [0xcb, 0x7ffffde, 27],
      [0xf9, 0xffffffe, 28],
      [0xff, 0x3ffffee, 26],
      [EOS, 0x3fffffff, 30],
    ]
    for (const [symbol, code, bits] of samples) {
      expect([symbol, CODES[symbol], CODE_LENGTHS[symbol]]).toEqual([symbol, code, bits])
    }
  })

  it('is complete: every sequence of bits is the beginning of codes', () => {
    expect(CODE_LENGTHS).toHaveLength(257)
    expect(CODE_LENGTHS.reduce((sum, bits) => sum + 2 ** -bits, 0)).toBe(1)
  })

  it('encodes and decodes every pair of symbols without loss', () => {
    for (let first = 0; first < 256; first++) {
      for (let second = 0; second < 256; second++) {
        const text = String.fromCharCode(first, second)
        const bytes = coded(text)
        if (Math.ceil(huffmanBits(text) / 8) !== bytes.length || decoded(bytes) !== text) {
          expect.fail(`symbols ${first} and ${second}`)
        }
      }
    }
  })

  it('writes nothing behind its end', () => {
    const out = Buffer.alloc(64, 0xaa)
    const end = writeHuffman(out, 3, 'www.example.com')
    expect(out.toString('hex', 0, end + 1)).toBe('aaaaaaf1e3c2e5f23a6ba0ab90f4ffaa')
  })

  it('reports no length for text that is not latin1', () => expect(huffmanBits('a€')).toBeNaN())

  it('decodes no bytes to an empty string', () => expect(decoded(Buffer.alloc(0))).toBe(''))
})

describe('a Huffman coded string', () => {
  const a = 0x61 // five bits

  it('may end with up to seven ones', () => {
    // One to eight characters of five bits leave every number of bits from 1 to 7, and 0.
    for (let count = 1; count <= 8; count++) {
      expect(decoded(bytesOf(bitsOf(a).repeat(count)))).toBe('a'.repeat(count))
    }
  })

  it.each([
    ['eight ones', bitsOf(a, a, a, a, a, a, a, a) + '1'.repeat(8)],
    ['eleven ones', bitsOf(a) + '1'.repeat(11)],
    ['nothing but padding', '1'.repeat(8)],
    ['29 ones, all but one of EOS', bitsOf(a, a, a) + '1'.repeat(17 + 8)],
    ['zeros', `${bitsOf(a)}000`],
    ['a zero at the end', `${bitsOf(a)}110`],
    ['a zero at the beginning', `${bitsOf(a)}011`],
    ['a code that is cut off', bitsOf(0).slice(0, 8)],
  ])('must not be padded with %s', (_, bits) => {
    expect(() => decoded(bytesOf(bits))).toThrow(
      new HpackError('the padding of a Huffman coded string is wrong'),
    )
  })

  it.each([
    ['alone', bitsOf(EOS)],
    ['at the end', bitsOf(a, EOS)],
    ['in the middle', bitsOf(a, EOS, a, a)],
    ['in its place, with ones after it', bitsOf(a) + '1'.repeat(40)],
  ])('must not contain EOS: %s', (_, bits) => {
    expect(() => decoded(bytesOf(bits))).toThrow(new HpackError('a Huffman coded string contains EOS'))
  })
})
