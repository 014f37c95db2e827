import type { StreamDirection } from '../../../base/http/web-transport-carrier.ts'
import type { Http3Options } from '../../../base/options/protocol-options.ts'
import { SeenStreams } from '../../../base/seen-streams.ts'
import type { QuicConnection } from '../../../quic/engine.ts'
import { Http3ConnectionFault } from '../frames/error-codes.ts'
import {
  BIDIRECTIONAL_SIGNAL,
  BUFFERED_STREAM_REJECTED,
  SESSION_GONE,
  UNIDIRECTIONAL_STREAM,
} from './code-points.ts'
import { EarlyArrivals } from './early-arrivals.ts'
import { type CarryingConnection, SessionCarrier, type SessionCarrierHost } from './session-carrier.ts'
import { SessionStream, type SessionStreamHost } from './session-stream.ts'
import {
  encodeStreamHeader,
  MAX_STREAM_HEADER_BYTES,
  StreamHeader,
  type StreamHeaderState,
} from './stream-header.ts'

/** What of it concerns the session of HTTP/3 as a whole. */
export interface ConnectionStreamsHost {
  /** The id of a new bidirectional stream of ours; undefined: the peer allows none now. */
  openBidirectional(): number | undefined
  /** A request for that stream may still come, or its answer. */
  isSessionPossible(sessionId: number): boolean
  /** It begins with no signal: a request, of which these bytes were read. */
  onRequestBytes(id: number, bytes: Buffer, isEnd: boolean): void
}

const headerBuffer = Buffer.alloc(MAX_STREAM_HEADER_BYTES)

/**
 * All streams of WebTransport on one connection: tells them from others by their first bytes, hands them to
 * their sessions, and lets those wait whose session is not there yet.
 */
export class ConnectionStreams implements SessionCarrierHost, SessionStreamHost {
  readonly #core: CarryingConnection
  readonly #maxSessions: number
  readonly #host: ConnectionStreamsHost
  readonly #streams = new Map<number, SessionStream>()
  readonly #sessions = new Map<number, SessionCarrier>()
  readonly #requested = new Set<number>()
  readonly #early: EarlyArrivals
  /** Streams whose header has not come whole. */
  readonly #headers = new Map<number, StreamHeader>()
  /** Bidirectional ones of the peer, and unidirectional ones: each is told apart once. */
  readonly #seen: SeenStreams
  readonly #corked = new Set<SessionStream>()
  readonly #wantsRoom = new Set<SessionCarrier>()
  #bidirectional = 0
  /** openStream() was refused, and nobody was notified of credit since. */
  readonly #wantsCredit: Record<StreamDirection, boolean> = { bidirectional: false, unidirectional: false }

  constructor(
    core: CarryingConnection,
    limits: Pick<Http3Options, 'maxSessions' | 'maxEarlyStreams' | 'maxEarlyDatagrams'>,
    host: ConnectionStreamsHost,
  ) {
    const { maxEarlyStreams, maxEarlyDatagrams } = limits
    this.#maxSessions = limits.maxSessions
    this.#core = core
    this.#host = host
    this.#early = new EarlyArrivals({ maxStreams: maxEarlyStreams, maxDatagrams: maxEarlyDatagrams })
    this.#seen = new SeenStreams(core.role === 'client' ? 1 : 0)
  }

  get quic(): QuicConnection {
    return this.#core.quic
  }

  /** Those of ours and of the peer that are bidirectional, and live. */
  get bidirectionalStreams(): number {
    return this.#bidirectional
  }

  /** Those that were asked for, whatever became of them, while their requests live. */
  get sessions(): number {
    return this.#requested.size
  }

  has(id: number): boolean {
    return this.#streams.has(id)
  }

  /** A bidirectional stream of the peer: it has begun, whatever it was. */
  hasSeen(id: number): boolean {
    return this.#seen.has(id)
  }

  // Sessions

  /** We ask for a session. */
  onAsked(sessionId: number): void {
    this.#requested.add(sessionId)
  }

  /** A client asks for a session. False: it has as many as it may have. */
  admit(sessionId: number): boolean {
    if (this.#requested.size >= this.#maxSessions) return false
    this.#requested.add(sessionId)
    return true
  }

  /** The session of that request was accepted. */
  accept(sessionId: number): SessionCarrier {
    const known = this.#sessions.get(sessionId)
    if (known !== undefined) return known
    const session = new SessionCarrier(this.#core, this, sessionId)
    this.#sessions.set(sessionId, session)
    const { streams, datagrams } = this.#early.take(sessionId)
    for (const stream of streams) session.add(stream)
    for (const payload of datagrams) session.receiveDatagram(payload)
    return session
  }

  /** The stream of a request is over: so is the session, and whatever waited for it. */
  onRequestOver(sessionId: number): void {
    this.#requested.delete(sessionId)
    this.#sessions.get(sessionId)?.close()
    for (const stream of this.#early.take(sessionId).streams) stream.breakOff(SESSION_GONE)
  }

  onClosed(session: SessionCarrier): void {
    this.#sessions.delete(session.sessionId)
    this.#wantsRoom.delete(session)
  }

  onDraining(): void {
    for (const session of this.#sessions.values()) session.onDraining()
  }

  // What QUIC reports

  /**
   * A bidirectional stream of the peer that is none of a session yet can be read. Throws
   * Http3ConnectionFault.
   */
  receiveBidirectional(id: number): void {
    let header = this.#headers.get(id)
    if (header === undefined) {
      if (!this.#seen.add(id)) return
      header = new StreamHeader(BIDIRECTIONAL_SIGNAL)
      this.#headers.set(id, header)
    }
    const found = this.#readHeader(id, header)
    if (found !== undefined && found.state.kind !== 'session')
      this.#host.onRequestBytes(id, header.rest, found.isEnd)
  }

  /** A unidirectional stream has said that it is one of a session. Throws Http3ConnectionFault. */
  receiveUnidirectional(id: number): void {
    const header = this.#headers.get(id) ?? new StreamHeader(undefined)
    this.#headers.set(id, header)
    this.#readHeader(id, header)
  }

  /** A unidirectional stream whose session is not known yet. */
  awaitsHeader(id: number): boolean {
    return this.#headers.has(id)
  }

  onReadable(id: number): void {
    this.#streams.get(id)?.onReadable()
  }

  onRoom(id: number): void {
    this.#streams.get(id)?.onRoom()
  }

  onReset(id: number, wireCode: number): void {
    this.#headers.delete(id)
    this.#streams.get(id)?.onPeerReset(wireCode)
  }

  onStopped(id: number, wireCode: number): void {
    this.#streams.get(id)?.onPeerStop(wireCode)
  }

  /** Borrowed. False: no session takes it, now or later. */
  receiveDatagram(sessionId: number, payload: Buffer): boolean {
    const session = this.#sessions.get(sessionId)
    if (session !== undefined) session.receiveDatagram(Buffer.from(payload))
    else if (this.#host.isSessionPossible(sessionId)) this.#early.addDatagram(sessionId, Buffer.from(payload))
    else return false
    return true
  }

  /** A turn is over. */
  onTurnEnd(): void {
    const { bidirectional, unidirectional } = this.#wantsCredit
    if (bidirectional || unidirectional) this.#reportCredit()
    if (this.#wantsRoom.size === 0) return
    const waiting = [...this.#wantsRoom]
    this.#wantsRoom.clear()
    for (const session of waiting) session.onRoom()
  }

  /** A datagram of the session was not taken, since the queue is full. */
  awaitRoom(session: SessionCarrier): void {
    this.#wantsRoom.add(session)
  }

  /** What was gathered leaves. */
  flush(): void {
    if (this.#corked.size === 0) return
    const corked = [...this.#corked]
    this.#corked.clear()
    for (const stream of corked) stream.flush()
  }

  // What sessions and streams ask for

  open(sessionId: number, direction: StreamDirection): SessionStream | undefined {
    const core = this.#core
    const isBidirectional = direction === 'bidirectional'
    const id = core.isEnded
      ? undefined
      : isBidirectional
        ? this.#host.openBidirectional()
        : core.quic.openStream('unidirectional')
    if (id === undefined) {
      this.#wantsCredit[direction] = true
      return undefined
    }
    const header = encodeStreamHeader(
      isBidirectional ? BIDIRECTIONAL_SIGNAL : UNIDIRECTIONAL_STREAM,
      sessionId,
    )
    const stream = new SessionStream(this, { id, sessionId, isLocal: true }, header, false)
    this.#add(stream)
    this.#sessions.get(sessionId)?.add(stream)
    return stream
  }

  onOutput(): void {
    this.#core.reportOutput()
  }

  cork(stream: SessionStream): void {
    this.#corked.add(stream)
    this.#core.reportOutput()
  }

  forget(stream: SessionStream): void {
    if (!this.#streams.delete(stream.id)) return
    if (stream.direction === 'bidirectional') this.#bidirectional -= 1
    this.#corked.delete(stream)
    this.#early.remove(stream)
    this.#sessions.get(stream.sessionId)?.remove(stream)
  }

  /**
   * Byte by byte as far as it must be: what is behind the header is its reader's. Undefined: it has not come
   * whole.
   */
  #readHeader(
    id: number,
    header: StreamHeader,
  ): { readonly state: StreamHeaderState; readonly isEnd: boolean } | undefined {
    for (;;) {
      const read = this.#core.quic.read(id, headerBuffer.subarray(0, header.wantedBytes))
      if (read === undefined) return undefined
      const [bytes, isEnd] = read
      const state = header.receive(headerBuffer.subarray(0, bytes))
      if (state.kind === 'more' && !isEnd) continue
      this.#headers.delete(id)
      if (state.kind === 'session') this.#begin(id, state.sessionId, isEnd)
      return { state, isEnd }
    }
  }

  #begin(id: number, sessionId: number, isEnd: boolean): void {
    // The id of a request stream of the client's (4): else somebody's count is off.
    if (!Number.isFinite(sessionId) || sessionId % 4 !== 0) {
      throw new Http3ConnectionFault(
        'H3_ID_ERROR',
        `stream ${id} names session ${sessionId}, which is no request`,
      )
    }
    const stream = new SessionStream(this, { id, sessionId, isLocal: false }, undefined, isEnd)
    this.#add(stream)
    const session = this.#sessions.get(sessionId)
    if (session !== undefined) session.add(stream)
    else if (!this.#host.isSessionPossible(sessionId)) stream.breakOff(SESSION_GONE)
    else if (!this.#early.addStream(stream)) stream.breakOff(BUFFERED_STREAM_REJECTED)
  }

  #add(stream: SessionStream): void {
    this.#streams.set(stream.id, stream)
    if (stream.direction === 'bidirectional') this.#bidirectional += 1
  }

  #reportCredit(): void {
    const hasCome = [this.#hasCreditCome('bidirectional'), this.#hasCreditCome('unidirectional')]
    if (hasCome.includes(true)) for (const session of this.#sessions.values()) session.onCredit()
  }

  #hasCreditCome(direction: StreamDirection): boolean {
    if (!this.#wantsCredit[direction] || this.#core.quic.streamsLeft(direction) === 0) return false
    this.#wantsCredit[direction] = false
    return true
  }
}
