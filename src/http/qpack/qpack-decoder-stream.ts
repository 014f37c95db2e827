import { MAX_LONG_INTEGER_BYTES, writePrefixInteger } from '../field-compression/field-writer.ts'
import { QpackError } from './qpack-error.ts'

/** What the peer's decoder reports to our encoder (RFC 9204 4.4). */
export interface DecoderInstructions {
  onAcknowledgment(streamId: number): void
  onCancellation(streamId: number): void
  onIncrement(count: number): void
}

// The first byte of an instruction of the decoder (RFC 9204 4.4).
const SECTION_ACKNOWLEDGMENT = 0x80
const STREAM_CANCELLATION = 0x40
const INSERT_COUNT_INCREMENT = 0x00

/** RFC 9204 4.1.1: 62 bits. */
const MAX_CONTINUATION_BYTES = 9

/**
 * Reads the peer's decoder stream. An instruction is one integer, so that nothing has to be kept but how far
 * it has got.
 */
export class DecoderStreamReader {
  readonly #target: DecoderInstructions
  /** The first byte of the instruction that is not whole; undefined between two. */
  #first: number | undefined
  #value = 0
  #factor = 1
  #continuationBytes = 0

  constructor(target: DecoderInstructions) {
    this.#target = target
  }

  /** Reads a piece of the stream. Throws QpackError 'decoder-stream', also what the target throws. */
  receive(buffer: Buffer, start: number, end: number): void {
    for (let i = start; i < end; i++) {
      const byte = buffer[i] as number // i < end
      if (this.#first === undefined) {
        const mask = byte >= SECTION_ACKNOWLEDGMENT ? 0x7f : 0x3f
        const value = byte & mask
        if (value < mask) this.#report(byte, value)
        else {
          this.#first = byte
          this.#value = value
          this.#factor = 1
          this.#continuationBytes = 0
        }
        continue
      }
      // A stream id above 2^53 loses its lowest bits, but none of ours is so large.
      this.#value += (byte & 0x7f) * this.#factor
      if (byte < 0x80) {
        const first = this.#first
        this.#first = undefined
        this.#report(first, this.#value)
      } else if (++this.#continuationBytes === MAX_CONTINUATION_BYTES) {
        throw new QpackError('decoder-stream', 'an integer has more than 62 bits')
      } else this.#factor *= 0x80
    }
  }

  #report(first: number, value: number): void {
    if (first >= SECTION_ACKNOWLEDGMENT) this.#target.onAcknowledgment(value)
    else if (first >= STREAM_CANCELLATION) this.#target.onCancellation(value)
    else this.#target.onIncrement(value)
  }
}

const INITIAL_BYTES = 256
/** A block that one burst made larger than this is let go of. */
const MAX_IDLE_BYTES = 4096

/** Writes our decoder stream, and knows what the peer's encoder knows of our table after it has read it. */
export class DecoderStreamWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #length = 0
  /** The peer's Known Received Count (RFC 9204 2.1.4) when it has read all that was written. */
  #knownReceived = 0

  /** Written and not taken. */
  get waitingBytes(): number {
    return this.#length
  }

  /** Section Acknowledgment (4.4.1), of a section with this Required Insert Count: not 0. */
  acknowledge(streamId: number, required: number): void {
    this.#write(SECTION_ACKNOWLEDGMENT, 7, streamId)
    if (required > this.#knownReceived) this.#knownReceived = required
  }

  /** Stream Cancellation (4.4.2). */
  cancel(streamId: number): void {
    this.#write(STREAM_CANCELLATION, 6, streamId)
  }

  /**
   * What is to be sent, the insertions included that no section has acknowledged: one Insert Count Increment
   * (4.4.3) for all of them.
   */
  take(inserted: number): Buffer | undefined {
    if (inserted > this.#knownReceived) {
      this.#write(INSERT_COUNT_INCREMENT, 6, inserted - this.#knownReceived)
      this.#knownReceived = inserted
    }
    if (this.#length === 0) return undefined
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    if (this.#bytes.length > MAX_IDLE_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    return taken
  }

  #write(flags: number, prefixBits: number, value: number): void {
    if (this.#length + MAX_LONG_INTEGER_BYTES > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(2 * this.#bytes.length)
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    this.#length = writePrefixInteger(this.#bytes, this.#length, flags, prefixBits, value)
  }
}
