import { MAX_LONG_INTEGER_BYTES, writePrefixInteger } from '../field-compression/string-literal.ts'

// The first byte of an instruction of the decoder (RFC 9204 4.4).
const SECTION_ACKNOWLEDGMENT = 0x80
const STREAM_CANCELLATION = 0x40
const INSERT_COUNT_INCREMENT = 0x00

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
