import type { DynamicTable } from './dynamic-table.ts'
import type { FieldBlock } from './field-block.ts'

const SLOTS = 64
/** Larger ones seldom come again, and would make the memory of an idle connection large. */
const MAX_BLOCK_BYTES = 1024
/** What a block decodes to: a peer could have 64 blocks of 1000 references each kept. */
const MAX_CACHED_FIELDS = 64
const MAX_CACHED_LIST_BYTES = 8192
/** Valid whatever the table holds. */
const ALWAYS = -1

interface CachedBlock {
  readonly hash: number
  /**
   * As latin1: to compare with bytes in a string takes 60 ns, as Buffer.compare does, and to keep them 1000
   * ns less.
   */
  readonly text: string
  readonly block: FieldBlock
  /** What the block inserts into the table: name, value, … A hit inserts it again. */
  readonly insertions: readonly string[]
  /**
   * The generation of the table that its references mean, or ALWAYS when it has none to the dynamic table.
   */
  readonly generation: number
}

/** What the decoder found in a block that forbids or limits that it is kept. */
export interface BlockTraits {
  /** Name, value, … in order; undefined when nobody listened. */
  readonly insertions: string[] | undefined
  readonly hasInsertions: boolean
  readonly hasDynamicReferences: boolean
  /** A size update, a never-indexed literal, or a literal of a secret field. */
  readonly isPrivate: boolean
}

/**
 * Decoded blocks by their bytes: a head that comes again costs a hash, a comparison and its insertions
 * instead of 0.5 to 1 microsecond. Two kinds stay right when the table changes:
 *
 *  1. Blocks without a reference to the dynamic table mean the same at any time. What they insert is inserted
 *     again on each hit, for the peer's encoder did so (nginx inserts every field of every response).
 *  2. Blocks with such references, which insert nothing, mean the same as long as the table has not changed
 *     at all. They are dropped when it does, so that nothing is held longer than the table holds it.
 *
 * A block is kept when its hash comes for the second time. Otherwise every block with a date or a request id
 * would be copied in vain, and connections that carry few requests would pay memory for nothing.
 */
export class BlockCache {
  readonly #table: DynamicTable
  readonly #seen = new Int32Array(SLOTS)
  #slots: (CachedBlock | undefined)[] | undefined
  /** How many in the slots are of the second kind, and their generation. */
  #dynamicCount = 0
  #dynamicGeneration = 0
  /** Of the block that find() was last asked for; 0 when it is too large to keep. */
  #hash = 0
  #isWanted = false

  constructor(table: DynamicTable) {
    this.#table = table
  }

  /** Whether the block that find() did not find should be offered with its insertions. */
  get isWanted(): boolean {
    return this.#isWanted
  }

  /**
   * The block with these bytes, its insertions done; or undefined, and then offer() or settle() must follow.
   */
  find(buffer: Buffer, start: number, end: number): FieldBlock | undefined {
    this.#isWanted = false
    if (end - start > MAX_BLOCK_BYTES) return undefined
    const hash = blockHash(buffer, start, end)
    const cached = this.#slots?.[hash & (SLOTS - 1)]
    if (
      cached !== undefined &&
      cached.hash === hash &&
      cached.text === buffer.toString('latin1', start, end)
    ) {
      const { insertions } = cached
      if (insertions.length > 0) {
        for (let i = 0; i < insertions.length; i += 2) {
          this.#table.insert(insertions[i] as string, insertions[i + 1] as string) // pairs
        }
        this.settle()
      }
      return cached.block
    }
    this.#hash = hash
    const slot = hash & (SLOTS - 1)
    if (this.#seen[slot] === hash) this.#isWanted = true
    else this.#seen[slot] = hash
    return undefined
  }

  /** A block was decoded: keeps it, if it is wanted and may be kept. */
  offer(block: FieldBlock, traits: BlockTraits, buffer: Buffer, start: number, end: number): void {
    this.settle()
    const { insertions, hasDynamicReferences } = traits
    if (!this.#isWanted || insertions === undefined || traits.isPrivate) return
    if (hasDynamicReferences && traits.hasInsertions) return
    if (block.fields.length > 2 * MAX_CACHED_FIELDS || block.bytes > MAX_CACHED_LIST_BYTES) return
    const slots = (this.#slots ??= Array.from({ length: SLOTS }, () => undefined))
    const slot = this.#hash & (SLOTS - 1)
    if (isDynamic(slots[slot])) this.#dynamicCount--
    const { generation } = this.#table
    slots[slot] = {
      hash: this.#hash,
      text: buffer.toString('latin1', start, end),
      block,
      insertions,
      generation: hasDynamicReferences ? generation : ALWAYS,
    }
    if (hasDynamicReferences) {
      this.#dynamicCount++
      this.#dynamicGeneration = generation
    }
  }

  /** The table may have changed: drops the blocks that this ends. */
  settle(): void {
    if (this.#dynamicCount === 0 || this.#dynamicGeneration === this.#table.generation) return
    this.#slots = this.#slots?.map(cached => (isDynamic(cached) ? undefined : cached))
    this.#dynamicCount = 0
  }

  /** For tests: the fields and insertions of everything that is kept. */
  contents(): string[] {
    return (this.#slots ?? []).flatMap(cached =>
      cached === undefined ? [] : [...cached.block.fields, ...cached.insertions],
    )
  }
}

function isDynamic(cached: CachedBlock | undefined): boolean {
  return cached !== undefined && cached.generation !== ALWAYS
}

/**
 * Up to this length every byte is hashed, as nginx's blocks differ in the few bytes of a length or a date. Of
 * longer blocks only some are; if they differ elsewhere, they take the slot from each other.
 */
const MAX_HASHED_BYTES = 512

/**
 * The hash of an encoded block, with its slot in the lowest bits. Never 0, so that what is empty matches
 * nothing.
 */
export function blockHash(buffer: Buffer, start: number, end: number): number {
  const step = 4 * Math.ceil((end - start) / MAX_HASHED_BYTES)
  const hash = hashBytes(buffer, start, end, step < 4 ? 4 : step)
  return hash ^ (hash >>> 16) || 1
}

/** Knuth's multiplier, 2^32 divided by the golden ratio: its products mix well into the upper bits. */
const MULTIPLIER = 0x9e3779b1

/**
 * A hash of `buffer[start, end)`; its upper bits depend on all bytes. Four bytes at a time, as it is the
 * chain of multiplications that takes time: 50 ns for 143 bytes (with readInt32LE 225). `step` above 4, a
 * multiple of it, leaves bytes out.
 */
export function hashBytes(buffer: Uint8Array, start: number, end: number, step = 4): number {
  let hash = end - start
  let i = start
  for (; i + 4 <= end; i += step) {
    const word =
      at(buffer, i) | (at(buffer, i + 1) << 8) | (at(buffer, i + 2) << 16) | (at(buffer, i + 3) << 24)
    hash = Math.imul(hash ^ word, MULTIPLIER)
  }
  for (; i < end; i++) hash = Math.imul(hash ^ at(buffer, i), MULTIPLIER)
  return hash
}

function at(buffer: Uint8Array, index: number): number {
  return buffer[index] as number // below end
}
