import type { ErrorCode } from '../../base/error-codes.ts'
import { TransportError } from '../../base/errors.ts'
import type {
  CloseReason,
  Connection,
  ConnectionListener,
  HandshakeInfo,
  KeepAliveHint,
} from '../../base/events/connection.ts'
import { containFault, guarded, guardedListener, reportFault, throwLater } from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { ExchangeHandler, ExchangeRequest } from '../../base/http/exchange.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { Admission } from './admission.ts'
import { MultiplexedClientExchange, type MultiplexedExchangeOwner } from './client-exchange.ts'
import type {
  Carrier,
  ClientSession,
  ClientSessionEvents,
  SessionEnd,
  SessionHost,
} from './client-session.ts'
import type { MultiplexedOptions } from './connection-options.ts'
import { DeadlineTable } from './deadlines.ts'
import { type GuestConnection, type GuestHost, type GuestOptions, Guests } from './guest-connection.ts'
import { SharedPing } from './liveness.ts'
import { addOrigins } from './messages/origin-frame.ts'
import type { Stream } from './stream.ts'
import { closeReasonOf, sessionFailure } from './stream-failure.ts'
import { Tunnels } from './stream-tunnel.ts'

const ENDING = 'ending a connection'

/**
 * Where the connection stands.
 * - `open`: takes exchanges. Valid transitions: draining, closed.
 * - `draining`: takes no more, and ends when the last one has. Valid transitions: closed.
 * - `closed`: the listener has received onClosed, or does so now; the socket is destroyed, or ends. Final.
 */
type State = 'open' | 'draining' | 'closed'

/**
 * A connection that carries many exchanges at once: what HTTP/2 and HTTP/3 share. Its session speaks the
 * protocol, its carrier moves the bytes.
 *
 * The order in which an exchange ends is that of Http1Connection, since a listener or handler may open the
 * next one from within its call:
 *  1. The state is settled first: the stream has left the session, the exchange the table.
 *  2. listener.onStreamClosed. 3. handler.onResponseEnd or onResponseError.
 * When the connection ends under its exchanges:
 *  1. The state is settled. 2. listener.onDraining (unless it was notified before).
 *  3. listener.onStreamClosed for each.
 *  4. listener.onClosed, if it has ended. 5. handler.onResponseError for each.
 *
 * A tunnel ends its exchange (onUpgrade); listener.onStreamClosed follows when its stream is done.
 */
export class MultiplexedConnection implements Connection, GuestHost {
  readonly id: number
  readonly protocol: Protocol
  readonly endpoint: Endpoint
  readonly handshake: HandshakeInfo
  readonly altUsed: string | undefined

  readonly #listener: ConnectionListener
  readonly #session: ClientSession
  readonly #carrier: Carrier
  readonly #table: DeadlineTable<MultiplexedClientExchange>
  readonly #owner: MultiplexedExchangeOwner
  readonly #admission: Admission
  readonly #onDefence: ((limit: string) => void) | undefined
  readonly #onOrigins: ((connection: MultiplexedConnection) => void) | undefined
  /** Pools of other origins whose exchanges it carries as well. */
  readonly #guests = new Guests()
  readonly #ping = new SharedPing()

  #state: State = 'open'
  #requests = 0
  /** Why it is draining, or was closed. */
  #reason: CloseReason | undefined
  #hasReportedDraining = false
  /** Why the connection is ending with everything on it. */
  #loss: TransportError | undefined
  /** Exchanges that have fallen with the connection, and are notified of it after the listener. */
  #fallen: MultiplexedClientExchange[] = []
  #isResetting = false
  /** Nothing was under way when the session ended. */
  #wasIdle = false
  /** The session has ended while a stream was being reset. */
  #heldEnd: SessionEnd | undefined
  readonly #tunnels: Tunnels<MultiplexedClientExchange>
  #originSet: readonly string[] | undefined
  #requestsTaken: number | undefined

  constructor(options: MultiplexedOptions<MultiplexedConnection>) {
    const { listener, clock, maxInformational, keep } = options
    this.id = options.id
    this.protocol = options.protocol
    this.endpoint = options.endpoint
    this.handshake = options.handshake
    this.altUsed = options.altUsed
    this.#listener = listener
    this.#onDefence = options.onDefence
    this.#onOrigins = options.onOrigins
    this.#table = new DeadlineTable<MultiplexedClientExchange>(
      clock,
      guardedListener('a deadline of a connection', () => this.#onDue(), this.#onFault),
    )
    const { session, carrier } = options.start(this.#host(), this.#table.now)
    this.#session = session
    this.#carrier = carrier
    this.#tunnels = new Tunnels(carrier)
    this.#owner = this.#exchangeOwner(maxInformational, keep)
    this.#admission = new Admission({
      session,
      table: this.#table,
      hasUnread: options.hasUnread,
      ping: () => this.ping(),
      onOpened: () => this.#cover(),
      onFault: this.#onFault,
    })
    this.#cover()
  }

  get capacity(): number {
    return this.#session.capacity
  }

  get isCapacityProvisional(): boolean {
    return this.#session.isCapacityProvisional
  }

  /** Nothing in these protocols says it. */
  get keepAlive(): KeepAliveHint | undefined {
    return undefined
  }

  /** The peer offers extended CONNECT (RFC 8441, RFC 9220). Undefined: it has not said yet. */
  get enablesExtendedConnect(): boolean | undefined {
    return this.#session.hasPeerSettings ? this.#session.peerEnablesConnect : undefined
  }

  /** The drafts of WebTransport that the peer offers. Undefined: it has not said yet, or cannot. */
  get webTransportDrafts(): readonly string[] | undefined {
    return this.#session.webTransportDrafts
  }

  /**
   * The origins that the peer says it is good for (RFC 8336, RFC 9412), as ASCII serializations. Undefined:
   * it has not said.
   */
  get originSet(): readonly string[] | undefined {
    return this.#originSet
  }

  get endedBy(): CloseReason | undefined {
    return this.#reason
  }

  /** Requests that the peer's GOAWAY says it has taken. */
  get requestsTaken(): number | undefined {
    return this.#requestsTaken
  }

  open(request: ExchangeRequest, handler: ExchangeHandler): void {
    this.openFor(undefined, request, handler)
  }

  whenGone(): Promise<void> | undefined {
    return this.#carrier.whenGone()
  }

  openFor(guest: GuestConnection | undefined, request: ExchangeRequest, handler: ExchangeHandler): void {
    if (this.#state === 'closed') {
      const error = new TransportError('MM_CONNECTION_CLOSED', `${this.toString()} takes no request now`)
      handler.onResponseError(undefined, error)
      return
    }
    const exchange = new MultiplexedClientExchange(request, handler, this.#owner, guest)
    this.#table.touch()
    this.#table.add(exchange)
    this.#requests++
    exchange.start()
    if (!exchange.isPending) return
    if (!this.#carrier.isWritable && this.#state === 'open') {
      // It has failed, and its end follows. Until then what the peer said at last may come: see
      // drainOnEpipe.
      this.#stopTaking('peer-closed')
    }
    if (this.#state !== 'open') {
      exchange.fail(
        new TransportError('MM_CONNECTION_CLOSED', 'the connection takes no more requests'),
        false,
      )
    } else {
      this.#admission.open(exchange)
      this.#cover() // the session may give a wait a limit
    }
  }

  ping(signal?: AbortSignal): Promise<void> {
    if (this.#state === 'closed') {
      return Promise.reject(new TransportError('MM_PING_FAILED', `${this.toString()} was found closed`))
    }
    const isNew = !this.#ping.isPending
    const answered = this.#ping.join(signal)
    if (isNew && this.#ping.isPending) this.#session.ping()
    return answered
  }

  drain(reason: CloseReason): void {
    if (this.#state === 'closed') return
    if (this.#table.size === 0) {
      this.close(reason)
      return
    }
    this.#state = 'draining'
    this.#reason ??= reason
    this.dismissGuests(reason)
    this.#refuseWaiting()
    this.#session.drain(this.#table.touch())
  }

  close(reason: CloseReason): void {
    if (this.#state === 'closed') return
    const code = reason === 'shutdown' ? 'MM_TRANSPORT_CLOSED' : 'MM_CONNECTION_CLOSED'
    const message = `the connection was closed: ${reason}`
    this.#loss = new TransportError(code, message)
    this.#reason = reason
    this.#session.close('NO_ERROR', message)
    this.#finish(reason, undefined) // unless the session's onEnd did it from within
  }

  /**
   * `h2#7 127.0.0.1:443 active, 3 streams, 12 requests`; the state is one of idle, active, draining, closed.
   */
  toString(): string {
    const { size } = this.#table
    const state = this.#state === 'open' ? (size === 0 ? 'idle' : 'active') : this.#state
    return `${this.protocol}#${this.id} ${formatEndpoint(this.endpoint)} ${state}, ${size} streams, ${this.#requests} requests`
  }

  // Guests

  /** Another origin's exchanges may come as well, for its own pool. Undefined: it takes none any more. */
  join(options: GuestOptions): GuestConnection | undefined {
    return this.#state === 'open' ? this.#guests.add(this, options) : undefined
  }

  dismissGuests(reason: CloseReason): void {
    this.#guests.dismiss(reason)
  }

  endExchangesOf(guest: GuestConnection, error: TransportError): void {
    this.#table.touch()
    for (const exchange of this.#table.all()) if (exchange.guest === guest) exchange.end(error)
  }

  forget(guest: GuestConnection): void {
    this.#guests.remove(guest)
  }

  // Exchanges

  #exchangeOwner(maxInformational: number, keep: (chunk: Buffer) => Buffer): MultiplexedExchangeOwner {
    return {
      protocol: this.protocol,
      session: this.#session,
      table: this.#table,
      maxInformational,
      // Not a getter: a literal with one is a slow object, and this one is asked several times for each
      // exchange.
      loss: () => this.#loss,
      keep,
      onExchangeEnded: (exchange, failed, stream, code = 'CANCEL') => {
        this.#table.remove(exchange)
        // The session of a draining connection ends with its last stream: what follows from that must not
        // overtake the end of the exchange.
        this.#isResetting = true
        stream?.reset(code)
        this.#isResetting = false
        this.#reportStreamClosed(exchange, failed)
        if (this.#heldEnd !== undefined) this.#onEnd(this.#heldEnd)
      },
      onExchangeFallen: exchange => {
        this.#table.remove(exchange)
        this.#fallen.push(exchange)
        if (this.#loss === undefined) this.#settleFallen()
      },
      onTunnelOpened: (exchange, stream) => this.#tunnels.add(stream, exchange),
      onTunnelReference: (stream, isHeld) =>
        isHeld ? this.#tunnels.hold(stream) : this.#tunnels.letGo(stream),
      onTunnelReset: stream => this.#releaseTunnel(stream, false),
      onHandlerThrew: throwLater,
    }
  }

  #releaseTunnel(stream: Stream, failed: boolean): void {
    const exchange = this.#tunnels.take(stream)
    if (exchange === undefined) return
    this.#table.remove(exchange)
    this.#freeStreamOf(exchange, failed)
  }

  // The session

  #host(): SessionHost {
    return {
      events: this.#sessionEvents(),
      beginInput: () => this.#table.holdTime(),
      endInput: () => {
        this.#table.letTimeGo()
        this.#cover()
      },
      onLost: (reason, error) => this.#onLost(reason, error),
      onFault: this.#onFault,
      isWaiting: () => this.#table.size > 0,
    }
  }

  #sessionEvents(): ClientSessionEvents {
    return {
      onReady: () => this.#onReady(),
      onGoaway: requestsTaken => {
        this.#requestsTaken = requestsTaken ?? this.#requestsTaken
        this.#stopTaking('peer-closed')
      },
      onExhausted: () => {
        this.#stopTaking('max-requests')
        this.#session.drain(this.#table.now)
      },
      onStreamClosed: (stream, failed) => {
        if (!this.#tunnels.isEmpty) this.#releaseTunnel(stream, failed && this.#loss?.fault !== 'local')
      },
      onPong: () => this.#ping.onPong(),
      onUnresponsive: () => this.#onUnresponsive(),
      onOrigins: origins => {
        this.#originSet = addOrigins(this.#originSet, origins)
        this.#onOrigins?.(this)
      },
      onDefence: limit => this.#onDefence?.(limit),
      onEnding: end => {
        if (end.defect !== undefined) reportFault(`a session of ${this.protocol}`, end.defect)
        this.#wasIdle = this.#table.size === 0
        this.#loss ??= sessionFailure(end)
        if (this.#table.size > 0) this.#reportDraining(closeReasonOf(end, this.#wasIdle, this.#reason))
      },
      onEnd: end => {
        if (this.#isResetting) this.#heldEnd = end
        else this.#onEnd(end)
      },
    }
  }

  #onReady(): void {
    this.#admission.onReady()
    if (this.#state !== 'open') return
    this.#listener.onCapacityChanged(this)
    this.#guests.onCapacityChanged()
  }

  /** What is under way may still be answered, or not, as liveness finds out. */
  #onUnresponsive(): void {
    if (this.#state !== 'open') return
    this.#stopTaking('unresponsive', 'MM_CONNECTION_CLOSED')
    this.#session.drain(this.#table.now)
  }

  #onEnd(end: SessionEnd): void {
    const isNobodysFault = end.cause === 'local' || (end.cause === 'idle' && this.#wasIdle)
    this.#finish(closeReasonOf(end, this.#wasIdle, this.#reason), isNobodysFault ? undefined : this.#loss)
  }

  #onDue(): void {
    const now = this.#table.touch()
    if (this.#session.nextTimeoutAt <= now) this.#session.onTimeout(now)
    for (const exchange of this.#table.takeDue()) if (exchange.deadlineAt <= now) exchange.onDeadline()
    this.#cover()
  }

  #cover(): void {
    if (this.#state !== 'closed') this.#table.cover(this.#session.nextTimeoutAt)
  }

  // The carrier

  #onLost(reason: CloseReason, error: TransportError): void {
    if (this.#state === 'closed') return
    this.#loss = error
    if (this.#table.size > 0) this.#reportDraining(reason)
    this.#session.abandon(error.message)
    this.#finish(reason, error)
  }

  // What must not happen

  /**
   * Whoever threw may have left anything behind: neither the session nor the pool can keep the exchanges from
   * their errors.
   */
  readonly #onFault = (error: TransportError): void => {
    if (this.#state === 'closed') return
    this.#table.letTimeGo()
    this.#loss = error
    guarded(ENDING, () => this.#reportDraining('internal-error'))
    guarded(ENDING, () => this.#session.abandon(error.message))
    this.#finish('internal-error', error)
  }

  /** The exchange that has ended is notified of it whatever becomes of the pool. */
  #reportStreamClosed(exchange: MultiplexedClientExchange, failed: boolean): void {
    try {
      this.#freeStreamOf(exchange, failed)
    } catch (error) {
      containFault('the end of an exchange', error, this.#onFault)
    }
  }

  /** The pool of the exchange is notified that its stream is free. */
  #freeStreamOf({ guest }: MultiplexedClientExchange, failed: boolean): void {
    if (guest === undefined) this.#listener.onStreamClosed(this, failed)
    else guest.onStreamClosed(failed)
  }

  // The end

  /** From now on nothing is opened. */
  #reportDraining(reason: CloseReason): void {
    if (this.#state === 'open') this.#state = 'draining'
    this.#reason ??= reason
    if (this.#hasReportedDraining) return
    this.#hasReportedDraining = true
    this.#listener.onDraining(this, reason)
    this.dismissGuests(reason)
  }

  #stopTaking(reason: CloseReason, code?: ErrorCode): void {
    this.#reportDraining(reason)
    this.#refuseWaiting(code)
  }

  /** What was not given to the session yet never will be. */
  #refuseWaiting(code: ErrorCode = 'MM_REFUSED'): void {
    for (const exchange of this.#admission.takeWaiting()) {
      exchange.fall(new TransportError(code, 'the connection takes no more requests', { processed: 'no' }))
    }
  }

  /** Reports what has fallen while others go on. */
  #settleFallen(): void {
    const fallen = this.#fallen
    this.#fallen = []
    for (const exchange of fallen) {
      this.#reportStreamClosed(exchange, false)
      exchange.settle()
    }
  }

  /** The one place that leaves for `closed`. */
  #finish(reason: CloseReason, error: TransportError | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#table.dispose()
    // Those that the session does not know: they wait for its SETTINGS, or their handler is just hearing of
    // the start.
    this.#loss ??= new TransportError('MM_CONNECTION_CLOSED', 'the connection has ended')
    const loss = this.#loss
    for (const exchange of this.#table.all()) guarded(ENDING, () => exchange.fall(loss))
    const fallen = this.#fallen
    this.#fallen = []
    guarded(ENDING, () => {
      for (const exchange of fallen) this.#freeStreamOf(exchange, exchange.hasFailed)
    })
    guarded(ENDING, () => this.#carrier.finish())
    guarded(ENDING, () => this.#listener.onClosed(this, reason, error))
    this.#guests.onClosed(reason, error, ENDING)
    this.#ping.fail(new TransportError('MM_PING_FAILED', `${this.toString()} ended before it answered`))
    for (const exchange of fallen) guarded(ENDING, () => exchange.settle())
  }
}
