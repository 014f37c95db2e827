import { entryBytes } from '../field-compression/dynamic-table.ts'
import {
  type EncoderTable,
  type NameRecord,
  NO_INDEX,
  type TableEntry,
} from '../field-compression/encoder-table.ts'
import { huffmanBits } from '../field-compression/huffman.ts'
import type { EncoderStreamWriter } from './qpack-encoder-stream.ts'
import type { OutstandingSections } from './qpack-outstanding-sections.ts'

/**
 * An entry is draining when this part of the table's bytes is behind it: the ones before it are all that
 * there is to evict.
 */
const DRAINING_AGE = 0.75

/**
 * Changes the peer's table and our picture of it: insertions and duplicates, as far as there is room.
 *
 * Room is what may be evicted (RFC 9204 2.1.1): entries that the peer has confirmed and that no section under
 * way refers to. Where many sections are under way all the time, a popular old entry would never be free of
 * them, and the table would never change again. So draining entries are duplicated and not referred to any
 * more (2.1.1.1), but only as far as other insertions want the room: without that, a table full of popular
 * entries would copy them round and round.
 */
export class QpackInsertions {
  readonly #table: EncoderTable
  readonly #sections: OutstandingSections
  readonly #stream: EncoderStreamWriter
  /** Set Dynamic Table Capacity was written. */
  #isCapacityTold = false
  /** The bytes that new entries took or would have taken, less those that duplicates took. */
  #wantedBytes = 0
  /**
   * False while the encoder stream has no credit (2.1.3): what waits there would have sections wait for it.
   */
  isAllowed = true

  constructor(table: EncoderTable, sections: OutstandingSections, stream: EncoderStreamWriter) {
    this.#table = table
    this.#sections = sections
    this.#stream = stream
  }

  /**
   * Inserts a field, if there is room. `heldFrom`: the section that is being encoded refers to no older
   * entry. `valueBits`: what the value takes when Huffman coded.
   */
  insert(record: NameRecord, value: string, valueBits: number, heldFrom: number): boolean {
    if (!this.isAllowed) return false
    const table = this.#table
    const { name, staticIndex, newest } = record
    const bytes = entryBytes(name, value)
    this.#wantedBytes = Math.min(this.#wantedBytes + bytes, table.maxBytes)
    if (!this.#hasRoom(bytes, heldFrom)) return false
    const stream = this.#stream
    if (!this.#isCapacityTold) {
      this.#isCapacityTold = true
      stream.setCapacity(table.maxBytes)
    }
    if (staticIndex !== NO_INDEX) stream.insertWithStaticName(staticIndex, value, valueBits)
    // The entry may be evicted by this very insertion (3.2.2).
    else if (newest !== undefined) stream.insertWithName(table.inserted - 1 - newest.number, value, valueBits)
    else stream.insertWithLiteralName(name, huffmanBits(name), value, valueBits)
    table.insert(record, value)
    return true
  }

  /** Whether an entry will soon have to make room for others. */
  isDraining(record: NameRecord, entry: TableEntry): boolean {
    const table = this.#table
    return (
      table.ageBytes(entry) > table.maxBytes * DRAINING_AGE &&
      this.#wantedBytes >= entryBytes(record.name, entry.value)
    )
  }

  /**
   * Duplicates a draining entry, if there is room. Returns whether the old one is still there, and may be
   * referred to until then.
   */
  refresh(record: NameRecord, entry: TableEntry, heldFrom: number): boolean {
    const table = this.#table
    const bytes = entryBytes(record.name, entry.value)
    if (!this.isAllowed || !this.#hasRoom(bytes, heldFrom)) return false
    this.#wantedBytes -= bytes
    this.#stream.duplicate(table.inserted - 1 - entry.number)
    table.insert(record, entry.value)
    return entry.number >= table.inserted - table.count
  }

  #hasRoom(bytes: number, heldFrom: number): boolean {
    const table = this.#table
    const sections = this.#sections
    const limit = Math.min(sections.knownReceived, heldFrom)
    let free = table.freeBytes
    for (let number = table.inserted - table.count; free < bytes; number++) {
      if (number >= limit || sections.isPinned(number)) return false
      free += table.bytesOf(number)
    }
    return true
  }
}
