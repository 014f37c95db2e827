import { byteAt, CR, LF } from '../../../base/http/char-tables.ts'

/** Says that more bytes are needed. */
export const INCOMPLETE = -1

/** Reads a head or a trailer section that ends with an empty line. */
export interface SectionParser {
  /**
   * The index behind the section, or INCOMPLETE. Throws on the first byte that breaks a rule or a limit, and
   * must throw if there are as many bytes as the limits allow. Has no effect unless the section is complete.
   */
  parseSection(buffer: Buffer, start: number, end: number): number
}

const NOTHING: Buffer = Buffer.alloc(0)
const FIRST_CAPACITY = 1024

/**
 * Makes a section whole. Nearly all arrive whole and are parsed where they lie. One that comes in pieces is
 * collected here, up to a bound, and parsed once more when its empty line is there: each byte is copied once
 * and looked at three times at the most, however small the pieces are.
 */
export class SectionBuffer {
  readonly #parser: SectionParser
  readonly #maxBytes: number
  /** Whether the section may be nothing but an empty line, as trailers mostly are. */
  readonly #mayBeEmpty: boolean
  #bytes: Buffer = NOTHING
  #length = 0
  /** How much of CRLF CRLF the collected bytes end with. */
  #matched = 0

  constructor(parser: SectionParser, maxBytes: number, mayBeEmpty: boolean) {
    this.#parser = parser
    this.#maxBytes = maxBytes
    this.#mayBeEmpty = mayBeEmpty
  }

  /** Whether a part of a section is waiting for the rest. */
  get hasPart(): boolean {
    return this.#length > 0
  }

  /** Whether that part is no more than the empty line that may stand before it, or the first half of that. */
  get hasOnlyEmptyLine(): boolean {
    return this.#length > 0 && this.#length <= 2 && byteAt(this.#bytes, 0) === CR
  }

  /** Takes bytes: the index behind the section, or INCOMPLETE when all were taken and it needs more. */
  receive(buffer: Buffer, start: number, end: number): number {
    if (this.#length === 0) {
      const whole = this.#parser.parseSection(buffer, start, end)
      if (whole !== INCOMPLETE) return whole
      this.#matched = this.#mayBeEmpty ? 2 : 0
    }
    const next = this.#collect(buffer, start, end)
    if (next === INCOMPLETE) return INCOMPLETE
    this.parseRest()
    return next
  }

  /**
   * Parses what is there: it is complete, or at its limit, or has a bare CR or LF, or the peer closed. Throws
   * on any fault.
   */
  parseRest(): number {
    const parsed = this.#parser.parseSection(this.#bytes, 0, this.#length)
    this.#length = 0
    this.#bytes = NOTHING
    return parsed
  }

  /** The index behind the bytes that decide the section, or INCOMPLETE. */
  #collect(buffer: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.#maxBytes - this.#length)
    let matched = this.#matched
    let index = start
    let isDecided = false
    while (index < stop && !isDecided) {
      const byte = byteAt(buffer, index++)
      if (byte === CR) {
        isDecided = matched === 1 || matched === 3
        matched = matched === 2 ? 3 : 1
      } else if (byte === LF) {
        isDecided = matched !== 1
        matched = 2
      } else {
        isDecided = matched === 1 || matched === 3
        matched = 0
      }
    }
    this.#matched = matched
    this.#append(buffer, start, index)
    return isDecided || this.#length >= this.#maxBytes ? index : INCOMPLETE
  }

  #append(buffer: Buffer, start: number, end: number): void {
    const length = this.#length + end - start
    if (length > this.#bytes.length) {
      // Doubling keeps the copying linear.
      const capacity = Math.min(Math.max(FIRST_CAPACITY, this.#bytes.length * 2, length), this.#maxBytes)
      const bytes = Buffer.allocUnsafe(capacity)
      this.#bytes.copy(bytes, 0, 0, this.#length)
      this.#bytes = bytes
    }
    buffer.copy(this.#bytes, this.#length, start, end)
    this.#length = length
  }
}
