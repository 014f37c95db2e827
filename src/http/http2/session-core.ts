import { asTransportError } from '../../base/errors.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { Http2Options } from '../../base/options/protocol-options.ts'
import { HpackEncoder } from '../hpack/hpack-encoder.ts'
import type { SessionEnd } from '../multiplex/client-session.ts'
import type { StreamReset } from '../multiplex/stream.ts'
import { type ActiveStream, nextStreamState } from './active-stream.ts'
import { FloodGuard } from './flood-guard.ts'
import { ConnectionFault, ERROR_CODES, type ErrorCode, type StreamFault } from './frames/error-codes.ts'
import { GOAWAY, RST_STREAM, SETTINGS } from './frames/frame-table.ts'
import { encodeGoaway } from './frames/goaway.ts'
import { HeadWriter } from './frames/head-codec.ts'
import { OutputQueue } from './frames/output-queue.ts'
import { encodeInitialWindow, INITIAL_SETTINGS, type PeerSettings } from './frames/settings.ts'
import { putPing } from './pings.ts'
import { ReceiveSide } from './receive-side.ts'
import { SendSide } from './send-side.ts'
import type { SessionEvents, SessionOptions } from './session.ts'
import { SessionDeadlines } from './session-deadlines.ts'
import { StreamTable } from './stream-table.ts'

/** How a stream, and the session, end: in the codes of HTTP/2. */
type Broken = Omit<StreamReset, 'code' | 'isError'> & { readonly code: ErrorCode }
type Ended = Omit<SessionEnd, 'code' | 'isError'> & { readonly code: ErrorCode }

/** What all parts of a session share, and the ways in which a stream or the session ends. */
export class SessionCore {
  readonly role: 'client' | 'server'
  readonly options: Http2Options
  readonly events: SessionEvents
  readonly table: StreamTable
  readonly output: OutputQueue = new OutputQueue()
  readonly encoder: HpackEncoder
  readonly heads: HeadWriter
  readonly sending: SendSide
  readonly receiving: ReceiveSide
  readonly guard: FloodGuard
  readonly deadlines: SessionDeadlines = new SessionDeadlines()
  peerSettings: PeerSettings = INITIAL_SETTINGS
  hasPeerSettings = false
  /** The time of the input or command that is being worked on. */
  now = 0
  isEnded = false
  /** Frames that only answer, and that nobody has taken for writing yet. */
  #queuedReplies = 0

  constructor(sessionOptions: SessionOptions) {
    const { role, options, events, firstStreamId } = sessionOptions
    this.role = role
    this.options = options
    this.events = events
    this.table = new StreamTable(role, role === 'client' ? (firstStreamId ?? 1) : 2)
    this.encoder = new HpackEncoder(options.encoderTableBytes)
    this.heads = new HeadWriter(this.encoder, this.output)
    this.guard = new FloodGuard(options)
    this.sending = new SendSide(this.output, options.writeAheadBytes, {
      sendTrailers: (stream, trailers) => this.#sendTrailers(stream, trailers),
      onSentEnd: stream => this.onSentEnd(stream),
    })
    this.receiving = new ReceiveSide(this.output, options, {
      sendSample: () => putPing(this.output, 'sample'),
      streamCount: () => this.table.size,
    })
  }

  /** To be called when something was held, or taken of it. */
  adjustWindows(): void {
    if (!this.receiving.adjustInitialWindow(() => this.table.all(), this.now)) return
    this.output.putFrame(SETTINGS, 0, 0, encodeInitialWindow(this.receiving.initialWindowBytes))
  }

  /**
   * A frame is about to be put out that only answers the peer: one that never reads must not make us gather
   * them.
   */
  countReply(): void {
    this.#queuedReplies += 1
    const { maxQueuedReplies } = this.options
    if (maxQueuedReplies === 0 || this.#queuedReplies <= maxQueuedReplies) return
    throw new ConnectionFault(
      'ENHANCE_YOUR_CALM',
      `more than maxQueuedReplies (${maxQueuedReplies}) answers wait for the peer to read them`,
      'maxQueuedReplies',
    )
  }

  onOutputTaken(): void {
    this.#queuedReplies = 0
  }

  putReset(streamId: number, code: ErrorCode): void {
    const at = this.output.startFrame(4, RST_STREAM, 0, streamId)
    this.output.block.writeUInt32BE(ERROR_CODES[code], at)
    this.table.rememberReset(streamId)
  }

  // How a stream ends

  onSentEnd(stream: ActiveStream): void {
    stream.state = nextStreamState(stream.state, 'sendEnd')
    if (stream.state !== 'closed') return
    if (stream.hasReceivedEnd || !this.isOwedRest(stream)) this.finish(stream)
  }

  /**
   * Both sides have said everything, and some of what the peer said is held for a reader that sleeps. A
   * client gets the rest of its answer, and a tunnel is owed every byte. A server that has answered loses
   * what it did not read: for the client the stream is over and its place free.
   */
  isOwedRest(stream: ActiveStream): boolean {
    return this.role === 'client' || stream.isTunnel
  }

  /** Both sides are done. */
  finish(stream: ActiveStream): void {
    stream.isOver = true
    this.#release(stream)
    this.events.onStreamClosed(stream, false)
  }

  /** Our driver gives it up. */
  abandonStream(stream: ActiveStream, code: ErrorCode): void {
    if (stream.isOver) return
    if (stream.state !== 'closed') this.putReset(stream.id, code)
    stream.isOver = true
    stream.state = 'closed'
    this.#release(stream)
    this.events.onStreamClosed(stream, false)
  }

  /**
   * It broke: the listener is notified, then the stream. `speaksAgainstPeer`: see
   * ConnectionListener.onStreamClosed.
   */
  breakStream(stream: ActiveStream, reset: Broken, speaksAgainstPeer: boolean): void {
    if (stream.isOver) return
    stream.isOver = true
    stream.state = 'closed'
    this.#release(stream)
    this.events.onStreamClosed(stream, speaksAgainstPeer)
    stream.events.onReset({ ...reset, isError: reset.code !== 'NO_ERROR' })
  }

  /** The peer broke a rule on a stream, which may be gone or never have been (RFC 9113 5.4.2). */
  onStreamFault(streamId: number, fault: StreamFault): void {
    const stream = this.table.get(streamId)
    // Faults that make us reset cost us as much as resets do (CVE-2025-8671). One more request than we allow
    // is none of the client's: it may not know yet.
    this.guard.countStreamFault(this.role === 'server' && fault.limit === undefined, this.now)
    if (fault.limit !== undefined) this.events.onDefence(fault.limit)
    if (stream === undefined || stream.state !== 'closed') {
      this.countReply()
      this.putReset(streamId, fault.code)
    }
    if (stream === undefined) return
    const cause = fault.limit === undefined ? 'broken' : 'limit'
    this.breakStream(stream, { code: fault.code, cause, message: fault.message }, true)
  }

  // How the session ends

  /**
   * Says GOAWAY and breaks all streams. `beforeBreak`: what is to be saved of them is, while nothing new is
   * opened any more.
   */
  end(how: Ended, limit?: string, beforeBreak?: () => void): void {
    if (this.isEnded) return
    const end: SessionEnd = { ...how, isError: how.code !== 'NO_ERROR' }
    this.isEnded = true
    if (limit !== undefined) this.events.onDefence(limit)
    this.dropUnsent()
    this.output.putFrame(GOAWAY, 0, 0, encodeGoaway(this.table.lastPeerId, how.code, how.message))
    this.events.onEnding(end)
    beforeBreak?.()
    this.breakAll(how.code, how.message)
    this.events.onEnd(end)
  }

  /**
   * To be called before what still leaves at the end is put out. Requests that nobody took for writing are
   * told to be unprocessed and may be sent again at once: they must not leave after that. Their ids rise with
   * their places, so that what was put out ahead of the first of them still leaves.
   */
  dropUnsent(): void {
    if (this.role !== 'client') return
    const first = this.table.all().find(stream => this.#isUnsent(stream))
    if (first !== undefined) this.output.dropFrom(first.firstFrameAt)
  }

  /** To be called once, behind dropUnsent(). */
  breakAll(code: ErrorCode, message: string): void {
    for (const stream of this.table.all()) {
      // What nobody took for writing cannot have been processed.
      const isUnsent = this.#isUnsent(stream)
      this.breakStream(stream, { code, cause: isUnsent ? 'unprocessed' : 'session', message }, !isUnsent)
    }
  }

  #isUnsent(stream: ActiveStream): boolean {
    return stream.firstFrameAt >= 0 && this.output.isUntaken(stream.firstFrameAt)
  }

  #release(stream: ActiveStream): void {
    this.table.remove(stream)
    this.sending.forget(stream)
    this.receiving.forget(stream)
    stream.heldEnd = undefined
  }

  #sendTrailers(stream: ActiveStream, trailers: HeaderList): boolean {
    try {
      this.heads.putTrailers(stream.id, trailers)
      return true
    } catch (error) {
      // It may be long since the driver gave them: this is how it is notified of it.
      const { message } = asTransportError(error)
      this.putReset(stream.id, 'INTERNAL_ERROR')
      this.breakStream(stream, { code: 'INTERNAL_ERROR', cause: 'invalid', message }, false)
      return false
    }
  }
}
