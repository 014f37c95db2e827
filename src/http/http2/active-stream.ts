import type { ChunkQueue } from '../../base/chunk-queue.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import { DEFAULT_PRIORITY, type Priority } from '../multiplex/messages/priority.ts'
import type { Sender } from '../multiplex/send-queue.ts'
import type { Stream, StreamEvents } from '../multiplex/stream.ts'
import type { ErrorCode } from './frames/error-codes.ts'
import type { StreamState } from './stream-state.ts'

/** What a stream asks of its session. */
export interface StreamHost {
  respond(stream: ActiveStream, status: number, headers: HeaderList, endsStream: boolean): void
  write(stream: ActiveStream, chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean
  end(stream: ActiveStream, trailers: HeaderList): void
  reset(stream: ActiveStream, code: ErrorCode): void
  deliverHeld(stream: ActiveStream): void
}

/** The length of a message's content is not known before. */
export const UNKNOWN_LENGTH = -1

/**
 * A stream that is not idle and not closed: what the parts of the session know of it. They are the only ones
 * who write its fields.
 */
export class ActiveStream implements Stream {
  readonly id: number
  readonly #host: StreamHost
  events: StreamEvents
  /** On the wire. The stream leaves the session once it is closed and everything that came was delivered. */
  state: StreamState = 'open'

  /** TCP hides its gaps. */
  readonly stallMs = undefined

  // Sending
  sendWindow: number
  /** Chunks that wait, all owned. */
  queue: ChunkQueue | undefined
  /** Of the first one, what was sent. */
  queueOffset = 0
  queuedBytes = 0
  /** end() was called while chunks were waiting. */
  pendingEnd: HeaderList | undefined
  /** A write answered false. */
  wantsRoom = false
  /** It stands in the send queue, between these. */
  isQueued = false
  queuedBefore: Sender | undefined = undefined
  queuedBehind: Sender | undefined = undefined
  priority: Priority = DEFAULT_PRIORITY
  /** Where its first frame, and its last HEADERS or DATA frame, stand in the output. */
  firstFrameAt = -1
  lastFrameAt = -1

  // Receiving
  receiveWindow: number
  /** What the window is filled up to. */
  windowTarget: number
  /** Taken by the reader, and not given back as credit yet. */
  uncreditedBytes = 0
  /** Content that the head promised and that has not come; UNKNOWN_LENGTH: it did not say. */
  contentLeft = UNKNOWN_LENGTH
  /** The (final) head came. */
  hasHead = false
  /** CONNECT, extended or not. A 2xx has no content-length, whatever it says (RFC 9110 9.3.6). */
  isTunnel = false
  /** A response to HEAD has no content, whatever its content-length says. */
  isHead = false
  isPaused = false
  isDeliveringOwned = false
  /** What came while the reader slept. */
  held: ChunkQueue | undefined
  heldBytes = 0
  heldEnd: HeaderList | undefined
  isDelivering = false
  hasReceivedEnd = false
  /** It was told its last event, or its driver has reset it: nothing more is reported. */
  isOver = false

  constructor(id: number, host: StreamHost, events: StreamEvents, sendWindow: number, receiveWindow: number) {
    this.id = id
    this.#host = host
    this.events = events
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
    this.windowTarget = receiveWindow
  }

  get isSendOpen(): boolean {
    return (this.state === 'open' || this.state === 'halfClosedRemote') && this.pendingEnd === undefined
  }

  respond(status: number, headers: HeaderList, endsStream: boolean): void {
    this.#host.respond(this, status, headers, endsStream)
  }

  write(chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    return this.#host.write(this, chunk, keep)
  }

  end(trailers: HeaderList): void {
    this.#host.end(this, trailers)
  }

  reset(code: ErrorCode): void {
    this.#host.reset(this, code)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    if (this.heldBytes > 0 || this.heldEnd !== undefined) this.#host.deliverHeld(this)
  }
}
