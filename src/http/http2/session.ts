import type { EarlyGate } from '../../base/http/early-gate.ts'
import type { Http2Options, LivenessOptions } from '../../base/options/protocol-options.ts'
import type { SessionEnd } from '../multiplex/client-session.ts'
import type { RequestHead } from '../multiplex/messages/message-head.ts'
import type { Stream, StreamEvents } from '../multiplex/stream.ts'
import type { Http2ErrorCode } from './frames/error-codes.ts'

export interface Http2SessionOptions {
  readonly role: 'client' | 'server'
  readonly options: Http2Options
  /** One field section (head or trailers) from the peer. */
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
  /** Server role: whether extended CONNECT is offered (RFC 8441). */
  readonly enableConnectProtocol: boolean
  /** Default: nobody asks. */
  readonly liveness?: LivenessOptions | undefined
  readonly events: Http2SessionEvents
  /**
   * Client role: the id of the first stream; odd, default 1. For tests of what happens at the end of the ids.
   */
  readonly firstStreamId?: number
  /** Client role: the handshake below is under way. onReady is due when it is complete. */
  readonly early?: EarlyGate | undefined
}

/**
 * What a session reports to its driver of the connection as a whole. Called from within receive(),
 * onTimeout() or a command. The driver may call commands from within.
 */
export interface Http2SessionEvents {
  /** There is output where there was none: take it before the loop turns. */
  onOutput(): void
  /** The peer's SETTINGS came: the first ones, or new ones. */
  onSettings(): void
  /**
   * The peer takes no more streams. Those above lastStreamId receive `unprocessed` resets after this. It may
   * come twice (RFC 9113 6.8: a graceful end says 2^31-1 first).
   */
  onGoaway(goaway: Goaway): void
  /**
   * Client role: the stream ids are used up (RFC 9113 5.1.1). `capacity` is 0 from now on; open streams go
   * on.
   */
  onExhausted(): void
  /**
   * Server role: a request began. Answer with who is notified of it; with `endsStream` no onData and no onEnd
   * follow.
   */
  onRequest(stream: Stream, head: RequestHead, endsStream: boolean): StreamEvents
  /**
   * A stream is gone and its place is free. Called before the stream's own last event. `failed`: see
   * ConnectionListener.
   */
  onStreamClosed(stream: Stream, failed: boolean): void
  /** A PING of ours was answered. */
  onPong(): void
  /** ORIGIN (RFC 8336), client role: the origins that the connection is good for, as ASCII serializations. */
  onOrigins(origins: readonly string[]): void
  /**
   * ALTSVC (RFC 7838 4), client role. `origin` is '' when the frame stands for the origin of the connection.
   */
  onAltSvc(origin: string, value: string): void
  /**
   * A defence took effect: which one, by the name of its limit. For metrics. The end of the connection or
   * stream follows by itself.
   */
  onDefence(limit: string): void
  /** The session is about to end: `capacity` is 0, the streams are notified next, then onEnd follows. */
  onEnding(end: SessionEnd): void
  /**
   * The session is over: by an error of the peer's (`code`, after a GOAWAY with it was put out), or because
   * everything is done after a GOAWAY. Streams were notified before. The driver writes what output is left
   * and ends the socket. The last call.
   */
  onEnd(end: SessionEnd): void
}

export interface Goaway {
  readonly lastStreamId: number
  readonly code: Http2ErrorCode
  /** The peer's debug data, printable and cut. */
  readonly debug: string
}
