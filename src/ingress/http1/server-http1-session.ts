import type { Duplex } from 'node:stream'
import { afterPoll } from '../../base/after-poll.ts'
import { NEVER } from '../../base/clock.ts'
import { asTransportError, TransportError } from '../../base/errors.ts'
import { guardedListener } from '../../base/guard.ts'
import { UnreadInput } from '../../http/http1/unread-input.ts'
import type { BodyFlow } from '../ingress-body-source.ts'
import type { ClientTls } from '../ingress-exchange.ts'
import { countBadRequest, countDefence } from '../ingress-stats.ts'
import { RateWatch } from '../rate-watch.ts'
import { encodeRefusal } from '../refusal.ts'
import {
  clientCertificateOf,
  clientTlsOf,
  type IngressSession,
  type SessionContext,
  type SessionSocket,
} from '../session-context.ts'
import { listenToSocket, type SocketOwner } from '../socket-events.ts'
import { type ExchangeHost, Http1Exchange } from './http1-exchange.ts'
import { RequestReader } from './request-reader.ts'
import { type DeadlineEvents, SessionDeadlines } from './session-deadlines.ts'
import { SocketOutput } from './socket-output.ts'

/**
 * - `idle`: between two requests. Valid transitions: head, closing, closed
 * - `head`: some bytes of a request came. Valid transitions: idle (they were an empty line), body, answering,
 *   closing, closed
 * - `body`: the head is complete, the body is not; the response may be under way, or over. Valid transitions:
 *   answering, idle, closing, closed
 * - `answering`: the request is complete, the response is not. Valid transitions: idle, closing, upgraded,
 *   closed
 * - `closing`: all that we say is said; what still comes is thrown away until the client closes too. Valid
 *   transitions: closed
 * - `upgraded`: the socket belongs to somebody else. Final
 * - `closed`: final
 */
type Phase = 'idle' | 'head' | 'body' | 'answering' | 'closing' | 'upgraded' | 'closed'

const DURING = 'an event of an HTTP/1.1 client'

/** A client that takes longer for what waits for it is one whose memory is its own: see SocketOutput. */
const SLOW_DRAIN_MS = 50

/**
 * The server side of one HTTP/1.1 connection. One request is read at a time; what a client sends ahead of its
 * answer (a pipelined request) waits, unread but for one piece, until that answer was given and taken. It
 * ends with the connection half closed for a moment (RFC 9112 9.6): a close with unread input would be a
 * reset, which destroys the answer on its way to the client.
 *
 * A client that closes its side while it has an answer to come is taken as gone, as nginx, Go and Node do: a
 * half-closed connection looks the same as one that was left.
 */
export class ServerHttp1Session
  implements IngressSession, SocketOwner, ExchangeHost, BodyFlow, DeadlineEvents
{
  readonly output: SocketOutput
  readonly scheme: 'http' | 'https'
  readonly clientCertificate: Buffer | undefined
  readonly tls: ClientTls | undefined
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #socket: SessionSocket
  readonly #context: SessionContext
  readonly #reader: RequestReader
  readonly #deadlines: SessionDeadlines
  /** Of the request body; undefined: it may come as slowly as it likes. */
  readonly #requestRate: RateWatch | undefined
  readonly #unread = new UnreadInput()
  readonly #stopListening: () => void
  #phase: Phase = 'idle'
  #exchange: Http1Exchange | undefined
  #isWorking = false
  #isPaused = false
  /** No request after the one at hand. */
  #isLast = false
  #isDraining = false
  #requests = 0
  /** Of the body that nobody wants, or of what came while closing. */
  #discardedBytes = 0
  #backlogSince = 0

  constructor(socket: SessionSocket, context: SessionContext) {
    const { limits, scheme } = context
    this.#socket = socket
    this.#context = context
    this.scheme = scheme
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = socket.localAddress ?? ''
    this.localPort = socket.localPort ?? 0
    this.clientCertificate = clientCertificateOf(socket)
    this.tls = clientTlsOf(socket)
    this.#reader = new RequestReader(context, this)
    this.#deadlines = new SessionDeadlines(context.clock, socket, limits, this)
    const { minRequestRate, rateGraceMs } = limits
    if (minRequestRate > 0) this.#requestRate = new RateWatch(minRequestRate, rateGraceMs)
    this.output = new SocketOutput(socket, scheme === 'https', () => this.#deadlines.watchWrites())
    this.#deadlines.expectBytes(limits.keepAliveTimeoutMs)
    context.stats.protocols['http/1.1'].connections++
    context.silence.add(socket, socket) // until it closes, as a tunnel too
    this.#stopListening = listenToSocket(socket, DURING, this)
  }

  // What comes from the socket

  receive(buffer: Buffer, start: number, end: number): void {
    if (this.#phase === 'closing') this.#discard(end - start)
    if (this.#phase === 'closing' || this.#phase === 'closed' || this.#phase === 'upgraded') return
    this.#unread.add(buffer, start, end)
    this.#work()
  }

  receiveEnd(): void {
    if (this.#phase === 'closing') return
    if (this.#phase === 'idle' && this.#unread.isEmpty) this.#startClosing()
    else this.#end(new TransportError('MM_CLIENT_GONE', `the client closed the connection within a request`))
  }

  onBacklog(): void {
    this.#backlogSince = this.#context.clock.now()
  }

  receiveDrain(): void {
    this.#deadlines.onDrain()
    this.output.isSlow = this.#context.clock.now() - this.#backlogSince > SLOW_DRAIN_MS
    this.#exchange?.receiveDrain()
    if (this.#phase === 'idle') this.#work()
  }

  receiveFinish(): void {
    if (this.#phase !== 'closing') return
    const { lingerTimeoutMs } = this.#context.limits
    if (lingerTimeoutMs === 0) this.#destroy()
    else this.#deadlines.expectBytes(lingerTimeoutMs)
  }

  receiveClose(error: TransportError): void {
    if (this.#phase !== 'closed') this.#end(error)
  }

  onReadTimeout(): void {
    const { headerTimeoutMs, requestTimeoutMs } = this.#context.limits
    if (this.#phase === 'idle') this.#startClosing()
    else if (this.#phase === 'closing') this.#destroy()
    else if (this.#phase === 'head') {
      this.#fail(
        new TransportError(
          'MM_CLIENT_TIMEOUT',
          `the request head was not complete after ${headerTimeoutMs} ms`,
        ),
      )
    } else if (this.#phase === 'body') {
      const rate = this.#requestRate
      if (rate !== undefined && rate.deadlineMs <= this.#context.clock.now()) this.#confirmSlow(rate)
      else {
        const message = `nothing came of the request body for ${requestTimeoutMs} ms`
        this.#fail(new TransportError('MM_CLIENT_TIMEOUT', message))
      }
    }
  }

  /** A loop that is late may only not have read what came. */
  #confirmSlow(rate: RateWatch): void {
    const confirm = (): void => {
      const { clock, limits, stats } = this.#context
      if (this.#phase !== 'body' || rate.deadlineMs === NEVER) return
      if (rate.deadlineMs > clock.now()) {
        this.#expectBody()
        return
      }
      countDefence(stats, 'minRequestRate')
      const message = `the request body came at less than ${limits.minRequestRate} bytes a second`
      this.#fail(new TransportError('MM_CLIENT_TIMEOUT', message))
    }
    afterPoll(guardedListener('a slow HTTP/1.1 client', confirm, error => this.onFault(error)))
  }

  onSlowWrites(): void {
    const { limits, stats } = this.#context
    countDefence(stats, 'minResponseRate')
    const message = `the client took the response at less than ${limits.minResponseRate} bytes a second`
    // What the kernel holds for it is given up as well.
    if (this.scheme === 'http') this.#socket.resetAndDestroy()
    this.#end(new TransportError('MM_CLIENT_TOO_SLOW', message))
  }

  onWriteTimeout(): void {
    const { writeTimeoutMs } = this.#context.limits
    this.#end(
      new TransportError(
        'MM_CLIENT_GONE',
        `the client took nothing of the response for ${writeTimeoutMs} ms`,
      ),
    )
  }

  onFault(error: TransportError): void {
    this.#isWorking = false
    try {
      this.#end(error)
    } finally {
      this.#socket.destroy()
    }
  }

  get hasRequests(): boolean {
    return this.#requests > 0
  }

  /** Ends an idle connection at once, or after `drainIdleTimeoutMs`, and a busy one after its exchange. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    if (this.#phase === 'idle' && this.#unread.isEmpty) this.#endIdle()
  }

  /** Ends at once. */
  destroy(): void {
    if (this.#phase !== 'upgraded')
      this.#end(new TransportError('MM_TRANSPORT_CLOSED', 'the listener was closed'))
  }

  // Requests

  /** Reads what came, request by request, until one waits for its answer. */
  #work(): void {
    // A response that ended within its handler: the loop below goes on by itself.
    if (this.#isWorking) return
    this.#isWorking = true
    const phaseBefore = this.#phase
    const requestsBefore = this.#requests
    while (!this.#unread.isEmpty && this.#takesBytes()) this.#readOnce()
    this.#isWorking = false
    const { headerTimeoutMs } = this.#context.limits
    if (this.#phase === 'head') {
      // From its first byte: more bytes of the same head gain no time.
      const isNewHead = phaseBefore !== 'head' || this.#requests !== requestsBefore
      if (isNewHead) this.#deadlines.expectBytes(headerTimeoutMs)
    } else if (this.#phase === 'body') this.#expectBody()
    this.#updateFlow()
  }

  #expectBody(): void {
    const { clock, limits } = this.#context
    const rate = this.#requestRate
    let withinMs = limits.requestTimeoutMs
    // Who waits for a 100, or whose body nobody wants, sends nothing that we wait for.
    if (rate !== undefined && this.#exchange?.awaitsContinue === false && !this.#isUnwanted) {
      const now = clock.now()
      rate.begin(now)
      const leftMs = Math.max(1, rate.deadlineMs - now)
      withinMs = withinMs === 0 ? leftMs : Math.min(withinMs, leftMs)
    }
    this.#deadlines.expectBytes(withinMs)
  }

  get #isUnwanted(): boolean {
    return this.#reader.source?.isCancelled === true
  }

  #takesBytes(): boolean {
    if (this.#phase === 'head' || this.#phase === 'body') return true
    // Who does not take its answers gets no further ones made.
    return this.#phase === 'idle' && !this.output.hasBacklog
  }

  #readOnce(): void {
    if (this.#phase === 'idle') this.#phase = 'head'
    let taken: number
    try {
      taken = this.#unread.offer(this.#reader.receive)
    } catch (error) {
      this.#fail(asTransportError(error))
      return
    }
    const { head, source } = this.#reader
    if (head !== undefined && this.#phase === 'head') {
      this.#phase = this.#reader.isComplete ? 'answering' : 'body'
      this.#discardedBytes = 0
      this.#deadlines.expectNothing()
      this.#requestRate?.reset()
      this.#requests++
      this.#context.stats.protocols['http/1.1'].requests++
      const exchange = new Http1Exchange(this, head, this.#reader.takeBody())
      this.#exchange = exchange
      try {
        this.#context.handler(exchange)
      } catch (error) {
        this.#fail(asTransportError(error))
      }
    } else if (this.#phase === 'head' && this.#reader.hasOnlyEmptyLine) this.#phase = 'idle'
    else if (this.#phase === 'body') {
      if (source?.isCancelled === true) this.#discardedBytes += taken
      this.#requestRate?.add(taken, this.#context.clock.now())
      if (this.#reader.isComplete) {
        this.#phase = 'answering'
        this.#deadlines.expectNothing()
        if (this.#exchange === undefined) this.#finish()
      } else this.#closeIfUnwanted()
    }
  }

  onBodyFlowChanged(): void {
    if (this.#phase !== 'body' || this.#isWorking) return
    this.#closeIfUnwanted()
    if (this.#phase === 'body') this.#work()
  }

  /**
   * The response is over, and reading the rest of a body that nobody wants would cost more than another
   * connection.
   */
  #closeIfUnwanted(): void {
    const isUnwanted = this.#exchange === undefined && this.#reader.source?.isCancelled === true
    if (isUnwanted && (this.#isLast || !this.#isDiscardable())) this.#startClosing()
  }

  #isDiscardable(): boolean {
    return this.#discardedBytes + (this.#reader.bytesLeft ?? 0) <= this.#context.limits.maxDiscardBytes
  }

  /** Reads from the socket exactly while somebody wants what it brings. */
  #updateFlow(): void {
    const phase = this.#phase
    let wanted = true
    if (phase === 'upgraded' || phase === 'closed') return
    if (phase === 'closing') wanted = this.#discardedBytes <= this.#context.limits.maxDiscardBytes
    else if (!this.#unread.isEmpty) wanted = false
    else if (phase === 'idle') wanted = !this.output.hasBacklog
    else if (phase === 'body') {
      const source = this.#reader.source
      wanted = source?.isCancelled === true ? this.#isDiscardable() : source?.wantsData !== false
      // A client that we keep from sending owes us nothing.
      if (!wanted) {
        this.#deadlines.expectNothing()
        this.#requestRate?.pause(this.#context.clock.now())
      }
    }
    if (wanted !== this.#isPaused) return
    this.#isPaused = !wanted
    if (wanted) this.#socket.resume()
    else this.#socket.pause()
  }

  // Responses

  decideKeepAlive(isDelimitedByClose: boolean): boolean {
    const { maxRequestsPerConnection } = this.#context.limits
    const exchange = this.#exchange
    this.#isLast =
      isDelimitedByClose ||
      this.#isDraining ||
      exchange?.clientKeepsAlive !== true ||
      (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection) ||
      (this.#phase === 'body' &&
        (exchange.awaitsContinue || (this.#reader.source?.isCancelled === true && !this.#isDiscardable())))
    return !this.#isLast
  }

  onResponseEnded(): void {
    this.#exchange = undefined
    if (this.#phase === 'answering') this.#finish()
    else if (this.#phase === 'body') {
      // A body that nobody has begun to read now is read by nobody; one that is on its way goes on to its
      // end.
      if (this.#reader.source?.isUnattached === true) this.#reader.source.cancel()
      this.#closeIfUnwanted()
    }
  }

  onResponseBroken(isDelimitedByClose: boolean): void {
    this.#exchange = undefined
    this.#reader.source?.receiveFailure(new TransportError('MM_ABORTED', 'the response was aborted'))
    this.output.discard()
    // To a client of HTTP/1.0 a proper close would be the end of the body. TLS has no way to reset; there, no
    // close_notify is sent.
    if (isDelimitedByClose && this.scheme === 'http') this.#socket.resetAndDestroy()
    this.#destroy()
  }

  onResponseRefused(error: TransportError): void {
    this.#refuse(error, this.#exchange?.method === 'HEAD')
  }

  /** Request and response are over. */
  #finish(): void {
    if (this.#isLast) {
      this.#startClosing()
      return
    }
    this.#phase = 'idle'
    // The drain began when the head of the response had gone, with the promise to take another request.
    if (this.#isDraining) {
      this.#endIdle()
      return this.#work()
    }
    this.#deadlines.expectBytes(this.#context.limits.keepAliveTimeoutMs)
    this.#work()
  }

  #endIdle(): void {
    const { drainIdleTimeoutMs } = this.#context.limits
    if (drainIdleTimeoutMs === 0) this.#startClosing()
    else this.#deadlines.expectBytes(drainIdleTimeoutMs)
  }

  handOver(): Duplex {
    const socket = this.#socket
    this.#exchange = undefined
    this.output.flush()
    if (this.#phase !== 'answering') {
      // The switch takes place behind the request, and the rest of its body is still to come (RFC 9110 7.8).
      this.#destroy()
      return socket
    }
    this.#phase = 'upgraded'
    this.#deadlines.cancel()
    this.#reader.stop()
    this.#stopListening()
    socket.pause()
    const rest = this.#unread.takeAll()
    if (rest !== undefined) socket.unshift(rest)
    return socket
  }

  // The end

  /** The request cannot be read, or answered: the client receives the reason, unless it has an answer. */
  #fail(error: TransportError): void {
    const { stats, observer } = this.#context
    const { remoteAddress, remotePort } = this
    countBadRequest(stats, error.code)
    observer({ type: 'request-refused', error, remoteAddress, remotePort })
    const exchange = this.#exchange
    const isUnanswered = this.#phase === 'head' || exchange?.isUnanswered === true
    this.#exchange = undefined
    // The handler first: were the body notified before, it would answer, and so do we.
    exchange?.receiveAbort(error)
    this.#reader.source?.receiveFailure(error)
    if (isUnanswered) this.#refuse(error, exchange?.method === 'HEAD')
    else if (exchange === undefined) this.#startClosing()
    else this.#destroy()
  }

  #refuse(error: TransportError, isHead: boolean): void {
    this.#exchange = undefined
    this.output.addText(encodeRefusal(error, isHead, this.#context.proxyName))
    this.#startClosing()
  }

  /** The connection is of no use any more, and so is an exchange that is under way. */
  #end(error: TransportError): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#destroy()
    exchange?.receiveAbort(error)
    this.#reader.source?.receiveFailure(error)
  }

  #startClosing(): void {
    this.#phase = 'closing'
    this.#discardedBytes = 0
    this.#deadlines.expectNothing()
    this.#reader.stop()
    this.#unread.clear()
    this.output.flush()
    this.#socket.end()
    this.#updateFlow()
  }

  #discard(bytes: number): void {
    this.#discardedBytes += bytes
    this.#updateFlow()
  }

  #destroy(): void {
    if (this.#phase === 'upgraded') return
    this.#phase = 'closed'
    this.#deadlines.cancel()
    this.#reader.stop()
    this.#unread.clear()
    this.output.discard()
    this.#socket.destroy()
  }
}
