import { COLON } from '../../base/http/char-tables.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import { entryBytes } from '../field-compression/dynamic-table.ts'
import { EncoderTable, type NameRecord, NO_INDEX } from '../field-compression/encoder-table.ts'
import {
  invalidField,
  MAX_INTEGER_BYTES,
  requireSendableName,
  requireSendableValue,
  writePrefixInteger,
  writeStringLiteral,
} from '../field-compression/field-writer.ts'
import { huffmanBits } from '../field-compression/huffman.ts'
import { ValueFilter, wasNeverIndexed } from '../field-compression/never-indexed.ts'
import { MEMO_ROOM_BYTES, SegmentMemo } from '../field-compression/segment-memo.ts'
import { STATIC_BY_NAME, STATIC_COUNT } from '../field-compression/static-tables.ts'

/** RFC 9113 6.5.2: what the peer's decoder holds until its SETTINGS say otherwise. */
const DEFAULT_TABLE_BYTES = 4096

/**
 * About as many as a table of 4096 bytes holds entries: what comes again within so many other values would
 * still be there when it is needed, and what comes later would have been evicted for nothing.
 */
const FILTER_SLOTS = 64

const INITIAL_SCRATCH_BYTES = 1024
/** A block that reported the limit was not sent: whatever we say next is a reduction. */
const UNKNOWN = Infinity

/** A scratch that one huge block made larger than this is let go of. */
const MAX_IDLE_SCRATCH_BYTES = 16_384

// The first byte of a field (RFC 7541 6).
const INDEXED = 0x80
const INSERTED = 0x40
const SIZE_UPDATE = 0x20
const NEVER_INDEXED = 0x10
const NOT_INDEXED = 0x00

/**
 * Encodes the field blocks of one direction of a connection (RFC 7541), in the order in which they will be
 * sent.
 *
 * The fast path is a field that is in a table: one look-up, one comparison, one byte. Names and values are
 * checked where a literal is written, and nowhere else: what is in a table was checked when it came in. Which
 * fields come in: see FieldClass.
 *
 * Encoder and peer agree on the table only if every block that changed it arrives. One that does not (it
 * broke off at a field that must not be sent, or the caller gave it up) makes the encoder begin with an empty
 * table: the next block says so by size updates to zero and back (RFC 7541 4.2).
 */
export class HpackEncoder {
  readonly #maxTableBytes: number
  readonly #table: EncoderTable
  readonly #filter = new ValueFilter(FILTER_SLOTS)
  readonly #memo = new SegmentMemo()
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_SCRATCH_BYTES)
  #length = 0

  /** The limit that the peer's decoder received last, or UNKNOWN. */
  #announcedBytes = DEFAULT_TABLE_BYTES
  /** The limit from the next block on. */
  #limitBytes: number
  /** The smallest limit since the last block. */
  #smallestBytes: number
  /**
   * - `none`: no block since the last abort; on to `open` by begin()
   * - `open`: between begin() and end(); on to `whole` by end(), or to `none` by abort(), or `open` again by
   *   begin(), which aborts
   * - `whole`: ended, and to be sent; on to `open` by begin(), or to `none` by abort()
   */
  #state: 'none' | 'open' | 'whole' = 'none'
  /** The block has size updates or insertions: the peer must see it. */
  #changesTable = false
  /** Since the last field that must not be remembered: a never-indexed literal, or an insertion. */
  #isPlain = true

  /** `maxTableBytes`: the most of the peer's table that we use. */
  constructor(maxTableBytes: number) {
    this.#maxTableBytes = maxTableBytes
    this.#limitBytes = Math.min(maxTableBytes, DEFAULT_TABLE_BYTES)
    this.#smallestBytes = this.#limitBytes
    this.#table = new EncoderTable(this.#limitBytes, STATIC_BY_NAME)
  }

  /** The block is `bytes[0, length)`, until the next begin(). */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, which starts at 4096. It counts from the next block on. */
  setPeerTableBytes(bytes: number): void {
    this.#limitBytes = Math.min(bytes, this.#maxTableBytes)
    this.#smallestBytes = Math.min(this.#smallestBytes, this.#limitBytes)
  }

  /** Begins a block. One that was begun and not ended is aborted. */
  begin(): void {
    if (this.#state === 'open') this.abort()
    this.#state = 'open'
    this.#changesTable = false
    this.#length = 0
    if (this.#bytes.length > MAX_IDLE_SCRATCH_BYTES)
      this.#bytes = Buffer.allocUnsafeSlow(INITIAL_SCRATCH_BYTES)
    if (this.#limitBytes !== this.#announcedBytes || this.#smallestBytes < this.#announcedBytes) {
      this.#changeTableSize()
    }
  }

  /**
   * Adds one field; pseudo-fields are allowed. Throws TransportError MM_INVALID_ARGUMENT for a name or value
   * that must not be on the wire; then the block is lost: begin() or abort() must follow.
   */
  add(name: string, value: string): void {
    const isPseudo = name.charCodeAt(0) === COLON
    const record = isPseudo ? this.#table.pseudoRecord(name) : this.#table.record(name)
    this.#add(record, name, value, isPseudo)
  }

  /** Adds all fields of a list, in which there are no pseudo-fields. Throws like add(). */
  addAll(headers: HeaderList): void {
    const table = this.#table
    this.#ensure(MEMO_ROOM_BYTES)
    const start = this.#length
    const slot = this.#memo.find(headers, table.generation)
    if (slot >= 0) {
      this.#length = this.#memo.copy(slot, this.#bytes, start)
      return
    }
    this.#isPlain = true
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string // even indexes are names
      this.#add(table.record(name), name, headers[i + 1] as string, false) // odd indexes are values
    }
    if (this.#isPlain) this.#memo.note(headers, this.#bytes, start, this.#length)
  }

  /** Ends the block. Returns its length. */
  end(): number {
    this.#state = 'whole'
    return this.#length
  }

  /** The block that was begun last will not be sent, whether it was ended or not. */
  abort(): void {
    if (this.#state === 'none') return
    this.#state = 'none'
    if (!this.#changesTable) return
    this.#smallestBytes = 0
    this.#announcedBytes = UNKNOWN
  }

  /**
   * For tests: every string that outlives its block, first the table's: name, value, … from the newest entry
   * on. @internal
   */
  keptStrings(): string[] {
    return [...this.#table.contents(), ...this.#memo.contents()]
  }

  #add(known: NameRecord | undefined, name: string, value: string, isPseudo: boolean): void {
    const record = known ?? this.#describe(name, isPseudo)
    const index = this.#indexOf(record, value)
    if (index === 0) {
      this.#addLiteral(record, value)
      return
    }
    this.#ensure(MAX_INTEGER_BYTES)
    if (index < 0x7f) this.#bytes[this.#length++] = INDEXED | index
    else this.#length = writePrefixInteger(this.#bytes, this.#length, INDEXED, 7, index)
  }

  /** A name that is in no table, and was not sent before or is in none of our lists either. */
  #describe(name: string, isPseudo: boolean): NameRecord {
    requireSendableName(name, isPseudo)
    return this.#table.describe(name)
  }

  #addLiteral(record: NameRecord, value: string): void {
    const { name, fieldClass } = record
    if (fieldClass === 'forbidden') throw invalidField('belongs to the connection (RFC 9113 8.2.2)', name)
    const bits = requireSendableValue(name, value)
    const table = this.#table
    const index = this.#nameIndexOf(record)
    if (fieldClass === 'secret' || wasNeverIndexed(name, value)) {
      this.#isPlain = false
      this.#writeField(NEVER_INDEXED, 4, index, name, value, bits)
    } else if (this.#isWorthATable(record, value, index)) {
      this.#isPlain = false
      this.#changesTable = true
      this.#writeField(INSERTED, 6, index, name, value, bits)
      table.insert(record, value)
    } else this.#writeField(NOT_INDEXED, 4, index, name, value, bits)
  }

  /** The index of a field that is in a table, or 0. */
  #indexOf(record: NameRecord, value: string): number {
    const table = this.#table
    const index = table.staticIndexOf(record, value)
    if (index !== NO_INDEX) return index
    const entry = table.newestEntry(record, value)
    return entry === undefined ? 0 : STATIC_COUNT + table.inserted - entry.number
  }

  /** An index whose entry has the name, or 0. */
  #nameIndexOf({ staticIndex, newest }: NameRecord): number {
    if (staticIndex !== NO_INDEX) return staticIndex
    return newest === undefined ? 0 : STATIC_COUNT + this.#table.inserted - newest.number
  }

  /** `nameIndex`: where its name stands already, or 0. */
  #isWorthATable({ name, fieldClass }: NameRecord, value: string, nameIndex: number): boolean {
    if (fieldClass === 'volatile' && nameIndex !== 0) return false
    // What takes more than half of the table would evict everything that is used more often.
    if (entryBytes(name, value) > this.#table.maxBytes / 2) return false
    if (fieldClass === 'stable' || (fieldClass === 'adaptive' && this.#filter.add(name, value))) return true
    // To insert it costs the peer no byte more than not to, and from then on the name is one.
    return nameIndex === 0 && this.#filter.add(name, '')
  }

  /** Writes a literal field: its name by index, or as a string when the index is 0. */
  #writeField(
    flags: number,
    prefixBits: number,
    index: number,
    name: string,
    value: string,
    bits: number,
  ): void {
    this.#ensure(3 * MAX_INTEGER_BYTES + name.length + value.length)
    this.#length = writePrefixInteger(this.#bytes, this.#length, flags, prefixBits, index)
    if (index === 0) this.#writeString(name, huffmanBits(name))
    this.#writeString(value, bits)
  }

  #writeString(text: string, bits: number): void {
    this.#length = writeStringLiteral(this.#bytes, this.#length, 0, 7, text, bits)
  }

  /** RFC 7541 4.2: first the smallest limit since the last block, then the one that holds now. */
  #changeTableSize(): void {
    this.#changesTable = true
    this.#ensure(2 * MAX_INTEGER_BYTES)
    if (this.#smallestBytes < Math.min(this.#limitBytes, this.#announcedBytes)) {
      this.#writeSizeUpdate(this.#smallestBytes)
    }
    this.#writeSizeUpdate(this.#limitBytes)
    this.#announcedBytes = this.#limitBytes
    this.#smallestBytes = this.#limitBytes
  }

  #writeSizeUpdate(bytes: number): void {
    this.#table.resize(bytes)
    this.#length = writePrefixInteger(this.#bytes, this.#length, SIZE_UPDATE, 5, bytes)
  }

  #ensure(room: number): void {
    const needed = this.#length + room
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
