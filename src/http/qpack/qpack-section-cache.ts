import { blockHash } from '../field-compression/block-cache.ts'
import type { DynamicTable } from '../field-compression/dynamic-table.ts'
import type { FieldBlock } from '../field-compression/field-block.ts'

const SLOTS = 64
/** Larger ones seldom come again, and would make the memory of an idle connection large. */
const MAX_SECTION_BYTES = 1024
/** What a section decodes to: a peer could have 64 sections of 1000 references each kept. */
const MAX_CACHED_FIELDS = 64
const MAX_CACHED_LIST_BYTES = 8192

interface CachedSection {
  readonly hash: number
  /** As latin1: see BlockCache. */
  readonly text: string
  readonly block: FieldBlock
  /** The Required Insert Count that the bytes stood for. */
  readonly required: number
  /** The number of the oldest entry that it refers to; Infinity when it refers to none. */
  readonly oldest: number
}

/**
 * Decoded field sections by their bytes: a head that comes again costs a hash and a comparison. It is simpler
 * than HPACK's BlockCache, for sections change no table, and the same bytes with the same Required Insert
 * Count refer to the same entries, whatever was inserted since. So a section stays until one of its entries
 * is evicted; it is dropped then, so that nothing is held longer than the table holds it.
 *
 * A section is kept when its hash comes for the second time, as in BlockCache.
 */
export class SectionCache {
  readonly #table: DynamicTable
  readonly #seen = new Int32Array(SLOTS)
  #slots: (CachedSection | undefined)[] | undefined
  /** No section in the slots refers to an older entry. */
  #oldest = Infinity
  /** Of the section that find() was last asked for. */
  #hash = 0
  #isWanted = false

  constructor(table: DynamicTable) {
    this.#table = table
  }

  /**
   * The section with these bytes and this Required Insert Count; or undefined, and then offer() may follow.
   */
  find(buffer: Buffer, start: number, end: number, required: number): FieldBlock | undefined {
    this.#isWanted = false
    if (end - start > MAX_SECTION_BYTES) return undefined
    const hash = blockHash(buffer, start, end)
    const slot = hash & (SLOTS - 1)
    const cached = this.#slots?.[slot]
    if (
      cached !== undefined &&
      cached.hash === hash &&
      cached.required === required &&
      cached.text === buffer.toString('latin1', start, end)
    ) {
      return cached.block
    }
    this.#hash = hash
    if (this.#seen[slot] === hash) this.#isWanted = true
    else this.#seen[slot] = hash
    return undefined
  }

  /**
   * The section that find() did not find was decoded, and has no secret literals: keeps it, if it came
   * before.
   */
  offer(
    block: FieldBlock,
    required: number,
    oldest: number,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    if (!this.#isWanted) return
    if (block.fields.length > 2 * MAX_CACHED_FIELDS || block.bytes > MAX_CACHED_LIST_BYTES) return
    const slots = (this.#slots ??= Array.from({ length: SLOTS }, () => undefined))
    const text = buffer.toString('latin1', start, end)
    slots[this.#hash & (SLOTS - 1)] = { hash: this.#hash, text, block, required, oldest }
    if (oldest < this.#oldest) this.#oldest = oldest
  }

  /** Entries may have been evicted: drops the sections that refer to them. */
  settle(): void {
    const evicted = this.#table.inserted - this.#table.count
    if (this.#oldest >= evicted) return
    let oldest = Infinity
    this.#slots = this.#slots?.map(cached => {
      if (cached === undefined || cached.oldest < evicted) return undefined
      if (cached.oldest < oldest) oldest = cached.oldest
      return cached
    })
    this.#oldest = oldest
  }

  /** For tests: the fields of everything that is kept. */
  contents(): string[] {
    return (this.#slots ?? []).flatMap(cached => cached?.block.fields ?? [])
  }
}
