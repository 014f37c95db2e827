import { asTransportError, TransportError } from '../errors.ts'
import type { BodySink, BodySource } from '../exchange.ts'
import type { HeaderList } from '../headers.ts'
import type { Stream } from './stream.ts'

/** Who sends the body. */
export interface UploadOwner {
  /** Bytes moved. */
  onUploadProgress(): void
  /** The body is complete. */
  onUploadEnd(): void
  /** It cannot be completed. */
  onUploadFailed(error: TransportError): void
}

/** What a source writes stays as it is (BodySink.write), and may be kept without a copy. */
export function keepAsItIs(chunk: Buffer): Buffer {
  return chunk
}

/**
 * Sends a body that is produced while it is sent, as the sink of its source, and holds it to its announced length: one that is too
 * long or too short never looks complete to the origin, since its stream is reset instead of ended.
 */
export class Upload implements BodySink {
  readonly #stream: Stream
  readonly #source: BodySource
  readonly #owner: UploadOwner
  readonly #length: number | undefined
  #sent = 0
  #isOver = false
  #isBlocked = false

  constructor(stream: Stream, source: BodySource, length: number | undefined, owner: UploadOwner) {
    this.#stream = stream
    this.#source = source
    this.#length = length
    this.#owner = owner
  }

  /** The peer does not take what we have, rather than that we have nothing. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  start(): void {
    this.#source.attach(this)
  }

  /** The stream takes more. */
  onWritable(): void {
    if (!this.#isBlocked || this.#isOver) return
    this.#isBlocked = false
    this.#owner.onUploadProgress()
    this.#source.resume()
  }

  /** No more of it is wanted. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#source.cancel()
  }

  write(chunk: Uint8Array): boolean {
    const { length } = chunk
    if (this.#isOver) return false
    if (length === 0) return !this.#isBlocked
    this.#sent += length
    if (this.#length !== undefined && this.#sent > this.#length) {
      this.#fail(`the body is longer than its content-length of ${this.#length}`)
      return false
    }
    this.#isBlocked = !this.#stream.write(chunk, keepAsItIs)
    this.#owner.onUploadProgress()
    return !this.#isBlocked
  }

  end(trailers: HeaderList): void {
    if (this.#isOver) return
    if (this.#length !== undefined && this.#sent < this.#length) {
      this.#fail(`the body ended after ${this.#sent} bytes, its content-length is ${this.#length}`)
      return
    }
    this.#isOver = true
    try {
      this.#stream.end(trailers)
    } catch (error) {
      this.#owner.onUploadFailed(asTransportError(error)) // a trailer that cannot be written
      return
    }
    this.#owner.onUploadEnd()
  }

  fail(error: TransportError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#owner.onUploadFailed(error)
  }

  #fail(message: string): void {
    this.#isOver = true
    this.#source.cancel()
    this.#owner.onUploadFailed(new TransportError('MM_BODY_LENGTH', message))
  }
}
