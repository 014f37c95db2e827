import type { EarlyGate } from '../../base/http/early-gate.ts'
import type { Http2Options, LivenessOptions } from '../../base/options/protocol-options.ts'
import type { ClientSession } from '../multiplex/client-session.ts'
import type { Stream } from '../multiplex/stream.ts'
import type { ErrorCode } from './frames/error-codes.ts'
import type { SessionEvents } from './session-events.ts'

export interface SessionOptions {
  readonly role: 'client' | 'server'
  readonly options: Http2Options
  /** One field section (head or trailers) from the peer. */
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
  /** Server role: whether extended CONNECT is offered (RFC 8441). */
  readonly enableConnectProtocol: boolean
  /** Default: nobody asks. */
  readonly liveness?: LivenessOptions | undefined
  readonly events: SessionEvents
  /**
   * Client role: the id of the first stream; odd, default 1. For tests of what happens at the end of the ids.
   */
  readonly firstStreamId?: number
  /** Client role: the handshake below is under way. onReady is due when it is complete. */
  readonly early?: EarlyGate | undefined
}

/** What a driver holds: HTTP/2 for both roles, without sockets, timers and clock. */
export interface Session extends ClientSession {
  // Inputs
  /** Puts out the preface (client) and SETTINGS. Once, before anything else. */
  start(now: number): void
  /** `buffer[start, end)` came; borrowed until the call returns. Never throws. */
  receive(buffer: Buffer, start: number, end: number, now: number): void

  // Outputs
  /** Bytes that wait for the driver. */
  readonly outputBytes: number
  /**
   * The next bytes to write, in order; they stay as they are until releaseOutput() is called. One at a time.
   */
  takeOutput(): readonly Buffer[]
  /** What was taken has left. */
  releaseOutput(): void

  // What it knows
  /** The memory that is held for readers that sleep. */
  readonly bufferedBytes: number

  // Commands
  /** Client role: tells the server of a new priority (RFC 9218 7.1). */
  reprioritize(stream: Stream, priority: string): void
  /**
   * Server role: GOAWAY in two steps (RFC 9113 6.8): 2^31-1 and a PING now, the real last id when it was
   * answered. Client role: no new streams, a GOAWAY once all are done. onEnd follows when the last stream is
   * done.
   */
  drain(now: number): void
  /** Ends now: GOAWAY with the code, all streams reset. onEnd follows from within. */
  close(code: ErrorCode, message: string): void
}
