import { readFileSync } from 'node:fs'
import { decodeHuffman, maxDecodedBytes } from '../../../../src/http/field-compression/huffman.ts'
import { QPACK_STATIC_NAMES } from '../../../../src/http/field-compression/static-tables.ts'

const ENCODED = new URL('../../../vectors/qpack/encoded/', import.meta.url)
const TABLE_BYTES = 4096
const RECORD_HEAD_BYTES = 12

/**
 * What another encoder spent on the fields of each name of a set, on its encoder stream and in its sections
 * together: so that fields which we keep out of tables can be left out of a comparison. Not of any name:
 * `(prefix)` of all sections, and `(capacity)`.
 */
export function referenceBytesByName(encoder: string, set: string): Map<string, number> {
  const file = readFileSync(new URL(`${encoder}/${set}.out.${TABLE_BYTES}.100.1`, ENCODED))
  const bytes = new Map<string, number>()
  const table: string[] = []
  for (let at = 0; at < file.length; ) {
    const streamId = file.readBigUInt64BE(at)
    const end = at + RECORD_HEAD_BYTES + file.readUInt32BE(at + 8)
    const reader = new FieldReader(file.subarray(at + RECORD_HEAD_BYTES, end), table)
    const read = streamId === 0n ? reader.instruction : reader.fieldLine
    if (streamId !== 0n) add(bytes, '(prefix)', reader.prefix())
    while (!reader.isAtEnd) {
      const start = reader.at
      add(bytes, read.call(reader), reader.at - start)
    }
    at = end
  }
  return bytes
}

function add(bytes: Map<string, number>, name: string, more: number): void {
  bytes.set(name, (bytes.get(name) ?? 0) + more)
}

/** RFC 9204 4.3 and 4.5, of trusted files: the names, and how far each goes. */
class FieldReader {
  at = 0
  readonly #bytes: Buffer
  /** The names of all entries ever. */
  readonly #table: string[]
  #base = 0

  constructor(bytes: Buffer, table: string[]) {
    this.#bytes = bytes
    this.#table = table
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length
  }

  /** The encoder stream. Answers with the name of the entry. */
  instruction(): string {
    const first = this.#first
    let name: string
    if ((first & 0x80) !== 0) {
      const index = this.#integer(6)
      name = (first & 0x40) !== 0 ? staticName(index) : this.#entry(this.#table.length - 1 - index)
      this.#string(7)
    } else if ((first & 0x40) !== 0) {
      name = this.#string(5)
      this.#string(7)
    } else if ((first & 0x20) !== 0) {
      this.#integer(5)
      return '(capacity)'
    } else name = this.#entry(this.#table.length - 1 - this.#integer(5))
    this.#table.push(name)
    return name
  }

  /** Answers with its length. */
  prefix(): number {
    const encodedCount = this.#integer(8)
    const required = encodedCount === 0 ? 0 : this.#requiredCount(encodedCount)
    const isNegative = (this.#first & 0x80) !== 0
    const delta = this.#integer(7)
    this.#base = isNegative ? required - delta - 1 : required + delta
    return this.at
  }

  fieldLine(): string {
    const first = this.#first
    if ((first & 0x80) !== 0) return this.#nameOf((first & 0x40) !== 0, this.#integer(6))
    if ((first & 0xf0) === 0x10) return this.#entry(this.#base + this.#integer(4))
    const name =
      (first & 0x40) !== 0
        ? this.#nameOf((first & 0x10) !== 0, this.#integer(4))
        : (first & 0x20) !== 0
          ? this.#string(3)
          : this.#entry(this.#base + this.#integer(3))
    this.#string(7)
    return name
  }

  get #first(): number {
    return this.#bytes[this.at] ?? 0
  }

  #nameOf(isStatic: boolean, index: number): string {
    return isStatic ? staticName(index) : this.#entry(this.#base - 1 - index)
  }

  #entry(number: number): string {
    const name = this.#table[number]
    if (name === undefined) throw new Error(`there is no entry ${number}`)
    return name
  }

  /** RFC 9204 4.5.1.1 */
  #requiredCount(encoded: number): number {
    const maxEntries = TABLE_BYTES / 32
    const most = this.#table.length + maxEntries
    const wrapped = Math.floor(most / (2 * maxEntries)) * 2 * maxEntries
    const required = wrapped + encoded - 1
    return required > most ? required - 2 * maxEntries : required
  }

  #integer(prefixBits: number): number {
    const limit = (1 << prefixBits) - 1
    let value = this.#next() & limit
    if (value < limit) return value
    for (let shift = 0; ; shift += 7) {
      const byte = this.#next()
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  #string(prefixBits: number): string {
    const isHuffman = ((this.#first >> prefixBits) & 1) === 1
    const length = this.#integer(prefixBits)
    const start = this.at
    this.at += length
    if (!isHuffman) return this.#bytes.toString('latin1', start, this.at)
    const text = Buffer.alloc(maxDecodedBytes(length))
    return text.toString('latin1', 0, decodeHuffman(this.#bytes, start, this.at, text))
  }

  #next(): number {
    const byte = this.#bytes[this.at++]
    if (byte === undefined) throw new Error('the file ends within a field')
    return byte
  }
}

function staticName(index: number): string {
  const name = QPACK_STATIC_NAMES[index]
  if (name === undefined) throw new Error(`the static table has no entry ${index}`)
  return name
}
