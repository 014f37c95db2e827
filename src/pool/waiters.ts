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

/** All who wait for a connection of a pool: those that take any, and those that want a new one. */
export class Waiters<Waiter> {
  /** Those that take any connection. */
  readonly any = new WaiterQueue<Waiter>()
  /** Those that a reused connection died under: they want a new one. */
  readonly fresh = new WaiterQueue<Waiter>()
  readonly #timeoutMs: number

  /** `timeoutMs` 0: they may wait for ever. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  get size(): number {
    return this.any.size + this.fresh.size
  }

  /** When the first of them has waited for long enough. */
  get dueAt(): number {
    return Math.min(this.any.firstDeadline, this.fresh.firstDeadline)
  }

  push(waiter: Waiter, isFresh: boolean, now: number): void {
    const queue = isFresh ? this.fresh : this.any
    queue.push(waiter, now, this.#deadline(now))
  }

  /** Back to the head, and content with any connection. */
  pushFront(waiter: Waiter, now: number): void {
    this.any.pushFront(waiter, now, this.#deadline(now))
  }

  /** False when it does not wait. */
  remove(waiter: Waiter): boolean {
    return this.any.remove(waiter) || this.fresh.remove(waiter)
  }

  /** One that has waited for long enough. */
  shiftExpired(now: number): Waiter | undefined {
    return this.fresh.shiftExpired(now) ?? this.any.shiftExpired(now)
  }

  /** Whichever comes next, in the order in which they are served. */
  shift(): Waiter | undefined {
    return this.fresh.shift() ?? this.any.shift()
  }

  /** A new connection is not to be had just now: those that wanted one are content with any. */
  takeWhatIsThere(now: number): void {
    const content: Waiter[] = []
    for (let waiter = this.fresh.shift(); waiter !== undefined; waiter = this.fresh.shift()) {
      content.push(waiter)
    }
    for (const waiter of content.toReversed()) this.pushFront(waiter, now)
  }

  assertConsistent(): void {
    this.any.assertConsistent()
    this.fresh.assertConsistent()
  }

  #deadline(now: number): number {
    return this.#timeoutMs === 0 ? Infinity : now + this.#timeoutMs
  }
}
