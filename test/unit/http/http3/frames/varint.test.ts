import { describe, expect, it } from 'vitest'
import { encodeVarint, readVarint, varintBytes } from '../../../../../src/http/http3/frames/varint.ts'
import { fc } from '../../../../support/property.ts'

const read = (bytes: Buffer): [number | undefined, number] => {
  const cursor = { buffer: bytes, at: 0, end: bytes.length }
  return [readVarint(cursor), cursor.at]
}

describe('variable-length integers (RFC 9000 16)', () => {
  it.each([
    ['c2197c5eff14e88c', 8, Number.POSITIVE_INFINITY], // 151288809941952652 is more than a number holds
    ['9d7f3e7d', 4, 494_878_333],
    ['7bbd', 2, 15_293],
    ['25', 1, 37],
    ['4025', 2, 37],
  ])('have the value of the example %s in A.1', (hex, bytes, value) => {
    expect(read(Buffer.from(hex, 'hex'))).toEqual([value, bytes])
  })

  it.each([
    [0, 1],
    [63, 1],
    [64, 2],
    [16_383, 2],
    [16_384, 4],
    [2 ** 30 - 1, 4],
    [2 ** 30, 8],
    [2 ** 53 - 1, 8],
  ])('encode %i in %i bytes', (value, bytes) => {
    const buffer = Buffer.alloc(10, 0xaa)
    expect(varintBytes(value)).toBe(bytes)
    expect(encodeVarint(buffer, 1, value)).toBe(1 + bytes)
    expect(buffer[1 + bytes]).toBe(0xaa)
    expect(readVarint({ buffer, at: 1, end: 10 })).toBe(value)
  })

  it('are not there while they are cut short, and the cursor stays', () => {
    for (const hex of ['9d7f3e7d', '7bbd', 'c000000000000001']) {
      const bytes = Buffer.from(hex, 'hex')
      for (let end = 0; end < bytes.length; end++) {
        const cursor = { buffer: bytes, at: 0, end }
        expect([readVarint(cursor), cursor.at]).toEqual([undefined, 0])
      }
    }
  })

  it('are exact up to the largest safe number, and infinite beyond it', () => {
    expect(read(Buffer.from('c01fffffffffffff', 'hex'))[0]).toBe(Number.MAX_SAFE_INTEGER)
    expect(read(Buffer.from('c020000000000000', 'hex'))[0]).toBe(Number.POSITIVE_INFINITY)
    expect(read(Buffer.alloc(8, 0xff))[0]).toBe(Number.POSITIVE_INFINITY)
  })

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), value => {
        const buffer = Buffer.alloc(8)
        const end = encodeVarint(buffer, 0, value)
        expect(end).toBe(varintBytes(value))
        expect(read(buffer.subarray(0, end))).toEqual([value, end])
      }),
    )
  })
})
