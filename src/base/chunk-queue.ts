import { Fifo } from './fifo.ts'

/**
 * The first block; later ones are as large as what waits already, so that at most half of the memory is
 * unused.
 */
const MIN_BLOCK_BYTES = 512
const MAX_BLOCK_BYTES = 16_384

/**
 * What a chunk costs besides its bytes: 194 bytes of heap in Node 20, and about as much for the bookkeeping
 * of its memory.
 */
export const CHUNK_OVERHEAD_BYTES = 384

const MIN_VIEW_BYTES = 32

/** A smaller chunk is copied into a block even if it could be kept as it is. */
const COPIED_BYTES = 4096

/**
 * Bytes that wait, first in, first out. Small chunks are joined in blocks: a peer that sends byte by byte
 * would otherwise make us keep a Buffer of some 400 bytes for each, and hand on each alone.
 */
export class ChunkQueue {
  readonly #chunks = new Fifo<Buffer>()
  /** The block that is being filled, behind all chunks. */
  #block: Buffer | undefined
  #blockBytes = 0
  #bytes = 0
  #memoryBytes = 0

  /** The bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * The memory that they hold: unused room in blocks, the whole of what a chunk is a part of, and what each
   * chunk costs besides.
   */
  get memoryBytes(): number {
    return this.#memoryBytes
  }

  /** Copies `bytes[start, end)`, which may be borrowed. */
  append(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    let at = start
    const block = this.#block
    if (block !== undefined) {
      at = Math.min(end, start + block.length - this.#blockBytes)
      copyTo(block, this.#blockBytes, bytes, start, at)
      this.#blockBytes += at - start
    }
    if (at < end) this.#startBlock(bytes, at, end)
    this.#bytes += end - start
  }

  /** Takes a chunk that nobody else writes to any more. Nothing is copied unless it is small. */
  push(chunk: Buffer): void {
    if (chunk.length < COPIED_BYTES) {
      this.append(chunk)
      return
    }
    this.#sealBlock()
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    this.#memoryBytes += costOf(chunk)
  }

  /** The first chunk, which stays; undefined: nothing waits. */
  peek(): Buffer | undefined {
    if (this.#chunks.length === 0) this.#sealBlock()
    return this.#chunks.peek()
  }

  /** The first chunk, taken out. Its memory is the caller's. */
  shift(): Buffer | undefined {
    if (this.#chunks.length === 0) this.#sealBlock()
    const chunk = this.#chunks.shift()
    if (chunk === undefined) return undefined
    this.#bytes -= chunk.length
    this.#memoryBytes -= costOf(chunk)
    return chunk
  }

  clear(): void {
    this.#chunks.clear()
    this.#block = undefined
    this.#blockBytes = this.#bytes = this.#memoryBytes = 0
  }

  #startBlock(bytes: Uint8Array, start: number, end: number): void {
    this.#sealBlock()
    const room = Math.max(end - start, MIN_BLOCK_BYTES, Math.min(this.#bytes, MAX_BLOCK_BYTES))
    // Not from the pool of Node: a piece of it would keep the whole pool alive.
    const block = Buffer.allocUnsafeSlow(room)
    copyTo(block, 0, bytes, start, end)
    this.#block = block
    this.#blockBytes = end - start
    this.#memoryBytes += costOf(block)
  }

  #sealBlock(): void {
    if (this.#block === undefined) return
    this.#chunks.push(this.#block.subarray(0, this.#blockBytes))
    this.#block = undefined
    this.#blockBytes = 0
  }
}

function copyTo(block: Buffer, at: number, bytes: Uint8Array, start: number, end: number): void {
  // A view of a few bytes costs more than they do.
  if (end - start < MIN_VIEW_BYTES)
    for (let i = start; i < end; i++) block[at + i - start] = bytes[i] as number // i < end
  else block.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at)
}

/** A view holds all of the memory that it is a part of. */
function costOf(chunk: Buffer): number {
  return chunk.buffer.byteLength + CHUNK_OVERHEAD_BYTES
}
