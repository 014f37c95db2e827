import type { Duplex } from 'node:stream'
import { NEVER } from '../deadline-timer.ts'
import { asTransportError, TransportError } from '../errors.ts'
import type { RequestBody } from '../exchange.ts'
import { type HeaderList, headerValue, NO_HEADERS } from '../headers.ts'
import type { RequestHead } from '../multiplex/message-head.ts'
import type { Stream } from '../multiplex/stream.ts'
import type { StreamEvents, StreamReset } from '../multiplex/stream-events.ts'
import { StreamTunnel } from '../multiplex/stream-tunnel.ts'
import { acceptedHeaders, upgradeHeaders } from './http2-upgrade.ts'
import { Http2Upload, type UploadOwner } from './http2-upload.ts'
import type { IngressExchange, IngressExchangeEvents } from './ingress-exchange.ts'
import type { IngressLimits } from './ingress-limits.ts'
import { keepRead } from './read-memory.ts'
import { refusalOf } from './refusal.ts'

/** What an exchange needs of its session. */
export interface Http2ExchangeHost {
  readonly limits: IngressLimits
  readonly proxyName: string
  readonly scheme: 'http' | 'https'
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** When the read came that is being worked on. */
  readonly readAtMs: number
  /** Why the connection ended, where that was not the session's doing. */
  readonly endError: TransportError | undefined
  /** Readers that sleep hold so much that all streams of the connection may have to wait. */
  readonly isHoldingBack: boolean
  /** Monotonic milliseconds. */
  now(): number
  /** Opens the exchange with the next flush. */
  hold(exchange: Http2Exchange): void
  /** Calls checkDeadlines at this time, if not before. */
  watch(exchange: Http2Exchange, deadlineMs: number): void
  unwatch(exchange: Http2Exchange): void
  /** Calls resetIfSent until it has done so. */
  resetWhenSent(exchange: Http2Exchange): void
  /** A request was refused, or given up because of its client. */
  onRefused(error: TransportError): void
}

/**
 * One HTTP/2 request and the response to it.
 *
 * arriving  within the read that brought the head: nobody was told yet. Valid transitions: waiting, ended
 * waiting   no final response yet. Valid transitions: held, open, ended, upgraded
 * held      respondStart was called, and whether a body follows is not known yet. Valid transitions: open, ended
 * open      the head is on its way. Valid transitions: ended
 * upgraded  the stream is a tunnel. Final
 * ended     answered, aborted, or the client is gone: every call does nothing. Final
 */
export class Http2Exchange implements IngressExchange, StreamEvents, UploadOwner {
  body: RequestBody = null
  events: IngressExchangeEvents | undefined
  readonly headers: HeaderList
  readonly #host: Http2ExchangeHost
  readonly #stream: Stream
  readonly #head: RequestHead
  /** The client will send nothing more. */
  readonly #endsWithHead: boolean
  readonly #upload: Http2Upload | undefined
  #tunnel: StreamTunnel | undefined
  #phase: 'arriving' | 'waiting' | 'held' | 'open' | 'upgraded' | 'ended' = 'arriving'
  #status = 0
  #responseHeaders: HeaderList = NO_HEADERS
  /** END_STREAM stood on the head. */
  #isBodiless = false
  /** Of the body that content-length promised; Infinity when it did not say. */
  #bytesLeft = Number.POSITIVE_INFINITY
  #wantsDrain = false
  /** The response is complete, and the request may go on. */
  #isAnswered = false
  #isWatched = false
  #writtenBytes = 0
  /** When the client must have taken more than `#takenBytes` of the response; NEVER while nothing waits for its window. */
  #takeDeadlineMs = NEVER
  #takenBytes = 0

  constructor(host: Http2ExchangeHost, stream: Stream, head: RequestHead, endsStream: boolean) {
    this.#host = host
    this.#stream = stream
    this.#head = head
    this.#endsWithHead = endsStream
    this.headers = head.protocol === undefined ? head.headers : upgradeHeaders(head)
    if (this.#isTunnelWanted) {
      // What follows is the tunnel's, and it is not there yet.
      this.#upload = undefined
      stream.pause()
    } else this.#upload = endsStream ? undefined : new Http2Upload(stream, head.contentLength, this)
  }

  get method(): string {
    // An extended CONNECT is an Upgrade by another name, and that is a GET (RFC 8441 5).
    return this.#head.protocol === undefined ? this.#head.method : 'GET'
  }
  get scheme(): 'http' | 'https' {
    return this.#host.scheme
  }
  get authority(): string {
    return this.#head.authority
  }
  get path(): string {
    return this.#head.path
  }
  get upgrade(): string | undefined {
    return this.#head.protocol
  }
  get httpVersion(): string {
    return '2'
  }
  get acceptsTrailers(): boolean {
    return true
  }
  get remoteAddress(): string {
    return this.#host.remoteAddress
  }
  get remotePort(): number {
    return this.#host.remotePort
  }
  get localAddress(): string {
    return this.#host.localAddress
  }
  get localPort(): number {
    return this.#host.localPort
  }

  get #isTunnelWanted(): boolean {
    return this.#head.method === 'CONNECT'
  }

  // What the session asks and tells

  /**
   * The read is over that brought the head. False: there is nothing to hand on, because the client has taken the request back or we have
   * refused it.
   */
  begin(): boolean {
    if (this.#phase !== 'arriving') return false
    this.#phase = 'waiting'
    const upload = this.#upload
    if (upload === undefined) return true
    if (this.#exceedsBodyLimit(Math.max(upload.receivedBytes, this.#head.contentLength ?? 0))) return false
    this.body = upload.begin()
    return true
  }

  /** What the client owes is looked at. Answers when to look again; NEVER: not before `watch`. */
  checkDeadlines(now: number): number {
    const upload = this.#upload
    const { limits } = this.#host
    if (upload !== undefined && upload.deadlineMs <= now && this.#host.isHoldingBack)
      upload.renewDeadline(now)
    else if (upload !== undefined && upload.deadlineMs <= now) {
      const message = `nothing came of the request body for ${limits.requestTimeoutMs} ms`
      this.fail(new TransportError('MM_CLIENT_TIMEOUT', message))
      return NEVER
    }
    if (this.#takeDeadlineMs <= now) {
      this.#takeDeadlineMs = NEVER
      if (this.#stream.queuedBytes > 0) {
        if (this.#writtenBytes - this.#stream.queuedBytes === this.#takenBytes) {
          this.#giveUp(`the client opened no window for the response for ${limits.writeTimeoutMs} ms`)
          return NEVER
        }
        this.#watchTaking()
      }
    }
    const next = Math.min(upload?.deadlineMs ?? NEVER, this.#takeDeadlineMs)
    if (next === NEVER) this.#isWatched = false
    return next
  }

  /** The response is complete, and the rest of the request is not wanted (RFC 9113 8.1). */
  resetIfSent(): boolean {
    if (this.#stream.queuedBytes > 0) return false
    this.#reset('NO_ERROR')
    return true
  }

  /** The request cannot be handed on, or not to its end: the client is told why if it was not told anything else. */
  fail(error: TransportError): void {
    const phase = this.#phase
    if (phase === 'upgraded') return
    this.#phase = 'ended'
    this.#host.onRefused(error)
    // The handler first: told of the body before, it would answer, and so do we.
    if (phase !== 'ended') this.events?.onAborted(error)
    this.#upload?.receiveFailure(error)
    if (phase === 'arriving' || phase === 'waiting') this.#answer(error)
    else this.#reset('CANCEL')
  }

  onOpenHeld(): void {
    if (this.#phase === 'held') this.#open(false)
  }

  // What comes from the client

  onData(chunk: Buffer): void {
    const upload = this.#upload
    if (this.#tunnel !== undefined) this.#tunnel.receiveData(chunk)
    else if (upload !== undefined) {
      upload.receiveData(chunk, this.#host.readAtMs)
      if (this.#phase !== 'arriving') this.#exceedsBodyLimit(upload.receivedBytes)
    }
  }

  onEnd(trailers: HeaderList): void {
    if (this.#tunnel !== undefined) this.#tunnel.receiveEnd()
    else this.#upload?.receiveEnd(trailers)
  }

  onWritable(): void {
    if (this.#tunnel !== undefined) this.#tunnel.onWritable()
    else if (this.#wantsDrain) {
      this.#wantsDrain = false
      if (this.#phase === 'open') this.events?.onDrain()
    }
  }

  onReset(reset: StreamReset): void {
    this.#forget()
    const error = (reset.cause === 'session' ? this.#host.endError : undefined) ?? resetError(reset)
    if (this.#tunnel !== undefined) {
      this.#tunnel.receiveReset(error, reset.isError)
      return
    }
    const wasOver = this.#phase === 'ended'
    this.#phase = 'ended'
    if (reset.cause === 'broken' || reset.cause === 'limit') this.#host.onRefused(error)
    if (!wasOver) this.events?.onAborted(error)
    this.#upload?.receiveFailure(error)
  }

  /** The client role's. */
  onResponse(): void {}

  // What the handler does

  respondInformational(status: number, headers: HeaderList): void {
    // RFC 9113 8.6: HTTP/2 has no 101.
    if (this.#phase !== 'waiting' || status === 101) return
    try {
      this.#stream.respond(status, headers, false)
    } catch {
      // It has fields that cannot be sent. Whoever waits for the final response misses nothing.
    }
  }

  respondStart(status: number, headers: HeaderList): void {
    if (this.#phase === 'ended') return
    if (this.#phase !== 'waiting') throw new TransportError('MM_INTERNAL', 'a second final response')
    this.#status = status
    this.#responseHeaders = headers
    if (this.#isTunnelWanted && status >= 200 && status <= 299) {
      // To the client a 2xx is the tunnel (RFC 9113 8.5, RFC 8441 5); to an Upgrade it is the answer of who ignores it.
      const message = `the origin answered ${status} and did not switch to ${this.upgrade ?? 'a tunnel'}`
      this.#refuse(new TransportError('MM_UPGRADE_UNAVAILABLE', message))
    } else if (this.method === 'HEAD' || status === 204 || status === 304) {
      this.#open(true)
    } else {
      const length = headerValue(headers, 'content-length')
      if (length !== undefined) this.#bytesLeft = Number(length)
      if (length !== undefined && this.#bytesLeft > 0) this.#open(false)
      else {
        // Without a body END_STREAM stands on the head: gRPC tells such an answer from an empty body.
        this.#phase = 'held'
        this.#host.hold(this)
      }
    }
  }

  respondData(chunk: Buffer, keep: (chunk: Buffer) => Buffer): boolean {
    if (this.#phase === 'held') this.#open(false)
    if (this.#phase !== 'open' || this.#isBodiless) return true
    if (chunk.length > this.#bytesLeft) {
      this.#breakOff('longer')
      return true
    }
    this.#bytesLeft -= chunk.length
    this.#writtenBytes += chunk.length
    if (this.#stream.write(chunk, keep)) return true
    this.#wantsDrain = true
    this.#watchTaking()
    return false
  }

  respondEnd(trailers: HeaderList): void {
    if (this.#phase === 'held') this.#open(trailers.length === 0)
    if (this.#phase !== 'open') return
    if (!this.#isBodiless) {
      if (this.#bytesLeft > 0 && this.#bytesLeft !== Number.POSITIVE_INFINITY) {
        this.#breakOff('shorter')
        return
      }
      this.#end(trailers)
    }
    this.#phase = 'ended'
    this.#isAnswered = true
    this.#leave()
  }

  abort(error: TransportError): void {
    if (this.#phase === 'ended' || this.#phase === 'upgraded') return
    this.#phase = 'ended'
    this.#upload?.receiveFailure(new TransportError('MM_ABORTED', 'the response was aborted'))
    this.#reset(error.code === 'MM_ABORTED' || error.code === 'MM_CLIENT_GONE' ? 'CANCEL' : 'INTERNAL_ERROR')
  }

  acceptUpgrade(status: number, headers: HeaderList): Duplex {
    if (this.#phase !== 'waiting' || !this.#isTunnelWanted)
      throw new TransportError('MM_INTERNAL', 'an upgrade without a request for it')
    this.#stream.respond(status === 101 ? 200 : status, acceptedHeaders(headers), false)
    this.#phase = 'upgraded'
    const tunnel = new StreamTunnel(this.#stream, keepRead, ignoreReset)
    this.#tunnel = tunnel
    if (this.#endsWithHead) tunnel.receiveEnd()
    return tunnel.duplex
  }

  // UploadOwner

  get limits(): IngressLimits {
    return this.#host.limits
  }

  now(): number {
    return this.#host.now()
  }

  onDeadline(deadlineMs: number): void {
    this.#isWatched = true
    this.#host.watch(this, deadlineMs)
  }

  onUploadUnwanted(): void {
    if (this.#isAnswered) this.#leave()
  }

  #open(endsStream: boolean): void {
    try {
      this.#stream.respond(this.#status, this.#responseHeaders, endsStream)
      this.#isBodiless = endsStream
      this.#phase = 'open'
    } catch (cause) {
      this.#refuse(asTransportError(cause))
    }
  }

  #end(trailers: HeaderList): void {
    this.#stream.end(trailers)
    if (this.#stream.queuedBytes > 0) this.#watchTaking()
  }

  /** The response is over. So is the exchange if its request is; else that goes on while somebody reads it. */
  #leave(): void {
    const upload = this.#upload
    if (this.#endsWithHead || upload?.hasEnded === true) return
    upload?.cancelIfUnread()
    if (upload === undefined || upload.isUnwanted) this.#host.resetWhenSent(this)
  }

  /** The whole answer is an error. Nothing was said yet. */
  #answer(error: TransportError): void {
    const { status, headers, body } = refusalOf(error, this.#host.proxyName)
    const isHead = this.method === 'HEAD'
    this.#stream.respond(status, headers, isHead)
    if (!isHead) {
      this.#writtenBytes += body.length
      this.#stream.write(Buffer.from(body, 'latin1'), keepAsItIs)
      this.#end(NO_HEADERS)
    }
    if (this.#endsWithHead || (this.#upload !== undefined && this.#stream.hasReceivedEnd)) return
    this.#host.resetWhenSent(this)
  }

  /** The response cannot begin as the handler wants it. */
  #refuse(error: TransportError): void {
    this.#phase = 'ended'
    this.#answer(error)
    this.events?.onAborted(error)
  }

  #exceedsBodyLimit(bytes: number): boolean {
    const { maxBodyBytes } = this.#host.limits
    if (maxBodyBytes === 0 || bytes <= maxBodyBytes || this.#phase === 'ended') return false
    this.fail(
      new TransportError('MM_REQUEST_BODY_LIMIT', `the request body is larger than ${maxBodyBytes} bytes`),
    )
    return true
  }

  /** The handler does not keep to its own content-length (RFC 9113 8.1.1). */
  #breakOff(what: 'longer' | 'shorter'): void {
    this.#phase = 'ended'
    this.#reset('INTERNAL_ERROR')
    const error = new TransportError('MM_INTERNAL', `the response body is ${what} than its content-length`)
    this.events?.onAborted(error)
    this.#upload?.receiveFailure(error)
  }

  /** The client does not go on. */
  #giveUp(message: string): void {
    const wasOver = this.#phase === 'ended'
    const error = new TransportError('MM_CLIENT_GONE', message)
    this.#phase = 'ended'
    this.#reset('CANCEL')
    if (!wasOver) this.events?.onAborted(error)
    this.#upload?.receiveFailure(error)
  }

  /** Bytes wait for the client's window. Whether it took some is looked at when the time is up. */
  #watchTaking(): void {
    const { writeTimeoutMs } = this.#host.limits
    if (this.#takeDeadlineMs !== NEVER || writeTimeoutMs === 0) return
    this.#takenBytes = this.#writtenBytes - this.#stream.queuedBytes
    this.#takeDeadlineMs = this.#host.now() + writeTimeoutMs
    this.onDeadline(this.#takeDeadlineMs)
  }

  #reset(code: 'NO_ERROR' | 'CANCEL' | 'INTERNAL_ERROR'): void {
    this.#forget()
    this.#stream.reset(code)
  }

  #forget(): void {
    if (this.#isWatched) this.#host.unwatch(this)
    this.#isWatched = false
  }
}

function resetError({ cause, code, message }: StreamReset): TransportError {
  if (cause === 'limit') return new TransportError('MM_REQUEST_HEADER_LIMIT', message)
  if (cause === 'invalid') return new TransportError('MM_INVALID_ARGUMENT', message)
  if (cause === 'broken') return new TransportError('MM_BAD_REQUEST', message)
  const what =
    cause === 'session' ? 'the connection to the client ended' : `the client reset the stream (${code})`
  return new TransportError('MM_CLIENT_GONE', message === '' ? what : `${what}: ${message}`)
}

function ignoreReset(): void {}

function keepAsItIs(chunk: Buffer): Buffer {
  return chunk
}
