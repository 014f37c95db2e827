/** How much of responses may be buffered, and for how long their clients may stall. */
export interface BufferOptions {
  /**
   * What is buffered of one response whose client stalls, so that its HTTP/1.1 connection to the origin comes
   * free. A response that is known to have more left is not buffered at all: it would hold the memory and the
   * connection. 0: nothing is buffered. Default 1,048,576 bytes.
   */
  responseBufferBytes: number
  /** What is buffered of all responses together. 0: nothing is buffered. Default 67,108,864 bytes. */
  maxBufferedBytes: number
  /**
   * The share of the requests under way to an origin whose clients may stall while others wait for one of its
   * connections, 0 to 1. Above it those that stall longest are ended (MM_CLIENT_TOO_SLOW), one for each
   * request that waits. 1: none is ever ended. Default 0.5.
   */
  maxStalledShare: number
  /** A client that has stalled for less than this is not ended. Default 1,000 ms. */
  stallGraceMs: number
}

export const DEFAULT_BUFFER_OPTIONS: Readonly<BufferOptions> = {
  responseBufferBytes: 1_048_576,
  maxBufferedBytes: 67_108_864,
  maxStalledShare: 0.5,
  stallGraceMs: 1_000,
}

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
