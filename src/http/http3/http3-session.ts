import { asTransportError, TransportError } from '../../base/errors.ts'
import type { ExchangeRequest } from '../../base/http/exchange.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { QuicHandshake } from '../../quic/engine.ts'
import type { OutgoingRequest, Readiness } from '../multiplex/client-session.ts'
import type { ResetCode, Stream, StreamEvents } from '../multiplex/stream.ts'
import { ControlFrames, type ControlHost } from './control-frames.ts'
import { encodeDatagram } from './frames/datagrams.ts'
import { ConnectionFault } from './frames/error-codes.ts'
import type { FrameTreatment } from './frames/frame-parser.ts'
import { checkAgainstRemembered, type Settings } from './frames/settings.ts'
import { InboundMessages } from './inbound-messages.ts'
import { InboundTurn, type TurnHost } from './inbound-turn.ts'
import { OutboundMessages } from './outbound-messages.ts'
import { RequestStream, type StreamHost } from './request-stream.ts'
import type { Session, SessionOptions } from './session.ts'
import { SessionCore } from './session-core.ts'
import { SessionWatch } from './session-watch.ts'
import { StreamCredit } from './stream-credit.ts'
import { OwnStreams } from './unidirectional-streams.ts'

/**
 * Priorities of requests that have not come yet: more than a client can have on its way is an attempt to fill
 * our memory.
 */
const MAX_EARLY_PRIORITIES = 256

const NO_EVENTS: StreamEvents = {
  onResponse() {},
  onData() {},
  onEnd() {},
  onWritable() {},
  onReset() {},
}

/**
 * HTTP/3 for both roles (RFC 9114), over the port to QUIC. This is the door: it takes what QUIC says apart by
 * kind of stream, and hands it to the rooms behind it.
 *
 * - Each request stream is read and written by itself; nothing here orders what QUIC delivers out of order,
 *   but that SETTINGS, GOAWAY and QPACK are read before the messages of a turn.
 * - Faults are thrown as ConnectionFault or StreamFault and become CONNECTION_CLOSE or a reset in one place.
 * - In early data nothing is sent that depends on what the peer's SETTINGS were: QPACK uses its static table
 *   until the real ones have come, so that rejected early data, which the engine sends again as it was, is as
 *   good as new.
 */
export class Http3Session implements Session, StreamHost, ControlHost, TurnHost {
  readonly #core: SessionCore
  readonly #own: OwnStreams
  readonly #inbound: InboundMessages
  readonly #outbound: OutboundMessages
  readonly #turns: InboundTurn
  readonly #watch: SessionWatch

  #isStarted = false
  #hasEarlyDataBeenAccepted = false
  #isDraining = false
  #isTurning = false
  #isOutputTold = false
  /** Client: the next request stream. Server: above all that a client has used. */
  #nextStreamId = 0
  #requests = 0
  /** Server: requests from this id on are not taken any more. */
  #ownGoawayId = Number.POSITIVE_INFINITY
  #ticket: Buffer | undefined
  readonly #credit = new StreamCredit()

  constructor(options: SessionOptions) {
    this.#core = new SessionCore(options)
    this.#own = new OwnStreams(this.#core)
    this.#inbound = new InboundMessages(this.#core)
    this.#outbound = new OutboundMessages(this.#core, this.#own)
    this.#turns = new InboundTurn(
      this.#core,
      this.#own,
      this.#inbound,
      this,
      new ControlFrames(this.#core, this),
    )
    this.#watch = new SessionWatch(this.#core, this.#inbound)
  }

  // Inputs

  start(now: number): void {
    const { quic } = this.#core
    this.#core.now = now
    this.#watch.start()
    if (quic.isEstablished || quic.isInEarlyData) this.#begin()
    this.#credit.begin(0, quic.streamsLeft('bidirectional'))
  }

  onTurn(now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.now = now
    this.#isTurning = true
    this.#watch.onInput()
    try {
      this.#turns.take()
      if (!core.isEnded && this.#isStarted) {
        if (!this.#own.isOpen) this.#own.openMissing()
        this.#own.pump()
        this.#own.sendQpack()
      }
      this.#watch.onTurn()
    } catch (error) {
      this.#fail(error)
    }
    this.#endIfDrained()
    this.#tellCredit()
    this.flush()
    this.#isTurning = false
  }

  onLateTurn(): boolean {
    try {
      return this.#turns.takeLate()
    } catch {
      return false
    }
  }

  onTimeout(now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.now = now
    try {
      for (const overdue of this.#watch.onTimeout()) {
        if (overdue === 'drain') this.#sendFinalGoaway()
        else this.#onCreditWithheld()
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#settle()
  }

  abandon(message: string): void {
    const core = this.#core
    if (core.isEnded) return
    core.isEnded = true
    core.breakAll('H3_NO_ERROR', message)
  }

  // Outputs

  flush(): void {
    this.#isOutputTold = false
    if (!this.#core.isEnded) this.#core.sending.flush()
  }

  get nextTimeoutAt(): number {
    return this.#core.isEnded ? Number.POSITIVE_INFINITY : this.#watch.nextAt
  }

  // What it knows

  get hasPeerSettings(): boolean {
    return this.#core.hasPeerSettings
  }

  get isCapacityProvisional(): boolean {
    return !this.#core.quic.isEstablished
  }

  get isInEarlyData(): boolean {
    const { quic } = this.#core
    return quic.isInEarlyData && !quic.isEstablished
  }

  get capacity(): number {
    const { isEnded, table, options } = this.#core
    if (isEnded || this.#isDraining) return 0
    const { limit } = this.#credit
    return options.maxRequests === 0
      ? limit
      : Math.min(limit, table.size + options.maxRequests - this.#requests)
  }

  get openStreams(): number {
    return this.#core.table.size
  }

  get peerEnablesConnect(): boolean {
    return this.#core.peerSettings.enableConnectProtocol
  }

  get bufferedBytes(): number {
    let bytes = 0
    for (const { rest, queuedBytes } of this.#core.table.all()) bytes += queuedBytes + (rest?.length ?? 0)
    return bytes
  }

  isInDoubt(now: number): boolean {
    this.#core.now = now
    return this.#watch.isInDoubt(now)
  }

  readiness(request: ExchangeRequest, now: number): Readiness {
    this.#core.now = now
    if (!this.#core.quic.isEstablished) {
      return request.mayBeEarly === true && this.isInEarlyData ? 'now' : 'later'
    }
    if (request.upgrade !== undefined) {
      if (!this.#core.hasPeerSettings) return 'later' // RFC 9220 3
      if (!this.peerEnablesConnect) return 'unavailable'
    }
    return this.#core.quic.streamsLeft('bidirectional') > 0 ? 'now' : this.#waitForCredit()
  }

  // Commands

  open(request: OutgoingRequest, endsStream: boolean, events: StreamEvents, now: number): Stream {
    const core = this.#core
    if (core.isEnded || this.#isDraining) {
      throw new TransportError('MM_CONNECTION_CLOSED', 'the session takes no more streams')
    }
    core.now = now
    const stream = this.#outbound.open(this.#nextStreamId, request, endsStream, this, events)
    this.#nextStreamId = stream.id + 4
    this.#requests += 1
    this.#watch.onOpened()
    const { maxRequests } = core.options
    if (maxRequests > 0 && this.#requests >= maxRequests) core.events.onExhausted()
    this.#settle()
    return stream
  }

  ping(): void {
    if (this.#core.isEnded) return
    this.#watch.ping()
    this.#tellOutput()
  }

  reprioritize(stream: Stream, priority: string): void {
    if (this.#core.isEnded) return
    this.#own.sendPriorityUpdate(stream.id, priority)
    this.#tellOutput()
  }

  sendDatagram(stream: Stream, payload: Uint8Array): boolean {
    const { quic, peerSettings, options, isEnded } = this.#core
    if (isEnded || !options.enableDatagrams || !peerSettings.h3Datagram) return false // RFC 9297 2.1.1
    const isTaken = quic.sendDatagram(encodeDatagram(stream.id, payload))
    if (isTaken) this.#tellOutput()
    return isTaken
  }

  drain(now: number): void {
    const core = this.#core
    if (core.isEnded || this.#isDraining) return
    core.now = now
    this.#isDraining = true
    if (this.#isStarted) this.#sendFirstGoaway()
    this.#settle()
  }

  close(code: ResetCode, message: string): void {
    const codes = { NO_ERROR: 'H3_NO_ERROR', ENHANCE_YOUR_CALM: 'H3_EXCESSIVE_LOAD' } as const
    const isKnown = code === 'NO_ERROR' || code === 'ENHANCE_YOUR_CALM'
    this.#core.end({ code: isKnown ? codes[code] : 'H3_INTERNAL_ERROR', message, cause: 'local' })
    this.#tellOutput()
  }

  // What streams ask for: StreamHost

  onFrame(stream: RequestStream, type: number, length: number): FrameTreatment {
    return this.#inbound.onFrame(stream, type, length)
  }

  onPayload(stream: RequestStream, buffer: Buffer, start: number, end: number): void {
    this.#inbound.onPayload(stream, buffer, start, end)
  }

  onSection(stream: RequestStream, buffer: Buffer, start: number, end: number): void {
    this.#inbound.onSection(stream, buffer, start, end)
  }

  respond(stream: RequestStream, status: number, headers: HeaderList, endsStream: boolean): void {
    this.#outbound.respond(stream, status, headers, endsStream)
    this.#settle()
  }

  write(stream: RequestStream, chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    const isRoom = this.#outbound.write(stream, chunk, keep)
    this.#tellOutput()
    return isRoom
  }

  end(stream: RequestStream, trailers: HeaderList): void {
    this.#outbound.end(stream, trailers)
    this.#settle()
  }

  reset(stream: RequestStream, code: ResetCode): void {
    this.#core.abandonStream(stream, code)
    this.#settle()
  }

  resume(stream: RequestStream): void {
    if (this.#core.isEnded) return
    try {
      this.#inbound.read(stream)
    } catch (error) {
      this.#fail(error)
    }
    // What was read is credit for the peer.
    this.#settle()
    this.#tellOutput()
  }

  // What control frames ask for: ControlHost

  onSettings(settings: Settings): void {
    const core = this.#core
    const { rememberedSettings } = core.options
    if (this.#hasEarlyDataBeenAccepted && rememberedSettings !== undefined) {
      checkAgainstRemembered(settings, rememberedSettings)
    }
    core.hasPeerSettings = true
    core.peerSettings = settings
    core.sections.encoder.setPeerLimits(settings.qpackMaxTableCapacity, settings.qpackBlockedStreams)
    this.#watch.onSettings()
    this.#tellTicket()
    core.events.onReady()
  }

  onGoaway(id: number): void {
    const core = this.#core
    if (core.role === 'server') return // it names a push, of which there are none
    this.#isDraining = true
    core.events.onGoaway(Number.isFinite(id) ? id / 4 : undefined)
    const message = 'the peer sent GOAWAY and did not process the stream'
    for (const stream of core.table.all()) {
      if (stream.id >= id) {
        core.breakStream(stream, { code: 'H3_REQUEST_CANCELLED', cause: 'unprocessed', message }, false)
      }
    }
  }

  onPriorityUpdate(streamId: number, value: string): void {
    const stream = this.#core.table.get(streamId)
    if (stream !== undefined) {
      this.#inbound.prioritize(stream, value)
      return
    }
    const { earlyPriorities } = this.#inbound
    if (streamId < this.#nextStreamId || earlyPriorities.size >= MAX_EARLY_PRIORITIES) return
    earlyPriorities.set(streamId, value)
  }

  // QUIC

  #begin(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    const { options, quic, now } = this.#core
    const { options: http3, maxHeaderBytes } = options
    const settings: Settings = {
      qpackMaxTableCapacity: http3.qpackTableBytes,
      qpackBlockedStreams: http3.qpackBlockedStreams,
      maxFieldSectionSize: maxHeaderBytes,
      enableConnectProtocol: options.enableConnectProtocol,
      h3Datagram: options.enableDatagrams,
    }
    this.#own.start(settings, Math.floor(now) % GREASE_NUMBERS)
    if (quic.isEstablished) this.#watch.expectSettings()
    if (this.#isDraining) this.#sendFirstGoaway()
  }

  // What a turn tells: TurnHost

  onEstablished(handshake: QuicHandshake): void {
    const { table, quic } = this.#core
    this.#credit.begin(table.size, quic.streamsLeft('bidirectional'))
    this.#begin()
    this.#watch.expectSettings()
    this.#core.events.onHandshake(handshake)
    this.#core.events.onReady()
  }

  onEarlyData(outcome: 'accepted' | 'rejected'): void {
    this.#hasEarlyDataBeenAccepted = outcome === 'accepted'
    this.#core.events.onEarlyData(outcome)
  }

  onTicket(ticket: Buffer): void {
    this.#ticket = ticket
    this.#tellTicket()
  }

  acceptRequest(id: number): RequestStream | undefined {
    const core = this.#core
    if (id >= this.#ownGoawayId) return undefined
    if (id >= this.#nextStreamId) this.#nextStreamId = id + 4
    const stream = new RequestStream(id, this, NO_EVENTS, core.now)
    this.#watch.onAccepted()
    core.table.add(stream)
    return stream
  }

  // The end of every input and command

  /** A client has nothing to say: its end is the end of its requests. */
  #sendFirstGoaway(): void {
    if (this.#core.role === 'client') return
    this.#own.sendGoaway(undefined)
    this.#watch.expectDrained()
    this.#tellOutput()
  }

  #sendFinalGoaway(): void {
    this.#ownGoawayId = this.#nextStreamId
    this.#own.sendGoaway(this.#ownGoawayId)
    this.#tellOutput()
  }

  #tellTicket(): void {
    const { hasPeerSettings, peerSettings, events, role } = this.#core
    if (this.#ticket === undefined || !hasPeerSettings || role === 'server') return
    events.onTicket(this.#ticket, peerSettings)
    this.#ticket = undefined
  }

  #waitForCredit(): Readiness {
    const wait = this.#credit.onNone()
    if (wait === 'first') this.#watch.expectCredit()
    return wait === 'refused' ? 'refused' : 'later'
  }

  #tellCredit(): void {
    const { role, isEnded, table, quic, events } = this.#core
    if (role === 'server' || isEnded || this.#isDraining) return
    if (!this.#credit.onTurn(table.size, quic.streamsLeft('bidirectional'))) return
    this.#watch.onCredit()
    events.onReady()
  }

  #onCreditWithheld(): void {
    const { table, quic, events } = this.#core
    this.#credit.onWithheld(table.size, quic.streamsLeft('bidirectional'))
    events.onReady()
  }

  #fail(error: unknown): void {
    const core = this.#core
    if (error instanceof ConnectionFault) core.fail(error)
    // A defect of ours, or of a handler.
    else {
      const { message } = asTransportError(error)
      core.end({ code: 'H3_INTERNAL_ERROR', message, cause: 'local', defect: error })
    }
    this.#tellOutput()
  }

  #settle(): void {
    if (this.#isTurning) return
    this.#endIfDrained()
    this.#tellOutput()
  }

  /** A drained session is over with its last stream. */
  #endIfDrained(): void {
    const core = this.#core
    if (!this.#isDraining || core.isEnded || core.table.size > 0) return
    if (core.role === 'client') core.end({ code: 'H3_NO_ERROR', message: '', cause: 'local' })
    else if (this.#ownGoawayId !== Number.POSITIVE_INFINITY) this.#watch.expectLinger()
  }

  /** Within a turn nobody needs to be told: what is put out leaves behind it. */
  #tellOutput(): void {
    if (this.#isTurning || this.#isOutputTold) return
    this.#isOutputTold = true
    this.#core.events.onOutput()
  }
}

/** The reserved numbers are 0x1f * N + 0x21; with these the integers stay small. */
const GREASE_NUMBERS = 64
