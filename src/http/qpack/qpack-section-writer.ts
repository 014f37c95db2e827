import {
  MAX_INTEGER_BYTES,
  MAX_LONG_INTEGER_BYTES,
  writePrefixInteger,
  writeStringLiteral,
} from '../field-compression/field-writer.ts'
import { huffmanBits } from '../field-compression/huffman.ts'
import { MEMO_ROOM_BYTES, type SegmentMemo } from '../field-compression/segment-memo.ts'

// The first byte of a field line (RFC 9204 4.5).
const INDEXED = 0x80
const INDEXED_IS_STATIC = 0x40
const INDEXED_POST_BASE = 0x10
const LITERAL_WITH_NAME_REFERENCE = 0x40
const NAME_IS_STATIC = 0x10
const NAME_REFERENCE_NEVER_INDEXED = 0x20
const LITERAL_WITH_LITERAL_NAME = 0x20
const LITERAL_NAME_NEVER_INDEXED = 0x10
const LITERAL_WITH_POST_BASE_NAME = 0x00

/**
 * Required Insert Count and Base take one byte each, nearly always; where they take more, the field lines are
 * moved.
 */
const PREFIX_BYTES = 2

const INITIAL_BYTES = 1024
/** A block that one huge section made larger than this is let go of. */
const MAX_IDLE_BYTES = 16_384

/**
 * Writes the bytes of one field section after the other (RFC 9204 4.5). The Base is the number of insertions
 * when the section begins: what was there has a relative index, what comes in meanwhile a post-base one.
 */
export class SectionWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #length = 0
  #base = 0

  get bytes(): Buffer {
    return this.#bytes
  }

  get length(): number {
    return this.#length
  }

  get base(): number {
    return this.#base
  }

  begin(base: number): void {
    this.#base = base
    this.#length = PREFIX_BYTES
    if (this.#bytes.length > MAX_IDLE_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  }

  /** A field of the static table. */
  staticField(index: number): void {
    this.#writeInteger(INDEXED | INDEXED_IS_STATIC, 6, index)
  }

  /** The entry with this number. */
  entry(number: number): void {
    const relative = this.#base - 1 - number
    if (relative >= 0) this.#writeInteger(INDEXED, 6, relative)
    else this.#writeInteger(INDEXED_POST_BASE, 4, number - this.#base)
  }

  /** A literal with a name of the static table. `bits`: what the value takes when Huffman coded. */
  literalWithStaticName(index: number, value: string, bits: number, isNeverIndexed: boolean): void {
    const flags = LITERAL_WITH_NAME_REFERENCE | NAME_IS_STATIC
    this.#writeInteger(isNeverIndexed ? flags | NAME_REFERENCE_NEVER_INDEXED : flags, 4, index)
    this.#writeString(0, 7, value, bits)
  }

  /** A literal with the name of the entry with this number. */
  literalWithName(number: number, value: string, bits: number): void {
    const relative = this.#base - 1 - number
    if (relative >= 0) this.#writeInteger(LITERAL_WITH_NAME_REFERENCE, 4, relative)
    else this.#writeInteger(LITERAL_WITH_POST_BASE_NAME, 3, number - this.#base)
    this.#writeString(0, 7, value, bits)
  }

  literalWithLiteralName(name: string, value: string, bits: number, isNeverIndexed: boolean): void {
    const flags = LITERAL_WITH_LITERAL_NAME
    this.#writeString(isNeverIndexed ? flags | LITERAL_NAME_NEVER_INDEXED : flags, 3, name, huffmanBits(name))
    this.#writeString(0, 7, value, bits)
  }

  /** What was remembered of a list at the same Base. */
  segment(memo: SegmentMemo, slot: number): void {
    this.#ensure(MEMO_ROOM_BYTES)
    this.#length = memo.copy(slot, this.#bytes, this.#length)
  }

  /**
   * Writes the prefix (4.5.1). `required`: the Required Insert Count, `encodedRequired` as it is written.
   * Returns the length.
   */
  end(required: number, encodedRequired: number): number {
    const isPostBase = required > this.#base
    // Without references the Base does not matter.
    const delta = required === 0 ? 0 : isPostBase ? required - this.#base - 1 : this.#base - required
    if (encodedRequired >= 0xff || delta >= 0x7f) this.#widenPrefix(encodedRequired, delta)
    const at = writePrefixInteger(this.#bytes, 0, 0, 8, encodedRequired)
    writePrefixInteger(this.#bytes, at, isPostBase ? 0x80 : 0, 7, delta)
    return this.#length
  }

  #widenPrefix(encodedRequired: number, delta: number): void {
    const prefix = Buffer.alloc(2 * MAX_LONG_INTEGER_BYTES)
    const prefixBytes = writePrefixInteger(
      prefix,
      writePrefixInteger(prefix, 0, 0, 8, encodedRequired),
      0,
      7,
      delta,
    )
    this.#ensure(prefixBytes - PREFIX_BYTES)
    this.#bytes.copyWithin(prefixBytes, PREFIX_BYTES, this.#length)
    this.#length += prefixBytes - PREFIX_BYTES
  }

  #writeInteger(flags: number, prefixBits: number, value: number): void {
    this.#ensure(MAX_INTEGER_BYTES)
    this.#length = writePrefixInteger(this.#bytes, this.#length, flags, prefixBits, value)
  }

  #writeString(flags: number, prefixBits: number, text: string, bits: number): void {
    this.#ensure(MAX_INTEGER_BYTES + text.length)
    this.#length = writeStringLiteral(this.#bytes, this.#length, flags, prefixBits, text, bits)
  }

  #ensure(room: number): void {
    const needed = this.#length + room
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
