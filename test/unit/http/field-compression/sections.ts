import {
  writePrefixInteger,
  writeStringLiteral,
} from '../../../../src/http/field-compression/field-writer.ts'
import { huffmanBits } from '../../../../src/http/field-compression/huffman.ts'
import { QpackDecoder, type QpackDecoderOptions } from '../../../../src/http/qpack/qpack-decoder.ts'
import type { QpackEncoder } from '../../../../src/http/qpack/qpack-encoder.ts'
import { QpackError } from '../../../../src/http/qpack/qpack-error.ts'
import { encodeRequiredCount, maxEntriesOf } from '../../../../src/http/qpack/qpack-required-count.ts'

const LIMITS: QpackDecoderOptions = {
  maxTableBytes: 4096,
  maxBlockedStreams: 16,
  maxListBytes: 65_536,
  maxFields: 200,
}

export function newDecoder(options: Partial<QpackDecoderOptions> = {}): QpackDecoder {
  return new QpackDecoder({ ...LIMITS, ...options })
}

export function integer(flags: number, prefixBits: number, value: number): Buffer {
  const out = Buffer.alloc(10)
  return out.subarray(0, writePrefixInteger(out, 0, flags, prefixBits, value))
}

function text(flags: number, prefixBits: number, value: string, huffman = true): Buffer {
  const out = Buffer.alloc(16 + 4 * value.length)
  const bits = huffman ? huffmanBits(value) : Infinity
  // Not shorter than the text: written as it is.
  const end = writeStringLiteral(out, 0, flags, prefixBits, value, huffman ? bits : 8 * value.length)
  return out.subarray(0, end)
}

/** Instructions of an encoder (RFC 9204 4.3). */
export const capacity = (bytes: number): Buffer => integer(0x20, 5, bytes)
export const duplicate = (relative: number): Buffer => integer(0, 5, relative)
export const insertStatic = (index: number, value: string, huffman = true): Buffer =>
  Buffer.concat([integer(0xc0, 6, index), text(0, 7, value, huffman)])
export const insertNamed = (relative: number, value: string, huffman = true): Buffer =>
  Buffer.concat([integer(0x80, 6, relative), text(0, 7, value, huffman)])
export const insert = (name: string, value: string, huffman = true): Buffer =>
  Buffer.concat([text(0x40, 5, name, huffman), text(0, 7, value, huffman)])

/** Field lines (RFC 9204 4.5). */
export const staticLine = (index: number): Buffer => integer(0xc0, 6, index)
export const line = (relative: number): Buffer => integer(0x80, 6, relative)
export const postBaseLine = (index: number): Buffer => integer(0x10, 4, index)
export const literalStatic = (index: number, value: string, never = false): Buffer =>
  Buffer.concat([integer(never ? 0x70 : 0x50, 4, index), text(0, 7, value)])
export const literalNamed = (relative: number, value: string, never = false): Buffer =>
  Buffer.concat([integer(never ? 0x60 : 0x40, 4, relative), text(0, 7, value)])
export const literalPostBase = (index: number, value: string, never = false): Buffer =>
  Buffer.concat([integer(never ? 0x08 : 0, 3, index), text(0, 7, value)])
export const literal = (name: string, value: string, never = false, huffman = true): Buffer =>
  Buffer.concat([text(never ? 0x30 : 0x20, 3, name, huffman), text(0, 7, value, huffman)])

/** A section: its Required Insert Count, its Base, its lines. */
export function section(required: number, base: number, ...lines: Buffer[]): Buffer {
  const encoded = encodeRequiredCount(required, maxEntriesOf(LIMITS.maxTableBytes))
  const delta = base >= required ? integer(0, 7, base - required) : integer(0x80, 7, required - base - 1)
  return Buffer.concat([integer(0, 8, encoded), delta, ...lines])
}

/** A section without references. */
export const plain = (...lines: Buffer[]): Buffer => section(0, 0, ...lines)

export function feed(decoder: QpackDecoder, ...instructions: Buffer[]): readonly number[] {
  const bytes = Buffer.concat(instructions)
  return decoder.receiveEncoderStream(bytes, 0, bytes.length)
}

/** The fields of a section that must be readable now, and within the limits. */
export function decode(decoder: QpackDecoder, bytes: Buffer, streamId = 0): readonly string[] {
  const decoded = decoder.decode(streamId, bytes, 0, bytes.length)
  if (typeof decoded === 'string') throw new Error(`the section is ${decoded}`)
  return decoded.fields
}

/** The dynamic table of a decoder, from the newest entry on. */
export function tableOf(decoder: QpackDecoder): string[] {
  return decoder.keptStrings().slice(0, 2 * decoder.tableEntries)
}

/**
 * The same list comes again as the same list, also without its pseudo-fields: the encoder remembers lists.
 */
const regulars = new WeakMap<readonly string[], readonly string[]>()

function regularOf(fields: readonly string[], start: number): readonly string[] {
  const regular = regulars.get(fields) ?? fields.slice(start)
  regulars.set(fields, regular)
  return regular
}

/** The bytes of one list, as a session has them written: pseudo-fields one by one, the others as a list. */
export function encode(encoder: QpackEncoder, streamId: number, fields: readonly string[]): Buffer {
  encoder.begin(streamId)
  let i = 0
  for (; fields[i]?.startsWith(':') === true; i += 2) encoder.add(fields[i]!, fields[i + 1]!)
  encoder.addAll(i === 0 ? fields : regularOf(fields, i))
  const length = encoder.end()
  return Buffer.from(encoder.bytes.subarray(0, length))
}

/** What was thrown. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

/** The kind of the QpackError that was thrown, and its message. */
export function faultOf(action: () => unknown): string {
  const error = thrownBy(action)
  if (!(error instanceof QpackError)) throw error
  return `${error.kind}: ${error.message}`
}
