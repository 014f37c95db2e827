import { type HeaderList, NO_HEADERS } from '../../base/http/headers.ts'
import type { QuicConnection } from '../../quic/engine.ts'
import type { OutgoingRequest, SessionEnd } from '../multiplex/client-session.ts'
import { HeadFields } from '../multiplex/messages/head-fields.ts'
import type { ResetCode, StreamReset } from '../multiplex/stream.ts'
import { StreamRing } from '../multiplex/stream-ring.ts'
import { QpackEncoder } from '../qpack/qpack-encoder.ts'
import { FloodGuard } from './flood-guard.ts'
import { type ConnectionFault, ERROR_CODES, type ErrorCode, type StreamFault } from './frames/error-codes.ts'
import { SectionReader } from './frames/section-reader.ts'
import { INITIAL_SETTINGS, type Settings } from './frames/settings.ts'
import type { RequestStream } from './request-stream.ts'
import { SendSide } from './send-side.ts'
import type { SessionEvents, SessionOptions } from './session.ts'

/**
 * Encodes heads and trailers. What cannot be put on the wire throws TransportError MM_INVALID_ARGUMENT, and
 * then nothing has happened. Each returns the length of the section, which is at the beginning of `bytes`
 * until the next one. What the encoder stream has to say goes out before it.
 */
export class SectionWriter {
  readonly encoder: QpackEncoder
  readonly #fields = new HeadFields()

  constructor(maxTableBytes: number) {
    this.encoder = new QpackEncoder({ maxTableBytes })
  }

  get bytes(): Buffer {
    return this.encoder.bytes
  }

  check(request: OutgoingRequest): void {
    this.#fields.check(request)
  }

  request(streamId: number, request: OutgoingRequest): number {
    this.encoder.begin(streamId)
    this.#fields.addRequest(this.encoder, request)
    return this.encoder.end()
  }

  response(streamId: number, status: number, headers: HeaderList): number {
    this.encoder.begin(streamId)
    this.#fields.addResponse(this.encoder, status, headers)
    return this.encoder.end()
  }

  trailers(streamId: number, trailers: HeaderList): number {
    this.encoder.begin(streamId)
    this.encoder.addAll(trailers)
    return this.encoder.end()
  }
}

/** How a stream, and the session, end: in the codes of HTTP/3. */
export type Broken = Omit<StreamReset, 'code' | 'isError'> & { readonly code: ErrorCode }
export type Ended = Omit<SessionEnd, 'code' | 'isError'> & { readonly code: ErrorCode }

/** What our side of a stream says when it breaks it off. */
const RESET_CODES: Readonly<Record<ResetCode, ErrorCode>> = {
  NO_ERROR: 'H3_NO_ERROR',
  CANCEL: 'H3_REQUEST_CANCELLED',
  INTERNAL_ERROR: 'H3_INTERNAL_ERROR',
  ENHANCE_YOUR_CALM: 'H3_EXCESSIVE_LOAD',
}

/** What all parts of a session share, and the ways in which a stream or the session ends. */
export class SessionCore {
  readonly role: 'client' | 'server'
  readonly quic: QuicConnection
  readonly options: SessionOptions
  readonly events: SessionEvents
  /** Request streams are every fourth id (RFC 9000 2.1). */
  readonly table = new StreamRing<RequestStream>(2)
  readonly sections: SectionWriter
  readonly reader: SectionReader
  readonly sending: SendSide
  readonly guard: FloodGuard
  peerSettings: Settings = INITIAL_SETTINGS
  hasPeerSettings = false
  /** The time of the input or command that is being worked on. */
  now = 0
  isEnded = false
  /**
   * It has ended, but what the peer says of the connection as a whole is still listened to: see
   * SessionEvents.mayCloseNow.
   */
  isLingering = false

  constructor(options: SessionOptions) {
    const { role, quic, options: http3 } = options
    this.role = role
    this.quic = quic
    this.options = options
    this.events = options.events
    this.guard = new FloodGuard(http3)
    this.sections = new SectionWriter(http3.encoderTableBytes)
    this.reader = new SectionReader({
      maxTableBytes: http3.qpackTableBytes,
      maxBlockedStreams: http3.qpackBlockedStreams,
      maxHeaderBytes: options.maxHeaderBytes,
      maxHeaderCount: options.maxHeaderCount,
      allowsExtendedConnect: options.enableConnectProtocol,
    })
    this.sending = new SendSide(quic, http3.writeAheadBytes, stream => this.#onSentEnd(stream))
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
  onStreamFault(stream: RequestStream, fault: StreamFault): void {
    // Faults that make us reset cost us as much as resets do (CVE-2025-8671).
    this.guard.count('maxResetsPerSecond', this.now)
    if (fault.limit !== undefined) this.events.onDefence(fault.limit)
    if (this.role === 'server' && fault.limit === 'maxHeaderBytes' && stream.readState === 'head') {
      this.#refuseLargeHead(stream)
      return
    }
    const cause = fault.limit === undefined ? 'broken' : 'limit'
    this.breakStream(stream, { code: fault.code, cause, message: fault.message }, true)
  }

  /**
   * 431 (RFC 6585 5) rather than a bare reset: the client learns what was wrong. Nobody was told of the
   * request.
   */
  #refuseLargeHead(stream: RequestStream): void {
    const length = this.sections.response(stream.id, 431, NO_HEADERS)
    if (!stream.hasReadEnd) this.quic.stop(stream.id, ERROR_CODES.H3_NO_ERROR) // RFC 9114 4.1
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
    if (this.isEnded) return
    this.isEnded = true
    if (limit !== undefined) this.events.onDefence(limit)
    const end: SessionEnd = { ...how, isError: how.code !== 'H3_NO_ERROR' }
    this.events.onEnding(end)
    beforeClose?.()
    const isGracefulEnd = how.cause === 'local' && how.code === 'H3_NO_ERROR'
    this.isLingering = isGracefulEnd && this.events.mayCloseNow?.() === false
    if (!this.isLingering) {
      this.quic.close(true, ERROR_CODES[how.code], how.message.slice(0, MAX_REASON_CHARS))
    }
    this.breakAll(how.code, how.message)
    this.events.onEnd(end)
  }

  fail(fault: ConnectionFault): void {
    const cause = fault.limit === undefined ? 'peer' : 'flood'
    this.end({ code: fault.code, message: fault.message, cause }, fault.limit)
  }

  breakAll(code: ErrorCode, message: string): void {
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
  #breakOff(stream: RequestStream, code: ErrorCode): void {
    const { quic } = this
    if (!stream.hasReadEnd) quic.stop(stream.id, ERROR_CODES[code])
    // An answer that was broken off must not look like a whole one, nor like one that is not wanted.
    if (!stream.hasSentEnd) {
      const isRequest = this.role === 'client' && code === 'H3_NO_ERROR'
      quic.reset(stream.id, ERROR_CODES[isRequest ? 'H3_REQUEST_CANCELLED' : code])
    }
  }

  #release(stream: RequestStream): void {
    this.table.remove(stream)
    this.sending.forget(stream)
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
