import type { BufferBudget } from './buffer-options.ts'

/** Of a body of unknown length the first block is small, since it may be a trickle. */
const FIRST_BLOCK_BYTES = 16_384
const BLOCK_BYTES = 65_536

interface Block {
  readonly memory: Buffer
  start: number
  end: number
  next: Block | undefined
}

/**
 * What an origin has sent of a body and its client has not taken. Chunks are copied into blocks of its own,
 * so that what is counted is what is held: neither a trickle of tiny chunks nor a view of a large read costs
 * more. It keeps to its limit once its owner stops the origin: see `isFull`.
 */
export class ResponseBuffer {
  readonly #budget: BufferBudget
  readonly #limitBytes: number
  #first: Block | undefined
  #last: Block | undefined
  #bytes = 0
  #blockBytes = 0
  /** Taken from the budget for what is still to come, so that a body that was admitted fits to its end. */
  #reservedBytes = 0

  private constructor(budget: BufferBudget, limitBytes: number, reservedBytes: number) {
    this.#budget = budget
    this.#limitBytes = limitBytes
    this.#reservedBytes = reservedBytes
    budget.take(reservedBytes)
  }

  /**
   * For a body of which `bytesLeft` are to come, or nobody knows how many. Undefined: it does not fit, and
   * had better stay where it is.
   */
  static admit(
    budget: BufferBudget,
    maxBytes: number,
    bytesLeft: number | undefined,
  ): ResponseBuffer | undefined {
    if (Math.min(maxBytes, budget.freeBytes) < (bytesLeft ?? BLOCK_BYTES)) return undefined
    return new ResponseBuffer(budget, maxBytes, bytesLeft ?? 0)
  }

  /** Bytes that the client has not taken. */
  get bytes(): number {
    return this.#bytes
  }

  /** Nothing more is to come for now. A body whose length is known is never too large: it has its room. */
  get isFull(): boolean {
    if (this.#reservedBytes > 0) return false
    return this.#blockBytes + BLOCK_BYTES > this.#limitBytes || this.#budget.freeBytes < BLOCK_BYTES
  }

  /** Enough was taken of a full one to let the origin go on. */
  get hasRoom(): boolean {
    return !this.isFull && this.#bytes * 2 <= this.#limitBytes
  }

  append(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      const block = this.#blockWithRoom(chunk.length - at)
      const copied = chunk.copy(block.memory, block.end, at)
      block.end += copied
      at += copied
    }
    this.#bytes += chunk.length
  }

  /** The next piece, which is not written to any more; undefined: there is none. */
  take(): Buffer | undefined {
    const block = this.#first
    if (block === undefined || block.start === block.end) return undefined
    const piece = block.memory.subarray(block.start, block.end)
    block.start = block.end
    this.#bytes -= piece.length
    if (block.end === block.memory.length || this.#bytes === 0) this.#dropFirst(block)
    return piece
  }

  /** Nothing more comes: what was reserved for it is free. */
  complete(): void {
    this.#budget.giveBack(this.#reservedBytes)
    this.#reservedBytes = 0
  }

  /** Nobody wants it any more. */
  clear(): void {
    this.complete()
    this.#budget.giveBack(this.#blockBytes)
    this.#blockBytes = 0
    this.#bytes = 0
    this.#first = this.#last = undefined
  }

  #blockWithRoom(bytes: number): Block {
    const last = this.#last
    if (last !== undefined && last.end < last.memory.length) return last
    const size = this.#nextSize(bytes)
    const reserved = Math.min(this.#reservedBytes, size)
    this.#reservedBytes -= reserved
    this.#budget.take(size - reserved)
    this.#blockBytes += size
    const block: Block = { memory: Buffer.allocUnsafeSlow(size), start: 0, end: 0, next: undefined }
    if (last === undefined) this.#first = block
    else last.next = block
    this.#last = block
    return block
  }

  #nextSize(bytes: number): number {
    if (this.#reservedBytes > 0) return Math.min(this.#reservedBytes, BLOCK_BYTES)
    return this.#last === undefined && bytes <= FIRST_BLOCK_BYTES ? FIRST_BLOCK_BYTES : BLOCK_BYTES
  }

  #dropFirst(block: Block): void {
    this.#first = block.next
    if (block.next === undefined) this.#last = undefined
    this.#blockBytes -= block.memory.length
    this.#budget.giveBack(block.memory.length)
  }
}
