import type { QuicConnection } from '../../quic/engine.ts'
import { SendQueue } from '../multiplex/send-queue.ts'
import { DATA, HEADERS } from './frames/frame-table.ts'
import { encodeVarint, varintBytes } from './frames/varint.ts'
import { NO_CHUNKS, type RequestStream } from './request-stream.ts'

/**
 * What is smaller goes through the cork, which saves a crossing into native code (1 microsecond); what is
 * larger is not copied.
 */
const DIRECT_BYTES = 4096

const CORK_BYTES = 16_384

/** How much of an incremental stream goes before it is the next one's turn (RFC 9218 10). */
const SLICE_BYTES = 16_384

/**
 * Gives the bytes of request streams to QUIC, as it takes them; what it does not take waits here, bounded by
 * what producers are notified of.
 *
 * The cork gathers the small pieces that one stream puts out in a row (head, a short body, the end), so that
 * they cross into the engine together, and so that the end of a stream comes with its last bytes: an end that
 * stands alone may be lost (see QuicConnection.write). A message that has nothing left to send when it ends
 * gets an empty DATA frame to carry it.
 *
 * Streams that wait are served in the order of RFC 9218: urgency first, incremental ones by turns.
 */
export class Http3SendSide {
  readonly #quic: QuicConnection
  readonly #writeAheadBytes: number
  /** Everything of the stream was taken, its end included. */
  readonly #onSentEnd: (stream: RequestStream) => void
  readonly #ready = new SendQueue<RequestStream>()
  readonly #cork = Buffer.allocUnsafeSlow(CORK_BYTES)
  #corkedBytes = 0
  #corked: RequestStream | undefined

  constructor(quic: QuicConnection, writeAheadBytes: number, onSentEnd: (stream: RequestStream) => void) {
    this.#quic = quic
    this.#writeAheadBytes = writeAheadBytes
    this.#onSentEnd = onSentEnd
  }

  /** Something waits for flush(). */
  get isCorked(): boolean {
    return this.#corkedBytes > 0
  }

  /** Puts out `section[0, length)` as HEADERS. */
  putSection(stream: RequestStream, section: Buffer, length: number, isLast: boolean): void {
    const at = this.#begin(stream, HEADERS, length)
    if (at + length <= CORK_BYTES) {
      section.copy(this.#cork, at, 0, length)
      this.#corkedBytes = at + length
      if (isLast) this.#uncork(true)
      return
    }
    this.#uncork(false)
    this.#offer(stream, section.subarray(0, length), isLast, copyOf)
  }

  /** Puts out a piece of a body. False: enough of it waits; onWritable follows. */
  putData(stream: RequestStream, chunk: Buffer, keep: (chunk: Buffer) => Buffer): boolean {
    const { length } = chunk
    if (length > 0 && !stream.hasSentEnd) {
      const at = this.#begin(stream, DATA, length)
      if (length < DIRECT_BYTES) {
        chunk.copy(this.#cork, at)
        this.#corkedBytes = at + length
      } else {
        this.#uncork(false)
        this.#offer(stream, chunk, false, keep)
      }
    }
    if (stream.queuedBytes < this.#writeAheadBytes) return true
    stream.wantsRoom = true
    return false
  }

  /** The body is complete, and no trailers follow. */
  putEnd(stream: RequestStream): void {
    if (stream.hasSentEnd) return
    if (this.#corked === stream && this.#corkedBytes > 0) this.#uncork(true)
    else if (stream.queuedBytes > 0) stream.endsWithQueue = true
    else {
      this.#corkedBytes = this.#begin(stream, DATA, 0)
      this.#uncork(true)
    }
  }

  /** Gives QUIC what is corked. To be called before datagrams are taken. */
  flush(): void {
    if (this.#corkedBytes > 0) this.#uncork(false)
  }

  /** It is the peer's will; a stream that stands in the queue changes its place there. */
  reprioritize(stream: RequestStream, priority: RequestStream['priority']): void {
    const wasQueued = stream.isQueued
    this.#ready.remove(stream)
    stream.priority = priority
    if (wasQueued) this.#ready.add(stream)
  }

  /** QUIC has room for the stream. */
  onRoom(stream: RequestStream): void {
    if (stream.queuedBytes > 0) this.#ready.add(stream)
  }

  /** Sends what waits and has room. */
  pump(): void {
    for (let stream = this.#ready.first(); stream !== undefined; stream = this.#ready.first()) {
      const isAllTaken = this.#send(stream)
      if (isAllTaken && stream.queuedBytes > 0) this.#ready.onSent(stream)
      else this.#ready.remove(stream)
      if (stream.wantsRoom && stream.queuedBytes * 2 <= this.#writeAheadBytes) {
        stream.wantsRoom = false
        stream.events.onWritable()
      }
    }
  }

  /** Nothing more of the stream is sent. */
  forget(stream: RequestStream): void {
    this.#ready.remove(stream)
    stream.queue = NO_CHUNKS
    stream.queuedBytes = 0
    stream.hasSentEnd = true
    if (this.#corked === stream) this.#corkedBytes = 0
  }

  /** Puts a frame header into the cork and returns where its payload goes. The cork is the stream's then. */
  #begin(stream: RequestStream, type: number, length: number): number {
    const headerBytes = 1 + varintBytes(length)
    const wanted = headerBytes + Math.min(length, DIRECT_BYTES)
    if (this.#corked !== stream || this.#corkedBytes + wanted > CORK_BYTES) this.flush()
    this.#corked = stream
    const at = encodeVarint(this.#cork, encodeVarint(this.#cork, this.#corkedBytes, type), length)
    this.#corkedBytes = at
    return at
  }

  #uncork(isLast: boolean): void {
    const stream = this.#corked
    const bytes = this.#cork.subarray(0, this.#corkedBytes)
    this.#corkedBytes = 0
    if (stream !== undefined && !stream.hasSentEnd) this.#offer(stream, bytes, isLast, copyOf)
  }

  #offer(stream: RequestStream, bytes: Buffer, isLast: boolean, keep: (chunk: Buffer) => Buffer): void {
    // Whoever waits with the same right is not overtaken.
    const taken = stream.queuedBytes > 0 ? 0 : this.#quic.write(stream.id, bytes, isLast)
    if (taken < bytes.length) {
      const rest = keep(taken === 0 ? bytes : bytes.subarray(taken))
      if (stream.queuedBytes === 0) {
        stream.queue = [rest]
        stream.queueOffset = 0
      } else stream.queue.push(rest)
      stream.queuedBytes += rest.length
      stream.endsWithQueue = isLast
    } else if (isLast) this.#ended(stream)
  }

  /** Sends from the queue of a stream. False: QUIC took less than it was offered. */
  #send(stream: RequestStream): boolean {
    const { queue } = stream
    let index = 0
    let offset = stream.queueOffset
    let sliceLeft = stream.priority.incremental ? SLICE_BYTES : Number.POSITIVE_INFINITY
    let isAllTaken = true
    while (isAllTaken && sliceLeft > 0 && index < queue.length) {
      const chunk = queue[index] as Buffer // index < length
      const end = Math.min(chunk.length, offset + sliceLeft)
      const isLast = stream.endsWithQueue && index === queue.length - 1 && end === chunk.length
      const taken = this.#quic.write(stream.id, chunk.subarray(offset, end), isLast)
      isAllTaken = taken === end - offset
      stream.queuedBytes -= taken
      sliceLeft -= taken
      offset += taken
      if (offset === chunk.length) {
        index += 1
        offset = 0
      }
    }
    if (index > 0) stream.queue = index === queue.length ? NO_CHUNKS : queue.slice(index)
    stream.queueOffset = offset
    if (stream.queuedBytes === 0 && stream.endsWithQueue) this.#ended(stream)
    return isAllTaken
  }

  #ended(stream: RequestStream): void {
    stream.hasSentEnd = true
    this.#onSentEnd(stream)
  }
}

function copyOf(bytes: Buffer): Buffer {
  return Buffer.from(bytes)
}
