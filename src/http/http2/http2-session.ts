import { asTransportError, TransportError } from '../../base/errors.ts'
import { type EarlyGate, isUnderWay, mayWrite } from '../../base/http/early-gate.ts'
import type { ExchangeRequest } from '../../base/http/exchange.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { OutgoingRequest, Readiness } from '../multiplex/client-session.ts'
import { Liveness, NO_LIVENESS } from '../multiplex/liveness.ts'
import type { Stream, StreamEvents } from '../multiplex/stream.ts'
import { ActiveStream, nextStreamState, type StreamHost } from './active-stream.ts'
import { ControlFrames, type ControlHost } from './control-frames.ts'
import { ConnectionFault, type ErrorCode } from './frames/error-codes.ts'
import { FieldBlockAssembler, type FieldBlockReceiver } from './frames/field-block-assembler.ts'
import { CLIENT_PREFACE, FrameReader, type FrameReceiver } from './frames/frame-reader.ts'
import { CONTINUATION, GOAWAY, HEADERS, PRIORITY_UPDATE, RST_STREAM, SETTINGS } from './frames/frame-table.ts'
import { encodeGoaway } from './frames/goaway.ts'
import { HeadReader } from './frames/head-codec.ts'
import { encodePriorityUpdate } from './frames/priority-update.ts'
import { encodeSettings } from './frames/settings.ts'
import { InboundData } from './inbound-data.ts'
import { InboundHeads } from './inbound-heads.ts'
import { CheckPing, type PingPurpose, putPing } from './pings.ts'
import type { Goaway, Session, SessionOptions } from './session.ts'
import { SessionCore } from './session-core.ts'

const MAX_STREAM_ID = 0x7fffffff
/** Above the limit on the list: a block may hold size updates and fields that the list does not count. */
const BLOCK_SLACK_BYTES = 16_384

/**
 * HTTP/2 for both roles (RFC 9113), without sockets, timers and clock.
 *
 * What arrives goes through the frame reader to one of three: field blocks to InboundHeads, DATA to
 * InboundData, all else to ControlFrames. What leaves is put into the output queue: heads by HeadWriter, DATA
 * by SendSide, credit by ReceiveSide. SessionCore holds these together and knows how a stream or the session
 * ends. This class is the door: the commands, the faults, and the life of the session.
 *
 * Life: taking streams -> `#isDraining` (a GOAWAY was sent, or came from a server: no new streams) -> ended
 * (onEnd was called). A server drains in two steps (RFC 9113 6.8): GOAWAY with the highest id and a PING;
 * when that is answered, every request that was on its way has come, and a second GOAWAY names the last one
 * that will be answered.
 */
export class Http2Session implements Session, StreamHost, FrameReceiver, FieldBlockReceiver, ControlHost {
  readonly #core: SessionCore
  readonly #settings: Buffer
  readonly #reader: FrameReader
  readonly #assembler: FieldBlockAssembler
  readonly #heads: InboundHeads
  readonly #data: InboundData
  readonly #control: ControlFrames
  readonly #early: EarlyGate | undefined
  readonly #liveness: Liveness
  readonly #check: CheckPing
  #isDraining = false
  #peerGoawayId = MAX_STREAM_ID
  /** Server role: the last id of the drain was said. */
  #isFinalGoawaySent = false
  /**
   * Server role: the client said GOAWAY. The session ends with the last stream, if it is not drained before.
   */
  #isPeerLeaving = false
  #isOutputTold = false
  /** A head or data came in the read that is being worked on. */
  #hasSpoken = false
  /** Within receive(): what is put out is reported once, at its end. */
  #isReceiving = false

  constructor(sessionOptions: SessionOptions) {
    const { role, options, maxHeaderBytes, maxHeaderCount, enableConnectProtocol } = sessionOptions
    const core = new SessionCore(sessionOptions)
    this.#core = core
    this.#early = sessionOptions.early
    // TCP sends again by itself what was lost.
    this.#liveness = new Liveness({ ...(sessionOptions.liveness ?? NO_LIVENESS), isLossy: false })
    this.#check = new CheckPing(core.output)
    this.#reader = new FrameReader(this, options.maxFrameBytes, role === 'server')
    this.#assembler = new FieldBlockAssembler(
      this,
      maxHeaderBytes + BLOCK_SLACK_BYTES,
      options.maxContinuations,
    )
    const headReader = new HeadReader({
      maxTableBytes: options.headerTableBytes,
      maxHeaderBytes,
      maxHeaderCount,
      allowsExtendedConnect: role === 'server' && enableConnectProtocol,
      onSizeUpdate: () => core.guard.count('maxIgnoredFramesPerSecond', core.now),
    })
    this.#data = new InboundData(core)
    this.#heads = new InboundHeads(core, this, headReader, this.#data)
    this.#control = new ControlFrames(core, this.#heads, this)
    const common = {
      headerTableBytes: options.headerTableBytes,
      initialWindowBytes: options.streamWindowBytes,
      maxFrameBytes: options.maxFrameBytes,
      maxHeaderListBytes: maxHeaderBytes,
      noRfc7540Priorities: true,
    }
    this.#settings = encodeSettings(
      role === 'client'
        ? { ...common, enablePush: false }
        : { ...common, enableConnectProtocol, maxConcurrentStreams: options.maxConcurrentStreams },
    )
  }

  // Inputs

  start(now: number): void {
    const { role, output, receiving, deadlines, options, guard } = this.#core
    this.#core.now = now
    if (role === 'server') guard.beginWithClient(now)
    else output.putBytes(Buffer.from(CLIENT_PREFACE, 'latin1'))
    output.putFrame(SETTINGS, 0, 0, this.#settings)
    receiving.start()
    this.#liveness.start(now)
    deadlines.expect('settings', now, options.settingsTimeoutMs)
    deadlines.expect('acknowledgement', now, options.settingsTimeoutMs)
    this.#settle()
  }

  receive(buffer: Buffer, start: number, end: number, now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.now = now
    const wasIdle = core.table.size === 0
    this.#isReceiving = true
    try {
      this.#reader.receive(buffer, start, end)
      this.#data.flush()
    } catch (error) {
      this.#fail(error)
    }
    // The client role is busy with what it opens, the server role with what comes.
    if (wasIdle && core.role === 'server' && core.table.size > 0) this.#liveness.onBusy(now)
    this.#liveness.onHeard(now)
    if (this.#hasSpoken) this.#liveness.onSpoken(now)
    this.#hasSpoken = false
    this.#isReceiving = false
    this.#settle()
  }

  onTimeout(now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.now = now
    for (;;) {
      const overdue = core.deadlines.takeOverdue(now)
      if (overdue === undefined) break
      if (overdue === 'drainPong') this.#sendFinalGoaway()
      else if (overdue === 'fieldBlock') {
        const { fieldBlockTimeoutMs } = core.options
        const message = `a field block was not complete after fieldBlockTimeoutMs (${fieldBlockTimeoutMs})`
        core.end({ code: 'ENHANCE_YOUR_CALM', message, cause: 'flood' }, 'fieldBlockTimeoutMs')
      } else {
        const message =
          overdue === 'settings' ? 'the peer sent no SETTINGS' : 'the peer did not acknowledge our SETTINGS'
        core.end({ code: 'SETTINGS_TIMEOUT', message, cause: 'timeout' })
      }
      if (core.isEnded) break
    }
    if (!core.isEnded && this.#liveness.nextAt <= now) this.#checkLiveness()
    this.#settle()
  }

  abandon(message: string): void {
    const core = this.#core
    if (core.isEnded) return
    core.isEnded = true
    this.#data.deliverWhole()
    // The peer may only have ended its side, and what is put out still reaches it.
    core.dropUnsent()
    core.breakAll('NO_ERROR', message)
  }

  // Outputs

  get outputBytes(): number {
    return this.#core.output.bytes
  }

  takeOutput(): readonly Buffer[] {
    this.#isOutputTold = false
    this.#core.onOutputTaken()
    return this.#core.output.take()
  }

  releaseOutput(): void {
    this.#core.output.release()
    this.#check.onReleased()
    this.#core.sending.pump()
    this.#settle()
  }

  get nextTimeoutAt(): number {
    const { isEnded, deadlines } = this.#core
    return isEnded ? Number.POSITIVE_INFINITY : Math.min(deadlines.nextAt, this.#liveness.nextAt)
  }

  // What it knows

  get hasPeerSettings(): boolean {
    return this.#core.hasPeerSettings
  }

  get isCapacityProvisional(): boolean {
    return !this.#core.hasPeerSettings
  }

  get capacity(): number {
    const { hasPeerSettings, peerSettings, options, isEnded, table } = this.#core
    if (isEnded || this.#isDraining || table.isExhausted) return 0
    if (!hasPeerSettings) return options.streamsBeforeSettings
    return Math.min(peerSettings.maxConcurrentStreams, MAX_STREAM_ID)
  }

  get isInEarlyData(): boolean {
    return this.#early?.phase === 'collecting'
  }

  readiness(request: ExchangeRequest): Readiness {
    if (!mayWrite(this.#early, request.mayBeEarly === true)) return 'later'
    if (request.upgrade !== undefined) {
      if (!this.#core.hasPeerSettings) return 'later' // RFC 8441 3
      if (!this.peerEnablesConnect) return 'unavailable'
    }
    // The peer may have lowered what it allows since the lease.
    return this.openStreams < this.capacity ? 'now' : 'refused'
  }

  get openStreams(): number {
    return this.#core.table.size
  }

  get peerEnablesConnect(): boolean {
    return this.#core.peerSettings.enableConnectProtocol
  }

  get bufferedBytes(): number {
    return this.#core.receiving.heldMemoryBytes
  }

  // Commands

  open(request: OutgoingRequest, endsStream: boolean, events: StreamEvents, now: number): Stream {
    const core = this.#core
    const { table, output } = core
    if (core.isEnded || this.#isDraining || table.isExhausted)
      throw new TransportError('MM_CONNECTION_CLOSED', 'the session takes no more streams')
    core.now = now
    if (table.size === 0) this.#liveness.onBusy(now)
    const id = table.peekOwnId()
    const firstFrameAt = output.position
    core.heads.putRequest(id, request, endsStream)
    table.takeOwnId()
    const stream = new ActiveStream(
      id,
      this,
      events,
      core.sending.initialWindow,
      core.receiving.initialWindowBytes,
    )
    stream.firstFrameAt = stream.lastFrameAt = firstFrameAt
    if (request.method === 'HEAD') stream.isHead = true
    else if (request.method === 'CONNECT') stream.isTunnel = true
    if (endsStream) stream.state = nextStreamState('open', 'sendEnd')
    table.add(stream)
    if (table.isExhausted) core.events.onExhausted()
    this.#settle()
    return stream
  }

  ping(): void {
    if (this.#core.isEnded) return
    this.#check.put()
    this.#settle()
  }

  reprioritize(stream: Stream, priority: string): void {
    if (this.#core.isEnded || !stream.isSendOpen) return
    this.#core.output.putFrame(PRIORITY_UPDATE, 0, 0, encodePriorityUpdate(stream.id, priority))
    this.#settle()
  }

  drain(now: number): void {
    const core = this.#core
    if (core.isEnded || this.#isDraining) return
    core.now = now
    this.#isDraining = true
    if (core.role === 'server') {
      core.output.putFrame(GOAWAY, 0, 0, encodeGoaway(MAX_STREAM_ID, 'NO_ERROR', ''))
      putPing(core.output, 'drain')
      core.deadlines.expect('drainPong', now, core.options.settingsTimeoutMs)
    }
    this.#settle()
  }

  close(code: ErrorCode, message: string): void {
    this.#core.end({ code, message, cause: 'local' })
    this.#settle()
  }

  // What streams ask for: StreamHost

  respond(stream: ActiveStream, status: number, headers: HeaderList, endsStream: boolean): void {
    const core = this.#core
    if (stream.isOver || !stream.isSendOpen) return
    const at = core.output.position
    core.heads.putResponse(stream.id, status, headers, endsStream)
    stream.lastFrameAt = at
    if (stream.firstFrameAt < 0) stream.firstFrameAt = at
    if (endsStream) core.onSentEnd(stream)
    this.#settle()
  }

  write(stream: ActiveStream, chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    if (stream.isOver) return true
    const wantsMore = this.#core.sending.write(stream, chunk, keep)
    this.#settle()
    return wantsMore
  }

  end(stream: ActiveStream, trailers: HeaderList): void {
    if (stream.isOver) return
    this.#core.sending.end(stream, trailers)
    this.#settle()
  }

  reset(stream: ActiveStream, code: ErrorCode): void {
    this.#core.abandonStream(stream, code)
    this.#settle()
  }

  deliverHeld(stream: ActiveStream): void {
    this.#data.deliverHeld(stream)
    this.#settle()
  }

  // What the reader reads: FrameReceiver, FieldBlockReceiver

  onFrame(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    const core = this.#core
    if (core.isEnded) return
    if (type === HEADERS) {
      this.#hasSpoken = true
      this.#data.settleId(streamId)
      this.#assembler.receiveHeaders(flags, streamId, buffer, start, end)
    } else if (type === CONTINUATION) this.#assembler.receiveContinuation(flags, buffer, start, end)
    else {
      if (type === RST_STREAM) this.#data.settleId(streamId)
      else if (type === GOAWAY) this.#data.flush()
      this.#control.receive(type, flags, streamId, buffer, start, end)
      return
    }
    const { openStreamId } = this.#assembler
    if (openStreamId !== 0 && this.#reader.continuationOf === 0)
      core.deadlines.expect('fieldBlock', core.now, core.options.fieldBlockTimeoutMs)
    else if (openStreamId === 0 && this.#reader.continuationOf !== 0) core.deadlines.met('fieldBlock')
    this.#reader.continuationOf = openStreamId
  }

  onFieldBlock(streamId: number, flags: number, buffer: Buffer, start: number, end: number): void {
    this.#heads.receive(streamId, flags, buffer, start, end)
  }

  onDataStart(streamId: number, flags: number, bytes: number, paddingBytes: number): void {
    this.#hasSpoken = true
    if (!this.#core.isEnded) this.#data.start(streamId, flags, bytes, paddingBytes)
  }

  onDataChunk(buffer: Buffer, start: number, end: number): void {
    if (!this.#core.isEnded) this.#data.chunk(buffer, start, end)
  }

  onDataEnd(): void {
    if (!this.#core.isEnded) this.#data.end()
  }

  // What control frames ask for: ControlHost

  onGoaway(goaway: Goaway): void {
    const core = this.#core
    const { lastStreamId, code } = goaway
    // RFC 9113 6.8: it may only go down.
    if (lastStreamId > this.#peerGoawayId)
      throw new ConnectionFault('PROTOCOL_ERROR', 'the last stream id of GOAWAY went up')
    this.#peerGoawayId = lastStreamId
    // The id of a client's GOAWAY is about what we open, which is nothing: it means to leave, and what it
    // still asks for is answered.
    if (core.role === 'server') this.#isPeerLeaving = true
    else this.#isDraining = true
    core.events.onGoaway(goaway)
    if (core.role === 'client') {
      const message = `the peer sent GOAWAY (${code}) and did not process the stream`
      for (const stream of core.table.all()) {
        if (stream.id > lastStreamId) core.breakStream(stream, { code, cause: 'unprocessed', message }, false)
      }
    }
  }

  onPong(purpose: PingPurpose): boolean {
    const core = this.#core
    if (purpose === 'sample') return core.receiving.onSamplePong(core.now)
    if (purpose === 'check') {
      if (!this.#check.onPong()) return false
      core.events.onPong()
      return true
    }
    if (core.role === 'client' || !this.#isDraining || this.#isFinalGoawaySent) return false
    core.deadlines.met('drainPong')
    this.#sendFinalGoaway()
    return true
  }

  #checkLiveness(): void {
    const core = this.#core
    // A client that takes nothing of its responses is the business of who writes them to it (writeTimeoutMs),
    // as long as a PING cannot even leave.
    const isHeldUp = this.#check.takeDelay() || (core.role === 'server' && this.#check.isWaiting)
    if (isHeldUp) this.#liveness.onDelayed(core.now)
    const verdict = this.#liveness.onTimer(core.table.size > 0, core.now)
    // A handshake that is under way has a deadline of its own, and a PING is no request that may leave early.
    if (verdict === 'ask' && !isUnderWay(this.#early)) this.#check.put()
    else if (verdict === 'dead') {
      const message = this.#liveness.deathMessage
      core.end({ code: 'NO_ERROR', message, cause: 'silent' }, undefined, () => this.#data.deliverWhole())
    }
  }

  #sendFinalGoaway(): void {
    if (this.#isFinalGoawaySent) return
    const { table, output } = this.#core
    this.#isFinalGoawaySent = true
    table.lastAcceptedId = table.lastPeerId
    output.putFrame(GOAWAY, 0, 0, encodeGoaway(table.lastPeerId, 'NO_ERROR', ''))
  }

  #fail(error: unknown): void {
    const core = this.#core
    this.#flushBeforeEnd()
    if (error instanceof ConnectionFault) {
      const cause = error.limit === undefined ? 'peer' : 'flood'
      core.end({ code: error.code, message: error.message, cause }, error.limit)
    } else {
      // A defect of ours, or of a handler: the frames are out of step now.
      const { message } = asTransportError(error)
      core.end({ code: 'INTERNAL_ERROR', message, cause: 'local', defect: error })
    }
  }

  /** What came ahead of a fault is handed on ahead of it. */
  #flushBeforeEnd(): void {
    try {
      this.#data.flush()
    } catch {
      // The session ends for the first fault.
    }
  }

  /** The end of every input and command: reports output, and ends a drained session. */
  #settle(): void {
    const core = this.#core
    if (this.#isReceiving) return
    if (!core.isEnded) core.adjustWindows()
    if ((this.#isDraining || this.#isPeerLeaving) && !core.isEnded && core.table.size === 0) {
      if (core.role === 'client' || this.#isPeerLeaving || this.#isFinalGoawaySent)
        core.end({ code: 'NO_ERROR', message: '', cause: 'local' })
    }
    if (!this.#isOutputTold && core.output.bytes > 0) {
      this.#isOutputTold = true
      core.events.onOutput()
    }
  }
}
