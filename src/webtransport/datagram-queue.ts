import { Fifo } from '../base/fifo.ts'

interface Queued {
  readonly bytes: Uint8Array
  readonly at: number
}

/**
 * Datagrams that wait: so many at the most, and for so long. What comes to a full queue drives out the oldest
 * one, since of datagrams the newest is worth most; what is too old is dropped when its turn comes.
 */
export class DatagramQueue {
  readonly #items = new Fifo<Queued>()
  /** How many may wait. */
  highWaterMark: number
  /** In ms. Infinity: for any time. */
  maxAge: number
  /** Driven out by newer ones. */
  dropped = 0
  /** Too old when their turn came. */
  expired = 0

  constructor(highWaterMark: number, maxAge: number) {
    this.highWaterMark = highWaterMark
    this.maxAge = maxAge
  }

  get length(): number {
    return this.#items.length
  }

  push(bytes: Uint8Array, now: number): void {
    while (this.#items.length > 0 && this.#items.length >= this.highWaterMark) {
      this.#items.shift()
      this.dropped += 1
    }
    this.#items.push({ bytes, at: now })
  }

  /** The oldest one that is not too old. */
  peek(now: number): Uint8Array | undefined {
    for (let item = this.#items.peek(); item !== undefined; item = this.#items.peek()) {
      if (now - item.at <= this.maxAge) return item.bytes
      this.#items.shift()
      this.expired += 1
    }
    return undefined
  }

  shift(): void {
    this.#items.shift()
  }

  clear(): void {
    this.#items.clear()
  }
}
