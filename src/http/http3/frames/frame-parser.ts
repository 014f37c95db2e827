import { readVarint, type VarintCursor } from './varint.ts'

/**
 * What becomes of a frame's payload: handed on in pieces as it comes, gathered and handed on whole, or read
 * over.
 */
export type FrameTreatment = 'deliver' | 'gather' | 'skip'

export interface FrameSink {
  /** A frame begins. Throws when it must not be there, or is too long to be gathered. */
  onFrame(type: number, length: number): FrameTreatment
  /** A piece of a payload that is delivered: `buffer[start, end)`, not empty. */
  onPayload(buffer: Buffer, start: number, end: number): void
  /** A payload that was gathered. Borrowed. */
  onGathered(type: number, buffer: Buffer, start: number, end: number): void
  /** Nothing more may be handed on now. */
  readonly isHeld: boolean
}

/** Two integers of at most eight bytes (RFC 9114 7.1). */
const MAX_HEADER_BYTES = 16

const NO_BYTES = Buffer.alloc(0)

/** Takes the bytes of one stream apart into frames (RFC 9114 7.1), in whatever pieces they come. */
export class FrameParser {
  readonly #sink: FrameSink
  #treatment: FrameTreatment = 'skip'
  #type = 0
  /** Of the payload, what is still to come. */
  #left = 0
  /** A frame header that has come in part. */
  #header: Buffer = NO_BYTES
  /** What was gathered so far; empty while nothing is. */
  #gathered: Buffer = NO_BYTES
  #gatheredBytes = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** The bytes so far end within a frame: the stream must not end here (RFC 9114 7.1). */
  get isWithinFrame(): boolean {
    return this.#left > 0 || this.#header.length > 0
  }

  /** `buffer[start, end)` came. Returns up to where it was read: less than `end` when the sink is held. */
  receive(buffer: Buffer, start: number, end: number): number {
    const cursor: VarintCursor = { buffer, at: start, end }
    while (cursor.at < end && !this.#sink.isHeld) {
      if (this.#left === 0) {
        if (this.#header.length > 0 ? !this.#joinHeader(cursor) : !this.#readHeader(cursor)) break
      } else this.#readPayload(cursor)
    }
    return cursor.at
  }

  /** False: the header is not there to its end; what there is of it is kept. */
  #readHeader(cursor: VarintCursor): boolean {
    const startedAt = cursor.at
    const type = readVarint(cursor)
    const length = type === undefined ? undefined : readVarint(cursor)
    if (type === undefined || length === undefined) {
      this.#header = Buffer.from(cursor.buffer.subarray(startedAt, cursor.end))
      cursor.at = cursor.end
      return false
    }
    this.#begin(type, length)
    return true
  }

  /** Goes on with a header of which a part came before. */
  #joinHeader(cursor: VarintCursor): boolean {
    const before = this.#header.length
    const taken = Math.min(MAX_HEADER_BYTES - before, cursor.end - cursor.at)
    const joined = Buffer.concat([this.#header, cursor.buffer.subarray(cursor.at, cursor.at + taken)])
    const joinedCursor: VarintCursor = { buffer: joined, at: 0, end: joined.length }
    this.#header = NO_BYTES
    if (!this.#readHeader(joinedCursor)) {
      cursor.at += taken
      return false
    }
    cursor.at += joinedCursor.at - before
    return true
  }

  #begin(type: number, length: number): void {
    this.#treatment = this.#sink.onFrame(type, length)
    this.#type = type
    this.#left = length
    if (length === 0 && this.#treatment === 'gather') this.#sink.onGathered(type, NO_BYTES, 0, 0)
  }

  #readPayload(cursor: VarintCursor): void {
    const { buffer, at, end } = cursor
    const taken = Math.min(this.#left, end - at)
    this.#left -= taken
    cursor.at = at + taken
    if (this.#treatment === 'deliver') this.#sink.onPayload(buffer, at, at + taken)
    else if (this.#treatment === 'gather') this.#gather(buffer, at, at + taken)
  }

  #gather(buffer: Buffer, start: number, end: number): void {
    if (this.#gatheredBytes === 0) {
      if (this.#left === 0) {
        this.#sink.onGathered(this.#type, buffer, start, end)
        return
      }
      this.#gathered = Buffer.allocUnsafe(this.#left + end - start)
    }
    buffer.copy(this.#gathered, this.#gatheredBytes, start, end)
    this.#gatheredBytes += end - start
    if (this.#left > 0) return
    const gathered = this.#gathered
    this.#gathered = NO_BYTES
    this.#gatheredBytes = 0
    this.#sink.onGathered(this.#type, gathered, 0, gathered.length)
  }
}
