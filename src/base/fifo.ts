const MIN_SLOTS = 8
/** A queue that was long for once does not keep its slots. */
const MAX_IDLE_SLOTS = 1024

/**
 * First in, first out, in a ring that doubles: adding and taking cost the same however long the queue is.
 * `shift()` on an array moves everything that waits once the array is longer than about 16,000, which makes a
 * flood of small pieces quadratic.
 */
export class Fifo<Item> {
  #slots: (Item | undefined)[] = []
  #first = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(item: Item): void {
    if (this.#length === this.#slots.length) this.#grow()
    this.#slots[(this.#first + this.#length) & (this.#slots.length - 1)] = item
    this.#length += 1
  }

  peek(): Item | undefined {
    return this.#length === 0 ? undefined : this.#slots[this.#first]
  }

  /** The first one, taken out. */
  shift(): Item | undefined {
    if (this.#length === 0) return undefined
    const item = this.#slots[this.#first]
    this.#slots[this.#first] = undefined // the ring must not keep what was taken alive
    this.#length -= 1
    if (this.#length > 0) this.#first = (this.#first + 1) & (this.#slots.length - 1)
    else this.#onEmpty()
    return item
  }

  clear(): void {
    this.#slots = []
    this.#first = 0
    this.#length = 0
  }

  #onEmpty(): void {
    this.#first = 0
    if (this.#slots.length > MAX_IDLE_SLOTS) this.#slots = []
  }

  /** The number of slots is a power of two, so that an index wraps by a mask. */
  #grow(): void {
    const { length } = this.#slots
    const slots = this.#slots.slice(this.#first).concat(this.#slots.slice(0, this.#first))
    for (let i = Math.max(MIN_SLOTS, length * 2) - length; i > 0; i--) slots.push(undefined)
    this.#slots = slots
    this.#first = 0
  }
}
