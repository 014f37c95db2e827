import { QpackError } from './qpack-error.ts'

/** What the peer's decoder tells our encoder (RFC 9204 4.4). */
export interface DecoderInstructions {
  onAcknowledgment(streamId: number): void
  onCancellation(streamId: number): void
  onIncrement(count: number): void
}

// The first byte of an instruction.
const SECTION_ACKNOWLEDGMENT = 0x80
const STREAM_CANCELLATION = 0x40

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
        if (value < mask) this.#tell(byte, value)
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
        this.#tell(first, this.#value)
      } else if (++this.#continuationBytes === MAX_CONTINUATION_BYTES) {
        throw new QpackError('decoder-stream', 'an integer has more than 62 bits')
      } else this.#factor *= 0x80
    }
  }

  #tell(first: number, value: number): void {
    if (first >= SECTION_ACKNOWLEDGMENT) this.#target.onAcknowledgment(value)
    else if (first >= STREAM_CANCELLATION) this.#target.onCancellation(value)
    else this.#target.onIncrement(value)
  }
}
