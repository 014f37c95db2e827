import { asTransportError, TransportError } from '../errors.ts'
import type { BodySink, BodySource, RequestBody } from './exchange.ts'
import type { HeaderList } from './headers.ts'

/** Who sends the body. */
export interface UploadOwner {
  /** Bytes moved. */
  onUploadProgress(): void
  /** The body is complete. */
  onUploadEnd(): void
  /** It cannot be completed. */
  onUploadFailed(error: TransportError): void
}

/** How a protocol puts a body on its way. */
export interface BodyWriter {
  /** Takes a piece of at least one byte, which stays as it is. False: wait for BodyUpload.onWritable. */
  write(chunk: Uint8Array): boolean
  /**
   * The body is complete. Throws TransportError, before anything was written, when the trailers cannot be.
   */
  end(trailers: HeaderList): void
}

/**
 * Sends a body that is produced while it is sent, as the sink of its source, and holds it to its announced
 * length: what would break the framing never reaches the writer, and a body that is too short is never ended,
 * so that it cannot look complete to the origin.
 */
export class BodyUpload implements BodySink {
  readonly #writer: BodyWriter
  readonly #source: BodySource
  readonly #owner: UploadOwner
  readonly #length: number | undefined
  #sent = 0
  #isOver = false
  #isBlocked = false

  /** `length` undefined: it is not known before. */
  constructor(writer: BodyWriter, source: BodySource, length: number | undefined, owner: UploadOwner) {
    this.#writer = writer
    this.#source = source
    this.#length = length
    this.#owner = owner
  }

  /** The peer does not take what we have, rather than that we have nothing. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  start(): void {
    try {
      this.#source.attach(this)
    } catch (error) {
      this.#onSourceThrew(error)
    }
  }

  /** The writer takes more. */
  onWritable(): void {
    if (!this.#isBlocked || this.#isOver) return
    this.#isBlocked = false
    this.#owner.onUploadProgress()
    try {
      this.#source.resume()
    } catch (error) {
      this.#onSourceThrew(error)
    }
  }

  /** No more of it is wanted. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    cancelSource(this.#source)
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
    this.#isBlocked = !this.#writer.write(chunk)
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
      this.#writer.end(trailers)
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
    this.cancel()
    this.#owner.onUploadFailed(new TransportError('MM_BODY_LENGTH', message))
  }

  /**
   * A defect of the source: its own exchange fails. Further up it would be the end of all that its connection
   * carries.
   */
  #onSourceThrew(error: unknown): void {
    if (this.#isOver) return
    this.cancel()
    this.#owner.onUploadFailed(asTransportError(error, 'MM_BODY_FAILED'))
  }
}

/**
 * Who gives a body up has an end to report, which it must do whatever the source makes of it: what it
 * throws now is lost.
 */
function cancelSource(source: BodySource): void {
  try {
    source.cancel()
  } catch {
    // As said above.
  }
}

/**
 * Of a request that failed: whatever produces a body that nobody took must not be left hanging. `isLeased`: a
 * connection has had it, which has cancelled an upload that began; one that can be read again may be unread.
 */
export function cancelUnsent(body: RequestBody, isLeased: boolean): void {
  if (body === null || body instanceof Uint8Array) return
  if (!isLeased || body.isReplayable()) cancelSource(body)
}
