import type { Socket } from 'node:net'
import { TransportError } from '../errors.ts'
import type { BodySink, BodySource } from '../exchange.ts'
import type { HeaderList } from '../headers.ts'
import { CHUNK_END, encodeChunkHead, encodeLastChunk } from './chunk-encoder.ts'

/** Who sends the body. */
export interface UploadOwner {
  /** Bytes moved. */
  onUploadProgress(): void
  /** The body is complete. */
  onUploadEnd(): void
  /** It cannot be completed. */
  onUploadFailed(error: TransportError): void
}

/** Up to this size a chunk is copied between its head and its end: that is cheaper than a write of three pieces. */
const COPIED_CHUNK_BYTES = 4096

/**
 * Sends a body that is produced while it is sent, as the sink of its source: in chunks when its length is not known, else exactly as
 * many bytes as the head has announced. What would break the framing never reaches the socket.
 */
export class BodyUpload implements BodySink {
  readonly #socket: Socket
  readonly #source: BodySource
  readonly #owner: UploadOwner
  readonly #length: number | undefined
  #sent = 0
  #isOver = false
  #isBlocked = false

  /** `length` undefined: in chunks. */
  constructor(socket: Socket, source: BodySource, length: number | undefined, owner: UploadOwner) {
    this.#socket = socket
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

  /** The socket takes more. */
  onDrain(): void {
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
    if (length === 0) return !this.#isBlocked // an empty chunk would end the body
    this.#sent += length
    if (this.#length !== undefined && this.#sent > this.#length) {
      this.#fail(`the body is longer than its content-length of ${this.#length}`)
      return false
    }
    const socket = this.#socket
    const isTaken = this.#length === undefined ? writeChunk(socket, chunk) : socket.write(chunk)
    // write() answers by what it was given, before the kernel took it; when nothing is left there is nothing to wait for.
    this.#isBlocked = !isTaken && socket.writableLength > 0
    this.#owner.onUploadProgress()
    return !this.#isBlocked
  }

  end(trailers: HeaderList): void {
    if (this.#isOver) return
    if (this.#length !== undefined && this.#sent < this.#length) {
      this.#fail(`the body ended after ${this.#sent} bytes, its content-length is ${this.#length}`)
      return
    }
    if (this.#length === undefined) {
      let end: string
      try {
        end = encodeLastChunk(trailers)
      } catch (error) {
        this.#isOver = true
        this.#owner.onUploadFailed(error as TransportError) // the encoder throws nothing else
        return
      }
      this.#socket.write(end, 'latin1')
    }
    this.#isOver = true
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

function writeChunk(socket: Socket, chunk: Uint8Array): boolean {
  const head = encodeChunkHead(chunk.length)
  if (chunk.length <= COPIED_CHUNK_BYTES) {
    const framed = Buffer.allocUnsafe(head.length + chunk.length + CHUNK_END.length)
    framed.write(head, 0, 'latin1')
    framed.set(chunk, head.length)
    framed.write(CHUNK_END, head.length + chunk.length, 'latin1')
    return socket.write(framed)
  }
  socket.cork()
  socket.write(head, 'latin1')
  socket.write(chunk)
  const isTaken = socket.write(CHUNK_END, 'latin1')
  socket.uncork()
  return isTaken
}
