import type { ReadableStream, WritableStream } from 'node:stream/web'
import type { TransportError } from '../base/errors.ts'

/**
 * A session of WebTransport, as browsers have it (W3C WebTransport). Made by `transport.webTransport()`, or
 * by acceptWebTransport() of a listener.
 *
 * @example
 * ```ts
 * const session: WebTransportSession = transport.webTransport('https://origin.example/app')
 * await session.ready
 * const { writable, readable } = await session.createBidirectionalStream()
 * const writer = writable.getWriter()
 * await writer.write(Buffer.from('hello'))
 * await writer.close()
 * for await (const chunk of readable) console.log(chunk.length)
 * session.close({ closeCode: 0, reason: 'done' })
 * ```
 */
export interface WebTransportSession {
  /** Resolves when the session is open; rejects when it cannot be. */
  readonly ready: Promise<void>
  /** Resolves with how the session was closed, by whomever; rejects when it was lost. */
  readonly closed: Promise<WebTransportCloseInfo>
  /**
   * Resolves when the peer asks for the end: its connection takes no new sessions, or this one is to finish.
   */
  readonly draining: Promise<void>
  /** The protocol that both sides agreed on; '': none. */
  readonly protocol: string
  readonly reliability: 'pending' | 'supports-unreliable'
  /** Of the answer to the CONNECT, or of the request on the side that accepted it: lower-case names. */
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly incomingBidirectionalStreams: ReadableStream<WebTransportBidirectionalStream>
  readonly incomingUnidirectionalStreams: ReadableStream<WebTransportReceiveStream>
  readonly datagrams: WebTransportDatagrams
  createBidirectionalStream(options?: WebTransportSendStreamOptions): Promise<WebTransportBidirectionalStream>
  createUnidirectionalStream(options?: WebTransportSendStreamOptions): Promise<WebTransportSendStream>
  /** Whether the peer allows a further stream of ours now: else one that does not wait is MM_REFUSED. */
  mayOpen(direction: 'bidirectional' | 'unidirectional'): boolean
  /** See WebTransportSendStreamOptions.sendGroup. */
  createSendGroup(): WebTransportSendGroup
  /** Ends the session. Its streams are reset, so that the peer should have read what matters before. */
  close(info?: Partial<WebTransportCloseInfo>): void
  /** Asks the peer to end the session: its `draining` resolves. Everything goes on. */
  drain(): void
  /** Of the QUIC connection as it is now, which other sessions and requests may share. */
  getStats(): Promise<WebTransportStats>
}

/** What a proxy needs of a session besides, since it stands for the other side. */
export interface CarriedSession extends WebTransportSession {
  readonly datagrams: WebTransportDatagrams & {
    /** Gets each datagram as it comes, owned, in place of `readable`. Must not throw. */
    onDatagram: ((payload: Uint8Array) => void) | undefined
    /**
     * Sends one that is the session's own from now on, in this turn of the event loop where the connection
     * has room. Where too many wait the oldest one is lost. False: one was, or this one is too long.
     */
    relay(payload: Uint8Array): boolean
  }
  /** So many datagrams were lost for want of a reader, for their length, and for want of room to be sent. */
  readonly lostDatagrams: { readonly unread: number; readonly oversized: number; readonly unsent: number }
  /** Breaks the session off without a word: `closed` rejects, here and there. */
  abort(error: TransportError): void
}

/**
 * How a session was closed.
 *
 * @example
 * ```ts
 * const { closeCode, reason }: WebTransportCloseInfo = await session.closed
 * ```
 */
export interface WebTransportCloseInfo {
  /** 0 to 4,294,967,295. Default 0. */
  closeCode: number
  /** At most 1024 bytes of UTF-8. Default ''. */
  reason: string
}

/**
 * A stream in both directions.
 *
 * @example
 * ```ts
 * const { readable, writable }: WebTransportBidirectionalStream = await session.createBidirectionalStream()
 * ```
 */
export interface WebTransportBidirectionalStream {
  readonly readable: WebTransportReceiveStream
  readonly writable: WebTransportSendStream
}

/**
 * What the peer sends on one stream, as bytes. An error of it is a WebTransportError whose `streamErrorCode`
 * is what the peer reset it with; to cancel it stops the peer, with the `streamErrorCode` of the reason.
 *
 * @example
 * ```ts
 * for await (const stream of session.incomingUnidirectionalStreams) {
 *   for await (const chunk of stream) console.log(chunk.length)
 * }
 * ```
 */
export interface WebTransportReceiveStream extends ReadableStream<Uint8Array> {
  getStats(): Promise<{ readonly bytesRead: number }>
}

/**
 * What is sent on one stream. A write resolves when QUIC has taken all of it. To abort it resets the stream,
 * with the `streamErrorCode` of the reason.
 *
 * @example
 * ```ts
 * const stream: WebTransportSendStream = await session.createUnidirectionalStream({ sendOrder: 1 })
 * await stream.getWriter().write(bytes)
 * ```
 */
export interface WebTransportSendStream extends WritableStream<Uint8Array | ArrayBuffer> {
  /** See WebTransportSendStreamOptions. */
  sendOrder: number
  sendGroup: WebTransportSendGroup | null
  getStats(): Promise<{ readonly bytesWritten: number }>
}

/** How a stream of ours is opened. */
export interface WebTransportSendStreamOptions {
  /**
   * Whose bytes leave first among the streams of a group: the highest. QUIC has eight urgencies (RFC 9218):
   * of more than three orders above 0, or four below, the outermost share one. Default 0.
   */
  sendOrder?: number | undefined
  /** Orders are compared within a group. Default null: the group of all that have none. */
  sendGroup?: WebTransportSendGroup | null | undefined
  /** Wait where the peer allows no further stream now. Default false: that rejects with MM_REFUSED. */
  waitUntilAvailable?: boolean | undefined
}

/** Streams whose `sendOrder` is compared. */
export interface WebTransportSendGroup {
  getStats(): Promise<{ readonly bytesWritten: number }>
}

/**
 * Datagrams: each arrives once, later than others, or not at all.
 *
 * @example
 * ```ts
 * const datagrams: WebTransportDatagrams = session.datagrams
 * datagrams.outgoingMaxAge = 100
 * await datagrams.writable.getWriter().write(bytes)
 * ```
 */
export interface WebTransportDatagrams {
  readonly readable: ReadableStream<Uint8Array>
  /** What is longer than `maxDatagramSize` is dropped. */
  readonly writable: WritableStream<Uint8Array | ArrayBuffer>
  /** The longest that fits into a packet now. */
  readonly maxDatagramSize: number
  /** How many may wait for their reader; a newer one drives out the oldest. Default 64. */
  incomingHighWaterMark: number
  /** How many may wait to leave before a writer has to. Default 64. */
  outgoingHighWaterMark: number
  /** How long one may wait for its reader, in ms; null: for any time. Default null. */
  incomingMaxAge: number | null
  /** How long one may wait to leave, in ms; null: for any time. Default null. */
  outgoingMaxAge: number | null
}

/**
 * Figures of a session and of its connection. What cannot be measured is not there.
 *
 * @example
 * ```ts
 * const { smoothedRtt, packetsLost }: WebTransportStats = await session.getStats()
 * ```
 */
export interface WebTransportStats {
  /** Of the connection. */
  readonly bytesSent: number
  readonly packetsSent: number
  readonly packetsLost: number
  readonly bytesReceived: number
  readonly packetsReceived: number
  readonly smoothedRtt: number
  /** Of the session. */
  readonly datagrams: {
    /** Came while too many waited for their reader, or waited for too long. */
    readonly droppedIncoming: number
    /** Waited for too long to leave. */
    readonly expiredOutgoing: number
    /** Were longer than a packet. */
    readonly oversizedOutgoing: number
  }
}
