import {
  MAX_INTEGER_BYTES,
  writePrefixInteger,
  writeStringLiteral,
} from '../field-compression/string-literal.ts'

// The first byte of an instruction of the encoder (RFC 9204 4.3).
const INSERT_WITH_NAME_REFERENCE = 0x80
const IS_STATIC = 0x40
const INSERT_WITH_LITERAL_NAME = 0x40
const SET_CAPACITY = 0x20
const DUPLICATE = 0x00

const INITIAL_BYTES = 512
/** A block that one burst made larger than this is let go of. */
const MAX_IDLE_BYTES = 4096

/** Writes our encoder stream. Relative indexes count from the newest entry, which is 0. */
export class EncoderStreamWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #length = 0

  setCapacity(bytes: number): void {
    this.#writeInteger(SET_CAPACITY, 5, bytes)
  }

  duplicate(relative: number): void {
    this.#writeInteger(DUPLICATE, 5, relative)
  }

  /** `valueBits`: what the value takes when Huffman coded. */
  insertWithStaticName(index: number, value: string, valueBits: number): void {
    this.#writeInteger(INSERT_WITH_NAME_REFERENCE | IS_STATIC, 6, index)
    this.#writeString(0, 7, value, valueBits)
  }

  insertWithName(relative: number, value: string, valueBits: number): void {
    this.#writeInteger(INSERT_WITH_NAME_REFERENCE, 6, relative)
    this.#writeString(0, 7, value, valueBits)
  }

  insertWithLiteralName(name: string, nameBits: number, value: string, valueBits: number): void {
    this.#writeString(INSERT_WITH_LITERAL_NAME, 5, name, nameBits)
    this.#writeString(0, 7, value, valueBits)
  }

  /** What is to be sent. */
  take(): Buffer | undefined {
    if (this.#length === 0) return undefined
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    if (this.#bytes.length > MAX_IDLE_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    return taken
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
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
