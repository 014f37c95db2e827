/** What an entry counts above its name and value (RFC 7541 4.1, RFC 9204 3.2.1). */
const ENTRY_OVERHEAD_BYTES = 32

/** The size of an entry. Strings are latin1, so that a character is a byte. */
export function entryBytes(name: string, value: string): number {
  return name.length + value.length + ENTRY_OVERHEAD_BYTES
}

/** Is notified of each entry that leaves, with its number: the first entry ever was 0. */
export type OnEvict = (name: string, number: number) => void

/** A table of 4096 bytes seldom has more, and never more than 128. */
const INITIAL_SLOTS = 32

/**
 * The dynamic table (RFC 7541 2.3.2): first in, first out, bounded by bytes. A ring, so that nothing is ever
 * moved.
 */
export class DynamicTable {
  readonly #onEvict: OnEvict | undefined
  #names: string[] = emptySlots(INITIAL_SLOTS)
  #values: string[] = emptySlots(INITIAL_SLOTS)
  #mask = INITIAL_SLOTS - 1
  #inserted = 0
  #count = 0
  #bytes = 0
  #maxBytes: number
  #generation = 0

  constructor(maxBytes: number, onEvict?: OnEvict) {
    this.#maxBytes = maxBytes
    this.#onEvict = onEvict
  }

  /** Entries inserted so far: the number of the next one. */
  get inserted(): number {
    return this.#inserted
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  get maxBytes(): number {
    return this.#maxBytes
  }

  /** Changes with every insertion, eviction and resize: as long as it stays, every index means the same. */
  get generation(): number {
    return this.#generation
  }

  /** The name at an index below `count`; 0 is the newest. */
  nameAt(index: number): string {
    return this.#names[(this.#inserted - 1 - index) & this.#mask] as string // masked to the size of the ring
  }

  /** The value at an index below `count`; 0 is the newest. */
  valueAt(index: number): string {
    return this.#values[(this.#inserted - 1 - index) & this.#mask] as string // masked to the size of the ring
  }

  /**
   * Inserts an entry. One that is larger than the table empties it, and is not there afterwards (RFC 7541
   * 4.4).
   */
  insert(name: string, value: string): void {
    const bytes = entryBytes(name, value)
    this.#generation++
    this.#evictTo(this.#maxBytes - bytes)
    if (bytes > this.#maxBytes) return
    if (this.#count > this.#mask) this.#grow()
    const slot = this.#inserted & this.#mask
    this.#names[slot] = name
    this.#values[slot] = value
    this.#inserted++
    this.#count++
    this.#bytes += bytes
  }

  /** Changes the limit, and evicts what is above it. */
  resize(maxBytes: number): void {
    this.#generation++
    this.#maxBytes = maxBytes
    this.#evictTo(maxBytes)
  }

  /** For tests: name, value, … from the newest entry on. */
  contents(): string[] {
    return Array.from({ length: this.#count }, (_, i) => [this.nameAt(i), this.valueAt(i)]).flat()
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#count > 0) {
      const number = this.#inserted - this.#count
      const slot = number & this.#mask
      const name = this.#names[slot] as string // masked to the size of the ring
      const value = this.#values[slot] as string // likewise
      // What was evicted is let go of: it may be a secret of the peer's.
      this.#names[slot] = ''
      this.#values[slot] = ''
      this.#bytes -= entryBytes(name, value)
      this.#count--
      this.#onEvict?.(name, number)
    }
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2
    const names = emptySlots(size)
    const values = emptySlots(size)
    for (let index = 0; index < this.#count; index++) {
      const slot = (this.#inserted - 1 - index) & (size - 1)
      names[slot] = this.nameAt(index)
      values[slot] = this.valueAt(index)
    }
    this.#names = names
    this.#values = values
    this.#mask = size - 1
  }
}

function emptySlots(length: number): string[] {
  return Array.from({ length }, () => '')
}
