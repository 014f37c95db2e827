import type { Slot } from './slot.ts'

/**
 * Idle connections in the order in which they became idle, as an intrusive list: nothing is allocated and
 * everything is O(1). Leases take the newest (so that surplus ages out at the other end), evictions the
 * oldest.
 */
export class IdleStack<Link> {
  #newest: Slot<Link> | undefined
  #oldest: Slot<Link> | undefined
  #size = 0

  get newest(): Slot<Link> | undefined {
    return this.#newest
  }

  get oldest(): Slot<Link> | undefined {
    return this.#oldest
  }

  get size(): number {
    return this.#size
  }

  push(slot: Slot<Link>): void {
    slot.isStacked = true
    slot.older = this.#newest
    if (this.#newest === undefined) this.#oldest = slot
    else this.#newest.newer = slot
    this.#newest = slot
    this.#size += 1
  }

  remove(slot: Slot<Link>): void {
    const { older, newer } = slot
    if (newer === undefined) this.#newest = older
    else newer.older = older
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    slot.older = undefined
    slot.newer = undefined
    slot.isStacked = false
    this.#size -= 1
  }
}
