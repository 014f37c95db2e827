import { describe, expect, it } from 'vitest'
import { FieldReader } from '../../../../src/http/field-compression/field-reader.ts'
import { writePrefixInteger } from '../../../../src/http/field-compression/field-writer.ts'
import { HpackEncoder } from '../../../../src/http/hpack/hpack-encoder.ts'
import {
  type Example,
  HUFFMAN_REQUESTS,
  HUFFMAN_RESPONSES,
  PLAIN_REQUESTS,
  PLAIN_RESPONSES,
  SINGLE_FIELDS,
} from './appendix-c.ts'
import { bytesOf, decode, decodeHex, encode, literal, newDecoder, sizeUpdate, tableOf } from './blocks.ts'

function expectConnection(examples: readonly Example[], tableBytes: number): void {
  const decoder = newDecoder()
  decode(decoder, sizeUpdate(tableBytes))
  for (const { section, hex, fields, table, tableBytes: size } of examples) {
    expect(decodeHex(decoder, hex), section).toEqual(fields)
    expect(tableOf(decoder), section).toEqual(table)
    expect(bytesOf(table), section).toBe(size)
  }
}

describe('an example of RFC 7541 Appendix C', () => {
  it.each([
    ['C.1.1', 10, 0xe0, 5, 'ea'],
    ['C.1.2', 1337, 0xe0, 5, 'ff9a0a'],
    ['C.1.3', 42, 0, 8, '2a'],
  ])('of section %s is the integer %i, read and written', (_, value, flags, prefixBits, hex) => {
    const out = Buffer.alloc(6)
    expect(out.toString('hex', 0, writePrefixInteger(out, 0, flags, prefixBits, value))).toBe(hex)
    const reader = new FieldReader()
    reader.start(Buffer.from(hex, 'hex'), 0, hex.length / 2)
    expect(reader.readInteger(2 ** prefixBits - 1)).toBe(value)
    expect(reader.position).toBe(hex.length / 2)
  })

  it.each(SINGLE_FIELDS)('of section $section is decoded', example => {
    expectConnection([example], 4096)
  })

  it('of section C.3, requests without Huffman coding, is decoded', () =>
    expectConnection(PLAIN_REQUESTS, 4096))
  it('of section C.4, requests with Huffman coding, is decoded', () =>
    expectConnection(HUFFMAN_REQUESTS, 4096))
  it('of section C.5, responses without Huffman coding, is decoded', () =>
    expectConnection(PLAIN_RESPONSES, 256))
  it('of section C.6, responses with Huffman coding, is decoded', () =>
    expectConnection(HUFFMAN_RESPONSES, 256))

  it('of section C.2.4, C.4.1 or C.4.2 is what our encoder writes', () => {
    expect(encode(new HpackEncoder(4096), SINGLE_FIELDS[3]!.fields).toString('hex')).toBe('82')
    const encoder = new HpackEncoder(4096)
    for (const { hex, fields } of HUFFMAN_REQUESTS.slice(0, 2)) {
      expect(encode(encoder, fields).toString('hex')).toBe(hex)
    }
  })

  it('of section C.4.3 is what our encoder writes once the unknown field has been seen before', () => {
    const encoder = new HpackEncoder(4096)
    const [first, second, third] = HUFFMAN_REQUESTS
    encode(encoder, first!.fields)
    encode(encoder, second!.fields)
    const custom = Buffer.from(literal('not-indexed', 'custom-key', 'custom-value'))
    expect(encode(encoder, ['custom-key', 'custom-value'])).toEqual(custom)
    expect(encode(encoder, third!.fields).toString('hex')).toBe(third!.hex)
  })

  it('of section C.6.1 or C.6.2 is what our encoder writes, but for what it waits to see again', () => {
    const encoder = new HpackEncoder(256)
    const [first, second] = HUFFMAN_RESPONSES
    // The date is inserted when seen again, and the location never is. In front stands the size update to
    // 256.
    const hex = `3fe1014882640258 85aec3771a4b 0f12 96d07abe941054d444a8200595040b8166e082a62d1bff
      0f1f 919d29ad171863c78f0b97c8e9ae82ae43d3`
    expect(encode(encoder, first!.fields).toString('hex')).toBe(hex.replaceAll(/\s/g, ''))
    // Huffman coded, 307 is as long as it is plain, which is cheaper.
    const again = `4803333037 bf 61 96d07abe941054d444a8200595040b8166e082a62d1bff
      0f1f 919d29ad171863c78f0b97c8e9ae82ae43d3`
    expect(encode(encoder, second!.fields).toString('hex')).toBe(again.replaceAll(/\s/g, ''))
  })
})
