import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import type {
  CloseReason,
  Connection,
  ConnectionListener,
  HandshakeInfo,
  KeepAliveHint,
} from '../connection.ts'
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import { TransportError } from '../errors.ts'
import type { ExchangeHandler, ExchangeRequest } from '../exchange.ts'
import type { Http2Options, ResponseLimits } from '../options.ts'
import type { Protocol } from '../protocol.ts'
import { ReadPort } from '../read-port.ts'
import { ClientExchange, type ExchangeOwner } from './client-exchange.ts'
import { ConnectionOutput } from './connection-output.ts'
import { attachSocket } from './connection-socket.ts'
import { createSession } from './create-session.ts'
import { DeadlineTable } from './deadline-table.ts'
import type { ErrorCode } from './error-codes.ts'
import type { Session } from './session.ts'
import type { SessionEnd, SessionEvents } from './session-events.ts'
import { SharedPing } from './shared-ping.ts'
import type { Stream } from './stream.ts'
import { sessionFailure } from './stream-failure.ts'

export interface Http2ConnectionOptions {
  /** Unique in the process. */
  id: number
  /** Connected, and past its TLS handshake. */
  socket: Socket
  /** The port that the socket was made with. Without one it is read by 'data' events. */
  port?: ReadPort | undefined
  endpoint: Endpoint
  handshake: HandshakeInfo
  listener: ConnectionListener
  limits: ResponseLimits
  http2: Http2Options
  clock: Clock
  /** ALTSVC frames (RFC 7838 4); `origin` is '' for the origin of the connection. */
  onAltSvc?: ((origin: string, value: string) => void) | undefined
  /** A defence took effect: the name of its limit. */
  onDefence?: ((limit: string) => void) | undefined
  /** The id of the first stream; odd, default 1. For tests of what happens at the end of the ids. */
  firstStreamId?: number
}

/** RFC 9113 5.1.1: ids are 31 bits. */
const MAX_STREAM_ID = 2 ** 31 - 1

/**
 * Where the connection stands.
 * - `open`: takes exchanges. Valid transitions: draining, closed.
 * - `draining`: takes no more, and ends when the last one has. Valid transitions: closed.
 * - `closed`: the listener has heard onClosed, or does so now; the socket is destroyed, or ending in the background. Final.
 */
type State = 'open' | 'draining' | 'closed'

/**
 * HTTP/2 towards an origin: the driver of a client session over a socket.
 *
 * The order in which an exchange ends is that of Http1Connection, since a listener or handler may open the next one from within its call:
 *  1. The state is settled first: the stream has left the session, the exchange the table.
 *  2. listener.onStreamClosed. 3. handler.onResponseEnd or onResponseError.
 * When the connection ends under its exchanges:
 *  1. The state is settled. 2. listener.onDraining (unless it was told before). 3. listener.onStreamClosed for each.
 *  4. listener.onClosed, if it has ended. 5. handler.onResponseError for each.
 *
 * A tunnel ends its exchange (onUpgrade), but not the lease of its stream: listener.onStreamClosed follows when the stream is done.
 */
export class Http2Connection implements Connection {
  readonly id: number
  readonly protocol: Protocol = 'h2'
  readonly endpoint: Endpoint
  readonly handshake: HandshakeInfo

  readonly #socket: Socket
  readonly #port: ReadPort
  readonly #listener: ConnectionListener
  readonly #clock: Clock
  readonly #session: Session
  readonly #output: ConnectionOutput
  readonly #table: DeadlineTable<ClientExchange>
  readonly #owner: ExchangeOwner
  readonly #ping = new SharedPing()

  #state: State = 'open'
  #requests = 0
  /** Why it is draining, or was closed. */
  #reason: CloseReason | undefined
  #isDrainingTold = false
  /** Why the connection is ending with everything on it. */
  #loss: TransportError | undefined
  /** Exchanges that have fallen with the connection, and hear of it after the listener. */
  #fallen: ClientExchange[] = []
  #isResetting = false
  /** The session has ended while a stream was being reset. */
  #heldEnd: SessionEnd | undefined
  /** Exchanges that wait for the peer's SETTINGS. */
  #waiting: ClientExchange[] = []
  readonly #tunnels = new Map<Stream, ClientExchange>()
  #originSet: readonly string[] | undefined
  #requestsTaken: number | undefined

  constructor(options: Http2ConnectionOptions) {
    const { socket, limits, http2, clock } = options
    this.id = options.id
    this.endpoint = options.endpoint
    this.handshake = options.handshake
    this.#socket = socket
    this.#port = options.port ?? ReadPort.over(socket)
    this.#listener = options.listener
    this.#clock = clock
    this.#table = new DeadlineTable<ClientExchange>(clock, () => this.#onDue())
    const keep = (chunk: Buffer): Buffer => this.#port.keep(chunk)
    this.#session = createSession({
      role: 'client',
      options: http2,
      maxHeaderBytes: limits.maxHeaderBytes,
      maxHeaderCount: limits.maxHeaderCount,
      enableConnectProtocol: false,
      events: this.#sessionEvents(options),
      ...(options.firstStreamId === undefined ? {} : { firstStreamId: options.firstStreamId }),
      keep,
    })
    this.#owner = this.#exchangeOwner(limits.maxInformational, keep)
    this.#output = new ConnectionOutput(socket, this.#session)
    this.#session.start(this.#table.now)
    this.#cover()
    attachSocket(socket, this.#port, {
      onRead: (buffer, start, end) => this.#onRead(buffer, start, end),
      onLost: (reason, error) => this.#onLost(reason, error),
      isWaiting: () => this.#table.size > 0,
    })
  }

  get capacity(): number {
    return this.#session.capacity
  }

  get isCapacityProvisional(): boolean {
    return !this.#session.hasPeerSettings
  }

  /** Nothing in HTTP/2 says it. */
  get keepAlive(): KeepAliveHint | undefined {
    return undefined
  }

  /** The peer offers extended CONNECT (RFC 8441). Undefined: it has not said yet. */
  get enablesExtendedConnect(): boolean | undefined {
    return this.#session.hasPeerSettings ? this.#session.peerEnablesConnect : undefined
  }

  /** The origins that the peer says it is good for (RFC 8336), as ASCII serializations. Undefined: it has not said. */
  get originSet(): readonly string[] | undefined {
    return this.#originSet
  }

  /** Streams that the peer's GOAWAY says it has taken. */
  get requestsTaken(): number | undefined {
    return this.#requestsTaken
  }

  open(request: ExchangeRequest, handler: ExchangeHandler): void {
    if (this.#state === 'closed') {
      const error = new TransportError('MM_CONNECTION_CLOSED', `${this.toString()} takes no request now`)
      handler.onResponseError(undefined, error)
      return
    }
    const exchange = new ClientExchange(request, handler, this.#owner)
    this.#table.touch()
    this.#table.add(exchange)
    this.#requests++
    exchange.start()
    if (!exchange.isPending) return
    if (!this.#socket.writable && this.#state === 'open') {
      // It has failed, and 'close' follows. Until then what the peer said at last may come: see hearLastWords.
      this.#tellDraining('peer-closed')
      this.#refuseWaiting()
    }
    if (this.#state !== 'open') {
      exchange.fail(
        new TransportError('MM_CONNECTION_CLOSED', 'the connection takes no more requests'),
        false,
      )
    } else if (request.upgrade !== undefined) this.#openExtended(exchange)
    else this.#send(exchange)
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

  /** `h2#7 127.0.0.1:443 active, 3 streams, 12 requests`; the state is one of idle, active, draining, closed. */
  toString(): string {
    const { size } = this.#table
    const state = this.#state === 'open' ? (size === 0 ? 'idle' : 'active') : this.#state
    return `h2#${this.id} ${formatEndpoint(this.endpoint)} ${state}, ${size} streams, ${this.#requests} requests`
  }

  // Exchanges

  #send(exchange: ClientExchange): void {
    const session = this.#session
    // The peer may have lowered what it allows since the lease.
    if (session.openStreams >= session.capacity) {
      exchange.fail(new TransportError('MM_REFUSED', 'the peer allows no further stream now'), false)
      return
    }
    exchange.send()
    this.#cover()
  }

  /** RFC 8441 3: only once the peer has said that it takes it. */
  #openExtended(exchange: ClientExchange): void {
    if (!this.#session.hasPeerSettings) this.#waiting.push(exchange)
    else if (this.#session.peerEnablesConnect) this.#send(exchange)
    else {
      const message = 'the origin offers no extended CONNECT (RFC 8441) on this connection'
      exchange.fail(new TransportError('MM_UPGRADE_UNAVAILABLE', message), false)
    }
  }

  #exchangeOwner(maxInformational: number, keep: (chunk: Buffer) => Buffer): ExchangeOwner {
    const lossOf = (): TransportError | undefined => this.#loss
    return {
      session: this.#session,
      table: this.#table,
      maxInformational,
      get loss() {
        return lossOf()
      },
      keep,
      onExchangeEnded: (exchange, failed, stream, code) => {
        this.#table.remove(exchange)
        if (stream !== undefined) this.#reset(stream, code)
        this.#listener.onStreamClosed(this, failed)
        if (this.#heldEnd !== undefined) this.#onEnd(this.#heldEnd)
      },
      onExchangeFallen: exchange => {
        this.#table.remove(exchange)
        this.#fallen.push(exchange)
        if (this.#loss === undefined) this.#settleFallen()
      },
      onTunnelOpened: (exchange, stream) => {
        // Pooled sockets do not keep the process alive; a tunnel is somebody's work.
        if (this.#tunnels.size === 0) this.#socket.ref()
        this.#tunnels.set(stream, exchange)
      },
      onTunnelReset: stream => this.#releaseTunnel(stream, false),
      onHandlerThrew: rethrow,
    }
  }

  /** The session of a draining connection ends with its last stream: what follows from that must not overtake the end of the exchange. */
  #reset(stream: Stream, code: ErrorCode = 'CANCEL'): void {
    this.#isResetting = true
    stream.reset(code)
    this.#isResetting = false
  }

  #releaseTunnel(stream: Stream, failed: boolean): void {
    const exchange = this.#tunnels.get(stream)
    if (exchange === undefined) return
    this.#tunnels.delete(stream)
    if (this.#tunnels.size === 0) this.#socket.unref()
    this.#table.remove(exchange)
    this.#listener.onStreamClosed(this, failed)
  }

  // The session

  #sessionEvents(options: Http2ConnectionOptions): SessionEvents {
    return {
      onOutput: () => this.#output.schedule(),
      onSettings: () => this.#onSettings(),
      onGoaway: ({ lastStreamId }) => {
        // RFC 9113 6.8: the largest id is the first step of a graceful end, and counts nothing. Ours are the odd ones.
        if (lastStreamId < MAX_STREAM_ID) this.#requestsTaken = (lastStreamId + 1) >>> 1
        this.#tellDraining('peer-closed')
        this.#refuseWaiting()
      },
      onExhausted: () => {
        this.#tellDraining('max-requests')
        this.#refuseWaiting()
        this.#session.drain(this.#table.now)
      },
      onRequest: () => {
        throw new Error('a client session takes no requests')
      },
      onStreamClosed: (stream, failed) => {
        if (this.#tunnels.size > 0) this.#releaseTunnel(stream, failed && this.#loss?.fault !== 'local')
      },
      onPong: () => this.#ping.onPong(),
      onOrigins: origins => void (this.#originSet = origins),
      onAltSvc: (origin, value) => options.onAltSvc?.(origin, value),
      onDefence: limit => options.onDefence?.(limit),
      onEnding: end => {
        this.#loss ??= sessionFailure(end)
        if (this.#table.size > 0) this.#tellDraining(this.#reasonOf(end))
      },
      onEnd: end => {
        if (this.#isResetting) this.#heldEnd = end
        else this.#onEnd(end)
      },
    }
  }

  #onSettings(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const exchange of waiting) if (exchange.isPending) this.#openExtended(exchange)
    if (this.#state === 'open') this.#listener.onCapacityChanged(this)
  }

  #onEnd(end: SessionEnd): void {
    this.#finish(this.#reasonOf(end), end.cause === 'local' ? undefined : this.#loss)
  }

  #reasonOf({ cause, code }: SessionEnd): CloseReason {
    if (cause === 'local') return this.#reason ?? 'peer-closed'
    return code === 'SETTINGS_TIMEOUT' ? 'timeout' : 'protocol-error'
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

  // The socket

  #onRead(buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'closed') return
    this.#session.receive(buffer, start, end, this.#table.holdTime())
    this.#table.letTimeGo()
    this.#cover()
  }

  #onLost(reason: CloseReason, error: TransportError): void {
    if (this.#state === 'closed') return
    this.#loss = error
    if (this.#table.size > 0) this.#tellDraining(reason)
    this.#session.abandon(error.message)
    this.#finish(reason, error)
  }

  // The end

  /** From now on nothing is opened. */
  #tellDraining(reason: CloseReason): void {
    if (this.#state === 'open') this.#state = 'draining'
    this.#reason ??= reason
    if (this.#isDrainingTold) return
    this.#isDrainingTold = true
    this.#listener.onDraining(this, reason)
  }

  /** What was not given to the session yet never will be. */
  #refuseWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const exchange of waiting) {
      exchange.fall(new TransportError('MM_REFUSED', 'the connection takes no more requests'))
    }
  }

  /** Reports what has fallen while others go on. */
  #settleFallen(): void {
    const fallen = this.#fallen
    this.#fallen = []
    for (const exchange of fallen) {
      this.#listener.onStreamClosed(this, false)
      exchange.settle()
    }
  }

  /** The one place that leaves for `closed`. */
  #finish(reason: CloseReason, error: TransportError | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#table.dispose()
    // Those that the session does not know: they wait for its SETTINGS, or their handler is just hearing of the start.
    this.#loss ??= new TransportError('MM_CONNECTION_CLOSED', 'the connection has ended')
    for (const exchange of this.#table.all()) exchange.fall(this.#loss)
    const fallen = this.#fallen
    this.#fallen = []
    for (const exchange of fallen) this.#listener.onStreamClosed(this, exchange.hasFailed)
    this.#output.end(this.#port, this.#clock)
    this.#listener.onClosed(this, reason, error)
    this.#ping.fail(new TransportError('MM_PING_FAILED', `${this.toString()} ended before it answered`))
    for (const exchange of fallen) exchange.settle()
  }
}

/** Out of the way of the session, as an uncaught exception: the same end that it has in any other callback of a socket. */
function rethrow(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
