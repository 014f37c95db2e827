import { TransportError } from '../base/errors.ts'

interface Entry<Waiter> {
  readonly waiter: Waiter
  readonly since: number
  /** Infinity: may wait for ever. */
  readonly deadline: number
  previous: Entry<Waiter> | undefined
  next: Entry<Waiter> | undefined
}

/**
 * Who waits for a connection: first in, first out, or the last first where the pool is overloaded; any of
 * them can leave in O(1). All may wait equally long, so that the head has the earliest deadline.
 */
export class WaiterQueue<Waiter> {
  readonly #entries = new Map<Waiter, Entry<Waiter>>()
  #head: Entry<Waiter> | undefined
  #tail: Entry<Waiter> | undefined

  get size(): number {
    return this.#entries.size
  }

  /** The earliest deadline; Infinity when there is none. */
  get firstDeadline(): number {
    return this.#head === undefined ? Infinity : this.#head.deadline
  }

  /** Since when the head waits; undefined: nobody does. */
  get headSince(): number | undefined {
    return this.#head?.since
  }

  has(waiter: Waiter): boolean {
    return this.#entries.has(waiter)
  }

  push(waiter: Waiter, since: number, deadline: number): void {
    const entry = this.#enter(waiter, since, deadline)
    entry.previous = this.#tail
    if (this.#tail === undefined) this.#head = entry
    else this.#tail.next = entry
    this.#tail = entry
  }

  /** Back to the head: it was served already and what it got is no good. The order of deadlines is kept. */
  pushFront(waiter: Waiter, since: number, deadline: number): void {
    const earliest = this.#head === undefined ? since : Math.min(since, this.#head.since)
    const entry = this.#enter(waiter, earliest, Math.min(deadline, this.firstDeadline))
    entry.next = this.#head
    if (this.#head === undefined) this.#tail = entry
    else this.#head.previous = entry
    this.#head = entry
  }

  shift(): Waiter | undefined {
    const entry = this.#head
    if (entry === undefined) return undefined
    this.#leave(entry)
    return entry.waiter
  }

  /** Who waits for longest. */
  shiftOldest(): Waiter | undefined {
    return this.shift()
  }

  /** Who came last. */
  pop(): Waiter | undefined {
    const entry = this.#tail
    if (entry === undefined) return undefined
    this.#leave(entry)
    return entry.waiter
  }

  /** The head, if its time is up. */
  shiftExpired(now: number): Waiter | undefined {
    return now >= this.firstDeadline ? this.shift() : undefined
  }

  /** Who makes room for a newcomer; undefined: nobody, the newcomer is one too many. */
  popFor(_newcomer: Waiter): Waiter | undefined {
    return undefined
  }

  /** False when it does not wait. */
  remove(waiter: Waiter): boolean {
    const entry = this.#entries.get(waiter)
    if (entry === undefined) return false
    this.#leave(entry)
    return true
  }

  assertConsistent(): void {
    let count = 0
    let previous: Entry<Waiter> | undefined
    for (let entry = this.#head; entry !== undefined; entry = entry.next) {
      count += 1
      if (entry.previous !== previous || this.#entries.get(entry.waiter) !== entry) {
        throw new TransportError('MM_INTERNAL', 'pool: the queue of waiters is torn')
      }
      if (previous !== undefined && (previous.deadline > entry.deadline || previous.since > entry.since)) {
        throw new TransportError('MM_INTERNAL', 'pool: the waiters are not in order of their times')
      }
      previous = entry
    }
    if (previous !== this.#tail || count !== this.#entries.size) {
      throw new TransportError('MM_INTERNAL', `pool: ${this.#entries.size} waiters, ${count} in the queue`)
    }
  }

  #enter(waiter: Waiter, since: number, deadline: number): Entry<Waiter> {
    if (this.#entries.has(waiter)) {
      throw new TransportError('MM_INTERNAL', 'pool: acquire() by a waiter that waits already')
    }
    const entry: Entry<Waiter> = { waiter, since, deadline, previous: undefined, next: undefined }
    this.#entries.set(waiter, entry)
    return entry
  }

  #leave(entry: Entry<Waiter>): void {
    if (entry.previous === undefined) this.#head = entry.next
    else entry.previous.next = entry.next
    if (entry.next === undefined) this.#tail = entry.previous
    else entry.next.previous = entry.previous
    this.#entries.delete(entry.waiter)
  }
}
