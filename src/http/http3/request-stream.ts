import { type HeaderList, NO_HEADERS } from '../../base/http/headers.ts'
import type { HttpDatagrams } from '../../base/http/http-datagrams.ts'
import type { WebTransportCarrier } from '../../base/http/web-transport-carrier.ts'
import { DEFAULT_PRIORITY, type Priority } from '../multiplex/messages/priority.ts'
import type { Sender } from '../multiplex/send-queue.ts'
import { type ResetCode, type Stream, type StreamEvents, UNKNOWN_LENGTH } from '../multiplex/stream.ts'
import { FrameParser, type FrameSink, type FrameTreatment } from './frames/frame-parser.ts'
import type { ReadState } from './frames/frame-table.ts'

/** The parts of a session that a stream speaks to: who reads it, who writes it, and who ends it. */
export interface Http3StreamParts {
  readonly inbound: {
    onFrame(stream: RequestStream, type: number, length: number): FrameTreatment
    onPayload(stream: RequestStream, buffer: Buffer, start: number, end: number): void
    onSection(stream: RequestStream, buffer: Buffer, start: number, end: number): void
    resume(stream: RequestStream): void
  }
  readonly outbound: {
    respond(stream: RequestStream, status: number, headers: HeaderList, endsStream: boolean): void
    write(stream: RequestStream, chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean
    end(stream: RequestStream, trailers: HeaderList): void
  }
  readonly ending: { abandonStream(stream: RequestStream, code: ResetCode): void }
  /** Undefined: WebTransport is not offered. */
  readonly carrierOf: (stream: RequestStream) => WebTransportCarrier | undefined
  /** Undefined: it is no tunnel. */
  readonly datagramsOf: (stream: RequestStream) => HttpDatagrams | undefined
}

/** Nearly no stream ever queues: the array is made when one does. */
export const NO_CHUNKS: Buffer[] = Object.freeze([]) as unknown as Buffer[] // frozen: replaced, never written

/**
 * A request stream (RFC 9114 4.1) that lives: what the parts of the session know of it. They are the only
 * ones who write its fields.
 *
 * It leaves the session when both sides are done: ours when QUIC has taken the last byte, the peer's when its
 * end was delivered.
 */
export class RequestStream implements Stream, FrameSink {
  readonly id: number
  readonly openedAt: number
  readonly #parts: Http3StreamParts
  events: StreamEvents
  readonly parser: FrameParser

  // Sending
  isSendOpen = true
  /** QUIC has taken everything, or wants no more. */
  hasSentEnd = false
  /** Bytes that wait, all owned. */
  queue: Buffer[] = NO_CHUNKS
  /** Of the first one, what was sent. */
  queueOffset = 0
  queuedBytes = 0
  /** The last byte of the queue is that of the stream. */
  endsWithQueue = false
  /** A write answered false. */
  wantsRoom = false
  /** It stands in the send queue, between these. */
  isQueued = false
  queuedBefore: Sender | undefined = undefined
  queuedBehind: Sender | undefined = undefined
  priority: Priority = DEFAULT_PRIORITY
  /** A head of ours was put out. */
  hasResponded = false

  // Receiving
  readState: ReadState = 'head'
  /** Content that the head promised and that has not come; UNKNOWN_LENGTH: it did not say. */
  contentLeft = UNKNOWN_LENGTH
  /** CONNECT, extended or not. */
  isTunnel = false
  /** A response to HEAD has no content, whatever its content-length says. */
  isHead = false
  /** A DATA frame without a byte has come. */
  hasEmptyFrame = false
  /** One with content has come. */
  hasContent = false
  /** The DATA frame that is being read is small: see SmallPieces. */
  isFrameSmall = false
  isPaused = false
  /** What is there is delivered whether its reader sleeps or not: it is all that will ever come. */
  isForced = false
  readonly isDeliveringOwned = false
  /** The section that QPACK cannot decode yet. */
  blockedSection: Buffer | undefined
  /** What was read from QUIC and not taken apart, since the reader sleeps or a section is blocked. */
  rest: Buffer | undefined
  /** The peer's side has ended, behind what is in `rest`. */
  hasReadEnd = false
  trailers: HeaderList = NO_HEADERS
  isReading = false
  hasReceivedEnd = false
  /** It was notified of its last event, or its driver has reset it: nothing more is reported. */
  isOver = false

  // The stall measure
  stallMs = 0
  lastReadAt: number
  /** Its reader slept since it was read last, so that what waits did not wait for a gap. */
  hasSlept = false

  constructor(id: number, parts: Http3StreamParts, events: StreamEvents, now: number) {
    this.id = id
    this.#parts = parts
    this.events = events
    this.openedAt = this.lastReadAt = now
    this.parser = new FrameParser(this)
  }

  // FrameSink

  get isHeld(): boolean {
    const isPaused = this.isPaused && !this.isForced && this.readState !== 'head' // it holds back content
    return isPaused || this.blockedSection !== undefined || this.isOver
  }

  onFrame(type: number, length: number): FrameTreatment {
    return this.#parts.inbound.onFrame(this, type, length)
  }

  onPayload(buffer: Buffer, start: number, end: number): void {
    this.#parts.inbound.onPayload(this, buffer, start, end)
  }

  onGathered(_type: number, buffer: Buffer, start: number, end: number): void {
    this.#parts.inbound.onSection(this, buffer, start, end)
  }

  // Stream

  respond(status: number, headers: HeaderList, endsStream: boolean): void {
    this.#parts.outbound.respond(this, status, headers, endsStream)
  }

  write(chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    return this.#parts.outbound.write(this, chunk, keep)
  }

  end(trailers: HeaderList): void {
    this.#parts.outbound.end(this, trailers)
  }

  carrier(): WebTransportCarrier | undefined {
    return this.#parts.carrierOf(this)
  }

  datagrams(): HttpDatagrams | undefined {
    return this.#parts.datagramsOf(this)
  }

  reset(code: ResetCode): void {
    this.#parts.ending.abandonStream(this, code)
  }

  pause(): void {
    this.isPaused = true
    this.hasSlept = true
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.#parts.inbound.resume(this)
  }
}
