import { HpackError } from '../../../../src/http/field-compression/field-block.ts'
import { writePrefixInteger } from '../../../../src/http/field-compression/field-writer.ts'
import { huffmanBits, writeHuffman } from '../../../../src/http/field-compression/huffman.ts'
import { HpackDecoder, type HpackDecoderOptions } from '../../../../src/http/hpack/hpack-decoder.ts'
import type { HpackEncoder } from '../../../../src/http/hpack/hpack-encoder.ts'

const LIMITS = { maxTableBytes: 65_536, maxListBytes: 65_536, maxFields: 200 }

/** The bytes of one list, as a session has them written: pseudo-fields one by one, the others as a list. */
export function encode(encoder: HpackEncoder, fields: readonly string[]): Buffer {
  encoder.begin()
  let i = 0
  for (; fields[i]?.startsWith(':') === true; i += 2) encoder.add(fields[i]!, fields[i + 1]!)
  encoder.addAll(i === 0 ? fields : fields.slice(i))
  return takeBlock(encoder)
}

/** Ends the block that is open and copies it. */
export function takeBlock(encoder: HpackEncoder): Buffer {
  const length = encoder.end()
  return Buffer.from(encoder.bytes.subarray(0, length))
}

/** The fields of a block that must be readable and within the limits. */
export function decode(decoder: HpackDecoder, block: Buffer): readonly string[] {
  const decoded = decoder.decode(block, 0, block.length)
  if (typeof decoded === 'string') throw new Error('the list is above the limits')
  return decoded.fields
}

export function decodeHex(decoder: HpackDecoder, hex: string): readonly string[] {
  return decode(decoder, Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}

/** The dynamic table of a decoder from the newest entry on, read by references to all its entries. */
export function tableOf(decoder: HpackDecoder): string[] {
  const entries: string[] = []
  for (let index = 62; ; index++) {
    const block = Buffer.alloc(6)
    try {
      entries.push(...decode(decoder, block.subarray(0, writePrefixInteger(block, 0, 0x80, 7, index))))
    } catch (error) {
      if (error instanceof HpackError) return entries
      throw error
    }
  }
}

/** The size of a table with these entries (RFC 7541 4.1). */
export function bytesOf(entries: readonly string[]): number {
  return entries.reduce((sum, text) => sum + text.length + 16, 0)
}

export type Literal = 'inserted' | 'not-indexed' | 'never-indexed'

const FLAGS = { inserted: [0x40, 6], 'not-indexed': [0, 4], 'never-indexed': [0x10, 4] } as const

/** A literal field as an encoder of somebody else may write it. A number for a name is an index. */
export function literal(kind: Literal, name: string | number, value: string, huffman = true): Buffer {
  const out = Buffer.alloc(32 + 4 * (value.length + (typeof name === 'string' ? name.length : 0)))
  const [flags, prefixBits] = FLAGS[kind]
  let at = writePrefixInteger(out, 0, flags, prefixBits, typeof name === 'number' ? name : 0)
  for (const text of typeof name === 'string' ? [name, value] : [value]) {
    if (huffman) {
      at = writePrefixInteger(out, at, 0x80, 7, (huffmanBits(text) + 7) >>> 3)
      at = writeHuffman(out, at, text)
    } else {
      at = writePrefixInteger(out, at, 0, 7, text.length)
      at += out.write(text, at, 'latin1')
    }
  }
  return out.subarray(0, at)
}

/** A reference to a field in a table. */
export function indexed(index: number): Buffer {
  const out = Buffer.alloc(6)
  return out.subarray(0, writePrefixInteger(out, 0, 0x80, 7, index))
}

export function sizeUpdate(bytes: number): Buffer {
  const out = Buffer.alloc(6)
  return out.subarray(0, writePrefixInteger(out, 0, 0x20, 5, bytes))
}

export function newDecoder(options: Partial<HpackDecoderOptions> = {}): HpackDecoder {
  return new HpackDecoder({ ...LIMITS, ...options })
}
