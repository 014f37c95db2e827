import type { TransportError } from '../../base/errors.ts'
import type { CloseReason } from '../../base/events/connection.ts'
import type { ExchangeRequest } from '../../base/http/exchange.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { ResetCode, Stream, StreamEvents } from './stream.ts'

/** What a client sends first on a stream. */
export interface OutgoingRequest {
  readonly method: string
  readonly scheme: string
  readonly authority: string
  readonly path: string
  /** Extended CONNECT: the value of :protocol. */
  readonly protocol: string | undefined
  /**
   * Adds `te: trailers`. By way of the list it would cost a copy, and the list its identity, by which the
   * encoder remembers it (0.5 of the 1.7 microseconds that a request costs here).
   */
  readonly acceptsTrailers?: boolean
  readonly headers: HeaderList
}

/**
 * Whether a request can go out: `now`; `later`, when the peer has said more (onReady reports it);
 * `unavailable`: extended CONNECT, which this peer does not offer (RFC 8441 3, RFC 9220); `refused`: the peer
 * allows no stream for it, and is not about to.
 */
export type Readiness = 'now' | 'later' | 'unavailable' | 'refused'

/** A session of the client role, HTTP/2 or HTTP/3, as the connection holds it that is the same for both. */
export interface ClientSession {
  /** The peer's SETTINGS have come. */
  readonly hasPeerSettings: boolean
  /** Streams that we may have open at once, as the peer says now; 0 once it takes none any more. */
  readonly capacity: number
  /** `capacity` is provisional: see Connection. */
  readonly isCapacityProvisional: boolean
  readonly openStreams: number
  /** The peer offers extended CONNECT. */
  readonly peerEnablesConnect: boolean
  /** The drafts of WebTransport that the peer offers. Left out, or undefined: it is not known. */
  readonly webTransportDrafts?: readonly string[] | undefined
  /**
   * When onTimeout wants to be called; Infinity: not at all. Changes with every input and command, and with
   * readiness().
   */
  readonly nextTimeoutAt: number
  /** What is opened now is sent before the handshake is complete. */
  readonly isInEarlyData: boolean
  /**
   * The peer may be gone without our knowing: a request that cannot be sent twice is to wait for an answer to
   * ping() first, which comes or is followed by onUnresponsive or the end. Left out: whoever carries the
   * bytes knows.
   */
  isInDoubt?(now: number): boolean
  /** Why readiness() is `unavailable`, where that is another reason than the lack of extended CONNECT. */
  whyUnavailable?(request: ExchangeRequest): string | undefined
  /** A `later` may be bounded: see nextTimeoutAt. */
  readiness(request: ExchangeRequest, now: number): Readiness
  /**
   * Opens a stream. Throws TransportError MM_INVALID_ARGUMENT when a field cannot be put on the wire, before
   * anything was put out; and MM_CONNECTION_CLOSED when no stream can be opened any more.
   */
  open(request: OutgoingRequest, endsStream: boolean, events: StreamEvents, now: number): Stream
  /** Sends a liveness probe; onPong follows. */
  ping(): void
  onTimeout(now: number): void
  /** Takes no new streams; onEnd follows when the last one is done. */
  drain(now: number): void
  /** Ends now: all streams are reset. onEnd follows from within. */
  close(code: ResetCode, message: string): void
  /** The transport below is gone: all streams are notified; no onEnd. */
  abandon(message: string): void
}

/** What such a session reports the connection as a whole, from within an input or a command. */
export interface ClientSessionEvents {
  /** What makes a request ready, or `capacity`, may have changed. */
  onReady(): void
  /**
   * The peer takes no more streams. `requestsTaken`: how many it took, if it has said. Those that it did not
   * receive `unprocessed` next.
   */
  onGoaway(requestsTaken: number | undefined): void
  /** The connection has carried all the streams that it can. Open ones go on. */
  onExhausted(): void
  /**
   * A stream is gone and its place is free. Called before the stream's own last event. `failed`: see
   * ConnectionListener.
   */
  onStreamClosed(stream: Stream, failed: boolean): void
  onPong(): void
  /**
   * Nothing comes from the peer, where it owes acknowledgements: it may be gone. Streams that are open go on.
   * Client role.
   */
  onUnresponsive?(): void
  /** ORIGIN (RFC 8336, RFC 9412): the origins that the connection is good for, as ASCII serializations. */
  onOrigins(origins: readonly string[]): void
  /** A defence took effect: the name of its limit. */
  onDefence(limit: string): void
  /** The session is about to end: `capacity` is 0, the streams are notified next, then onEnd follows. */
  onEnding(end: SessionEnd): void
  /** The session is over. Streams were notified before. The last call. */
  onEnd(end: SessionEnd): void
}

export interface SessionEnd {
  /** As its protocol names it: for messages. */
  readonly code: string
  /** False: by NO_ERROR. */
  readonly isError: boolean
  readonly message: string
  /**
   * - `local`: our own will, or done
   * - `peer`: it broke the protocol, or ended the connection
   * - `flood`: a defence ended it
   * - `timeout`: it did not say what it had to in time
   * - `network`: the way to it is gone
   * - `silent`: it was sent a liveness probe and gave none
   * - `idle`: nothing came for the idle timeout of the connection. Where nothing was under way that is
   *   nobody's fault
   */
  readonly cause: 'local' | 'peer' | 'flood' | 'timeout' | 'network' | 'silent' | 'idle'
  /** What was thrown that must not be: a defect of ours. The driver reports it. */
  readonly defect?: unknown
}

/** What carries the bytes of a session: a socket, or a QUIC connection. */
export interface Carrier {
  /** False once it has failed, when its end is about to be reported. */
  readonly isWritable: boolean
  /** Sends what there is and then ends. */
  finish(): void
  /** See Connection.whenGone. */
  whenGone(): Promise<void> | undefined
  /** Whether it keeps the process alive. */
  ref(): void
  unref(): void
}

/** What a carrier and its session are given. */
export interface SessionHost {
  readonly events: ClientSessionEvents
  /** Something has come: the time of it, which is kept to until endInput(). */
  beginInput(): number
  endInput(): void
  /** Nothing more comes or goes. May be reported again. */
  onLost(reason: CloseReason, error: TransportError): void
  /**
   * Something of ours has thrown in an event of the carrier, and was reported: the connection ends at once,
   * with all that is on it.
   */
  readonly onFault: (error: TransportError) => void
  /** Somebody waits for an answer. */
  isWaiting(): boolean
}
