import { asTransportError, TransportError } from '../../base/errors.ts'
import { type EarlyGate, isUnderWay, mayWrite } from '../../base/http/early-gate.ts'
import type { ExchangeRequest } from '../../base/http/exchange.ts'
import type { ClientSession, OutgoingRequest, Readiness } from '../multiplex/client-session.ts'
import { Liveness, NO_LIVENESS } from '../multiplex/liveness.ts'
import type { Stream, StreamEvents } from '../multiplex/stream.ts'
import { ActiveStream, type Http2StreamParts, nextStreamState } from './active-stream.ts'
import { Http2ControlFrames, type Http2ControlHost } from './control-frames.ts'
import { Http2ConnectionFault, type Http2ErrorCode } from './frames/error-codes.ts'
import { FieldBlockAssembler, type FieldBlockReceiver } from './frames/field-block-assembler.ts'
import { CLIENT_PREFACE, FrameReader, type FrameReceiver } from './frames/frame-reader.ts'
import { CONTINUATION, GOAWAY, HEADERS, RST_STREAM, SETTINGS } from './frames/frame-table.ts'
import { HeadReader } from './frames/head-codec.ts'
import { encodeHttp2Settings } from './frames/settings.ts'
import { InboundData } from './inbound-data.ts'
import { InboundHeads } from './inbound-heads.ts'
import { CheckPing, type PingPurpose } from './pings.ts'
import type { Http2SessionOptions } from './session.ts'
import { Http2SessionCore } from './session-core.ts'

const MAX_STREAM_ID = 0x7fffffff
/** Above the limit on the list: a block may hold size updates and fields that the list does not count. */
const BLOCK_SLACK_BYTES = 16_384

/**
 * HTTP/2 for both roles (RFC 9113), without sockets, timers and clock.
 *
 * What arrives goes through the frame reader to one of three: field blocks to InboundHeads, DATA to
 * InboundData, all else to Http2ControlFrames. What leaves is put into the output queue: heads by HeadWriter,
 * DATA by SendSide, credit by ReceiveSide. Http2SessionCore holds these together, and the state. This class
 * is the entry point: the commands, the faults, and liveness.
 */
export class Http2Session implements ClientSession, FrameReceiver, FieldBlockReceiver, Http2ControlHost {
  readonly #core: Http2SessionCore
  readonly #settings: Buffer
  readonly #reader: FrameReader
  readonly #assembler: FieldBlockAssembler
  readonly #heads: InboundHeads
  readonly #data: InboundData
  readonly #control: Http2ControlFrames
  readonly #streamParts: Http2StreamParts
  readonly #early: EarlyGate | undefined
  readonly #liveness: Liveness
  readonly #check: CheckPing
  /** A head or data came in the read that is being worked on. */
  #hasSpoken = false

  constructor(sessionOptions: Http2SessionOptions) {
    const { role, options, maxHeaderBytes, maxHeaderCount, enableConnectProtocol } = sessionOptions
    const core = new Http2SessionCore(sessionOptions)
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
    this.#streamParts = { sending: core.sending, receiving: this.#data, ending: core }
    this.#heads = new InboundHeads(core, this.#streamParts, headReader, this.#data)
    this.#control = new Http2ControlFrames(core, this.#heads, this)
    const common = {
      headerTableBytes: options.headerTableBytes,
      initialWindowBytes: options.streamWindowBytes,
      maxFrameBytes: options.maxFrameBytes,
      maxHeaderListBytes: maxHeaderBytes,
      noRfc7540Priorities: true,
    }
    this.#settings = encodeHttp2Settings(
      role === 'client'
        ? { ...common, enablePush: false }
        : { ...common, enableConnectProtocol, maxConcurrentStreams: options.maxConcurrentStreams },
    )
  }

  // Inputs

  /** Puts out the preface (client) and SETTINGS. Once, before anything else. */
  start(now: number): void {
    const { role, output, receiving, deadlines, options } = this.#core
    this.#core.begin(now)
    if (role === 'server') this.#core.onClient()
    else output.putBytes(Buffer.from(CLIENT_PREFACE, 'latin1'))
    output.putFrame(SETTINGS, 0, 0, this.#settings)
    receiving.start()
    this.#liveness.start(now)
    deadlines.expect('settings', now, options.settingsTimeoutMs)
    deadlines.expect('acknowledgement', now, options.settingsTimeoutMs)
    this.#core.settle()
  }

  /** `buffer[start, end)` came; borrowed until the call returns. Never throws. */
  receive(buffer: Buffer, start: number, end: number, now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.beginRead(now)
    const wasIdle = core.table.size === 0
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
    core.endRead()
  }

  onTimeout(now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.begin(now)
    for (;;) {
      const overdue = core.deadlines.takeOverdue(now)
      if (overdue === undefined) break
      if (overdue === 'drainPong') core.nameLastStream()
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
    this.#core.settle()
  }

  abandon(message: string): void {
    this.#core.abandon(message, () => this.#data.deliverWhole())
  }

  // Outputs

  /** Bytes that wait for the driver. */
  get outputBytes(): number {
    return this.#core.output.bytes
  }

  /**
   * The next bytes to write, in order; they stay as they are until releaseOutput() is called. One at a time.
   */
  takeOutput(): readonly Buffer[] {
    this.#core.onOutputTaken()
    return this.#core.output.take()
  }

  /** What was taken has left. */
  releaseOutput(): void {
    this.#core.output.release()
    this.#check.onReleased()
    this.#core.sending.pump()
    this.#core.settle()
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
    const { hasPeerSettings, peerSettings, options, life, table } = this.#core
    if (!life.isOpen || table.isExhausted) return 0
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

  /** The memory that is held for stalled readers. */
  get bufferedBytes(): number {
    return this.#core.receiving.heldMemoryBytes
  }

  // Commands

  open(request: OutgoingRequest, endsStream: boolean, events: StreamEvents, now: number): Stream {
    const core = this.#core
    const { table, output } = core
    if (!core.life.isOpen || table.isExhausted)
      throw new TransportError('MM_CONNECTION_CLOSED', 'the session takes no more streams')
    core.begin(now)
    if (table.size === 0) this.#liveness.onBusy(now)
    const id = table.peekOwnId()
    const firstFrameAt = output.position
    core.heads.putRequest(id, request, endsStream)
    table.takeOwnId()
    const stream = new ActiveStream(
      id,
      this.#streamParts,
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
    this.#core.settle()
    return stream
  }

  ping(): void {
    if (this.#core.isEnded) return
    this.#check.put()
    this.#core.settle()
  }

  /**
   * Server role: GOAWAY in two steps (RFC 9113 6.8): 2^31-1 and a PING now, the last id when that is
   * answered, since every request that was on its way has come then. Client role: no new streams, a GOAWAY
   * once all are done. onEnd follows when the last stream is done.
   */
  drain(now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.begin(now)
    core.drain()
    core.settle()
  }

  /** Ends now: GOAWAY with the code, all streams reset. onEnd follows from within. */
  close(code: Http2ErrorCode, message: string): void {
    this.#core.end({ code, message, cause: 'local' })
    this.#core.settle()
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
    const { isWithinBlock } = this.#reader
    if (openStreamId !== 0 && !isWithinBlock)
      core.deadlines.expect('fieldBlock', core.now, core.options.fieldBlockTimeoutMs)
    else if (openStreamId === 0 && isWithinBlock) core.deadlines.met('fieldBlock')
    this.#reader.expectContinuation(openStreamId)
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

  // What control frames ask for: Http2ControlHost

  onPong(purpose: PingPurpose): boolean {
    const core = this.#core
    if (purpose === 'sample') return core.receiving.onSamplePong(core.now)
    if (purpose === 'check') {
      if (!this.#check.onPong()) return false
      core.events.onPong()
      return true
    }
    return core.nameLastStream()
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

  #fail(error: unknown): void {
    const core = this.#core
    this.#flushBeforeEnd()
    if (error instanceof Http2ConnectionFault) {
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
}
