import { DeadlineTimer, NEVER } from '../deadline-timer.ts'
import { asTransportError, TransportError } from '../errors.ts'
import { createSession } from '../http2/create-session.ts'
import type { Session } from '../http2/session.ts'
import type { SessionEvents } from '../http2/session-events.ts'
import type { SessionEnd } from '../multiplex/client-session.ts'
import type { RequestHead } from '../multiplex/message-head.ts'
import type { Stream } from '../multiplex/stream.ts'
import type { StreamEvents } from '../multiplex/stream-events.ts'
import { Http2Exchange, type Http2ExchangeHost } from './http2-exchange.ts'
import { Http2Output, type OutputEvents } from './http2-output.ts'
import type { IngressLimits } from './ingress-limits.ts'
import type { IngressSession } from './ingress-session.ts'
import { countBadRequest, countDefence } from './ingress-stats.ts'
import { keepRead } from './read-memory.ts'
import type { SessionContext, SessionSocket } from './session-context.ts'

/**
 * open     requests come and are answered. Valid transitions: closing, closed
 * closing  the session is over; its last bytes are on their way, and what still comes is thrown away until the client closes too. Valid
 *          transitions: closed
 * closed   Final
 */
type Phase = 'open' | 'closing' | 'closed'

/**
 * The server side of one HTTP/2 connection: the driver of a session. Requests are handed on after the read that brought them: a small body
 * has then come with its head, and a request that was taken back in the same breath (rapid reset) has cost nobody anything.
 *
 * Time. The session watches SETTINGS and field blocks. Here: the connection that carries no request (keepAliveTimeoutMs), the client that
 * reads nothing (writeTimeoutMs), and the single exchanges that have something to be watched for (a body that does not go on, a
 * response whose window stays shut). One timer serves all; a plain GET with its answer touches neither it nor any table.
 */
export class Http2Session implements IngressSession, SessionEvents, Http2ExchangeHost, OutputEvents {
  readonly scheme: 'http' | 'https'
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readAtMs: number
  readonly #socket: SessionSocket
  readonly #context: SessionContext
  readonly #session: Session
  readonly #output: Http2Output
  readonly #timer: DeadlineTimer
  #phase: Phase = 'open'
  #requests = 0
  /** Requests of the current read. */
  #begun: Http2Exchange[] = []
  /** Those whose head waits for what comes behind it. */
  #held: Http2Exchange[] = []
  /** Those with something to be watched for. */
  readonly #watched = new Set<Http2Exchange>()
  /** Answered before the request was complete; they end when the answer has left. */
  readonly #leaving = new Set<Http2Exchange>()
  #sweepAtMs = NEVER
  #idleAtMs = NEVER
  #lingerAtMs = NEVER
  #writeAtMs = NEVER
  #takenBytes = 0
  #discardedBytes = 0
  #socketError: Error | undefined
  endError: TransportError | undefined

  constructor(socket: SessionSocket, context: SessionContext) {
    const { limits, clock, stats } = context
    this.#socket = socket
    this.#context = context
    this.scheme = context.scheme
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = socket.localAddress ?? ''
    this.localPort = socket.localPort ?? 0
    this.readAtMs = clock.now()
    this.#timer = new DeadlineTimer(clock, () => this.#onDue())
    this.#session = createSession({
      role: 'server',
      options: limits.http2,
      maxHeaderBytes: limits.maxHeaderBytes,
      maxHeaderCount: limits.maxHeaderCount,
      enableConnectProtocol: true,
      events: this,
      keep: keepRead,
    })
    this.#output = new Http2Output(socket, this.#session, this)
    stats.protocols.h2.connections++
    this.#session.start(this.readAtMs)
    this.#expectRequest()
    this.#coverAll()
    socket.on('data', this.#onData)
    socket.on('end', this.#onSocketEnd)
    socket.on('finish', this.#onFinish)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  readonly #onData = (chunk: Buffer): void => this.receive(chunk, 0, chunk.length)
  readonly #onSocketEnd = (): void => this.receiveEnd()
  readonly #onFinish = (): void => this.#startLingering()
  readonly #onClose = (): void => this.#receiveClose()
  /** 'close' follows. */
  readonly #onError = (error: Error): void => {
    this.#socketError = error
  }

  // What comes from the socket

  /** `buffer[start, end)` came. Its memory is the session's from now on. */
  receive(buffer: Buffer, start: number, end: number): void {
    if (this.#phase === 'closing') this.#discard(end - start)
    if (this.#phase !== 'open') return
    this.readAtMs = this.#context.clock.now()
    this.#session.receive(buffer, start, end, this.readAtMs)
    this.#afterInput()
  }

  /** The client closed its side: it is taken as gone, as in HTTP/1.1. */
  receiveEnd(): void {
    if (this.#phase !== 'open') return
    if (this.#session.openStreams === 0) this.#session.close('NO_ERROR', '')
    else this.#end(new TransportError('MM_CLIENT_GONE', 'the client closed the connection within a request'))
  }

  #receiveClose(): void {
    if (this.#phase === 'closed') return
    const cause = this.#socketError
    const message = `the connection to the client ended: ${cause?.message ?? 'closed'}`
    this.#end(new TransportError('MM_CLIENT_GONE', message, { cause }))
  }

  /** GOAWAY in two steps (RFC 9113 6.8): requests that are on their way are still answered. */
  drain(): void {
    if (this.#phase !== 'open') return
    this.#session.drain(this.#context.clock.now())
    this.#coverAll()
  }

  destroy(): void {
    this.#end(new TransportError('MM_TRANSPORT_CLOSED', 'the listener was closed'))
  }

  // What the session tells

  onOutput(): void {
    this.#output.schedule()
  }

  onRequest(stream: Stream, head: RequestHead, endsStream: boolean): StreamEvents {
    this.#requests++
    this.#context.stats.protocols.h2.requests++
    this.#idleAtMs = NEVER
    const exchange = new Http2Exchange(this, stream, head, endsStream)
    this.#begun.push(exchange)
    return exchange
  }

  onStreamClosed(): void {
    if (this.#session.openStreams === 0) this.#expectRequest()
  }

  onDefence(limit: string): void {
    countDefence(this.#context.stats, limit)
  }

  onEnd({ cause, message }: SessionEnd): void {
    if (cause === 'peer' || cause === 'timeout') this.onRefused(new TransportError('MM_BAD_REQUEST', message))
    else if (cause === 'flood') this.onRefused(new TransportError('MM_EXCESSIVE_LOAD', message))
    if (this.#phase !== 'open') return
    this.#phase = 'closing'
    this.#idleAtMs = this.#sweepAtMs = NEVER
    this.#output.finish()
  }

  // Nothing to do: they are the client's, or ours in the client role.
  onSettings(): void {}
  onGoaway(): void {}
  onExhausted(): void {}
  onEnding(): void {}
  onPong(): void {}
  onOrigins(): void {}
  onAltSvc(): void {}

  // What the output tells

  onBeforeFlush(): void {
    if (this.#held.length === 0) return
    const held = this.#held
    this.#held = []
    for (const exchange of held) exchange.onOpenHeld()
  }

  /** Bytes wait for the client. Whether it took some is looked at when the time is up, so that a busy connection pays nothing. */
  onBehind(): void {
    const { limits, clock } = this.#context
    if (this.#writeAtMs !== NEVER || limits.writeTimeoutMs === 0) return
    this.#takenBytes = this.#taken()
    this.#writeAtMs = clock.now() + limits.writeTimeoutMs
    this.#timer.cover(this.#writeAtMs)
  }

  onFinished(): void {
    this.#socket.end()
  }

  // What exchanges ask for

  get limits(): IngressLimits {
    return this.#context.limits
  }

  get proxyName(): string {
    return this.#context.proxyName
  }

  get isHoldingBack(): boolean {
    return this.#session.bufferedBytes * 2 > this.#context.limits.http2.maxBufferedBytes
  }

  now(): number {
    return this.#context.clock.now()
  }

  hold(exchange: Http2Exchange): void {
    this.#held.push(exchange)
    this.#output.schedule()
  }

  watch(exchange: Http2Exchange, deadlineMs: number): void {
    this.#watched.add(exchange)
    if (deadlineMs >= this.#sweepAtMs) return
    this.#sweepAtMs = deadlineMs
    this.#timer.cover(deadlineMs)
  }

  unwatch(exchange: Http2Exchange): void {
    this.#watched.delete(exchange)
  }

  resetWhenSent(exchange: Http2Exchange): void {
    if (!exchange.resetIfSent()) this.#leaving.add(exchange)
  }

  onRefused(error: TransportError): void {
    const { stats, observer } = this.#context
    const { remoteAddress, remotePort } = this
    countBadRequest(stats, error.code)
    observer({ type: 'request-refused', error, remoteAddress, remotePort })
  }

  // Work

  #afterInput(): void {
    if (this.#begun.length > 0) this.#begin()
    // Windows may have opened.
    if (this.#leaving.size > 0) {
      for (const exchange of this.#leaving) if (exchange.resetIfSent()) this.#leaving.delete(exchange)
    }
    this.#timer.cover(this.#session.nextTimeoutAt)
  }

  #begin(): void {
    const begun = this.#begun
    this.#begun = []
    const { handler, limits } = this.#context
    for (const exchange of begun) {
      if (!exchange.begin()) continue
      try {
        handler(exchange)
      } catch (error) {
        exchange.fail(asTransportError(error))
      }
    }
    const { maxRequestsPerConnection } = limits
    if (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection) this.drain()
  }

  #expectRequest(): void {
    const { keepAliveTimeoutMs } = this.#context.limits
    if (this.#phase !== 'open' || keepAliveTimeoutMs === 0) return
    this.#idleAtMs = this.readAtMs + keepAliveTimeoutMs
    this.#timer.cover(this.#idleAtMs)
  }

  // Time

  #onDue(): void {
    const { clock, limits } = this.#context
    const now = clock.now()
    this.readAtMs = now
    if (this.#lingerAtMs <= now) {
      this.#destroy()
      return
    }
    if (this.#writeAtMs <= now && !this.#isTaking()) {
      const message = `the client took nothing of the response for ${limits.writeTimeoutMs} ms`
      this.#end(new TransportError('MM_CLIENT_GONE', message))
      return
    }
    if (this.#session.nextTimeoutAt <= now) this.#session.onTimeout(now)
    if (this.#idleAtMs <= now) {
      this.#idleAtMs = NEVER
      this.drain()
    }
    if (this.#sweepAtMs <= now) this.#sweep(now)
    if (this.#phase !== 'closed') this.#coverAll()
  }

  #sweep(now: number): void {
    this.#sweepAtMs = NEVER
    let next = NEVER
    for (const exchange of this.#watched) {
      const at = exchange.checkDeadlines(now)
      if (at === NEVER) this.#watched.delete(exchange)
      else if (at < next) next = at
    }
    this.#sweepAtMs = Math.min(this.#sweepAtMs, next)
  }

  #coverAll(): void {
    const other = Math.min(this.#idleAtMs, this.#lingerAtMs, this.#writeAtMs, this.#sweepAtMs)
    this.#timer.cover(Math.min(other, this.#session.nextTimeoutAt))
  }

  #taken(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength
  }

  #isTaking(): boolean {
    this.#writeAtMs = NEVER
    if (this.#socket.writableLength === 0) return true
    if (this.#taken() === this.#takenBytes) return false
    this.onBehind()
    return true
  }

  // The end

  /** Our side is closed, and the client was handed everything. It closes first, so that no reset destroys what it has not read. */
  #startLingering(): void {
    const { limits, clock } = this.#context
    if (this.#phase !== 'closing') return
    if (limits.lingerTimeoutMs === 0) this.#destroy()
    else {
      this.#lingerAtMs = clock.now() + limits.lingerTimeoutMs
      this.#timer.cover(this.#lingerAtMs)
    }
  }

  #discard(bytes: number): void {
    this.#discardedBytes += bytes
    if (this.#discardedBytes > this.#context.limits.maxDiscardBytes) this.#socket.pause()
  }

  /** The connection is of no use any more, and so are the exchanges that are under way. */
  #end(error: TransportError): void {
    if (this.#phase === 'closed') return
    this.endError = error
    this.#destroy()
    this.#session.abandon(error.message)
    this.#begun = []
  }

  #destroy(): void {
    this.#phase = 'closed'
    this.#timer.cancel()
    this.#output.close()
    this.#held = []
    this.#socket.destroy()
  }
}
