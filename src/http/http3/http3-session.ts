import { TransportError } from '../../base/errors.ts'
import type { ExchangeRequest } from '../../base/http/exchange.ts'
import type { HttpDatagrams } from '../../base/http/http-datagrams.ts'
import type { WebTransportCarrier } from '../../base/http/web-transport-carrier.ts'
import type { QuicHandshake } from '../../quic/engine.ts'
import type { ClientSession, OutgoingRequest, Readiness } from '../multiplex/client-session.ts'
import type { ResetCode, Stream, StreamEvents } from '../multiplex/stream.ts'
import { Http3ControlFrames, type Http3ControlHost } from './control-frames.ts'
import { Http3ConnectionFault } from './frames/error-codes.ts'
import { checkAgainstRemembered, type Http3Settings } from './frames/settings.ts'
import { InboundMessages } from './inbound-messages.ts'
import { InboundTurn, type TurnHost } from './inbound-turn.ts'
import { OutboundMessages } from './outbound-messages.ts'
import { type Http3StreamParts, RequestStream } from './request-stream.ts'
import type { Http3SessionOptions } from './session.ts'
import { Http3SessionCore } from './session-core.ts'
import { SessionWatch } from './session-watch.ts'
import { StreamCredit } from './stream-credit.ts'
import { OwnStreams } from './unidirectional-streams.ts'
import { ConnectionStreams } from './webtransport/connection-streams.ts'

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
export class Http3Session implements ClientSession, Http3ControlHost, TurnHost {
  readonly #core: Http3SessionCore
  readonly #own: OwnStreams
  readonly #inbound: InboundMessages
  readonly #outbound: OutboundMessages
  readonly #streamParts: Http3StreamParts
  readonly #turns: InboundTurn
  readonly #watch: SessionWatch
  readonly #credit = new StreamCredit()
  #wereSessionsTaken = false

  #hasEarlyDataBeenAccepted = false
  /** Client: the next request stream. Server: above all that a client has used. */
  #nextStreamId = 0
  #requests = 0
  /** Server: requests from this id on are not taken any more. */
  #ownGoawayId = Number.POSITIVE_INFINITY
  #ticket: Buffer | undefined

  constructor(options: Http3SessionOptions) {
    const core = new Http3SessionCore(options, () => this.#endIfDrained())
    this.#core = core
    this.#own = new OwnStreams(core)
    this.#inbound = new InboundMessages(core)
    this.#outbound = new OutboundMessages(core, this.#own)
    const carrierOf = (stream: RequestStream): WebTransportCarrier | undefined =>
      stream.isOver || !stream.isTunnel ? undefined : core.webTransport?.accept(stream.id)
    const datagramsOf = (stream: RequestStream): HttpDatagrams | undefined =>
      stream.isOver || !stream.isTunnel ? undefined : core.datagrams.of(stream.id)
    this.#streamParts = {
      inbound: this.#inbound,
      outbound: this.#outbound,
      ending: core,
      carrierOf,
      datagramsOf,
    }
    if (options.webTransport !== undefined) {
      core.webTransport = new ConnectionStreams(core, options.options, {
        openBidirectional: () => this.#openBidirectional(),
        isSessionPossible: id => this.#isSessionPossible(id),
        onRequestBytes: (id, bytes, isEnd) => this.#turns.receiveRequestBytes(id, bytes, isEnd),
      })
    }
    this.#turns = new InboundTurn(core, this.#own, this.#inbound, this, new Http3ControlFrames(core, this))
    this.#watch = new SessionWatch(core, this.#inbound)
  }

  // Inputs

  /**
   * Puts out the control streams and SETTINGS, or does so as soon as QUIC lets it. Once, before anything
   * else.
   */
  start(now: number): void {
    const { quic } = this.#core
    this.#core.begin(now)
    this.#watch.start()
    if (quic.isEstablished || quic.isInEarlyData) this.#begin()
    this.#credit.begin(0, quic.streamsLeft('bidirectional'))
  }

  /** Something has happened to the QUIC connection: takes its events and acts on them. Never throws. */
  onTurn(now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.beginTurn(now)
    this.#watch.onInput()
    try {
      this.#turns.take()
      if (!core.isEnded && this.#own.isStarted) {
        if (!this.#own.isOpen) this.#own.openMissing()
        this.#own.pump()
        this.#own.sendQpack()
      }
      this.#watch.onTurn()
    } catch (error) {
      core.fail(error)
    }
    this.#reportCredit()
    core.endTurn()
  }

  /**
   * Instead of onTurn, when the session has ended and its driver closes later: onTicket may still come. Never
   * throws. False: nothing more can come.
   */
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
    core.begin(now)
    try {
      for (const overdue of this.#watch.onTimeout()) {
        if (overdue === 'drain') this.#sendFinalGoaway()
        else this.#onCreditWithheld()
      }
    } catch (error) {
      core.fail(error)
    }
    core.settle()
  }

  abandon(message: string): void {
    this.#core.abandon(message)
  }

  // Outputs

  /**
   * Gives QUIC what was put out since onOutput. To be called before the link takes datagrams, if not from
   * onTurn.
   */
  flush(): void {
    this.#core.flush()
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
    const { life, table, options } = this.#core
    if (!life.isOpen) return 0
    // Who asks for one more goes to another connection, and so do requests, which leave that choice to none.
    if (this.#areSessionsTaken) return table.size
    const limit = this.#credit.limit - (this.#core.webTransport?.bidirectionalStreams ?? 0)
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

  /** Bytes that wait for stalled readers, and for QUIC. */
  get bufferedBytes(): number {
    let bytes = 0
    for (const { rest, queuedBytes } of this.#core.table.all()) bytes += queuedBytes + (rest?.length ?? 0)
    return bytes
  }

  isInDoubt(now: number): boolean {
    this.#core.begin(now)
    return this.#watch.isInDoubt(now)
  }

  readiness(request: ExchangeRequest, now: number): Readiness {
    this.#core.begin(now)
    if (!this.#core.quic.isEstablished) {
      return request.mayBeEarly === true && this.isInEarlyData ? 'now' : 'later'
    }
    if (request.upgrade !== undefined) {
      if (!this.#core.hasPeerSettings) return 'later' // RFC 9220 3
      if (!this.peerEnablesConnect) return 'unavailable'
      if (request.upgrade === WEBTRANSPORT) {
        const sessions = this.#readinessForSession()
        if (sessions !== 'now') return sessions
      }
    }
    return this.#core.quic.streamsLeft('bidirectional') > 0 ? 'now' : this.#waitForCredit()
  }

  // Commands

  open(request: OutgoingRequest, endsStream: boolean, events: StreamEvents, now: number): Stream {
    const core = this.#core
    if (!core.life.isOpen) {
      throw new TransportError('MM_CONNECTION_CLOSED', 'the session takes no more streams')
    }
    core.begin(now)
    const isSession = request.protocol === WEBTRANSPORT
    const prepared = isSession ? this.#inWordsOfPeer(request) : request
    const stream = this.#outbound.open(this.#nextStreamId, prepared, endsStream, this.#streamParts, events)
    if (isSession) core.webTransport?.onAsked(stream.id)
    if (isSession) this.#reportSessions()
    this.#nextStreamId = stream.id + 4
    this.#requests += 1
    this.#watch.onOpened()
    const { maxRequests } = core.options
    if (maxRequests > 0 && this.#requests >= maxRequests) core.events.onExhausted()
    this.#core.settle()
    return stream
  }

  ping(): void {
    if (this.#core.isEnded) return
    this.#watch.ping()
    this.#core.reportOutput()
  }

  drain(now: number): void {
    const core = this.#core
    if (core.isEnded) return
    core.begin(now)
    if (core.role === 'client') core.life.close()
    else if (core.life.announceEnd() && this.#own.isStarted) this.#sendFirstGoaway()
    core.webTransport?.onDraining()
    core.settle()
  }

  close(code: ResetCode, message: string): void {
    const codes = { NO_ERROR: 'H3_NO_ERROR', ENHANCE_YOUR_CALM: 'H3_EXCESSIVE_LOAD' } as const
    const isKnown = code === 'NO_ERROR' || code === 'ENHANCE_YOUR_CALM'
    this.#core.end({ code: isKnown ? codes[code] : 'H3_INTERNAL_ERROR', message, cause: 'local' })
    this.#core.reportOutput()
  }

  // What control frames ask for: Http3ControlHost

  onSettings(settings: Http3Settings): void {
    const core = this.#core
    const { rememberedSettings } = core.options
    if (this.#hasEarlyDataBeenAccepted && rememberedSettings !== undefined) {
      checkAgainstRemembered(settings, rememberedSettings)
    }
    core.onPeerSettings(settings)
    this.#watch.onSettings()
    this.#reportTicket()
    core.events.onReady()
  }

  onGoaway(id: number): void {
    const core = this.#core
    if (core.role === 'server') return // it names a push, of which there are none
    core.life.close()
    core.events.onGoaway(Number.isFinite(id) ? id / 4 : undefined)
    core.webTransport?.onDraining()
    const message = 'the peer sent GOAWAY and did not process the stream'
    for (const stream of core.table.all()) {
      if (stream.id >= id) {
        core.breakStream(stream, { code: 'H3_REQUEST_CANCELLED', cause: 'unprocessed', message }, false)
      }
    }
  }

  onPriorityUpdate(streamId: number, value: string): void {
    this.#inbound.reprioritize(streamId, value, streamId >= this.#nextStreamId)
  }

  // WebTransport

  /** The drafts that the peer can be spoken to in; undefined: its SETTINGS have not come. */
  get webTransportDrafts(): readonly string[] | undefined {
    const { hasPeerSettings, peerSettings } = this.#core
    if (!hasPeerSettings) return undefined
    const { webTransport, enableConnectProtocol, h3Datagram } = peerSettings
    return enableConnectProtocol && h3Datagram ? (webTransport?.drafts ?? []) : []
  }

  whyUnavailable({ upgrade }: ExchangeRequest): string | undefined {
    return upgrade === WEBTRANSPORT ? this.#webTransportEvidence : undefined
  }

  /** What the peer's SETTINGS say of it, for people. */
  get #webTransportEvidence(): string {
    const { peerSettings, quic, options } = this.#core
    if (options.webTransport === undefined) return 'this connection was opened without it'
    const { webTransport, enableConnectProtocol, h3Datagram } = peerSettings
    if (webTransport === undefined) return 'its SETTINGS name no draft of WebTransport'
    if (!enableConnectProtocol) return 'its SETTINGS offer no extended CONNECT (RFC 9220)'
    if (!h3Datagram) return 'its SETTINGS offer no HTTP datagrams (RFC 9297)'
    if (quic.maxDatagramBytes === 0) return 'its transport parameters allow no datagrams (RFC 9221)'
    return `its SETTINGS name ${webTransport.drafts.join(', ')}`
  }

  #readinessForSession(): Readiness {
    const { peerSettings, webTransport } = this.#core
    if (webTransport === undefined || this.webTransportDrafts?.length === 0) return 'unavailable'
    if (this.#core.quic.maxDatagramBytes === 0) return 'unavailable'
    const { maxSessions = 0 } = peerSettings.webTransport ?? {}
    return webTransport.sessions < maxSessions ? 'now' : 'refused'
  }

  /** As many are under way as the peer takes on one connection. */
  get #areSessionsTaken(): boolean {
    const { webTransport, peerSettings, role } = this.#core
    const { sessions = 0 } = webTransport ?? {}
    const { maxSessions = Number.POSITIVE_INFINITY } = peerSettings.webTransport ?? {}
    return sessions > 0 && sessions >= maxSessions && role === 'client'
  }

  /** Whether they are taken decides about the capacity. */
  #reportSessions(): void {
    const areTaken = this.#areSessionsTaken
    if (areTaken === this.#wereSessionsTaken) return
    this.#wereSessionsTaken = areTaken
    this.#core.events.onReady()
  }

  /** Its name changed with draft 15; before, a field said which draft it is (draft-02 3.3). */
  #inWordsOfPeer(request: OutgoingRequest): OutgoingRequest {
    const { drafts = [] } = this.#core.peerSettings.webTransport ?? {}
    if (drafts.every(draft => draft === 'draft-15')) return { ...request, protocol: 'webtransport-h3' }
    return drafts.includes('draft-02')
      ? { ...request, headers: [...request.headers, 'sec-webtransport-http3-draft02', '1'] }
      : request
  }

  #openBidirectional(): number | undefined {
    const { quic, role } = this.#core
    const id = quic.openStream('bidirectional')
    if (id !== undefined && role === 'client') this.#nextStreamId = id + 4
    return id
  }

  /** Throws Http3ConnectionFault for a session that the server cannot know of. */
  #isSessionPossible(id: number): boolean {
    const { role, table } = this.#core
    if (role === 'client' && id >= this.#nextStreamId) {
      throw new Http3ConnectionFault('H3_ID_ERROR', `session ${id} was never opened`)
    }
    const stream = table.get(id)
    if (stream !== undefined) return stream.isTunnel || stream.readState === 'head'
    return role === 'server' && !this.#turns.hasSeen(id) && id < this.#ownGoawayId
  }

  // QUIC

  #begin(): void {
    if (this.#own.isStarted) return
    const { ownSettings, quic, now } = this.#core
    this.#own.start(ownSettings, Math.floor(now) % GREASE_NUMBERS)
    if (quic.isEstablished) this.#watch.expectSettings()
    if (this.#core.life.state.kind === 'draining') this.#sendFirstGoaway()
  }

  // What a turn reports: TurnHost

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
    this.#reportTicket()
  }

  acceptRequest(id: number): RequestStream | undefined {
    const core = this.#core
    if (id >= this.#ownGoawayId) return undefined
    if (id >= this.#nextStreamId) this.#nextStreamId = id + 4
    const stream = new RequestStream(id, this.#streamParts, NO_EVENTS, core.now)
    this.#watch.onAccepted()
    core.table.add(stream)
    return stream
  }

  hasBeen(id: number): boolean {
    return id < this.#nextStreamId
  }

  // The end of every input and command

  #sendFirstGoaway(): void {
    this.#own.sendGoaway(undefined)
    this.#watch.expectDrained()
    this.#core.reportOutput()
  }

  #sendFinalGoaway(): void {
    if (!this.#core.life.announceLastStream()) return
    this.#ownGoawayId = this.#nextStreamId
    this.#own.sendGoaway(this.#ownGoawayId)
    this.#core.reportOutput()
  }

  #reportTicket(): void {
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

  #reportCredit(): void {
    const { role, life, table, quic, events } = this.#core
    if (role === 'server' || !life.isOpen) return
    this.#reportSessions()
    const open = table.size + (this.#core.webTransport?.bidirectionalStreams ?? 0)
    if (!this.#credit.onTurn(open, quic.streamsLeft('bidirectional'))) return
    this.#watch.onCredit()
    events.onReady()
  }

  #onCreditWithheld(): void {
    const { table, quic, events } = this.#core
    this.#credit.onWithheld(table.size, quic.streamsLeft('bidirectional'))
    events.onReady()
  }

  /** A session that closes is over with its last stream; a server gives the client time to close first. */
  #endIfDrained(): void {
    const core = this.#core
    if (!core.life.isClosing || core.table.size > 0) return
    if (core.role === 'client') core.end({ code: 'H3_NO_ERROR', message: '', cause: 'local' })
    else this.#watch.expectLinger()
  }
}

/** What callers ask for, and old drafts have as `:protocol`. */
const WEBTRANSPORT = 'webtransport'

/** The reserved numbers are 0x1f * N + 0x21; with these the integers stay small. */
const GREASE_NUMBERS = 64
