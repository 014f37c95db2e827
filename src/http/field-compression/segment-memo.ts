import type { HeaderList } from '../../base/http/headers.ts'

/**
 * Lists that come again: a cached response has one, and a proxy in front of a few hot ones some more. Each
 * miss looks at all.
 */
export const SEGMENT_SLOTS = 8

/** A segment of references is a dozen bytes; one that is longer has literals that make the list a one-off. */
const MAX_SEGMENT_BYTES = 256

/**
 * The encoded bytes of header lists, by the identity of the list, which is never changed. A segment holds
 * while the table has not changed at all, so that every index in it means the same. At first sight only the
 * identity is noted, at the second the bytes.
 */
export class SegmentMemo {
  readonly #lists: (HeaderList | undefined)[] = Array.from({ length: SEGMENT_SLOTS }, () => undefined)
  /** 0: only the identity is known. */
  readonly #lengths = new Uint16Array(SEGMENT_SLOTS)
  #bytes: Uint8Array | undefined
  #generation = 0
  #next = 0
  #isEmpty = true

  /** The slot that has the segment of a list; below 0: there is none. */
  find(list: HeaderList, generation: number): number {
    if (generation !== this.#generation) {
      this.#generation = generation
      this.clear()
      return -1
    }
    const slot = this.#lists.indexOf(list)
    return slot < 0 || this.#lengths[slot] === 0 ? -1 : slot
  }

  /**
   * Copies the segment that find() has found to `out` at `at`, which has MEMO_ROOM_BYTES of room. Returns
   * where it ended.
   */
  copy(slot: number, out: Uint8Array, at: number): number {
    const bytes = this.#bytes
    if (bytes === undefined) return at
    const length = this.#lengths[slot] as number // one of SEGMENT_SLOTS
    // A loop: a dozen bytes are copied before a call into C++ has begun.
    let from = slot * MAX_SEGMENT_BYTES
    let pos = at
    const end = at + length
    while (pos < end) out[pos++] = bytes[from++] as number // within the slot
    return end
  }

  /**
   * Notes what a list was encoded to, `source[start, end)`: references and plain literals only, nothing that
   * changed the table. Returns the slot that has the segment from now on; below 0: none has.
   */
  note(list: HeaderList, source: Uint8Array, start: number, end: number): number {
    const length = end - start
    if (length === 0 || length > MAX_SEGMENT_BYTES) return -1
    const known = this.#lists.indexOf(list)
    if (known < 0) {
      this.#isEmpty = false
      this.#lists[this.#next] = list
      this.#lengths[this.#next] = 0
      this.#next = (this.#next + 1) % SEGMENT_SLOTS
      return -1
    }
    this.#bytes ??= new Uint8Array(SEGMENT_SLOTS * MAX_SEGMENT_BYTES)
    this.#bytes.set(source.subarray(start, end), known * MAX_SEGMENT_BYTES)
    this.#lengths[known] = length
    return known
  }

  /** For tests: the fields of everything that is kept. */
  contents(): string[] {
    return this.#lists.flatMap(list => list ?? [])
  }

  /** Forgets everything. */
  clear(): void {
    if (this.#isEmpty) return
    this.#lists.fill(undefined)
    this.#lengths.fill(0)
    this.#isEmpty = true
  }
}

/** The room that copy() needs. */
export const MEMO_ROOM_BYTES: number = MAX_SEGMENT_BYTES
