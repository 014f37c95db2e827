import type { DynamicTable } from '../field-compression/dynamic-table.ts'
import { entryBytes } from '../field-compression/dynamic-table.ts'
import type { FieldClass } from '../field-compression/field-classes.ts'
import { fieldName, QPACK_STATIC_CLASSES } from '../field-compression/field-classes.ts'
import { FieldReader } from '../field-compression/field-reader.ts'
import { QPACK_STATIC_NAMES } from '../field-compression/qpack-static-table.ts'
import { QpackError } from './qpack-error.ts'
import { scanInstruction } from './qpack-instruction-scan.ts'

// The first byte of an instruction tells what it is (RFC 9204 4.3).
const INSERT_WITH_NAME_REFERENCE = 0x80
const IS_STATIC = 0x40
const INSERT_WITH_LITERAL_NAME = 0x40
const SET_CAPACITY = 0x20

/** RFC 9204 4.1.1. What is above 2^53 has lost its lowest bits, but nothing so large is legal anywhere. */
const MAX_INTEGER = 2 ** 62

const INITIAL_PENDING_BYTES = 128

/**
 * Reads the peer's encoder stream (RFC 9204 4.3) and does to the table what it says. An instruction that is
 * not whole is kept until its end comes: never more than about four times the capacity, as one that cannot
 * fit is refused at its length.
 */
export class EncoderStreamReader {
  readonly #table: DynamicTable
  readonly #maxTableBytes: number
  readonly #reader = new FieldReader(MAX_INTEGER)
  /** The beginning of an instruction: the first `pendingLength` bytes. */
  #pending: Buffer | undefined
  #pendingLength = 0
  /** How many bytes must be pending before it is worth to look again. */
  #needed = 0

  /** `maxTableBytes`: the SETTINGS_QPACK_MAX_TABLE_CAPACITY that we announce. */
  constructor(table: DynamicTable, maxTableBytes: number) {
    this.#table = table
    this.#maxTableBytes = maxTableBytes
  }

  /**
   * Reads a piece of the stream. Throws QpackError 'encoder-stream', or HpackError for a string that cannot
   * be decoded.
   */
  receive(buffer: Buffer, start: number, end: number): void {
    let at = this.#pendingLength === 0 ? start : this.#completePending(buffer, start, end)
    while (at < end) {
      const next = scanInstruction(buffer, at, end, this.#table.maxBytes)
      if (next > end) {
        this.#keep(buffer, at, end)
        this.#needed = next - at
        return
      }
      this.#apply(buffer, at, next)
      at = next
    }
  }

  /**
   * Takes as much of the piece as the pending instruction needs, and does it if it is whole then. Returns
   * where the rest begins.
   */
  #completePending(buffer: Buffer, start: number, end: number): number {
    let at = start
    for (;;) {
      const taken = Math.min(this.#needed - this.#pendingLength, end - at)
      const pending = this.#keep(buffer, at, at + taken)
      at += taken
      if (this.#pendingLength < this.#needed) return at
      const length = scanInstruction(pending, 0, this.#pendingLength, this.#table.maxBytes)
      if (length <= this.#pendingLength) {
        this.#pendingLength = 0
        if (pending.length > INITIAL_PENDING_BYTES) this.#pending = undefined
        this.#apply(pending, 0, length)
        return at
      }
      this.#needed = length
    }
  }

  /** The room grows with what has come, not with what was said to come. */
  #keep(buffer: Buffer, start: number, end: number): Buffer {
    const length = this.#pendingLength + end - start
    let pending = (this.#pending ??= Buffer.allocUnsafeSlow(INITIAL_PENDING_BYTES))
    if (length > pending.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * pending.length))
      pending.copy(grown, 0, 0, this.#pendingLength)
      pending = grown
      this.#pending = pending
    }
    buffer.copy(pending, this.#pendingLength, start, end)
    this.#pendingLength = length
    return pending
  }

  #apply(buffer: Buffer, start: number, end: number): void {
    const reader = this.#reader
    reader.start(buffer, start, end)
    const first = buffer[start] as number // start < end
    if (first >= INSERT_WITH_NAME_REFERENCE) {
      const index = reader.readInteger(0x3f)
      if ((first & IS_STATIC) === 0) {
        const name = this.#table.nameAt(this.#requireIndex(index))
        this.#insert(name, fieldName(name).fieldClass)
      } else {
        const name = QPACK_STATIC_NAMES[index] as string // the scan has seen to that
        this.#insert(name, QPACK_STATIC_CLASSES[index] as FieldClass) // likewise
      }
    } else if (first >= INSERT_WITH_LITERAL_NAME) {
      const { name, fieldClass } = fieldName(reader.readString(true, 0x1f))
      this.#insert(name, fieldClass)
    } else {
      const value = reader.readInteger(0x1f)
      if (first >= SET_CAPACITY) this.#setCapacity(value)
      else {
        const index = this.#requireIndex(value)
        this.#insertEntry(this.#table.nameAt(index), this.#table.valueAt(index))
      }
    }
    reader.stop()
  }

  #insert(name: string, fieldClass: FieldClass): void {
    this.#insertEntry(name, this.#reader.readString(fieldClass === 'stable' || fieldClass === 'adaptive'))
  }

  /** RFC 9204 3.2.2: an entry larger than the table is an error here, unlike in HPACK. */
  #insertEntry(name: string, value: string): void {
    const { maxBytes } = this.#table
    const bytes = entryBytes(name, value)
    if (bytes > maxBytes) {
      throw new QpackError(
        'encoder-stream',
        `an entry of ${bytes} bytes is larger than the table of ${maxBytes}`,
      )
    }
    this.#table.insert(name, value)
  }

  #setCapacity(bytes: number): void {
    if (bytes > this.#maxTableBytes) {
      throw new QpackError(
        'encoder-stream',
        `a capacity of ${bytes} is above the ${this.#maxTableBytes} that were announced`,
      )
    }
    this.#table.resize(bytes)
  }

  /** The index, 0 for the newest entry, of an entry that is there. */
  #requireIndex(index: number): number {
    if (index >= this.#table.count) {
      throw new QpackError(
        'encoder-stream',
        `an instruction refers to entry ${index}, which is not in the table`,
      )
    }
    return index
  }
}
