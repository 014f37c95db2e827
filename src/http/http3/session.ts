import type { Http3Options, LivenessOptions, QuicOptions } from '../../base/options/protocol-options.ts'
import type { QuicConnection, QuicHandshake } from '../../quic/engine.ts'
import type { ClientSessionEvents } from '../multiplex/client-session.ts'
import type { RequestHead } from '../multiplex/messages/message-head.ts'
import type { Stream, StreamEvents } from '../multiplex/stream.ts'
import type { Http3Settings, WebTransportSettings } from './frames/settings.ts'

export interface Http3SessionOptions {
  readonly role: 'client' | 'server'
  /**
   * Fresh: nobody has taken an event from it yet, but for `established` where that is handed on by
   * `handshake`.
   */
  readonly quic: QuicConnection
  readonly options: Http3Options
  /** One field section (head or trailers) from the peer. */
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
  /** The connection is exhausted after this many requests: see QuicOptions.maxRequestsPerConnection. */
  readonly maxRequests: number
  /**
   * Server role: from the first byte of a request to the end of its head; a slower one is broken off. Default
   * 0: any time.
   */
  readonly headTimeoutMs?: number | undefined
  /** Server role: whether extended CONNECT is offered (RFC 9220). */
  readonly enableConnectProtocol: boolean
  /** HTTP datagrams are taken (RFC 9297), if the engine and the peer take them. */
  readonly enableDatagrams: boolean
  /** WebTransport is offered. Needs the two above, the first one of a server. Default: it is not. */
  readonly webTransport?: WebTransportSettings | undefined
  /**
   * Client role: what the peer's SETTINGS were on the connection that the ticket is from (RFC 9114 7.2.4.2).
   */
  readonly rememberedSettings?: Http3Settings | undefined
  /** Default: nobody asks. */
  readonly liveness?: LivenessOptions | undefined
  /** Client role: see QuicOptions. Default: no peer is in doubt. */
  readonly patience?: Pick<QuicOptions, 'unresponsiveMs' | 'doubtMs'> | undefined
  readonly events: Http3SessionEvents
  /** The version of a borrowed chunk that may be kept; called within onTurn(). */
  readonly keep: (chunk: Buffer) => Buffer
}

/**
 * What a session reports to its driver, from within an input or a command. The driver may call commands from
 * within.
 */
export interface Http3SessionEvents extends ClientSessionEvents {
  /**
   * Something was put out from outside of a turn: flush() is to be called soon, and then the link must be
   * run. Reported once until flush().
   */
  onOutput(): void
  onHandshake(handshake: QuicHandshake): void
  /** Of our 0-RTT. */
  onEarlyData(outcome: 'accepted' | 'rejected'): void
  /**
   * The session ends itself, without an error: whether the QUIC connection is to be closed now. False: the
   * driver does it later, and calls onLateTurn until then. Left out: now.
   */
  mayCloseNow?(): boolean
  /** Client role: a ticket to resume with later, and the SETTINGS that go with it. */
  onTicket(ticket: Buffer, settings: Http3Settings): void
  /**
   * Server role: a request began. Answer with who is notified of it; with `endsStream` no onData and no onEnd
   * follow.
   */
  onRequest(stream: Stream, head: RequestHead, endsStream: boolean): StreamEvents
}
