import { NEVER } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import { containFault } from '../../base/guard.ts'
import { isSafeMethod } from '../../base/http/exchange.ts'
import { hasHeader } from '../../base/http/headers.ts'
import { HTTP3_ERROR_CODES } from '../../http/http3/frames/error-codes.ts'
import { offeredWebTransport } from '../../http/http3/frames/settings.ts'
import { Http3Session } from '../../http/http3/http3-session.ts'
import type { Http3SessionEvents } from '../../http/http3/session.ts'
import type { SessionEnd } from '../../http/multiplex/client-session.ts'
import type { RequestHead } from '../../http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents } from '../../http/multiplex/stream.ts'
import type { QuicHandshake, QuicLink, QuicLinkOwner } from '../../quic/engine.ts'
import type { ClientTls } from '../ingress-exchange.ts'
import type { IngressLimits } from '../ingress-limits.ts'
import type { IngressSession, ListenerContext } from '../session-context.ts'
import { type ExchangesCarrier, SessionExchanges } from './session-exchanges.ts'
import type { ConnectionEnds } from './stream-exchange-host.ts'

/** QUIC has no other (RFC 9001 4.2). */
const QUIC_TLS: ClientTls = { version: 'TLSv1.3', serverName: undefined }

/**
 * A request that came in early data may be a replay (RFC 8470). A safe one goes on at once; any other, and
 * one with a body, waits until the handshake is complete, which proves that it is none. RFC 8470 3 leaves the
 * choice between this and 425, which would cost the client a round trip more.
 */
function mayGoEarly({ method, protocol }: RequestHead, endsStream: boolean): boolean {
  return endsStream && protocol === undefined && isSafeMethod(method)
}

/**
 * A request that came in early data and goes on before the handshake is complete says so, that whoever acts
 * on it knows that it may be a replay (RFC 8470 5.1). A client that said it itself is not contradicted: any
 * value of the field means the same there.
 */
function markEarlyData(head: RequestHead): RequestHead {
  if (hasHeader(head.headers, 'early-data')) return head
  return { ...head, headers: [...head.headers, 'early-data', '1'] }
}

export interface ServerHttp3SessionContext extends ListenerContext {
  readonly limits: IngressLimits
  /** Clients are offered WebTransport. */
  readonly webTransport?: boolean
  /** Clients of new connections are offered HTTP datagrams beside that. */
  takesDatagrams?(): boolean
  onHandshake(handshake: QuicHandshake): void
  /** Of a connection that began in early data. */
  onHandshakeFailed(): void
  /** The link is closed. */
  onGone(session: ServerHttp3Session): void
}

/**
 * - `handshake`: nothing is proven yet; requests may come in early data. Valid transitions: open, closed
 * - `open`: requests come and are answered. Valid transitions: closed
 * - `closed`: the session is over. QUIC says so to the client, and the link is notified when it has. Final
 */
type Phase = 'handshake' | 'open' | 'closed'

/**
 * The server side of one HTTP/3 connection: the driver of a session, over a QUIC link that is established or
 * in early data, whose requests are served before the handshake is complete.
 *
 * Nothing is watched here that QUIC watches (a client that is gone, or takes nothing) or SessionExchanges
 * does; only the handshake has a deadline of its own (tlsHandshakeTimeoutMs).
 */
export class ServerHttp3Session
  implements IngressSession, Http3SessionEvents, ExchangesCarrier, QuicLinkOwner
{
  readonly protocol = 'h3'
  readonly #link: QuicLink
  readonly #context: ServerHttp3SessionContext
  readonly #session: Http3Session
  readonly #exchanges: SessionExchanges
  isAddressProven = false
  /** The engine has verified it; nobody is asked for one otherwise. */
  #clientCertificate: Buffer | undefined
  readonly #tls: ClientTls
  #phase: Phase = 'handshake'
  #handshakeAtMs = NEVER
  /** It was counted as a connection that speaks HTTP/3. */
  #isCounted = false
  #isHeldScheduled = false
  #isTurning = false
  #isFlushing = false

  /** `serverName`: whom the client asked for. */
  constructor(link: QuicLink, context: ServerHttp3SessionContext, serverName?: string) {
    const { limits } = context
    this.#tls = serverName === undefined ? QUIC_TLS : { ...QUIC_TLS, serverName }
    this.#link = link
    this.#context = context
    this.#session = new Http3Session({
      role: 'server',
      quic: link.connection,
      options: limits.http3,
      maxHeaderBytes: limits.maxHeaderBytes,
      maxHeaderCount: limits.maxHeaderCount,
      maxRequests: limits.quic.maxRequestsPerConnection,
      headTimeoutMs: limits.headerTimeoutMs,
      enableConnectProtocol: true,
      enableDatagrams:
        limits.quic.maxQueuedDatagrams > 0 &&
        (context.webTransport === true || context.takesDatagrams?.() === true),
      webTransport: context.webTransport === true ? offeredWebTransport(limits.http3) : undefined,
      liveness: limits.liveness,
      events: this,
      keep: copyOf,
    })
    this.#exchanges = new SessionExchanges(this, context)
    const now = this.#exchanges.readAtMs
    if (limits.tlsHandshakeTimeoutMs > 0) this.#handshakeAtMs = now + limits.tlsHandshakeTimeoutMs
    link.owner = this
    this.#session.start(now)
    this.#exchanges.expectRequest()
    this.#exchanges.cover(this.nextDeadlineAt)
  }

  // What the link reports

  onTurn(now: number): void {
    try {
      this.#isTurning = true
      this.#exchanges.beginInput(now)
      this.#session.onTurn(now)
      this.#exchanges.endInput()
      this.#isTurning = false
      this.#session.flush()
    } catch (error) {
      this.#isTurning = false
      this.contain(error)
    }
  }

  contain(error: unknown): void {
    containFault('an event of an HTTP/3 client', error, fault => this.onFault(fault))
  }

  /**
   * Something of ours has thrown, and nobody knows what it has left behind: the connection ends, with its
   * exchanges.
   */
  onFault(error: TransportError): void {
    if (this.#phase === 'closed') return
    this.#exchanges.endError = error
    this.#phase = 'closed'
    this.#session.abandon(error.message)
    this.#link.connection.close(true, HTTP3_ERROR_CODES.H3_INTERNAL_ERROR, '')
    this.#link.schedule()
  }

  onClosed(): void {
    if (this.#phase !== 'closed') {
      // Its end was reported before, as an event; the link knows better only when it could not be.
      const message = 'the connection to the client ended: closed'
      this.#exchanges.endError = new TransportError('MM_CLIENT_GONE', message)
      this.#session.abandon(message)
      this.#phase = 'closed'
    }
    this.#exchanges.close()
    this.#context.onGone(this)
  }

  /** GOAWAY (RFC 9114 5.2): requests that are on their way are still answered. */
  drain(): void {
    if (this.#phase === 'closed') return
    this.#session.drain(this.#context.clock.now())
    this.#exchanges.cover(this.nextDeadlineAt)
  }

  get hasRequests(): boolean {
    return this.#exchanges.hasRequests
  }

  destroy(): void {
    this.#end(new TransportError('MM_TRANSPORT_CLOSED', 'the listener was closed'))
  }

  // What the session reports

  /**
   * The session gathers what is put out until its driver has said all that it has to say now, and the link
   * runs after that.
   */
  onOutput(): void {
    if (this.#isTurning) return // what is put out leaves after the turn
    if (!this.#isFlushing) {
      this.#isFlushing = true
      process.nextTick(flushSession, this)
    }
    this.#link.schedule()
  }

  flush(): void {
    this.#isFlushing = false
    this.#session.flush()
    // What was put out may be what the session waits behind.
    this.#exchanges.cover(this.nextDeadlineAt)
  }

  onHandshake(handshake: QuicHandshake): void {
    if (this.#phase !== 'handshake') return
    this.#phase = 'open'
    ;[this.#clientCertificate] = handshake.certificates
    this.isAddressProven = true
    this.#handshakeAtMs = NEVER
    this.#count()
    this.#exchanges.onHandshake()
    this.#context.onHandshake(handshake)
  }

  onRequest(stream: Stream, head: RequestHead, endsStream: boolean): StreamEvents {
    this.#count()
    // It goes on at the end of this turn, and what was not proven by now will not be by then.
    const isEarly = this.#link.connection.isInEarlyData
    if (!isEarly) return this.#exchanges.receive(stream, head, endsStream)
    if (!mayGoEarly(head, endsStream)) return this.#exchanges.receive(stream, head, endsStream, true)
    return this.#exchanges.receive(stream, markEarlyData(head), true)
  }

  onStreamClosed(): void {
    if (this.#session.openStreams === 0) this.#exchanges.expectRequest()
  }

  /** QUIC has taken too much that nobody read: the client is to make a new connection. */
  onExhausted(): void {
    this.drain()
  }

  onDefence(limit: string): void {
    this.#exchanges.onDefence(limit)
  }

  onEnd(end: SessionEnd): void {
    if (this.#phase === 'closed') return
    if (this.#phase === 'handshake') this.#onFailedHandshake(end.message)
    this.#phase = 'closed'
    this.#handshakeAtMs = NEVER
    this.#exchanges.onEnd(end)
    this.#link.schedule()
  }

  // Nothing to do: they are the client's, or ours in the client role.
  onReady(): void {}
  onGoaway(): void {}
  onEnding(): void {}
  onPong(): void {}
  onOrigins(): void {}
  onEarlyData(): void {}
  onTicket(): void {}

  // What the exchanges ask for

  get ends(): ConnectionEnds {
    const { local, remote } = this.#link
    return {
      remoteAddress: remote.host,
      remotePort: remote.port,
      localAddress: local.host,
      localPort: local.port,
      clientCertificate: this.#clientCertificate,
      tls: this.#tls,
    }
  }

  /** What stalled readers hold lies in QUIC, each in the window of its own stream. */
  get isHoldingBack(): boolean {
    return false
  }

  get ownsReads(): boolean {
    return false
  }

  /** QUIC keeps a little of each stream that ever was, whatever the limit of the listener is. */
  get maxRequests(): number {
    const { maxRequestsPerConnection, quic } = this.#context.limits
    if (maxRequestsPerConnection === 0) return quic.maxRequestsPerConnection
    if (quic.maxRequestsPerConnection === 0) return maxRequestsPerConnection
    return Math.min(maxRequestsPerConnection, quic.maxRequestsPerConnection)
  }

  /** What QUIC has, it sends. */
  get pendingBytes(): number {
    return 0
  }

  keep(chunk: Buffer): Buffer {
    return copyOf(chunk)
  }

  /**
   * At the end of the turn, as for HTTP/2. What comes of it leaves a turn later if QUIC has put out its
   * datagrams by then.
   */
  scheduleHeld(): void {
    if (this.#isHeldScheduled) return
    this.#isHeldScheduled = true
    setImmediate(openHeldAtTurnEnd, this)
  }

  onTurnEnd(): void {
    this.#isHeldScheduled = false
    this.#exchanges.openHeld()
  }

  get nextDeadlineAt(): number {
    return Math.min(this.#session.nextTimeoutAt, this.#handshakeAtMs)
  }

  onDue(now: number): void {
    if (this.#handshakeAtMs <= now) {
      const { tlsHandshakeTimeoutMs } = this.#context.limits
      const message = `the handshake took longer than ${tlsHandshakeTimeoutMs} ms`
      this.#end(new TransportError('MM_CLIENT_GONE', message))
    } else if (this.#session.nextTimeoutAt <= now) this.#session.onTimeout(now)
  }

  #count(): void {
    if (this.#isCounted) return
    this.#isCounted = true
    this.#context.stats.protocols.h3.connections++
  }

  #onFailedHandshake(message: string): void {
    const { remoteAddress, remotePort } = this.ends
    this.#context.onHandshakeFailed()
    this.#context.observer({ type: 'handshake-failed', error: new Error(message), remoteAddress, remotePort })
  }

  #end(error: TransportError): void {
    if (this.#phase === 'closed') return
    this.#exchanges.endError = error
    this.#session.close('NO_ERROR', error.message)
  }
}

/** One function for all, so that a turn needs no closure; so is the next one. */
function openHeldAtTurnEnd(session: ServerHttp3Session): void {
  try {
    session.onTurnEnd()
  } catch (error) {
    session.contain(error)
  }
}

function flushSession(session: ServerHttp3Session): void {
  try {
    session.flush()
  } catch (error) {
    session.contain(error)
  }
}

/** The session reads into one buffer, again and again. */
function copyOf(chunk: Buffer): Buffer {
  return Buffer.from(chunk)
}
