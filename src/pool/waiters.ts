import { FairQueue } from './fair-queue.ts'
import { WaiterQueue } from './waiter-queue.ts'

/** All who wait for a connection of a pool: those that take any, and those that want a new one. */
export class Waiters<Waiter> {
  /** Those that take any connection. */
  readonly any: WaiterQueue<Waiter> | FairQueue<Waiter>
  /** Those that a reused connection died under: they want a new one. */
  readonly fresh = new WaiterQueue<Waiter>()
  readonly #timeoutMs: number

  /** `timeoutMs` 0: no timeout. `fairKeyOf`: whose turn a waiter takes; left out: one line for all. */
  constructor(timeoutMs: number, fairKeyOf?: (waiter: Waiter) => string) {
    this.#timeoutMs = timeoutMs
    this.any = fairKeyOf === undefined ? new WaiterQueue() : new FairQueue(fairKeyOf)
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
