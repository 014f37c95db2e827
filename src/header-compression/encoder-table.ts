import { DynamicTable } from './dynamic-table.ts'
import type { FieldClass } from './field-classes.ts'
import { fieldName } from './field-classes.ts'
import type { StaticName, StaticValue } from './hpack-static-table.ts'
import { STATIC_BY_NAME, STATIC_COUNT } from './hpack-static-table.ts'

/** One entry of the dynamic table, in the list of those with its name. */
interface Entry {
  readonly value: string
  readonly number: number
  older: Entry | undefined
  newer: Entry | undefined
}

/** A name with all that is known of it: one look-up answers everything. */
export interface NameRecord {
  readonly name: string
  readonly fieldClass: FieldClass
  /** The index of the name in the static table, or 0. */
  readonly staticIndex: number
  readonly staticValues: readonly StaticValue[]
  /** Whether it stays when no entry has the name: there is a bounded number of those. */
  readonly isKept: boolean
  newest: Entry | undefined
  oldest: Entry | undefined
}

/** How many values of one name are compared with. A field with more has no repeating values, or is an attempt to make us slow. */
const MAX_COMPARED_VALUES = 16

const NOT_STATIC: StaticName = { nameIndex: 0, values: [] }

/** The dynamic table of an encoder (RFC 7541 2.3.2) with the way back from a field to its index. */
export class EncoderTable {
  readonly #table: DynamicTable
  // Two maps, so that a pseudo-field is never found among the fields of a list.
  readonly #fields = new Map<string, NameRecord>()
  readonly #pseudoFields = new Map<string, NameRecord>()

  constructor(maxBytes: number) {
    this.#table = new DynamicTable(maxBytes, (name, number) => this.#forget(name, number))
  }

  get maxBytes(): number {
    return this.#table.maxBytes
  }

  get generation(): number {
    return this.#table.generation
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
    const { nameIndex, values } = STATIC_BY_NAME.get(name) ?? NOT_STATIC
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

  /** The index of a field that is in a table, or 0. */
  indexOf(record: NameRecord, value: string): number {
    const { staticValues } = record
    for (let i = 0; i < staticValues.length; i++) {
      const entry = staticValues[i] as StaticValue // i < length
      if (entry.value === value) return entry.index
    }
    let compared = 0
    for (
      let entry = record.newest;
      entry !== undefined && compared < MAX_COMPARED_VALUES;
      entry = entry.older
    ) {
      if (entry.value === value) return STATIC_COUNT + this.#table.inserted - entry.number
      compared++
    }
    return 0
  }

  /** An index whose entry has the name, or 0. */
  nameIndexOf(record: NameRecord): number {
    if (record.staticIndex !== 0) return record.staticIndex
    return record.newest === undefined ? 0 : STATIC_COUNT + this.#table.inserted - record.newest.number
  }

  /** Inserts a field; it must fit. */
  insert(record: NameRecord, value: string): void {
    // Before the entry is linked: to make room may evict the last one of this name, and with it the record.
    this.#table.insert(record.name, value)
    this.#recordsOf(record.name).set(record.name, record)
    const older = record.newest
    const entry: Entry = { value, number: this.#table.inserted - 1, older, newer: undefined }
    if (older === undefined) record.oldest = entry
    else older.newer = entry
    record.newest = entry
  }

  /** For tests: name, value, … from the newest entry on. */
  contents(): string[] {
    return Array.from({ length: this.#table.count }, (_, i) => [
      this.#table.nameAt(i),
      this.#table.valueAt(i),
    ]).flat()
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
