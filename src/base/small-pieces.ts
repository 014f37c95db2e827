import { ChunkQueue } from './chunk-queue.ts'

/**
 * A frame or chunk of a body below this is small: it is handed on together with what comes behind it in the
 * same read.
 */
export const SMALL_PIECE_BYTES = 1024

/**
 * Joins the small pieces of a body that came in one read, so that whoever reads them is called once for many:
 * a body that comes byte by byte would else cost a call, a frame and a write downstream for each. A piece
 * that comes alone is handed on where it lies.
 */
export class SmallPieces {
  readonly #deliver: (chunk: Buffer) => void
  /** The first piece, borrowed until the read is over. */
  #buffer: Buffer | undefined
  #start = 0
  #end = 0
  /** All of them, once there are more. */
  #joined: ChunkQueue | undefined
  /** What flush() is handing on. */
  #leaving: ChunkQueue | undefined

  constructor(deliver: (chunk: Buffer) => void) {
    this.#deliver = deliver
  }

  /** A piece: it may wait for flush(). */
  add(buffer: Buffer, start: number, end: number, isSmall: boolean): void {
    if (this.#buffer !== undefined) this.#join(buffer, start, end)
    else if (!isSmall) this.#deliver(buffer.subarray(start, end))
    else {
      this.#buffer = buffer
      this.#start = start
      this.#end = end
    }
  }

  /** The read is over, or something follows that is no piece. */
  flush(): void {
    const first = this.#buffer
    if (first === undefined) return
    this.#buffer = undefined
    const joined = this.#joined
    if (joined === undefined) {
      this.#deliver(first.subarray(this.#start, this.#end))
      return
    }
    this.#joined = undefined
    this.#leaving = joined
    for (let chunk = joined.shift(); chunk !== undefined; chunk = joined.shift()) this.#deliver(chunk)
  }

  /** Nobody wants them any more. May be called from within a delivery. */
  clear(): void {
    this.#buffer = undefined
    this.#joined = undefined
    this.#leaving?.clear()
  }

  #join(buffer: Buffer, start: number, end: number): void {
    if (this.#joined === undefined) {
      this.#joined = new ChunkQueue()
      this.#joined.append(this.#buffer as Buffer, this.#start, this.#end) // the caller has seen it
    }
    this.#joined.append(buffer, start, end)
  }
}
