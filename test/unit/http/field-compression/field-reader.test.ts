import { describe, expect, it } from 'vitest'
import { HpackError } from '../../../../src/http/field-compression/field-block.ts'
import { FieldReader } from '../../../../src/http/field-compression/field-reader.ts'
import { MAX_INTEGER_BYTES, writePrefixInteger } from '../../../../src/http/field-compression/field-writer.ts'

function readerOf(hex: string): FieldReader {
  const reader = new FieldReader()
  const bytes = Buffer.from(`ee${hex}ee`, 'hex')
  reader.start(bytes, 1, bytes.length - 1)
  return reader
}

describe('a prefix integer', () => {
  const values = [
    0,
    1,
    6,
    7,
    8,
    126,
    127,
    128,
    254,
    255,
    256,
    16_383,
    16_511,
    16_512,
    2_097_278,
    2 ** 28,
    2 ** 31 - 1,
    2 ** 31,
  ]

  it('is read as it was written, with every prefix', () => {
    for (let prefixBits = 1; prefixBits <= 8; prefixBits++) {
      const mask = 2 ** prefixBits - 1
      for (const value of values) {
        const out = Buffer.alloc(MAX_INTEGER_BYTES)
        const length = writePrefixInteger(out, 0, 0xff & ~mask, prefixBits, value)
        const reader = readerOf(out.toString('hex', 0, length))
        expect(reader.readInteger(mask), `${value} with ${prefixBits} bits`).toBe(value)
        expect(reader.position).toBe(1 + length)
      }
    }
  })

  it('may be written longer than necessary', () => expect(readerOf('ff808000').readInteger(0x7f)).toBe(127))

  it('is at most 2^31', () => {
    expect(readerOf('7f81ffffff07').readInteger(0x7f)).toBe(2 ** 31)
    expect(() => readerOf('7f82ffffff07').readInteger(0x7f)).toThrow(HpackError)
    expect(() => readerOf('7fffffffff7f').readInteger(0x7f)).toThrow('larger than 2147483648')
  })

  it('has at most five bytes behind its prefix, even of zeros', () => {
    expect(readerOf('7f8080808000').readInteger(0x7f)).toBe(127)
    expect(() => readerOf('7f808080808000').readInteger(0x7f)).toThrow('more than 5 continuation bytes')
    expect(() => readerOf(`7f${'ff'.repeat(20)}`).readInteger(0x7f)).toThrow('more than 5 continuation bytes')
  })

  it.each(['', 'ff', 'ff80', 'ff808080'])('must be complete: %s', hex => {
    expect(() => readerOf(hex).readInteger(0x7f)).toThrow('ends within a field')
  })
})

describe('a string literal', () => {
  it.each([0, 1, 31, 32, 33, 126, 127, 128, 300, 5000])('may have any length, such as %i', length => {
    // Around where another way to make the string begins, and where the length takes another byte.
    const text = Array.from({ length }, (_, i) => String.fromCharCode(i % 256)).join('')
    for (const mayRemember of [false, true, true]) {
      const out = Buffer.alloc(length + 8)
      const at = writePrefixInteger(out, 0, 0, 7, length)
      const end = at + out.write(text, at, 'latin1')
      const reader = readerOf(out.toString('hex', 0, end))
      expect(reader.readString(mayRemember)).toBe(text)
      expect(reader.position).toBe(1 + end)
    }
  })

  it('that is Huffman coded may be longer than the memory kept for it', () => {
    // '0' is five zeros.
    const bytes = Buffer.alloc(5010)
    const at = writePrefixInteger(bytes, 0, 0x80, 7, 5000)
    const whole = new FieldReader()
    whole.start(bytes, 0, at + 5000)
    expect(whole.readString(false)).toBe('0'.repeat(8000))
  })

  it('is told apart from another with the same bytes, plain or Huffman coded', () => {
    // 0x02 'do' plain, and 0x82 with the same two bytes coded.
    expect(readerOf('026402').readString(true)).toBe('d\u0002')
    expect(readerOf('826402').readString(true)).toBe('302')
    expect(readerOf('026402').readString(true)).toBe('d\u0002')
    expect(readerOf('826402').readString(true)).toBe('302')
  })

  it.each(['', '01', '0361', '8264', 'ff', '7f00', '7f8080808007'])('must be complete: %s', hex => {
    for (const mayRemember of [false, true]) {
      expect(() => readerOf(hex).readString(mayRemember)).toThrow('ends within a field')
    }
  })
})

describe('a string literal whose length has another prefix (RFC 9204 4.1.2)', () => {
  it('has its Huffman flag above the prefix', () => {
    expect(readerOf('2161').readString(true, 0x07)).toBe('a')
    expect(readerOf('611f').readString(true, 0x1f)).toBe('a')
    expect(readerOf('291f').readString(true, 0x07)).toBe('a')
  })

  it('is not taken for one with the same bytes and another meaning', () => {
    const bytes = `271f${'61'.repeat(38)}`
    for (let i = 0; i < 2; i++) {
      expect(readerOf(bytes).readString(true, 0x07)).toBe('a'.repeat(38))
      expect(readerOf(bytes).readString(true)).toBe(`\u001f${'a'.repeat(38)}`)
    }
  })
})

describe('an integer of QPACK', () => {
  it('has up to 62 bits (RFC 9204 4.1.1)', () => {
    const read = (hex: string): number => {
      const reader = new FieldReader(2 ** 62)
      reader.start(Buffer.from(hex, 'hex'), 0, hex.length / 2)
      return reader.readInteger(0x7f)
    }
    for (const value of [2 ** 31, 2 ** 32 + 126, 2 ** 45 + 12_345, 2 ** 53 - 1]) {
      const out = Buffer.alloc(10)
      expect(read(out.toString('hex', 0, writePrefixInteger(out, 0, 0x80, 7, value)))).toBe(value)
    }
    expect(read('7fffffffffffffffff3f')).toBe(2 ** 62)
    expect(() => read('7fffffffffffffffff7f')).toThrow('larger than')
    expect(() => read(`7f${'ff'.repeat(9)}00`)).toThrow('more than 9 continuation bytes')
  })
})
