/** What becomes of memory that the process needs no more. */
export interface MemoryOptions {
  /**
   * What the process may keep of memory that nothing uses any more, for what comes next. What is more goes
   * back to the kernel, preferably while little is going on. Only `middlemile serve` does it, with glibc and
   * native calls. 0: all of it is kept. Default 67,108,864 bytes.
   */
  maxUnusedBytes: number
}

export const DEFAULT_MEMORY_OPTIONS: Readonly<MemoryOptions> = { maxUnusedBytes: 67_108_864 }

/** What the process has at one moment. */
export interface MemorySample {
  /** Resident, of everything. */
  readonly residentBytes: number
  /** Of the heap of V8, used or not. */
  readonly heapBytes: number
  /** Of buffers, those among them that the next collection frees. */
  readonly bufferBytes: number
  /** At most what of the buffers is held for slow readers. */
  readonly heldBytes: number
  /** The event loop has time. */
  readonly isIdle: boolean
}

export type MemoryStep = 'none' | 'collect' | 'trim'

/** What is seen once may be in use again at once. */
const LOOKS = 2
/** A process that is never idle has its memory returned all the same, later. */
const BUSY_LOOKS = 30

/**
 * Decides when memory is returned. It goes in two steps, as it is held twice. Buffers that slow readers left
 * behind are old, and V8 collects old ones only when many new ones come: without traffic that may be never.
 * And glibc keeps the pages of what was freed, since somewhere behind them stands something that lives on.
 * Neither part is known, only how much more there is of it than there once was.
 */
export class UnusedMemory {
  readonly #garbage = new Excess()
  readonly #free = new Excess()

  /** To be asked at equal intervals. */
  next(sample: MemorySample, { maxUnusedBytes }: MemoryOptions): MemoryStep {
    if (maxUnusedBytes === 0) return 'none'
    const { residentBytes, heapBytes, bufferBytes, heldBytes, isIdle } = sample
    this.#garbage.look(Math.max(0, bufferBytes - heldBytes), maxUnusedBytes)
    this.#free.look(Math.max(0, residentBytes - heapBytes - bufferBytes), maxUnusedBytes)
    // With traffic V8 collects by itself, a piece at a time; all at once it takes tens of milliseconds.
    if (isIdle && this.#garbage.looks >= LOOKS) {
      this.#garbage.reset()
      return 'collect'
    }
    if (this.#free.looks < (isIdle ? LOOKS : BUSY_LOOKS)) return 'none'
    this.#free.reset()
    return 'trim'
  }
}

/** How long an amount has been larger than its least by more than is allowed. */
class Excess {
  #leastBytes = Number.POSITIVE_INFINITY
  #looks = 0

  get looks(): number {
    return this.#looks
  }

  look(bytes: number, allowedBytes: number): void {
    this.#leastBytes = Math.min(this.#leastBytes, bytes)
    this.#looks = bytes - this.#leastBytes > allowedBytes ? this.#looks + 1 : 0
  }

  /** What the next look finds is needed, as it seems: it could not be returned. */
  reset(): void {
    this.#leastBytes = Number.POSITIVE_INFINITY
    this.#looks = 0
  }
}
