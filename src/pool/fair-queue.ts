import { TransportError } from '../base/errors.ts'
import { WaiterQueue } from './waiter-queue.ts'

/**
 * Who waits, in turns: each key (a client, a host, a route) has a queue of its own, and the queues are served
 * one waiter each, round and round (J. Nagle, RFC 970), so that who sends a thousand requests waits for its
 * own and nobody else does. A key that comes new, or comes back, is last in the round. Where all places are
 * taken, the longest queue pays for a newcomer of a shorter one (RFC 8290 4.1.3).
 *
 * The same names as WaiterQueue, so that a pool has the one or the other.
 */
export class FairQueue<Waiter> {
  // A method, so that a queue of some waiters passes for one of any.
  readonly #keys: { of(waiter: Waiter): string }
  /** Everybody, in the order of their times. */
  readonly #all = new WaiterQueue<Waiter>()
  /** Those that were served before and go first. */
  readonly #returned = new WaiterQueue<Waiter>()
  /** The others by key; the order of the keys is that of the round. */
  readonly #byKey = new Map<string, WaiterQueue<Waiter>>()
  /** The keys by the length of their queues, so that the longest is found without a look at all. */
  readonly #byLength: Set<string>[] = []
  #longest = 0

  constructor(keyOf: (waiter: Waiter) => string) {
    this.#keys = { of: keyOf }
  }

  get size(): number {
    return this.#all.size
  }

  get firstDeadline(): number {
    return this.#all.firstDeadline
  }

  get headSince(): number | undefined {
    return this.#all.headSince
  }

  has(waiter: Waiter): boolean {
    return this.#all.has(waiter)
  }

  push(waiter: Waiter, since: number, deadline: number): void {
    this.#all.push(waiter, since, deadline)
    const key = this.#keys.of(waiter)
    const queue = this.#byKey.get(key) ?? new WaiterQueue<Waiter>()
    this.#byKey.set(key, queue)
    queue.push(waiter, since, deadline)
    this.#onLength(key, queue.size - 1, queue.size)
  }

  pushFront(waiter: Waiter, since: number, deadline: number): void {
    this.#all.pushFront(waiter, since, deadline)
    this.#returned.pushFront(waiter, since, deadline)
  }

  shift(): Waiter | undefined {
    return this.#takeTurn(queue => queue.shift())
  }

  /** The last one of whose turn it is. */
  pop(): Waiter | undefined {
    return this.#takeTurn(queue => queue.pop())
  }

  /** Who waits for longest, whoever's turn it is. */
  shiftOldest(): Waiter | undefined {
    const waiter = this.#all.shift()
    if (waiter !== undefined) this.#leave(waiter)
    return waiter
  }

  shiftExpired(now: number): Waiter | undefined {
    return now >= this.firstDeadline ? this.shiftOldest() : undefined
  }

  remove(waiter: Waiter): boolean {
    if (!this.#all.remove(waiter)) return false
    this.#leave(waiter)
    return true
  }

  /** Who makes room: the last one of the longest queue. Undefined: that is the newcomer's queue. */
  popFor(newcomer: Waiter): Waiter | undefined {
    const own = this.#byKey.get(this.#keys.of(newcomer))?.size ?? 0
    const [key] = this.#byLength[this.#longest] ?? []
    if (key === undefined || own + 1 >= this.#longest) return undefined
    const queue = this.#byKey.get(key)
    const waiter = queue?.pop()
    if (queue === undefined || waiter === undefined) return undefined
    this.#all.remove(waiter)
    this.#onLength(key, queue.size + 1, queue.size)
    return waiter
  }

  assertConsistent(): void {
    this.#all.assertConsistent()
    this.#returned.assertConsistent()
    let count = this.#returned.size
    let longest = 0
    for (const [key, queue] of this.#byKey) {
      queue.assertConsistent()
      count += queue.size
      longest = Math.max(longest, queue.size)
      if (this.#byLength[queue.size]?.has(key) !== true || queue.size === 0) throw fault(`${key} is lost`)
    }
    if (count !== this.#all.size) throw fault(`${this.#all.size} wait, ${count} of them by key`)
    if (longest !== this.#longest) throw fault(`the longest has ${longest}, not ${this.#longest}`)
  }

  #takeTurn(take: (queue: WaiterQueue<Waiter>) => Waiter | undefined): Waiter | undefined {
    const first = take(this.#returned)
    if (first !== undefined) {
      this.#all.remove(first)
      return first
    }
    for (const [key, queue] of this.#byKey) {
      const waiter = take(queue)
      if (waiter === undefined) continue
      this.#all.remove(waiter)
      this.#onLength(key, queue.size + 1, queue.size)
      if (queue.size > 0) {
        this.#byKey.delete(key) // to the end of the round
        this.#byKey.set(key, queue)
      }
      return waiter
    }
    return undefined
  }

  /** It has left the queue of all. */
  #leave(waiter: Waiter): void {
    if (this.#returned.remove(waiter)) return
    const key = this.#keys.of(waiter)
    const queue = this.#byKey.get(key)
    if (queue?.remove(waiter) === true) this.#onLength(key, queue.size + 1, queue.size)
  }

  #onLength(key: string, before: number, after: number): void {
    this.#byLength[before]?.delete(key)
    if (after === 0) this.#byKey.delete(key)
    else {
      this.#byLength[after] ??= new Set()
      this.#byLength[after].add(key)
    }
    if (after > this.#longest || this.#byLength[this.#longest]?.size === 0) this.#longest = after
  }
}

function fault(message: string): TransportError {
  return new TransportError('MM_INTERNAL', `pool: the fair queue: ${message}`)
}
