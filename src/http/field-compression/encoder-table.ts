import { DynamicTable, entryBytes } from './dynamic-table.ts'
import { type FieldClass, fieldName } from './field-classes.ts'
import type { StaticName, StaticValue } from './static-tables.ts'

/** One entry of the dynamic table, in the list of those with its name. */
export interface TableEntry {
  readonly value: string
  /** The first entry ever was 0. */
  readonly number: number
  /** The bytes of all entries that were inserted before it. */
  readonly bytesBefore: number
  older: TableEntry | undefined
  newer: TableEntry | undefined
}

/** A name with all that is known of it: one look-up answers everything. */
export interface NameRecord {
  readonly name: string
  readonly fieldClass: FieldClass
  /** The index of the name in the static table, or NO_INDEX. */
  readonly staticIndex: number
  readonly staticValues: readonly StaticValue[]
  /** Whether it stays when no entry has the name: there is a bounded number of those. */
  readonly isKept: boolean
  newest: TableEntry | undefined
  oldest: TableEntry | undefined
}

/** Of what is not in the static table. */
export const NO_INDEX = -1

/**
 * How many values of one name are compared with. A field with more has no repeating values, or is an attempt
 * to make us slow.
 */
const MAX_COMPARED_VALUES = 16

const NOT_STATIC: StaticName = { nameIndex: NO_INDEX, values: [] }

/**
 * The dynamic table of an encoder (RFC 7541 2.3.2, RFC 9204 3.2) with the way back from a field to its index
 * in either table.
 */
export class EncoderTable {
  readonly #table: DynamicTable
  readonly #staticByName: ReadonlyMap<string, StaticName>
  // Two maps, so that a pseudo-field is never found among the fields of a list.
  readonly #fields = new Map<string, NameRecord>()
  readonly #pseudoFields = new Map<string, NameRecord>()
  #bytesInserted = 0

  constructor(maxBytes: number, staticByName: ReadonlyMap<string, StaticName>) {
    this.#table = new DynamicTable(maxBytes, (name, number) => this.#forget(name, number))
    this.#staticByName = staticByName
  }

  get maxBytes(): number {
    return this.#table.maxBytes
  }

  get freeBytes(): number {
    return this.#table.maxBytes - this.#table.bytes
  }

  get generation(): number {
    return this.#table.generation
  }

  /** Entries inserted so far: the number of the next one. */
  get inserted(): number {
    return this.#table.inserted
  }

  get count(): number {
    return this.#table.count
  }

  resize(maxBytes: number): void {
    this.#table.resize(maxBytes)
  }

  /** The record of a regular field, if there is one. */
  record(name: string): NameRecord | undefined {
    return this.#fields.get(name)
  }

  /** The record of a pseudo-field, if there is one. */
  pseudoRecord(name: string): NameRecord | undefined {
    return this.#pseudoFields.get(name)
  }

  /** Makes the record of a name that the caller has checked. */
  describe(name: string): NameRecord {
    const { fieldClass, isListed } = fieldName(name)
    const { nameIndex, values } = this.#staticByName.get(name) ?? NOT_STATIC
    const record: NameRecord = {
      name,
      fieldClass,
      staticIndex: nameIndex,
      staticValues: values,
      isKept: isListed,
      newest: undefined,
      oldest: undefined,
    }
    if (isListed) this.#recordsOf(name).set(name, record)
    return record
  }

  /** The static index of a field, or NO_INDEX. */
  staticIndexOf({ staticValues }: NameRecord, value: string): number {
    for (let i = 0; i < staticValues.length; i++) {
      const entry = staticValues[i] as StaticValue // i < length
      if (entry.value === value) return entry.index
    }
    return NO_INDEX
  }

  /** The newest entry of a field whose number is below `limit`. */
  newestEntry({ newest }: NameRecord, value: string, limit: number = Infinity): TableEntry | undefined {
    let compared = 0
    for (let entry = newest; entry !== undefined && compared < MAX_COMPARED_VALUES; entry = entry.older) {
      if (entry.value === value && entry.number < limit) return entry
      compared++
    }
    return undefined
  }

  /** The newest entry of a name whose number is below `limit`. */
  newestNamed({ newest }: NameRecord, limit: number): TableEntry | undefined {
    let compared = 0
    for (let entry = newest; entry !== undefined && compared < MAX_COMPARED_VALUES; entry = entry.older) {
      if (entry.number < limit) return entry
      compared++
    }
    return undefined
  }

  /**
   * The bytes of an entry and of all that were inserted after it: what is at most `maxBytes` is still there.
   */
  ageBytes(entry: TableEntry): number {
    return this.#bytesInserted - entry.bytesBefore
  }

  /** The bytes of the entry with this number, which must be there. */
  bytesOf(number: number): number {
    const index = this.#table.inserted - 1 - number
    return entryBytes(this.#table.nameAt(index), this.#table.valueAt(index))
  }

  /** Inserts a field; it must fit. */
  insert(record: NameRecord, value: string): void {
    // Before the entry is linked: to make room may evict the last one of this name, and with it the record.
    this.#table.insert(record.name, value)
    this.#recordsOf(record.name).set(record.name, record)
    const older = record.newest
    const number = this.#table.inserted - 1
    const entry: TableEntry = { value, number, bytesBefore: this.#bytesInserted, older, newer: undefined }
    this.#bytesInserted += entryBytes(record.name, value)
    if (older === undefined) record.oldest = entry
    else older.newer = entry
    record.newest = entry
  }

  /** For tests: name, value, … from the newest entry on. */
  contents(): string[] {
    return this.#table.contents()
  }

  #recordsOf(name: string): Map<string, NameRecord> {
    return name.startsWith(':') ? this.#pseudoFields : this.#fields
  }

  /** The oldest entry of all is the oldest one of its name. */
  #forget(name: string, number: number): void {
    const records = this.#recordsOf(name)
    const record = records.get(name)
    if (record?.oldest?.number !== number) return
    const { newer } = record.oldest
    record.oldest = newer
    if (newer !== undefined) newer.older = undefined
    else {
      record.newest = undefined
      if (!record.isKept) records.delete(name)
    }
  }
}
