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

/**
 * Connections that carry something and have room for more; the least loaded on top, the elder one among
 * equals. A binary heap whose members know their place, so that a load that changed by one is mended in O(log
 * n).
 */
export class LoadHeap<Link> {
  readonly #slots: Slot<Link>[] = []

  get top(): Slot<Link> | undefined {
    return this.#slots[0]
  }

  get size(): number {
    return this.#slots.length
  }

  push(slot: Slot<Link>): void {
    this.#slots.push(slot)
    this.#rise(slot, this.#slots.length - 1)
  }

  /** The load of a member changed. */
  update(slot: Slot<Link>): void {
    this.#rise(slot, slot.heapIndex)
    this.#sink(slot, slot.heapIndex)
  }

  remove(slot: Slot<Link>): void {
    const hole = slot.heapIndex
    const last = this.#slots.pop()
    slot.heapIndex = -1
    if (last === undefined || last === slot) return
    this.#put(last, hole)
    this.update(last)
  }

  #rise(slot: Slot<Link>, from: number): void {
    let at = from
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = this.#slots[parentAt]
      if (parent === undefined || !isLighter(slot, parent)) break
      this.#put(parent, at)
      at = parentAt
    }
    this.#put(slot, at)
  }

  #sink(slot: Slot<Link>, from: number): void {
    let at = from
    for (;;) {
      let childAt = 2 * at + 1
      let child = this.#slots[childAt]
      if (child === undefined) break
      const other = this.#slots[childAt + 1]
      if (other !== undefined && isLighter(other, child)) {
        child = other
        childAt += 1
      }
      if (!isLighter(child, slot)) break
      this.#put(child, at)
      at = childAt
    }
    this.#put(slot, at)
  }

  #put(slot: Slot<Link>, at: number): void {
    this.#slots[at] = slot
    slot.heapIndex = at
  }
}

function isLighter(a: Slot<unknown>, b: Slot<unknown>): boolean {
  return a.usedStreams < b.usedStreams || (a.usedStreams === b.usedStreams && a.id < b.id)
}
