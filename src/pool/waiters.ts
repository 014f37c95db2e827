import { TransportError } from '../errors.ts'

interface Entry<Waiter> {
  readonly waiter: Waiter
  /** Infinity: may wait for ever. */
  readonly deadline: number
  previous: Entry<Waiter> | undefined
  next: Entry<Waiter> | undefined
}

/**
 * Who waits for a connection: first in, first out; any of them can leave in O(1). All wait equally long, so that the head has the
 * earliest deadline.
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

  has(waiter: Waiter): boolean {
    return this.#entries.has(waiter)
  }

  push(waiter: Waiter, deadline: number): void {
    const entry = this.#enter(waiter, deadline)
    entry.previous = this.#tail
    if (this.#tail === undefined) this.#head = entry
    else this.#tail.next = entry
    this.#tail = entry
  }

  /** Back to the head: it was served already and what it got is no good. The order of deadlines is kept. */
  pushFront(waiter: Waiter, deadline: number): void {
    const entry = this.#enter(waiter, Math.min(deadline, this.firstDeadline))
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

  /** The head, if its time is up. */
  shiftExpired(now: number): Waiter | undefined {
    return now >= this.firstDeadline ? this.shift() : undefined
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
      if (previous !== undefined && previous.deadline > entry.deadline) {
        throw new TransportError('MM_INTERNAL', 'pool: the waiters are not in order of their deadlines')
      }
      previous = entry
    }
    if (previous !== this.#tail || count !== this.#entries.size) {
      throw new TransportError('MM_INTERNAL', `pool: ${this.#entries.size} waiters, ${count} in the queue`)
    }
  }

  #enter(waiter: Waiter, deadline: number): Entry<Waiter> {
    if (this.#entries.has(waiter)) {
      throw new TransportError('MM_INTERNAL', 'pool: acquire() by a waiter that waits already')
    }
    const entry: Entry<Waiter> = { waiter, deadline, previous: undefined, next: undefined }
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
