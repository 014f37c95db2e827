import { afterPoll } from '../../base/after-poll.ts'
import type { Clock } from '../../base/clock.ts'
import type { Processed } from '../../base/error-code-info.ts'
import { asTransportError, TransportError, withProcessed } from '../../base/errors.ts'
import type {
  CloseReason,
  Connection,
  ConnectionListener,
  HandshakeInfo,
  KeepAliveHint,
} from '../../base/events/connection.ts'
import { containFault, guardedImmediate, guardedListener, throwLater } from '../../base/guard.ts'
import { type EarlyGate, mayWrite } from '../../base/http/early-gate.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import { type ExchangeHandler, type ExchangeRequest, isRepeatable } from '../../base/http/exchange.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { ResponseLimits } from '../../base/options/options.ts'
import { ReadPort } from '../../base/socket/read-port.ts'
import { drainOnEpipe, endSocket, whenSocketClosed } from '../../base/socket/socket-ending.ts'
import type { StreamSocket, UnreadProbe } from '../../base/socket/stream-socket.ts'
import { Http1ClientExchange } from './client-exchange.ts'
import type { Http1ResponseHead } from './codec/message-events.ts'
import { ConnectionInput } from './connection-input.ts'
import { ConnectionReports, socketEnd } from './connection-reports.ts'
import { sendRequest } from './connection-sending.ts'
import { makeTunnel } from './connection-tunnel.ts'
import { ExchangeDeadline } from './exchange-deadline.ts'

export interface Http1ConnectionOptions {
  /** Unique in the process. */
  id: number
  /** Connected, and past its TLS handshake unless `early` says otherwise. */
  socket: StreamSocket
  /** The port that the socket was made with. Without one it is read by 'data' events. */
  port?: ReadPort | undefined
  endpoint: Endpoint
  handshake: HandshakeInfo
  listener: ConnectionListener
  limits: ResponseLimits
  clock: Clock
  /** The handshake is under way: what is written at once leaves in early data. */
  early?: EarlyGate | undefined
  /** Asked before a request is written that cannot be sent twice. Left out: nobody is. */
  hasUnread?: UnreadProbe | undefined
}

const DURING = 'an event of an HTTP/1.1 connection'
const ENDING = 'the end of an exchange'

/**
 * Where the connection stands.
 * - `idle`: open, carries nothing. Valid transitions: active, closed.
 * - `active`: carries an exchange. Valid transitions: idle (it ended well and the connection can be used
 *   again), upgraded, closed.
 * - `upgraded`: a tunnel has the socket, and keeps its lease and its place in the pool until that closes.
 *   Valid transitions: closed.
 * - `closed`: the listener has received onClosed; the socket is destroyed, or ends. Final.
 */
type State = 'idle' | 'active' | 'upgraded' | 'closed'

/**
 * HTTP/1.1 towards an origin: one exchange at a time over a socket, no pipelining.
 *
 * The order in which an exchange ends matters: a listener or handler may open the next one within its call.
 *  1. The state is settled first; whatever is called below finds the connection as it will be.
 *  2. If the connection cannot be used again: listener.onDraining (unless it was notified before), so that
 *     nobody leases it in 3.
 *  3. listener.onStreamClosed.
 *  4. If it cannot be used again: the socket is ended and listener.onClosed called, so that its place is free
 *     in 5.
 *  5. handler.onResponseEnd, onUpgrade or onResponseError. A tunnel ends its exchange (onUpgrade, after
 *     listener.onDraining), but not its lease: 3 and 4 follow when the socket closes. All of it is done after
 *     the decoder has seen every byte of a read: bytes behind a response mean that the connection is out of
 *     step, and must never meet the next exchange.
 */
export class Http1Connection implements Connection {
  readonly id: number
  readonly protocol: Protocol = 'http/1.1'
  readonly endpoint: Endpoint
  readonly handshake: HandshakeInfo
  readonly capacity = 1

  readonly #socket: StreamSocket
  readonly #port: ReadPort
  readonly #reports: ConnectionReports
  readonly #limits: ResponseLimits
  readonly #clock: Clock
  readonly #early: EarlyGate | undefined
  readonly #hasUnread: UnreadProbe | undefined
  readonly #input: ConnectionInput
  readonly #deadline: ExchangeDeadline
  /** What the parts of an exchange call back; one object for all exchanges. */
  readonly #owner = {
    onPause: () => this.#onPause(),
    onResume: () => this.#onResume(),
    onAbort: (error: TransportError) => this.#onAbort(error),
    keep: (chunk: Buffer) => this.#port.keep(chunk),
    onUploadProgress: () => this.#armDeadline(),
    onUploadEnd: () => this.#onUploadEnd(),
    onUploadFailed: (error: TransportError) => this.#onUploadFailed(error),
  }

  #state: State = 'idle'
  #exchange: Http1ClientExchange | undefined
  #requests = 0
  /** Of the last pause, whichever exchange's it was. */
  #pausedAt = 0
  #keepAlive: KeepAliveHint | undefined
  #socketError: Error | undefined

  constructor(options: Http1ConnectionOptions) {
    const { socket, limits } = options
    this.id = options.id
    this.endpoint = options.endpoint
    this.handshake = options.handshake
    this.#socket = socket
    this.#port = options.port ?? ReadPort.over(socket)
    this.#reports = new ConnectionReports(this, options.listener, socket, () => {
      this.#deadline.dispose()
      endSocket(socket, this.#port, this.#clock)
    })
    this.#limits = limits
    this.#clock = options.clock
    this.#early = options.early
    this.#hasUnread = options.hasUnread
    const guard = (listener: () => void) => guardedListener(DURING, listener, this.#onFault)
    this.#early?.onOpen(guard(() => this.#sendHeld()))
    this.#deadline = new ExchangeDeadline(
      options.clock,
      guard(() => this.#onDeadline()),
    )
    this.#input = new ConnectionInput(socket, this.#port, limits, {
      onHead: head => this.#onHead(head),
      onData: chunk => this.#onData(chunk),
      onComplete: (trailers, hasLeftOver) => this.#complete(trailers, hasLeftOver),
      onTunnel: (head, leftOver) => this.#handOver(head, leftOver),
      onBroken: (error, reason) => this.#onBroken(error, reason),
      onSocketClosed: () => this.#onSocketClosed(),
    })
    const onFault = this.#onFault
    this.#port.attach({ onRead: (buffer, start, end) => this.#onRead(buffer, start, end), onFault })
    const onEnd = guard(() => this.#onPeerEnd())
    const onClose = guard(() => this.#onSocketClosed())
    const onDrain = guard(() => this.#exchange?.upload?.onWritable())
    socket.on('error', error => void (this.#socketError = error))
    socket.on('end', onEnd).on('close', onClose).on('drain', onDrain)
    drainOnEpipe(socket, () => this.#state === 'active')
    // Nobody can have received this connection yet, so it does not end before this call has returned.
    if (this.#port.takeEarly() !== undefined) guardedImmediate(DURING, () => this.close('unexpected-data'))
    else if (socket.destroyed || socket.readableEnded)
      guardedImmediate(DURING, () => this.close('peer-closed'))
  }

  get keepAlive(): KeepAliveHint | undefined {
    return this.#keepAlive
  }

  get pausedSince(): number | undefined {
    const exchange = this.#exchange
    return exchange?.hasResponse === true && exchange.paused ? this.#pausedAt : undefined
  }

  get endedBy(): CloseReason | undefined {
    return this.#reports.endReason
  }

  open(request: ExchangeRequest, handler: ExchangeHandler): void {
    if (this.#state !== 'idle') {
      const error = new TransportError('MM_CONNECTION_CLOSED', `${this.toString()} takes no request now`)
      handler.onResponseError(undefined, error)
      return
    }
    const exchange = new Http1ClientExchange(request, handler, this.#owner)
    this.#state = 'active'
    this.#exchange = exchange
    this.#requests++
    handler.onRequestStart(exchange)
    if (this.#exchange !== exchange) return
    if (this.#socket.destroyed || !this.#socket.writable) {
      this.#fail(
        'peer-closed',
        new TransportError('MM_CONNECTION_CLOSED', 'the peer had closed the connection'),
      )
      return
    }
    if (!mayWrite(this.#early, request.mayBeEarly === true)) this.#armDeadline()
    else if (this.#mayHaveEnded(request)) this.#sendAfterPoll(exchange)
    else this.#send(exchange)
  }

  async ping(signal?: AbortSignal): Promise<void> {
    if (this.#isOpen) await new Promise<void>(resolve => afterPoll(resolve))
    if (!this.#isOpen) throw new TransportError('MM_PING_FAILED', `${this.toString()} was found closed`)
    if (signal?.aborted === true) throw new TransportError('MM_ABORTED', 'the check was given up')
  }

  drain(reason: CloseReason): void {
    if (this.#state === 'idle') this.close(reason)
    else this.#reports.planEnd(reason)
  }

  close(reason: CloseReason): void {
    if (this.#state === 'active') {
      const code = reason === 'shutdown' ? 'MM_TRANSPORT_CLOSED' : 'MM_CONNECTION_CLOSED'
      this.#fail(
        reason,
        new TransportError(code, `the connection was closed: ${reason}`, { processed: this.#processed() }),
      )
    } else if (this.#state === 'idle') {
      this.#state = 'closed'
      this.#reports.closed(reason, undefined)
    } else if (this.#state === 'upgraded') this.#endTunnel(reason)
  }

  whenGone(): Promise<void> | undefined {
    return whenSocketClosed(this.#socket)
  }

  toString(): string {
    const state = this.#state === 'active' && this.#reports.endReason !== undefined ? 'draining' : this.#state
    return `http/1.1#${this.id} ${formatEndpoint(this.endpoint)} ${state}, ${this.#requests} requests`
  }

  #send(exchange: Http1ClientExchange): void {
    exchange.wasEarly = this.#early?.phase === 'collecting'
    try {
      sendRequest(this.#socket, exchange, this.#owner)
    } catch (error) {
      this.#fail('exchange-aborted', asTransportError(error, 'MM_INTERNAL', this.#processed()))
      return
    }
    if (this.#exchange !== exchange) return
    // Nothing can have been read since the write.
    this.#input.expect(exchange.request)
    this.#armDeadline()
  }

  /** The handshake is complete: a request that was not to leave early leaves now. */
  #sendHeld(): void {
    const exchange = this.#exchange
    if (exchange !== undefined && !exchange.hasWritten) this.#send(exchange)
  }

  /**
   * Its end may lie unread in the kernel, and the request could not be sent again: a loop that is late would
   * write it to nobody.
   */
  #mayHaveEnded(request: ExchangeRequest): boolean {
    return this.#hasUnread !== undefined && !isRepeatable(request) && this.#hasUnread() !== false
  }

  #sendAfterPoll(exchange: Http1ClientExchange): void {
    this.#armDeadline()
    afterPoll(() => {
      try {
        if (this.#exchange === exchange) this.#send(exchange)
      } catch (error) {
        containFault(DURING, error, this.#onFault)
      }
    })
  }

  get #isOpen(): boolean {
    return this.#state === 'idle' || this.#state === 'active'
  }

  // What arrives

  /** Whether reading goes on is not for the result to say: pause() and resume() have done it. */
  #onRead(buffer: Buffer, start: number, end: number): true {
    const exchange = this.#exchange
    if (exchange === undefined || !exchange.hasWritten) this.close('unexpected-data')
    else this.#input.receive(buffer, start, end)
    return true
  }

  #onHead(head: Http1ResponseHead): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const { status, headers } = head
    if (head.isTunnel) {
      if (!exchange.isSent)
        throw new TransportError('MM_PROTOCOL_ERROR', 'the peer switched protocols within the request')
    } else if (status < 200) {
      const { maxInformational } = this.#limits
      if (++exchange.informationalCount > maxInformational)
        throw new TransportError('MM_PROTOCOL_ERROR', `more than ${maxInformational} informational responses`)
      exchange.handler.onInformational(exchange, status, headers)
    } else {
      exchange.hasResponse = true
      exchange.isReusable = head.keepAlive
      this.#keepAlive = head.keepAliveHint
      if (!head.keepAlive) {
        this.#reports.draining('peer-closed')
        // RFC 9112 9.5: who refuses and closes does not want the rest of the body.
        if (status >= 300) exchange.cancelUpload()
      }
      this.#armDeadline()
      if (exchange.paused) this.#input.hold()
      exchange.handler.onResponseStart(exchange, status, headers, head.statusText)
    }
  }

  #onData(chunk: Buffer): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#armDeadline()
    exchange.handler.onResponseData(exchange, chunk)
  }

  #onPeerEnd(): void {
    if (this.#state === 'upgraded') return // the tunnel has it from the socket, and 'close' follows
    const exchange = this.#exchange
    if (exchange === undefined || !exchange.hasWritten) this.close('peer-closed')
    else this.#input.receiveEnd()
  }

  #onSocketClosed(): void {
    if (this.#state === 'upgraded') this.#endTunnel('upgraded')
    if (!this.#isOpen || this.#input.holdsBackClose()) return
    const { reason, error } = socketEnd(this.#socketError, this.#processed())
    if (this.#state === 'active') this.#fail(reason, error)
    else {
      this.#state = 'closed'
      this.#reports.closed(reason, error)
    }
  }

  #onBroken(error: unknown, reason: CloseReason): void {
    this.#fail(reason, withProcessed(asTransportError(error), this.#processed()))
  }

  // What the exchange asks for

  /** Holds back the body only: the head that it belongs to is still read. */
  #onPause(): void {
    this.#pausedAt = this.#clock.now()
    this.#armDeadline()
    if (this.#exchange?.hasResponse === true) this.#input.hold()
  }

  #onResume(): void {
    this.#armDeadline()
    if (this.#exchange !== undefined) this.#input.release()
  }

  #onAbort(error: TransportError): void {
    this.#fail('exchange-aborted', error)
  }

  #onUploadEnd(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    exchange.isSent = true
    exchange.upload = undefined
    this.#armDeadline()
  }

  #onUploadFailed(error: TransportError): void {
    this.#fail('exchange-aborted', withProcessed(error, this.#processed()))
  }

  // Deadlines

  #armDeadline(): void {
    const exchange = this.#exchange
    if (exchange !== undefined) this.#deadline.set(exchange.timeoutMs)
  }

  #onDeadline(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    // A source that has nothing to send says nothing about the peer.
    const isPeersFault = exchange.upload === undefined || exchange.upload.isBlocked
    this.#fail('timeout', exchange.timeoutError(), isPeersFault)
  }

  // The end of an exchange

  #complete(trailers: HeaderList, hasLeftOver: boolean): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    let reason = this.#reports.endReason
    if (!exchange.isSent) reason = 'exchange-aborted' // answered early: the promised body will not come
    if (!exchange.isReusable || this.#input.hasEnded) reason = 'peer-closed'
    if (hasLeftOver) reason = 'unexpected-data'
    const fault = this.#settle(exchange, reason === undefined ? 'idle' : 'closed')
    if (fault !== undefined) {
      this.#endFaulty(exchange, fault)
      return
    }
    this.#reports.exchangeEnded(false, reason, undefined)
    try {
      exchange.handler.onResponseEnd(exchange, trailers)
    } catch (error) {
      throwLater(error)
    }
  }

  #handOver(head: Http1ResponseHead, leftOver: Buffer): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    let tunnel: StreamSocket | undefined
    let fault = this.#settle(exchange, 'upgraded')
    try {
      this.#deadline.dispose()
      const rest = leftOver.length === 0 ? undefined : this.#port.keep(leftOver)
      if (fault === undefined) tunnel = makeTunnel(this.#socket, this.#port, rest)
    } catch (error) {
      containFault(ENDING, error, failure => (fault = failure))
    }
    if (tunnel === undefined) {
      this.#endFaulty(exchange, fault)
      return
    }
    this.#reports.draining('upgraded')
    try {
      exchange.handler.onUpgrade(exchange, head.status, head.headers, tunnel)
    } catch (error) {
      throwLater(error)
    }
  }

  /** Its socket is closed, or is to be closed now; what its holder has not read stays his. */
  #endTunnel(reason: CloseReason): void {
    this.#state = 'closed'
    this.#socket.destroy()
    this.#reports.tunnelEnded(reason)
  }

  /**
   * The exchange failed. Ends the connection, unless nothing of the request was written and nothing is wrong
   * with it.
   */
  #fail(reason: CloseReason, error: TransportError, isPeersFault = error.fault === 'remote'): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    // What the caller or its body did wrong does not speak against the connection.
    const isFailed = isPeersFault && reason !== 'exchange-aborted'
    const isUnused =
      reason === 'exchange-aborted' && !exchange.hasWritten && this.#reports.endReason === undefined
    if (!isUnused) this.#input.stop()
    const fault = this.#settle(exchange, isUnused ? 'idle' : 'closed')
    if (isUnused && fault === undefined) this.#reports.exchangeEnded(false, undefined, undefined)
    else {
      this.#socket.destroy()
      this.#reports.exchangeEnded(isFailed, fault === undefined ? reason : 'internal-error', error)
    }
    exchange.tellError(error)
  }

  /**
   * Something of ours has thrown when the exchange was over already: the connection ends, and the caller does
   * not wait for ever.
   */
  #endFaulty(
    exchange: Http1ClientExchange,
    fault = new TransportError('MM_INTERNAL', `${this.toString()} broke`),
  ): void {
    this.#state = 'closed'
    this.#socket.destroy()
    this.#reports.exchangeEnded(false, 'internal-error', fault)
    exchange.tellError(withProcessed(fault, exchange.processed))
  }

  /**
   * Something of ours has thrown, and nobody knows what it has left behind: the connection ends, and its
   * exchange with it.
   */
  readonly #onFault = (error: TransportError): void => {
    if (this.#state === 'active') this.#fail('internal-error', withProcessed(error, this.#processed()))
    else this.close('internal-error')
    this.#socket.destroy()
  }

  /**
   * The connection carries nothing any more: the one place that leaves `active`. Answers with what was
   * thrown: it ends then, whatever `state` says.
   */
  #settle(exchange: Http1ClientExchange, state: State): TransportError | undefined {
    this.#state = state
    this.#exchange = undefined
    let thrown: TransportError | undefined
    try {
      this.#deadline.clear()
      exchange.release()
      this.#input.forget()
    } catch (error) {
      this.#state = 'closed'
      containFault(ENDING, error, fault => (thrown = fault))
    }
    return thrown
  }

  #processed(): Processed {
    return this.#exchange?.processed ?? 'no'
  }
}
