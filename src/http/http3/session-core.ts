import { asTransportError } from '../../base/errors.ts'
import { NO_HEADERS } from '../../base/http/headers.ts'
import type { QuicConnection } from '../../quic/engine.ts'
import type { SessionEnd } from '../multiplex/client-session.ts'
import { FloodGuard } from '../multiplex/flood-guard.ts'
import { SessionLife } from '../multiplex/session-life.ts'
import type { ResetCode, StreamReset } from '../multiplex/stream.ts'
import { StreamRing } from '../multiplex/stream-ring.ts'
import {
  HTTP3_ERROR_CODES,
  Http3ConnectionFault,
  type Http3ErrorCode,
  type Http3StreamFault,
} from './frames/error-codes.ts'
import { MessageWriter, SectionReader } from './frames/section-codec.ts'
import { type Http3Settings, INITIAL_HTTP3_SETTINGS } from './frames/settings.ts'
import type { RequestStream } from './request-stream.ts'
import { Http3SendSide } from './send-side.ts'
import type { Http3SessionEvents, Http3SessionOptions } from './session.ts'
import { TunnelDatagrams } from './stream-datagrams.ts'
import type { ConnectionStreams } from './webtransport/connection-streams.ts'

/** How a stream, and the session, end: in the codes of HTTP/3. */
export type Broken = Omit<StreamReset, 'code' | 'isError'> & { readonly code: Http3ErrorCode }
export type Ended = Omit<SessionEnd, 'code' | 'isError'> & { readonly code: Http3ErrorCode }

/** What our side of a stream says when it breaks it off. */
const RESET_CODES: Readonly<Record<ResetCode, Http3ErrorCode>> = {
  NO_ERROR: 'H3_NO_ERROR',
  CANCEL: 'H3_REQUEST_CANCELLED',
  INTERNAL_ERROR: 'H3_INTERNAL_ERROR',
  ENHANCE_YOUR_CALM: 'H3_EXCESSIVE_LOAD',
}

/** What is counted, by the name of its limit in Http3Options. */
const FLOOD_KINDS = [
  'maxResetsPerSecond',
  'maxEmptyFramesPerSecond',
  'maxIgnoredFramesPerSecond',
  'maxStrayDatagramsPerSecond',
] as const

/**
 * The state of a session of HTTP/3 and the parts that hold the rest of it; how a stream, and the session,
 * end.
 */
export class Http3SessionCore {
  readonly role: 'client' | 'server'
  readonly quic: QuicConnection
  readonly options: Http3SessionOptions
  readonly events: Http3SessionEvents
  readonly life = new SessionLife()
  /** Request streams are every fourth id (RFC 9000 2.1). */
  readonly table = new StreamRing<RequestStream>(2)
  readonly sections: MessageWriter
  readonly reader: SectionReader
  readonly sending: Http3SendSide
  readonly guard: FloodGuard<(typeof FLOOD_KINDS)[number]>
  /** What we say of ourselves. */
  readonly ownSettings: Http3Settings
  readonly datagrams = new TunnelDatagrams(this)
  /** Undefined: WebTransport is not offered. */
  webTransport: ConnectionStreams | undefined
  readonly #onSettle: () => void
  #peerSettings: Http3Settings | undefined
  /** The time of the input or command that is being worked on. */
  #now = 0
  /** Within a turn: what is put out leaves behind it, and nobody needs to be notified. */
  #isTurning = false
  #isOutputReported = false

  /** `onSettle`: the end of every input and command, where a session that drains may end. */
  constructor(options: Http3SessionOptions, onSettle: () => void) {
    const { role, quic, options: http3 } = options
    this.role = role
    this.quic = quic
    this.options = options
    this.events = options.events
    this.#onSettle = onSettle
    this.guard = new FloodGuard({
      kinds: FLOOD_KINDS,
      rates: http3,
      fault: (message, limit) => new Http3ConnectionFault('H3_EXCESSIVE_LOAD', message, limit),
    })
    this.ownSettings = {
      qpackMaxTableCapacity: http3.qpackTableBytes,
      qpackBlockedStreams: http3.qpackBlockedStreams,
      maxFieldSectionSize: options.maxHeaderBytes,
      enableConnectProtocol: options.enableConnectProtocol,
      h3Datagram: options.enableDatagrams,
      webTransport: options.webTransport,
    }
    this.sections = new MessageWriter(http3.encoderTableBytes)
    this.reader = new SectionReader({
      maxTableBytes: http3.qpackTableBytes,
      maxBlockedStreams: http3.qpackBlockedStreams,
      maxHeaderBytes: options.maxHeaderBytes,
      maxHeaderCount: options.maxHeaderCount,
      allowsExtendedConnect: options.enableConnectProtocol,
    })
    this.sending = new Http3SendSide(quic, http3.writeAheadBytes, stream => this.#onSentEnd(stream))
  }

  get now(): number {
    return this.#now
  }

  get isEnded(): boolean {
    return this.life.isEnded
  }

  get hasPeerSettings(): boolean {
    return this.#peerSettings !== undefined
  }

  get peerSettings(): Http3Settings {
    return this.#peerSettings ?? INITIAL_HTTP3_SETTINGS
  }

  // The input or command that is being worked on

  begin(now: number): void {
    this.#now = now
  }

  beginTurn(now: number): void {
    this.#now = now
    this.#isTurning = true
  }

  endTurn(): void {
    this.webTransport?.onTurnEnd()
    this.#onSettle()
    this.flush()
    this.#isTurning = false
  }

  /** Gives QUIC what was put out since it was reported. */
  flush(): void {
    this.#isOutputReported = false
    if (this.life.isEnded) return
    this.sending.flush()
    this.webTransport?.flush()
  }

  settle(): void {
    if (this.#isTurning) return
    this.#onSettle()
    this.reportOutput()
  }

  reportOutput(): void {
    if (this.#isTurning || this.#isOutputReported) return
    this.#isOutputReported = true
    this.events.onOutput()
  }

  onPeerSettings(settings: Http3Settings): void {
    this.#peerSettings = settings
    this.sections.encoder.setPeerLimits(settings.qpackMaxTableCapacity, settings.qpackBlockedStreams)
  }

  // How a stream ends

  /** Both sides are done. */
  finish(stream: RequestStream): void {
    stream.isOver = true
    this.#release(stream)
    this.events.onStreamClosed(stream, false)
  }

  /** Our driver gives it up. */
  abandonStream(stream: RequestStream, code: ResetCode): void {
    if (stream.isOver) return
    this.#breakOff(stream, RESET_CODES[code])
    this.finish(stream)
    this.settle()
  }

  /**
   * It broke: the listener is notified, then the stream. `speaksAgainstPeer`: see
   * ConnectionListener.onStreamClosed.
   */
  breakStream(stream: RequestStream, reset: Broken, speaksAgainstPeer: boolean): void {
    if (stream.isOver) return
    this.#breakOff(stream, isOurDoing(reset) ? reset.code : 'H3_REQUEST_CANCELLED')
    stream.isOver = true
    this.#release(stream)
    this.events.onStreamClosed(stream, speaksAgainstPeer)
    stream.events.onReset({ ...reset, isError: reset.code !== 'H3_NO_ERROR' })
  }

  /** The peer broke a rule on a stream (RFC 9114 8). */
  onStreamFault(stream: RequestStream, fault: Http3StreamFault): void {
    // Faults that make us reset cost us as much as resets do (CVE-2025-8671).
    this.guard.count('maxResetsPerSecond', this.#now)
    if (fault.limit !== undefined) this.events.onDefence(fault.limit)
    if (this.role === 'server' && fault.limit === 'maxHeaderBytes' && stream.readState === 'head') {
      this.#refuseLargeHead(stream)
      return
    }
    const cause = fault.limit === undefined ? 'broken' : 'limit'
    this.breakStream(stream, { code: fault.code, cause, message: fault.message }, true)
  }

  /**
   * 431 (RFC 6585 5) rather than a bare reset: the client learns what was wrong. Nobody was notified of the
   * request.
   */
  #refuseLargeHead(stream: RequestStream): void {
    const length = this.sections.response(stream.id, 431, NO_HEADERS)
    if (!stream.hasReadEnd) this.quic.stop(stream.id, HTTP3_ERROR_CODES.H3_NO_ERROR) // RFC 9114 4.1
    this.reader.cancel(stream.id)
    stream.isPaused = true
    stream.hasReceivedEnd = true
    stream.isSendOpen = false
    this.sending.putSection(stream, this.sections.bytes, length, true)
  }

  // How the session ends

  /**
   * Closes the QUIC connection and breaks all streams. `beforeClose`: what is to be saved of them is read,
   * while nothing new is opened any more.
   */
  end(how: Ended, limit?: string, beforeClose?: () => void): void {
    if (this.life.isEnded) return
    const isGraceful = how.cause === 'local' && how.code === 'H3_NO_ERROR'
    this.life.linger()
    if (limit !== undefined) this.events.onDefence(limit)
    const end: SessionEnd = { ...how, isError: how.code !== 'H3_NO_ERROR' }
    this.events.onEnding(end)
    beforeClose?.()
    if (!isGraceful || this.events.mayCloseNow?.() !== false) {
      this.life.end()
      this.quic.close(true, HTTP3_ERROR_CODES[how.code], how.message.slice(0, MAX_REASON_CHARS))
    }
    this.#breakAll(how.code, how.message)
    this.events.onEnd(end)
  }

  /** Something threw: the peer broke a rule, or it is a defect of ours, or of a handler. */
  fail(error: unknown): void {
    if (error instanceof Http3ConnectionFault) {
      const cause = error.limit === undefined ? 'peer' : 'flood'
      this.end({ code: error.code, message: error.message, cause }, error.limit)
    } else {
      const { message } = asTransportError(error)
      this.end({ code: 'H3_INTERNAL_ERROR', message, cause: 'local', defect: error })
    }
    this.reportOutput()
  }

  /** The QUIC connection has ended. `beforeBreak`: what has come whole is read. */
  onQuicEnd(end: SessionEnd, code: Http3ErrorCode, beforeBreak: () => void): void {
    if (this.life.isEnded) return
    this.life.end()
    this.events.onEnding(end)
    beforeBreak()
    this.#breakAll(code, end.message)
    this.events.onEnd(end)
  }

  abandon(message: string): void {
    if (this.life.isEnded) return
    this.life.end()
    this.#breakAll('H3_NO_ERROR', message)
  }

  #breakAll(code: Http3ErrorCode, message: string): void {
    for (const stream of this.table.all()) {
      this.breakStream(stream, { code, cause: 'session', message }, true)
    }
  }

  #onSentEnd(stream: RequestStream): void {
    stream.isSendOpen = false
    if (stream.isOver) return
    // A server that has answered loses what it did not read; a tunnel is owed every byte.
    const isOwedRest = this.role === 'client' || stream.isTunnel
    if (stream.hasReceivedEnd || (stream.hasReadEnd && !isOwedRest)) this.finish(stream)
  }

  /** Notifies the peer on both sides of the stream, as far as they are not done. */
  #breakOff(stream: RequestStream, code: Http3ErrorCode): void {
    const { quic } = this
    if (!stream.hasReadEnd) quic.stop(stream.id, HTTP3_ERROR_CODES[code])
    // An answer that was broken off must not look like a whole one, nor like one that is not wanted.
    if (!stream.hasSentEnd) {
      const isRequest = this.role === 'client' && code === 'H3_NO_ERROR'
      quic.reset(stream.id, HTTP3_ERROR_CODES[isRequest ? 'H3_REQUEST_CANCELLED' : code])
    }
  }

  #release(stream: RequestStream): void {
    this.table.remove(stream)
    this.sending.forget(stream)
    this.datagrams.onStreamOver(stream.id)
    this.webTransport?.onRequestOver(stream.id)
    if (!stream.hasReceivedEnd) this.reader.cancel(stream.id)
    stream.rest = undefined
    stream.blockedSection = undefined
  }
}

/** What the peer does not know yet. */
function isOurDoing({ cause }: Broken): boolean {
  return cause === 'broken' || cause === 'limit' || cause === 'invalid'
}

const MAX_REASON_CHARS = 200
