import { SeenStreams } from '../../base/seen-streams.ts'
import type { QuicEnd, QuicEvent, QuicHandshake } from '../../quic/engine.ts'
import type { SessionEnd } from '../multiplex/client-session.ts'
import type { Http3ControlFrames } from './control-frames.ts'
import { readDatagram } from './frames/datagrams.ts'
import {
  HTTP3_ERROR_CODES,
  Http3ConnectionFault,
  type Http3ErrorCode,
  http3ErrorCodeOf,
} from './frames/error-codes.ts'
import type { InboundMessages } from './inbound-messages.ts'
import type { RequestStream } from './request-stream.ts'
import type { Http3SessionCore } from './session-core.ts'
import { type OwnStreams, UnidirectionalStreams } from './unidirectional-streams.ts'

/** Why the QUIC connection under a session has ended, in the session's words. */
export function quicFailure(end: QuicEnd): SessionEnd {
  const { cause, isApplication, code, reason } = end
  const name = isApplication ? http3ErrorCodeOf(code) : `QUIC error ${code}`
  const because = reason === '' ? '' : `: ${reason}`
  if (cause === 'idle') return gone('idle', 'nothing came from the peer within the idle timeout')
  if (cause === 'reset')
    return gone('network', 'the peer does not know the connection any more (stateless reset)')
  if (cause === 'unusable' || cause === 'version')
    return gone('network', `the connection cannot go on${because}`)
  const isError = isApplication ? name !== 'H3_NO_ERROR' : code !== 0
  const what = cause === 'peer' ? 'the peer closed the connection' : 'refused what the peer sent'
  return { code: name, isError, cause: 'peer', message: `${what} (${name})${because}` }
}

function gone(cause: 'network' | 'idle', message: string): SessionEnd {
  return { code: 'H3_NO_ERROR', isError: false, cause, message }
}

/** Client-initiated, bidirectional: every fourth id from here on (RFC 9000 2.1). */
const FIRST_REQUEST = 0

/** What of a turn concerns the session as a whole. */
export interface TurnHost {
  onEstablished(handshake: QuicHandshake): void
  onEarlyData(outcome: 'accepted' | 'rejected'): void
  onTicket(ticket: Buffer): void
  /** Server: a new request stream; undefined: none is taken any more. */
  acceptRequest(id: number): RequestStream | undefined
  /** A request has used that stream, or a later one. */
  hasBeen(id: number): boolean
}

/** Takes what has happened to the QUIC connection, and hands it to those whom it concerns. */
export class InboundTurn {
  readonly #core: Http3SessionCore
  readonly #own: OwnStreams
  readonly #messages: InboundMessages
  readonly #unidirectional: UnidirectionalStreams
  readonly #breaks: PeerBreaks
  readonly #host: TurnHost
  #receivedBytes = 0
  #end: QuicEnd | undefined
  /** Request streams that can be read. */
  #readable = new Set<number>()
  /**
   * One that is over may come up once more, when somebody read it to its end after it was found readable: it
   * is no new request.
   */
  readonly #requests = new SeenStreams(FIRST_REQUEST)

  constructor(
    core: Http3SessionCore,
    own: OwnStreams,
    messages: InboundMessages,
    host: TurnHost,
    control: Http3ControlFrames,
  ) {
    this.#core = core
    this.#own = own
    this.#messages = messages
    this.#host = host
    this.#breaks = new PeerBreaks(core)
    this.#unidirectional = new UnidirectionalStreams(core, control, ids => this.#unblock(ids))
  }

  /**
   * Throws Http3ConnectionFault. The streams of the connection are read before those of messages: they may
   * say what becomes of these, and what is needed to read them. To read may bring up more (a reset), and the
   * end of the connection comes when there is nothing left.
   */
  take(): void {
    const core = this.#core
    const { quic } = core
    this.#messages.onTurn(quic.receivedBytes - this.#receivedBytes, core.now)
    this.#receivedBytes = quic.receivedBytes
    for (;;) {
      for (let event = quic.nextEvent(); event !== undefined; event = quic.nextEvent()) {
        this.#onEvent(event)
        if (core.isEnded) return
      }
      core.sending.pump()
      const readable = this.#readable
      if (readable.size === 0) break
      this.#readable = new Set()
      for (const id of readable) {
        this.#readMessage(id)
        if (core.isEnded) return
      }
    }
    if (this.#end !== undefined) this.#onQuicEnd(this.#end)
  }

  /**
   * The session has ended and lingers: takes SETTINGS and tickets, and throws like take(). False: nothing
   * more can come.
   */
  takeLate(): boolean {
    const { quic } = this.#core
    for (let event = quic.nextEvent(); event !== undefined; event = quic.nextEvent()) {
      if (event.type === 'ended') return false
      if (event.type === 'ticket') this.#host.onTicket(event.ticket)
      else if (event.type === 'readable' && isUnidirectional(event.stream))
        this.#unidirectional.read(event.stream)
    }
    return true
  }

  #onEvent(event: QuicEvent): void {
    const core = this.#core
    switch (event.type) {
      case 'readable':
        if (isUnidirectional(event.stream)) this.#readUnidirectional(event.stream)
        else this.#readable.add(event.stream)
        break
      case 'writable': {
        const stream = core.table.get(event.stream)
        if (stream !== undefined) core.sending.onRoom(stream)
        else core.webTransport?.onRoom(event.stream)
        break
      }
      case 'reset':
        this.#onReset(event.stream, event.code)
        break
      case 'stopped':
        this.#onStopped(event.stream, event.code)
        break
      case 'established':
        this.#host.onEstablished(event.handshake)
        break
      case 'early-data':
        this.#host.onEarlyData(event.outcome)
        break
      case 'ticket':
        this.#host.onTicket(event.ticket)
        break
      case 'datagram':
        this.#onDatagram(event.bytes)
        break
      case 'defence':
        core.events.onDefence(event.limit)
        break
      case 'worn-out':
        core.events.onExhausted()
        break
      case 'ended':
        this.#end = event.end
        break
    }
  }

  #readUnidirectional(id: number): void {
    const { webTransport } = this.#core
    if (webTransport?.has(id) === true) webTransport.onReadable(id)
    else if (webTransport?.awaitsHeader(id) === true) webTransport.receiveUnidirectional(id)
    else this.#unidirectional.read(id)
  }

  #readMessage(id: number): void {
    const { table, webTransport } = this.#core
    const known = table.get(id)
    if (known === undefined && webTransport !== undefined) {
      if (webTransport.has(id)) webTransport.onReadable(id)
      else if (this.#isPeers(id)) webTransport.receiveBidirectional(id)
      return
    }
    const stream = known ?? this.#openedByPeer(id)
    if (stream !== undefined) this.#messages.read(stream)
  }

  /** A new stream of the peer, of which these bytes were read to see whether it is one of WebTransport. */
  receiveRequestBytes(id: number, bytes: Buffer, isEnd: boolean): void {
    const stream = this.#openedByPeer(id)
    if (stream === undefined) return
    if (bytes.length > 0) stream.rest = bytes
    stream.hasReadEnd = isEnd
    this.#messages.read(stream)
  }

  /** A request, or whatever else, has come on that stream of a client. */
  hasSeen(id: number): boolean {
    return this.#core.webTransport?.hasSeen(id) === true
  }

  #isPeers(id: number): boolean {
    return (id & 1) === (this.#core.role === 'client' ? 1 : 0)
  }

  /** Bidirectional streams of the peer: requests, if we are the server. */
  #openedByPeer(id: number): RequestStream | undefined {
    const { role, quic } = this.#core
    if (!this.#isPeers(id)) return undefined
    if (role === 'client') {
      // RFC 9114 6.1
      throw new Http3ConnectionFault('H3_STREAM_CREATION_ERROR', 'the server opened a bidirectional stream')
    }
    if (!this.#requests.add(id)) return undefined
    const stream = this.#host.acceptRequest(id)
    if (stream !== undefined) {
      this.#breaks.onAccepted(stream)
      return stream
    }
    quic.stop(id, HTTP3_ERROR_CODES.H3_REQUEST_REJECTED)
    quic.reset(id, HTTP3_ERROR_CODES.H3_REQUEST_REJECTED)
    this.#core.reader.cancel(id) // what its head refers to would stay in the client's table
    return undefined
  }

  #onReset(id: number, code: number): void {
    if (isUnidirectional(id)) {
      if (this.#core.webTransport?.has(id) !== true) {
        this.#unidirectional.onReset(id)
        return
      }
    }
    const stream = this.#core.table.get(id)
    if (stream !== undefined) this.#breaks.onReset(stream, code)
    else this.#core.webTransport?.onReset(id, code)
  }

  #onStopped(id: number, code: number): void {
    if (this.#own.has(id)) {
      throw new Http3ConnectionFault(
        'H3_CLOSED_CRITICAL_STREAM',
        'the peer stopped a critical stream of ours',
      ) // RFC 9114 6.2.1
    }
    const stream = this.#core.table.get(id)
    if (stream !== undefined) this.#breaks.onStop(stream, code)
    else if (this.#core.webTransport?.has(id) === true) this.#core.webTransport.onStopped(id, code)
    else if (this.#core.role === 'server') this.#breaks.onEarlyStop(id, code)
  }

  #onDatagram(bytes: Buffer): void {
    const { options, table, guard, now } = this.#core
    // RFC 9297 2.1.1: only who has offered them gets them.
    if (!options.enableDatagrams) {
      throw new Http3ConnectionFault('H3_DATAGRAM_ERROR', 'a datagram, which we have not offered')
    }
    const { streamId, payload } = readDatagram(bytes)
    if (this.#core.datagrams.receive(streamId, payload)) return
    if (this.#core.webTransport?.receiveDatagram(streamId, payload) === true) return
    // One of a stream that has ended may have been on its way (RFC 9297 2.1).
    if (table.get(streamId) === undefined && !this.#host.hasBeen(streamId))
      guard.count('maxStrayDatagramsPerSecond', now)
  }

  #onQuicEnd(end: QuicEnd): void {
    const code = end.isApplication ? http3ErrorCodeOf(end.code) : 'H3_NO_ERROR'
    this.#core.onQuicEnd(quicFailure(end), code, () => this.#messages.deliverWhole())
  }

  #unblock(streamIds: readonly number[]): void {
    for (const id of streamIds) {
      const stream = this.#core.table.get(id)
      if (stream !== undefined) this.#messages.unblock(stream)
    }
  }
}

function isUnidirectional(id: number): boolean {
  return (id & 2) !== 0
}

/**
 * Answers that are not wanted before their requests were read: more than a client can have on its way; then
 * the oldest makes room.
 */
const MAX_EARLY_STOPS = 256

/** The peer breaks off its side of a request stream, or ours (RFC 9114 4.1.1). */
export class PeerBreaks {
  readonly #core: Http3SessionCore
  readonly #earlyStops = new Map<number, number>()

  constructor(core: Http3SessionCore) {
    this.#core = core
  }

  /** RESET_STREAM. Throws Http3ConnectionFault when there are too many. */
  onReset(stream: RequestStream, wireCode: number): void {
    const core = this.#core
    const code = http3ErrorCodeOf(wireCode)
    stream.hasReadEnd = true // nothing more can come of it
    // Requests that are begun and given up at once make a server work for nothing (rapid reset,
    // CVE-2023-44487).
    if (core.role === 'server' && !stream.hasResponded) core.guard.count('maxResetsPerSecond', core.now)
    this.#break(stream, code, `the peer reset the stream with ${code}`)
  }

  /** STOP_SENDING. Throws Http3ConnectionFault when there are too many. */
  onStop(stream: RequestStream, wireCode: number): void {
    const core = this.#core
    const code = http3ErrorCodeOf(wireCode)
    const hadSentEnd = stream.hasSentEnd
    core.sending.forget(stream)
    stream.isSendOpen = false
    if (core.role === 'server') {
      if (!stream.hasResponded) core.guard.count('maxResetsPerSecond', core.now)
      if (!hadSentEnd) this.#break(stream, code, `the client does not want the answer (${code})`)
    } else if (code === 'H3_REQUEST_REJECTED') {
      this.#break(stream, code, 'the peer rejected the request')
    } else {
      const { wantsRoom } = stream
      stream.wantsRoom = false
      if (stream.hasReceivedEnd) core.finish(stream)
      // RFC 9114 4.1: an answer may come without the whole request. What is still produced of it, or of a
      // tunnel, is thrown away.
      if (wantsRoom) stream.events.onWritable()
    }
  }

  /**
   * STOP_SENDING of a stream that is none (any more, or yet). It may overtake the request, or come in one
   * turn with it, and it comes once: who did not know of it would answer into a stream that takes nothing and
   * says nothing.
   */
  onEarlyStop(id: number, wireCode: number): void {
    for (const [oldest] of this.#earlyStops) {
      if (this.#earlyStops.size < MAX_EARLY_STOPS) break
      this.#earlyStops.delete(oldest)
    }
    this.#earlyStops.set(id, wireCode)
  }

  /** A request begins. Throws Http3ConnectionFault when there are too many whose answer is not wanted. */
  onAccepted(stream: RequestStream): void {
    const wireCode = this.#earlyStops.get(stream.id)
    if (wireCode === undefined) return
    this.#earlyStops.delete(stream.id)
    this.onStop(stream, wireCode)
  }

  #break(stream: RequestStream, code: Http3ErrorCode, message: string): void {
    const isUnprocessed = code === 'H3_REQUEST_REJECTED'
    const cause = isUnprocessed ? 'unprocessed' : code === 'H3_VERSION_FALLBACK' ? 'needs-http1' : 'peer'
    const isHarmless = isUnprocessed || code === 'H3_NO_ERROR' || code === 'H3_REQUEST_CANCELLED'
    this.#core.breakStream(stream, { code, cause, message }, !isHarmless)
  }
}
