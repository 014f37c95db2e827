import type { HeaderList } from '../headers.ts'
import type { Http2Options } from '../options.ts'
import type { ErrorCode } from './error-codes.ts'
import type { SessionEvents, StreamEvents } from './session-events.ts'
import type { Stream } from './stream.ts'

export interface SessionOptions {
  readonly role: 'client' | 'server'
  readonly options: Http2Options
  /** One field section (head or trailers) from the peer. */
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
  /** Server role: whether extended CONNECT is offered (RFC 8441). */
  readonly enableConnectProtocol: boolean
  readonly events: SessionEvents
  /** Client role: the id of the first stream; odd, default 1. For tests of what happens at the end of the ids. */
  readonly firstStreamId?: number
  /** The version of a borrowed chunk that may be kept; called within receive(). */
  readonly keep: (chunk: Buffer) => Buffer
}

/** What a client sends first on a stream. */
export interface OutgoingRequest {
  readonly method: string
  readonly scheme: string
  readonly authority: string
  readonly path: string
  /** Extended CONNECT: the value of :protocol. */
  readonly protocol: string | undefined
  /**
   * Adds `te: trailers`. By way of the list it would cost a copy, and the list its identity, by which the encoder remembers it (0.5 of the
   * 1.7 microseconds that a request costs here).
   */
  readonly acceptsTrailers?: boolean
  readonly headers: HeaderList
}

/** What a driver holds: HTTP/2 for both roles, without sockets, timers and clock. */
export interface Session {
  // Inputs
  /** Puts out the preface (client) and SETTINGS. Once, before anything else. */
  start(now: number): void
  /** `buffer[start, end)` came; borrowed until the call returns. Never throws. */
  receive(buffer: Buffer, start: number, end: number, now: number): void
  /** Call when `nextTimeoutAt` has come. */
  onTimeout(now: number): void
  /** The transport below is gone: all streams are told; no onEnd. `unprocessed`: nothing that was sent can have arrived. */
  abandon(message: string): void

  // Outputs
  /** Bytes that wait for the driver. */
  readonly outputBytes: number
  /** The next bytes to write, in order; they stay as they are until releaseOutput() is called. One at a time. */
  takeOutput(): readonly Buffer[]
  /** What was taken has left. */
  releaseOutput(): void
  /** When onTimeout wants to be called; Infinity: not at all. Changes with every input and command. */
  readonly nextTimeoutAt: number

  // What it knows
  /** The peer's SETTINGS have come. */
  readonly hasPeerSettings: boolean
  /** Streams that we may have open at once, as the peer says now; 0 once it takes none any more. */
  readonly capacity: number
  readonly openStreams: number
  /** The peer offers extended CONNECT (RFC 8441). */
  readonly peerEnablesConnect: boolean
  /** Bytes held for readers that sleep. */
  readonly bufferedBytes: number

  // Commands
  /**
   * Client role. Opens a stream. Throws TransportError MM_INVALID_ARGUMENT when a field cannot be put on the wire, before anything
   * was put out; and MM_CONNECTION_CLOSED when no stream can be opened any more.
   */
  open(request: OutgoingRequest, endsStream: boolean, events: StreamEvents, now: number): Stream
  /** Sends a PING; onPong follows when it is answered. */
  ping(): void
  /** Client role: tells the server of a new priority (RFC 9218 7.1). */
  reprioritize(stream: Stream, priority: string): void
  /**
   * Server role: GOAWAY in two steps (RFC 9113 6.8): 2^31-1 and a PING now, the real last id when it was answered. Client role: no new
   * streams, a GOAWAY once all are done. onEnd follows when the last stream is done.
   */
  drain(now: number): void
  /** Ends now: GOAWAY with the code, all streams reset. onEnd follows from within. */
  close(code: ErrorCode, message: string): void
}
