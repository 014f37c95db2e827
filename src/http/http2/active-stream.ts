import type { ChunkQueue } from '../../base/chunk-queue.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import { DEFAULT_PRIORITY, type Priority } from '../multiplex/messages/priority.ts'
import type { Sender } from '../multiplex/send-queue.ts'
import { type Stream, type StreamEvents, UNKNOWN_LENGTH } from '../multiplex/stream.ts'
import type { Http2ErrorCode } from './frames/error-codes.ts'

/**
 * Where a stream stands on the wire (RFC 9113 5.1). The reserved states do not occur: push is switched off.
 * - `open`: both sides may send. Valid transitions: halfClosedLocal, halfClosedRemote, closed
 * - `halfClosedLocal`: we have said everything. Valid transitions: closed
 * - `halfClosedRemote`: the peer has said everything. Valid transitions: closed
 * - `closed`: both have, or one has reset it. Final
 * `idle` streams are numbers that nobody has used yet; they have no object and so no state.
 */
export type StreamState = 'open' | 'halfClosedLocal' | 'halfClosedRemote' | 'closed'

/** What happens to a stream, seen from us. */
export type StreamEvent = 'sendEnd' | 'receiveEnd' | 'reset'

/** What is not in it cannot happen: see MAY_RECEIVE for what the peer may not do. */
const NEXT: Record<StreamState, Partial<Record<StreamEvent, StreamState>>> = {
  open: { sendEnd: 'halfClosedLocal', receiveEnd: 'halfClosedRemote', reset: 'closed' },
  halfClosedLocal: { receiveEnd: 'closed', reset: 'closed' },
  halfClosedRemote: { sendEnd: 'closed', reset: 'closed' },
  closed: {},
}

/** Throws on what cannot happen: a defect of ours. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState {
  const next = NEXT[state][event]
  if (next === undefined) throw new Error(`${event} on a stream that is ${state}`)
  return next
}

/** What a frame of the peer meets on a stream. */
export type StreamFrameVerdict =
  | 'take'
  /** It may have been on its way when we ended the stream: read for its side effects and forgotten. */
  | 'ignore'
  | { readonly scope: 'stream' | 'connection'; readonly code: Http2ErrorCode }

/** Kinds of frames that the peer sends on a stream. */
export type StreamFrame = 'HEADERS' | 'DATA' | 'RST_STREAM' | 'WINDOW_UPDATE'

const idle = { scope: 'connection', code: 'PROTOCOL_ERROR' } as const
const ended = { scope: 'stream', code: 'STREAM_CLOSED' } as const
const gone = { scope: 'connection', code: 'STREAM_CLOSED' } as const

/**
 * What the peer may send, by the state of the stream (RFC 9113 5.1). `idle` is about DATA and the like:
 * HEADERS on an idle stream of the peer's own opens it, and never comes here. `resetByUs` is a closed stream
 * whose RST_STREAM the peer may not have seen yet; a closed one that we did not reset is one that the peer
 * itself has ended.
 */
export const MAY_RECEIVE: Record<
  StreamState | 'idle' | 'resetByUs',
  Readonly<Record<StreamFrame, StreamFrameVerdict>>
> = {
  idle: { HEADERS: idle, DATA: idle, RST_STREAM: idle, WINDOW_UPDATE: idle },
  open: { HEADERS: 'take', DATA: 'take', RST_STREAM: 'take', WINDOW_UPDATE: 'take' },
  halfClosedLocal: { HEADERS: 'take', DATA: 'take', RST_STREAM: 'take', WINDOW_UPDATE: 'take' },
  halfClosedRemote: { HEADERS: ended, DATA: ended, RST_STREAM: 'take', WINDOW_UPDATE: 'take' },
  closed: { HEADERS: gone, DATA: gone, RST_STREAM: 'ignore', WINDOW_UPDATE: 'ignore' },
  resetByUs: { HEADERS: 'ignore', DATA: 'ignore', RST_STREAM: 'ignore', WINDOW_UPDATE: 'ignore' },
}

/** The parts of a session that a stream speaks to: who sends, who receives, and who ends it. */
export interface Http2StreamParts {
  readonly sending: {
    respond(stream: ActiveStream, status: number, headers: HeaderList, endsStream: boolean): void
    write(stream: ActiveStream, chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean
    end(stream: ActiveStream, trailers: HeaderList): void
  }
  readonly receiving: { resume(stream: ActiveStream): void }
  readonly ending: { abandonStream(stream: ActiveStream, code: Http2ErrorCode): void }
}

/**
 * A stream that is not idle and not closed: what the parts of the session know of it. They are the only ones
 * who write its fields.
 */
export class ActiveStream implements Stream {
  readonly id: number
  readonly #parts: Http2StreamParts
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
  /** It was notified of its last event, or its driver has reset it: nothing more is reported. */
  isOver = false

  constructor(
    id: number,
    parts: Http2StreamParts,
    events: StreamEvents,
    sendWindow: number,
    receiveWindow: number,
  ) {
    this.id = id
    this.#parts = parts
    this.events = events
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
    this.windowTarget = receiveWindow
  }

  get isSendOpen(): boolean {
    return (this.state === 'open' || this.state === 'halfClosedRemote') && this.pendingEnd === undefined
  }

  respond(status: number, headers: HeaderList, endsStream: boolean): void {
    this.#parts.sending.respond(this, status, headers, endsStream)
  }

  write(chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    return this.#parts.sending.write(this, chunk, keep)
  }

  end(trailers: HeaderList): void {
    this.#parts.sending.end(this, trailers)
  }

  reset(code: Http2ErrorCode): void {
    this.#parts.ending.abandonStream(this, code)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    if (this.heldBytes > 0 || this.heldEnd !== undefined) this.#parts.receiving.resume(this)
  }
}
