interface Entry<T> {
  readonly item: T
  readonly dueAt: number
}

/** Items in order of when they are due; those of the same moment in the order in which they were put in. */
export class DueQueue<T> {
  #entries: Entry<T>[] = []
  #head = 0

  get size(): number {
    return this.#entries.length - this.#head
  }

  /** Infinity: there is none. */
  get nextDueAt(): number {
    return this.#entries[this.#head]?.dueAt ?? Number.POSITIVE_INFINITY
  }

  put(item: T, dueAt: number): void {
    // Nearly all belong at the end or close to it: a few late ones are passed.
    let at = this.#entries.length
    while (at > this.#head && (this.#entries[at - 1]?.dueAt ?? dueAt) > dueAt) at--
    if (at === this.#entries.length) this.#entries.push({ item, dueAt })
    else this.#entries.splice(at, 0, { item, dueAt })
  }

  /** The first item, when its time has come. */
  take(now: number): T | undefined {
    const first = this.#entries[this.#head]
    if (first === undefined || first.dueAt > now) return undefined
    this.#head++
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return first.item
  }
}
