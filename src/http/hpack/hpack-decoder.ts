import { BlockCache } from '../field-compression/block-cache.ts'
import { DynamicTable, entryBytes } from '../field-compression/dynamic-table.ts'
import { type FieldBlock, HpackError } from '../field-compression/field-block.ts'
import { type FieldClass, fieldName, STATIC_CLASSES } from '../field-compression/field-classes.ts'
import { cachedLiterals, FieldReader } from '../field-compression/field-reader.ts'
import { rememberNeverIndexed } from '../field-compression/never-indexed.ts'
import { STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from '../field-compression/static-tables.ts'

export type { FieldBlock } from '../field-compression/field-block.ts'

export interface HpackDecoderOptions {
  /** What we announce as SETTINGS_HEADER_TABLE_SIZE. */
  maxTableBytes: number
  /** Of one list, by the size of RFC 7541 4.1. */
  maxListBytes: number
  /** Of one list. */
  maxFields: number
  /** The peer changes the size of its table: it has a reason for that about once in a connection. */
  onSizeUpdate?: (() => void) | undefined
}

// The first byte of a field tells what it is (RFC 7541 6).
const INDEXED = 0x80
const INSERTED = 0x40
const SIZE_UPDATE = 0x20
const NEVER_INDEXED = 0x10

/**
 * In one block, by RFC 7541 4.2: the smallest size since the last block, and the final one. Whoever sends
 * more of them floods: a byte each, and every one is worked on.
 */
const MAX_SIZE_UPDATES = 2

/** The index of the newest entry of the dynamic table. */
const FIRST_DYNAMIC: number = STATIC_COUNT + 1

/** RFC 9113 6.5.2: what the peer's encoder may use until it has received our SETTINGS. */
const DEFAULT_TABLE_BYTES = 4096

/**
 * Decodes the field blocks of one direction of a connection (RFC 7541), in the order in which they came.
 *
 * What a hostile block can cost is linear in its length: a reference of one byte adds a pointer at the most,
 * and once the list is above its limits nothing is kept of it ('too-large'). It is read to its end all the
 * same, because the table depends on it: what is not inserted is gone over, and one that goes on to insert,
 * for another `maxFields`, is not worth that ('far-too-large').
 */
export class HpackDecoder {
  readonly #options: HpackDecoderOptions
  readonly #table = new DynamicTable(DEFAULT_TABLE_BYTES)
  readonly #cache = new BlockCache(this.#table)
  readonly #reader = new FieldReader()

  /** The largest table that the peer may ask for now. */
  #maxTableBytes: number

  constructor(options: HpackDecoderOptions) {
    this.#options = options
    this.#maxTableBytes = Math.max(options.maxTableBytes, DEFAULT_TABLE_BYTES)
  }

  /**
   * Decodes one whole block `buffer[start, end)`. Throws HpackError: the connection is lost. When only the
   * limits of the list are exceeded it reads on to the end, so that the table stays right, and returns
   * 'too-large'. After 'far-too-large' the table is not right any more: the connection is lost.
   */
  decode(buffer: Buffer, start: number, end: number): FieldBlock | 'too-large' | 'far-too-large' {
    return this.#cache.find(buffer, start, end) ?? this.#decode(buffer, start, end)
  }

  #decode(buffer: Buffer, start: number, end: number): FieldBlock | 'too-large' | 'far-too-large' {
    const { maxFields, maxListBytes } = this.#options
    const reader = this.#reader
    const table = this.#table
    reader.start(buffer, start, end)
    const hasSizeUpdate = start < end && isSizeUpdate(byteAt(buffer, start))
    if (hasSizeUpdate) this.#readSizeUpdates(buffer, end)
    const insertions: string[] | undefined = this.#cache.isWanted ? [] : undefined
    const fields: string[] = []
    const { generation } = table
    let isPrivate = hasSizeUpdate
    let hasDynamicReferences = false
    let fieldCount = 0
    let bytes = 0
    let isTooLarge = false
    let insertedTooMany = 0
    while (reader.position < end) {
      const first = byteAt(buffer, reader.position)
      if (isTooLarge && (first & (INDEXED | INSERTED)) !== INSERTED) {
        this.#skipField(first)
        continue
      }
      let name: string
      let value: string
      if (first >= INDEXED) {
        // Indexed field (6.1)
        const index = reader.readInteger(0x7f)
        if (index > STATIC_COUNT) {
          hasDynamicReferences = true
          this.#requireIndex(index)
          name = table.nameAt(index - FIRST_DYNAMIC)
          value = table.valueAt(index - FIRST_DYNAMIC)
        } else {
          if (index === 0) throw new HpackError('a field refers to index 0')
          name = STATIC_NAMES[index] as string // 1 <= index <= STATIC_COUNT
          value = STATIC_VALUES[index] as string // likewise
        }
      } else {
        // Literal field: with indexing (6.2.1), without (6.2.2), never indexed (6.2.3); the last two differ
        // in a flag only
        const isInserted = first >= INSERTED
        if (!isInserted && first >= SIZE_UPDATE) throw new HpackError('a size update stands behind a field')
        const index = reader.readInteger(isInserted ? 0x3f : 0x0f)
        let fieldClass: FieldClass
        if (index === 0) {
          const described = fieldName(reader.readString(true))
          name = described.name
          fieldClass = described.fieldClass
        } else if (index > STATIC_COUNT) {
          hasDynamicReferences = true
          this.#requireIndex(index)
          name = table.nameAt(index - FIRST_DYNAMIC)
          fieldClass = fieldName(name).fieldClass
        } else {
          name = STATIC_NAMES[index] as string // 1 <= index <= STATIC_COUNT
          fieldClass = STATIC_CLASSES[index] as FieldClass // likewise
        }
        const isNeverIndexed = !isInserted && first >= NEVER_INDEXED
        value = reader.readString(!isNeverIndexed && (fieldClass === 'stable' || fieldClass === 'adaptive'))
        if (fieldClass === 'secret') isPrivate = true
        else if (isNeverIndexed) {
          isPrivate = true
          rememberNeverIndexed(name, value)
        }
        if (isInserted) {
          if (isTooLarge && ++insertedTooMany > maxFields) {
            reader.stop()
            return 'far-too-large'
          }
          table.insert(name, value)
          insertions?.push(name, value)
        }
      }
      bytes += entryBytes(name, value)
      if (++fieldCount <= maxFields && bytes <= maxListBytes) fields.push(name, value)
      else isTooLarge = true
    }
    reader.stop()
    if (isTooLarge) {
      this.#cache.settle()
      return 'too-large'
    }
    const block: FieldBlock = { fields, bytes, meaning: undefined }
    const hasInsertions = table.generation !== generation
    this.#cache.offer(
      block,
      { insertions, hasInsertions, hasDynamicReferences, isPrivate },
      buffer,
      start,
      end,
    )
    return block
  }

  /** Only at the beginning of a block. */
  #readSizeUpdates(buffer: Buffer, end: number): void {
    const reader = this.#reader
    let count = 0
    while (reader.position < end && isSizeUpdate(byteAt(buffer, reader.position))) {
      if (++count > MAX_SIZE_UPDATES)
        throw new HpackError(`more than ${MAX_SIZE_UPDATES} size updates in a block`)
      const bytes = reader.readInteger(0x1f)
      if (bytes > this.#maxTableBytes) {
        throw new HpackError(
          `a size update to ${bytes} is above the ${this.#maxTableBytes} that were announced`,
        )
      }
      this.#table.resize(bytes)
      this.#options.onSizeUpdate?.()
    }
  }

  /** A field that is not inserted, of a list that is too large already. */
  #skipField(first: number): void {
    const reader = this.#reader
    if (first >= INDEXED) {
      const index = reader.readInteger(0x7f)
      if (index === 0) throw new HpackError('a field refers to index 0')
      if (index > STATIC_COUNT) this.#requireIndex(index)
      return
    }
    if (first >= SIZE_UPDATE) throw new HpackError('a size update stands behind a field')
    const index = reader.readInteger(0x0f)
    if (index === 0) reader.skipString()
    else if (index > STATIC_COUNT) this.#requireIndex(index)
    reader.skipString()
  }

  /** The peer knows our `maxTableBytes`: until now it could use the 4096 of the RFC. */
  onSettingsAcknowledged(): void {
    this.#maxTableBytes = this.#options.maxTableBytes
  }

  /** For tests: every string that outlives its block, but for the table's. @internal */
  keptStrings(): string[] {
    return [...this.#cache.contents(), ...cachedLiterals()]
  }

  #requireIndex(index: number): void {
    if (index - FIRST_DYNAMIC >= this.#table.count) {
      throw new HpackError(`a field refers to index ${index}, which is beyond the tables`)
    }
  }
}

function isSizeUpdate(first: number): boolean {
  return first >= SIZE_UPDATE && first < INSERTED
}

function byteAt(buffer: Buffer, index: number): number {
  return buffer[index] as number // the caller has compared with the end
}
