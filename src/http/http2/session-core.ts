import { asTransportError } from '../../base/errors.ts'
import type { Http2Options } from '../../base/options/protocol-options.ts'
import { HpackEncoder } from '../hpack/hpack-encoder.ts'
import type { SessionEnd } from '../multiplex/client-session.ts'
import { Deadlines } from '../multiplex/deadlines.ts'
import { FloodGuard } from '../multiplex/flood-guard.ts'
import { SessionLife } from '../multiplex/session-life.ts'
import type { StreamReset } from '../multiplex/stream.ts'
import { type ActiveStream, nextStreamState } from './active-stream.ts'
import { encodeGoaway } from './frames/control-payloads.ts'
import {
  HTTP2_ERROR_CODES,
  Http2ConnectionFault,
  type Http2ErrorCode,
  type Http2StreamFault,
} from './frames/error-codes.ts'
import { GOAWAY, RST_STREAM, SETTINGS } from './frames/frame-table.ts'
import { HeadWriter } from './frames/head-codec.ts'
import { OutputQueue } from './frames/output-queue.ts'
import { encodeInitialWindow, INITIAL_HTTP2_SETTINGS, type PeerSettings } from './frames/settings.ts'
import { putPing } from './pings.ts'
import { ReceiveSide } from './receive-side.ts'
import { Http2SendSide } from './send-side.ts'
import type { Goaway, Http2SessionEvents, Http2SessionOptions } from './session.ts'
import { StreamTable } from './stream-table.ts'

/** How a stream, and the session, end: in the codes of HTTP/2. */
type Broken = Omit<StreamReset, 'code' | 'isError'> & { readonly code: Http2ErrorCode }
type Ended = Omit<SessionEnd, 'code' | 'isError'> & { readonly code: Http2ErrorCode }

/** What is counted, by the name of its limit in Http2Options. */
const FLOOD_KINDS = [
  'maxPingsPerSecond',
  'maxSettingsPerSecond',
  'maxResetsPerSecond',
  'maxEmptyFramesPerSecond',
  'maxTinyWindowUpdatesPerSecond',
  'maxIgnoredFramesPerSecond',
] as const

/**
 * What a new client may reset or make us reset at once, in seconds of the rate: two times all the streams
 * that it may have open, and a half. Who makes a connection for a flood, and another one when that is ended,
 * has no more than this on each.
 */
const NEWCOMER_SECONDS = 3

/**
 * A request that breaks the rules counts for so many that are given up: browsers give up hundreds, and break
 * no rules.
 */
const RESETS_PER_FAULT = 5

const MAX_STREAM_ID = 0x7fffffff

/**
 * The state of a session of HTTP/2 and the parts that hold the rest of it; how a stream, and the session,
 * end.
 */
export class Http2SessionCore {
  readonly role: 'client' | 'server'
  readonly options: Http2Options
  readonly events: Http2SessionEvents
  readonly life = new SessionLife()
  readonly table: StreamTable
  readonly output: OutputQueue = new OutputQueue()
  readonly encoder: HpackEncoder
  readonly heads: HeadWriter
  readonly sending: Http2SendSide
  readonly receiving: ReceiveSide
  readonly guard: FloodGuard<(typeof FLOOD_KINDS)[number]>
  readonly deadlines = new Deadlines(['settings', 'acknowledgement', 'fieldBlock', 'drainPong'])
  #peerSettings: PeerSettings | undefined
  #peerGoawayId = MAX_STREAM_ID
  /** The time of the input or command that is being worked on. */
  #now = 0
  /** Frames that only answer, and that nobody has taken for writing yet. */
  #queuedReplies = 0
  /** Within a read: what is put out is reported once, at its end. */
  #isReading = false
  #isOutputReported = false

  constructor(sessionOptions: Http2SessionOptions) {
    const { role, options, events, firstStreamId } = sessionOptions
    this.role = role
    this.options = options
    this.events = events
    this.table = new StreamTable(role, role === 'client' ? (firstStreamId ?? 1) : 2)
    this.encoder = new HpackEncoder(options.encoderTableBytes)
    this.heads = new HeadWriter(this.encoder, this.output)
    this.guard = new FloodGuard({
      kinds: FLOOD_KINDS,
      rates: options,
      fault: (message, limit) => new Http2ConnectionFault('ENHANCE_YOUR_CALM', message, limit),
    })
    this.sending = new Http2SendSide(this.output, this.heads, options.writeAheadBytes, this)
    this.receiving = new ReceiveSide(this.output, options, {
      sendSample: () => putPing(this.output, 'sample'),
      streamCount: () => this.table.size,
    })
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

  get peerSettings(): PeerSettings {
    return this.#peerSettings ?? INITIAL_HTTP2_SETTINGS
  }

  // The input or command that is being worked on

  begin(now: number): void {
    this.#now = now
  }

  beginRead(now: number): void {
    this.#now = now
    this.#isReading = true
  }

  endRead(): void {
    this.#isReading = false
    this.settle()
  }

  /** The end of every input and command: reports output, and ends a session that closes. */
  settle(): void {
    if (this.#isReading) return
    if (!this.life.isEnded) {
      this.adjustWindows()
      if (this.life.isClosing && this.table.size === 0)
        this.end({ code: 'NO_ERROR', message: '', cause: 'local' })
    }
    if (this.#isOutputReported || this.output.bytes === 0) return
    this.#isOutputReported = true
    this.events.onOutput()
  }

  onOutputTaken(): void {
    this.#isOutputReported = false
    this.#queuedReplies = 0
  }

  /** A client has connected. */
  onClient(): void {
    this.guard.begin('maxResetsPerSecond', this.#now, NEWCOMER_SECONDS)
  }

  onPeerSettings(settings: PeerSettings): void {
    this.#peerSettings = settings
  }

  /** To be called when something was held, or taken of it. */
  adjustWindows(): void {
    if (!this.receiving.adjustInitialWindow(() => this.table.all(), this.#now)) return
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
    throw new Http2ConnectionFault(
      'ENHANCE_YOUR_CALM',
      `more than maxQueuedReplies (${maxQueuedReplies}) answers wait for the peer to read them`,
      'maxQueuedReplies',
    )
  }

  putReset(streamId: number, code: Http2ErrorCode): void {
    const at = this.output.startFrame(4, RST_STREAM, 0, streamId)
    this.output.block.writeUInt32BE(HTTP2_ERROR_CODES[code], at)
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

  /** Trailers cannot be encoded. The driver may have given them long ago, so it is notified. */
  onUnsendable(stream: ActiveStream, error: unknown): void {
    const { message } = asTransportError(error)
    this.putReset(stream.id, 'INTERNAL_ERROR')
    this.breakStream(stream, { code: 'INTERNAL_ERROR', cause: 'invalid', message }, false)
  }

  /** Our driver gives it up. */
  abandonStream(stream: ActiveStream, code: Http2ErrorCode): void {
    if (stream.isOver) return
    if (stream.state !== 'closed') this.putReset(stream.id, code)
    stream.isOver = true
    stream.state = 'closed'
    this.#release(stream)
    this.events.onStreamClosed(stream, false)
    this.settle()
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
  onStreamFault(streamId: number, fault: Http2StreamFault): void {
    const stream = this.table.get(streamId)
    // Faults that make us reset cost us as much as resets do (CVE-2025-8671). One more request than we allow
    // is none of the client's: it may not know yet.
    const isOfRequest = this.role === 'server' && fault.limit === undefined
    this.guard.count('maxResetsPerSecond', this.#now, isOfRequest ? RESETS_PER_FAULT : 1)
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

  /** Takes no new streams. A server says so in two steps: see Http2Session.drain. */
  drain(): void {
    if (this.role === 'client') this.life.close()
    else if (this.life.announceEnd()) {
      this.output.putFrame(GOAWAY, 0, 0, encodeGoaway(MAX_STREAM_ID, 'NO_ERROR', ''))
      putPing(this.output, 'drain')
      this.deadlines.expect('drainPong', this.#now, this.options.settingsTimeoutMs)
    }
  }

  /** The second step of a server: every request that was on its way has come. False: it is not due. */
  nameLastStream(): boolean {
    if (!this.life.announceLastStream()) return false
    this.deadlines.met('drainPong')
    this.output.putFrame(GOAWAY, 0, 0, encodeGoaway(this.table.takeNoMore(), 'NO_ERROR', ''))
    return true
  }

  onGoaway(goaway: Goaway): void {
    const { lastStreamId, code } = goaway
    // RFC 9113 6.8: it may only go down.
    if (lastStreamId > this.#peerGoawayId)
      throw new Http2ConnectionFault('PROTOCOL_ERROR', 'the last stream id of GOAWAY went up')
    this.#peerGoawayId = lastStreamId
    // The id of a client's GOAWAY is about what we open, which is nothing: it means to leave, and what it
    // still asks for is answered.
    this.life.close()
    this.events.onGoaway(goaway)
    if (this.role === 'server') return
    const message = `the peer sent GOAWAY (${code}) and did not process the stream`
    for (const stream of this.table.all()) {
      if (stream.id > lastStreamId) this.breakStream(stream, { code, cause: 'unprocessed', message }, false)
    }
  }

  /** The transport below is gone. `beforeBreak`: see end(). */
  abandon(message: string, beforeBreak: () => void): void {
    if (this.life.isEnded) return
    this.life.end()
    beforeBreak()
    // The peer may only have ended its side, and what is put out still reaches it.
    this.#dropUnsent()
    this.#breakAll('NO_ERROR', message)
  }

  /**
   * Says GOAWAY and breaks all streams. `beforeBreak`: what is to be saved of them is, while nothing new is
   * opened any more.
   */
  end(how: Ended, limit?: string, beforeBreak?: () => void): void {
    if (this.life.isEnded) return
    const end: SessionEnd = { ...how, isError: how.code !== 'NO_ERROR' }
    this.life.end()
    if (limit !== undefined) this.events.onDefence(limit)
    this.#dropUnsent()
    this.output.putFrame(GOAWAY, 0, 0, encodeGoaway(this.table.lastPeerId, how.code, how.message))
    this.events.onEnding(end)
    beforeBreak?.()
    this.#breakAll(how.code, how.message)
    this.events.onEnd(end)
  }

  /**
   * To be called before what still leaves at the end is put out. Requests that nobody took for writing are
   * told to be unprocessed and may be sent again at once: they must not leave after that. Their ids rise with
   * their places, so that what was put out ahead of the first of them still leaves.
   */
  #dropUnsent(): void {
    if (this.role !== 'client') return
    const first = this.table.all().find(stream => this.#isUnsent(stream))
    if (first !== undefined) this.output.dropFrom(first.firstFrameAt)
  }

  /** To be called once, behind #dropUnsent(). */
  #breakAll(code: Http2ErrorCode, message: string): void {
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
}
