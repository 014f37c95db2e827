/**
 * The memory that all buffered responses of the process share. A response takes it by the block, filled or
 * not.
 */
export class BufferBudget {
  #usedBytes = 0
  limitBytes: number

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** May be below zero: what was read already is taken in, and the limit may have come down. */
  get freeBytes(): number {
    return this.limitBytes - this.#usedBytes
  }

  take(bytes: number): void {
    this.#usedBytes += bytes
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
