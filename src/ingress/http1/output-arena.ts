/** Holds the largest piece that is copied, with its head, several times over. */
const ARENA_BYTES = 262_144

/**
 * Memory for what is about to be written, shared by all connections of the process: a block that is handed
 * out from its front.
 *
 * A small response is put together here and leaves in one write. On a plain socket the kernel nearly always
 * takes it within that write, and then the same bytes of the same block, still warm in the cache, serve the
 * next response: no allocation at all. Where it does not (a slow client, TLS, which always writes later), the
 * bytes are simply not given back: the block moves on, and is left to the garbage collector once it is used
 * up. So no memory is written to while a socket may still read it.
 */
class OutputArena {
  #block = Buffer.allocUnsafeSlow(ARENA_BYTES)
  #offset = 0

  /** The block that the next bytes come from, after room for this many has been made sure of. */
  blockFor(bytes: number): Buffer {
    if (this.#offset + bytes > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, bytes))
      this.#offset = 0
    }
    return this.#block
  }

  /** Where the free bytes of the block begin. */
  get offset(): number {
    return this.#offset
  }

  /** Whether `bytes` more can follow what ends at `end` of `block`: nobody else took the bytes behind it. */
  canExtend(block: Buffer, end: number, bytes: number): boolean {
    return block === this.#block && end === this.#offset && end + bytes <= block.length
  }

  /** Takes everything up to `end` of the current block. */
  take(end: number): void {
    this.#offset = end
  }

  /** Gives back what begins at `start` and ends at `end`, if it was the last that was taken. */
  giveBack(block: Buffer, start: number, end: number): void {
    if (block === this.#block && end === this.#offset) this.#offset = start
  }
}

/** One for the process: what is held in it is written before the event loop turns. */
export const sharedArena = new OutputArena()
