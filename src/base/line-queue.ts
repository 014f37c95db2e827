export interface LineQueueLimits {
  /** Bytes that wait at the most. */
  readonly maxBytes: number
  /** Lines that wait at the most. */
  readonly maxLines: number
}

/** So many taken lines are kept before the rest moves to the front: each is moved once at the most. */
const COMPACT_AT = 1_024

/**
 * Lines that wait for a slow reader, in order. One that would exceed a limit is dropped and counted: what is
 * old explains what is new.
 */
export class LineQueue {
  readonly #limits: LineQueueLimits
  #lines: string[] = []
  /** Where the oldest line is. */
  #first = 0
  #bytes = 0
  #dropped = 0

  constructor(limits: LineQueueLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#lines.length - this.#first
  }

  /** Since it was made. */
  get dropped(): number {
    return this.#dropped
  }

  /** False: it was dropped. */
  push(line: string): boolean {
    const bytes = Buffer.byteLength(line)
    if (this.#bytes + bytes > this.#limits.maxBytes || this.length >= this.#limits.maxLines) {
      this.#dropped += 1
      return false
    }
    this.#lines.push(line)
    this.#bytes += bytes
    return true
  }

  /** Counts lines that were taken and could not be written. */
  addDropped(lines: number): void {
    this.#dropped += lines
  }

  /**
   * The oldest lines as one piece, of at most `maxBytes` unless a single line is longer. Undefined: none
   * waits.
   */
  take(maxBytes: number): { readonly bytes: Buffer; readonly lines: number } | undefined {
    let end = this.#first
    let size = 0
    for (; end < this.#lines.length; end++) {
      const bytes = Buffer.byteLength(this.#lines[end] ?? '')
      if (end > this.#first && size + bytes > maxBytes) break
      size += bytes
    }
    const lines = end - this.#first
    if (lines === 0) return undefined
    const bytes = Buffer.from(this.#lines.slice(this.#first, end).join(''))
    this.#first = end
    this.#bytes -= size
    if (this.#first === this.#lines.length || this.#first >= COMPACT_AT) {
      this.#lines = this.#lines.slice(this.#first)
      this.#first = 0
    }
    return { bytes, lines }
  }
}
