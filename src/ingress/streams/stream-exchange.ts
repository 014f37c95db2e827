import { NEVER } from '../../base/clock.ts'
import { asTransportError, TransportError } from '../../base/errors.ts'
import type { RequestBody } from '../../base/http/exchange.ts'
import { type HeaderList, hasHeader } from '../../base/http/headers.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { RequestHead } from '../../http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents, StreamReset } from '../../http/multiplex/stream.ts'
import { StreamTunnel } from '../../http/multiplex/stream-tunnel.ts'
import type { ClientTls, IngressExchange, IngressExchangeEvents } from '../ingress-exchange.ts'
import {
  hasUnderscore,
  type IngressLimits,
  underscoreRefused,
  withoutUnderscored,
} from '../ingress-limits.ts'
import type { RateProgress } from './shared-rate.ts'
import { type StreamExchangeHost, streamResetError } from './stream-exchange-host.ts'
import { StreamResponse } from './stream-response.ts'
import { acceptedHeaders, upgradeHeaders } from './stream-upgrade.ts'
import { StreamUpload, type StreamUploadOwner } from './stream-upload.ts'

/**
 * One request of HTTP/2 or HTTP/3 and the response to it.
 *
 * - `arriving`: within the read that brought the head: nobody was notified yet. Valid transitions: waiting,
 *   ended
 * - `waiting`: no final response yet. Valid transitions: held, open, ended, upgraded
 * - `held`: respondStart was called, and whether a body follows is not known yet. Valid transitions: open,
 *   waiting (taken back), ended
 * - `open`: the head is on its way. Valid transitions: ended
 * - `upgraded`: the stream is a tunnel. Final
 * - `ended`: answered, aborted, or the client is gone: every call does nothing. Final
 */
export class StreamExchange implements IngressExchange, StreamEvents, StreamUploadOwner {
  body: RequestBody = null
  events: IngressExchangeEvents | undefined
  readonly headers: HeaderList
  readonly #host: StreamExchangeHost<StreamExchange>
  readonly #stream: Stream
  readonly #head: RequestHead
  /** The client will send nothing more. */
  readonly #endsWithHead: boolean
  readonly #upload: StreamUpload | undefined
  readonly #response: StreamResponse
  #tunnel: StreamTunnel | undefined
  #phase: 'arriving' | 'waiting' | 'held' | 'open' | 'upgraded' | 'ended' = 'arriving'
  #wantsDrain = false
  /** The response is complete, and the request may go on. */
  #isAnswered = false
  /** The client may hold the body back until it has a 100. */
  #awaitsContinue: boolean
  /** The host may hold it to watch it. */
  #isTracked = false

  constructor(
    host: StreamExchangeHost<StreamExchange>,
    stream: Stream,
    head: RequestHead,
    endsStream: boolean,
  ) {
    this.#host = host
    this.#stream = stream
    this.#head = head
    this.#endsWithHead = endsStream
    this.#response = new StreamResponse(stream)
    this.#awaitsContinue = host.limits.minRequestRate > 0 && hasHeader(head.headers, 'expect')
    const headers = head.hasUnderscore ? this.#admitted(head.headers) : head.headers
    this.headers = head.protocol === undefined ? headers : upgradeHeaders({ ...head, headers })
    if (this.#isTunnelWanted) {
      // What follows is the tunnel's, and it is not there yet.
      this.#upload = undefined
      stream.pause()
    } else this.#upload = endsStream ? undefined : new StreamUpload(stream, head.contentLength, this)
  }

  get method(): string {
    // An extended CONNECT is an Upgrade by another name, and that is a GET (RFC 8441 5).
    return this.#head.protocol === undefined ? this.#head.method : 'GET'
  }
  get scheme(): 'http' | 'https' {
    return this.#host.scheme
  }
  get targetScheme(): 'http' | 'https' | undefined {
    const { scheme } = this.#head
    return scheme === 'https' || scheme === 'http' ? scheme : undefined
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
    return this.#host.httpVersion
  }
  get acceptsTrailers(): boolean {
    return true
  }
  get remoteAddress(): string {
    return this.#host.ends.remoteAddress
  }
  get remotePort(): number {
    return this.#host.ends.remotePort
  }
  get localAddress(): string {
    return this.#host.ends.localAddress
  }
  get clientCertificate(): Buffer | undefined {
    return this.#host.ends.clientCertificate
  }
  get tls(): ClientTls | undefined {
    return this.#host.ends.tls
  }
  get localPort(): number {
    return this.#host.ends.localPort
  }

  get #isTunnelWanted(): boolean {
    return this.#head.method === 'CONNECT'
  }

  // What the session asks and reports

  /**
   * The read is over that brought the head. False: there is nothing to hand on, because the client has taken
   * the request back or we have refused it.
   */
  begin(): boolean {
    if (this.#phase !== 'arriving') return false
    this.#phase = 'waiting'
    if (this.#head.hasUnderscore && this.#host.limits.underscoredFields === 'refuse') {
      this.fail(underscoreRefused())
      return false
    }
    const upload = this.#upload
    if (upload === undefined) return true
    if (this.#exceedsBodyLimit(Math.max(upload.receivedBytes, this.#head.contentLength ?? 0))) return false
    this.body = upload.begin()
    return true
  }

  /** What the client owes is looked at. Answers when to look again; NEVER: not before `watch`. */
  checkDeadlines(now: number): number {
    const upload = this.#upload
    const { limits, isHoldingBack } = this.#host
    if (upload !== undefined && upload.deadlineMs <= now) {
      if (isHoldingBack) upload.renewDeadline(now)
      else {
        const message = `nothing came of the request body for ${limits.requestTimeoutMs} ms`
        this.fail(new TransportError('MM_CLIENT_TIMEOUT', message))
        return NEVER
      }
    }
    if (this.#response.deadlineMs <= now) {
      const taken = this.#response.isTaken()
      if (taken === 'nothing') {
        this.#giveUp(`the client opened no window for the response for ${limits.writeTimeoutMs} ms`)
        return NEVER
      }
      if (taken === 'some') this.#watchTaking()
    }
    const next = Math.min(upload?.deadlineMs ?? NEVER, this.#response.deadlineMs)
    return next
  }

  /** How far the client is with the request body, for the least rate. */
  get requestProgress(): RateProgress {
    return { bytes: this.#upload?.receivedBytes ?? 0, isWaiting: this.#upload?.isAwaited === true }
  }

  get responseProgress(): RateProgress {
    return this.#response.progress
  }

  /** The connection's client sends, or takes, less than it has to. */
  onTooSlow(what: 'request' | 'response'): void {
    const { minRequestRate, minResponseRate } = this.#host.limits
    if (what === 'request') {
      const message = `request bodies came at less than ${minRequestRate} bytes a second`
      this.fail(new TransportError('MM_CLIENT_TIMEOUT', message))
    } else {
      const message = `the client took responses at less than ${minResponseRate} bytes a second`
      this.#giveUp(message, 'MM_CLIENT_TOO_SLOW')
    }
  }

  /** The response is complete, and the rest of the request is not wanted (RFC 9113 8.1, RFC 9114 4.1). */
  resetIfSent(): boolean {
    if (this.#stream.queuedBytes > 0) return false
    this.#reset('NO_ERROR')
    return true
  }

  /**
   * The request cannot be handed on, or not to its end: the client receives the reason, unless it
   * has an answer.
   */
  fail(error: TransportError): void {
    const phase = this.#phase
    if (phase === 'upgraded') return
    this.#phase = 'ended'
    this.#host.onRefused(error)
    // The handler first: were the body notified before, it would answer, and so do we.
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
    else if (!hasUnderscore(trailers)) this.#upload?.receiveEnd(trailers)
    else if (this.#host.limits.underscoredFields === 'refuse') this.fail(underscoreRefused())
    else this.#upload?.receiveEnd(this.#admitted(trailers))
  }

  onWritable(): void {
    if (this.#tunnel !== undefined) this.#tunnel.onWritable()
    else if (this.#wantsDrain) {
      if (this.#response.onWritable()) this.#host.onResponseTaken(this)
      this.#wantsDrain = false
      if (this.#phase === 'open') this.events?.onDrain()
    }
  }

  onReset(reset: StreamReset): void {
    this.#forget()
    if (this.#phase === 'arriving' && reset.cause !== 'broken' && reset.cause !== 'limit') {
      // Taken back in the read that brought it: nobody is there to be notified, and a rapid reset is to cost
      // no error.
      this.#phase = 'ended'
      return
    }
    const error = (reset.cause === 'session' ? this.#host.endError : undefined) ?? streamResetError(reset)
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
    // RFC 9113 8.6, RFC 9114 4.5: there is no 101.
    if (this.#phase !== 'waiting' || status === 101) return
    if (status === 100) this.#awaitsContinue = false
    try {
      this.#stream.respond(status, headers, false)
    } catch {
      // It has fields that cannot be sent. Whoever waits for the final response misses nothing.
    }
  }

  respondStart(status: number, headers: HeaderList): void {
    if (this.#phase === 'ended') return
    if (this.#phase !== 'waiting') throw new TransportError('MM_INTERNAL', 'a second final response')
    if (this.#isTunnelWanted && status >= 200 && status <= 299) {
      // To the client a 2xx is the tunnel (RFC 9113 8.5, RFC 8441 5); to an Upgrade it is the answer of who
      // ignores it.
      const message = `the origin answered ${status} and did not switch to ${this.upgrade ?? 'a tunnel'}`
      this.#refuse(new TransportError('MM_UPGRADE_UNAVAILABLE', message))
    } else if (this.#response.start(status, headers, this.method)) {
      this.#open(this.#response.isBodiless)
    } else {
      this.#phase = 'held'
      this.#host.hold(this)
    }
  }

  respondData(chunk: Buffer, keep: (chunk: Buffer) => Buffer): boolean {
    if (this.#phase === 'held') this.#open(false)
    if (this.#phase !== 'open') return true
    const written = this.#response.write(chunk, keep)
    if (written === 'taken') return true
    if (written === 'longer') {
      this.#breakOff('longer')
      return true
    }
    this.#wantsDrain = true
    this.#watchTaking()
    return false
  }

  respondEnd(trailers: HeaderList): void {
    if (this.#phase === 'held') this.#open(trailers.length === 0)
    if (this.#phase !== 'open') return
    const ended = this.#response.end(trailers)
    if (ended === 'shorter') {
      this.#breakOff('shorter')
      return
    }
    if (ended === 'full') this.#watchTaking()
    this.#phase = 'ended'
    this.#isAnswered = true
    this.#leave()
  }

  retract(): boolean {
    if (this.#phase !== 'held') return false
    this.#phase = 'waiting'
    return true
  }

  abort(error: TransportError): void {
    if (this.#phase === 'ended' || this.#phase === 'upgraded') return
    this.#phase = 'ended'
    this.#upload?.receiveFailure(new TransportError('MM_ABORTED', 'the response was aborted'))
    this.#reset(isClientsDoing(error) ? 'CANCEL' : 'INTERNAL_ERROR')
  }

  acceptUpgrade(status: number, headers: HeaderList): StreamSocket {
    if (this.#phase !== 'waiting' || !this.#isTunnelWanted)
      throw new TransportError('MM_INTERNAL', 'an upgrade without a request for it')
    this.#stream.respond(status === 101 ? 200 : status, acceptedHeaders(headers), false)
    this.#phase = 'upgraded'
    const tunnel = new StreamTunnel(this.#stream, chunk => this.keep(chunk), ignoreReset)
    this.#tunnel = tunnel
    if (this.#endsWithHead) tunnel.receiveEnd()
    return tunnel.duplex
  }

  // StreamUploadOwner

  get limits(): IngressLimits {
    return this.#host.limits
  }

  now(): number {
    return this.#host.now()
  }

  get ownsReads(): boolean {
    return this.#host.ownsReads
  }

  keep(chunk: Buffer): Buffer {
    return this.#host.keep(chunk)
  }

  onDeadline(deadlineMs: number): void {
    this.#isTracked = true
    this.#host.watch(this, deadlineMs)
  }

  onAwaited(isAwaited: boolean): void {
    if (this.#host.limits.minRequestRate === 0) return
    // Who waits for a 100 sends nothing that we wait for.
    const isHeldBack = this.#awaitsContinue && this.#upload?.receivedBytes === 0
    if (isAwaited) this.#isTracked = true
    this.#host.setAwaited(this, isAwaited && !isHeldBack)
  }

  onSleeping(isSleeping: boolean): void {
    this.#isTracked = true
    this.#host.setSleeping(this, isSleeping)
  }

  onUploadUnwanted(): void {
    if (this.#isAnswered) this.#leave()
  }

  /** What is left where fields with underscores in their names are left out. */
  #admitted(fields: HeaderList): HeaderList {
    if (this.#host.limits.underscoredFields !== 'drop') return fields
    const kept = withoutUnderscored(fields)
    this.#host.onFieldsDropped((fields.length - kept.length) / 2)
    return kept
  }

  #open(endsStream: boolean): void {
    try {
      this.#response.open(endsStream)
      this.#phase = 'open'
    } catch (cause) {
      this.#refuse(asTransportError(cause))
    }
  }

  /**
   * The response is over. So is the exchange if its request is; else that goes on while somebody reads it.
   */
  #leave(): void {
    const upload = this.#upload
    if (this.#endsWithHead || upload?.hasEnded === true) return
    upload?.cancelIfUnread()
    if (upload === undefined || upload.isUnwanted) this.#host.resetWhenSent(this)
  }

  /** The whole answer is an error. Nothing was said yet. */
  #answer(error: TransportError): void {
    const answered = this.#response.refuse(error, this.method, this.#host.proxyName)
    if (answered === 'full') this.#watchTaking()
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

  /** The handler does not keep to its own content-length (RFC 9113 8.1.1, RFC 9114 4.1.2). */
  #breakOff(what: 'longer' | 'shorter'): void {
    this.#phase = 'ended'
    this.#reset('INTERNAL_ERROR')
    const error = new TransportError('MM_INTERNAL', `the response body is ${what} than its content-length`)
    this.events?.onAborted(error)
    this.#upload?.receiveFailure(error)
  }

  /** The client does not go on. */
  #giveUp(message: string, code: 'MM_CLIENT_GONE' | 'MM_CLIENT_TOO_SLOW' = 'MM_CLIENT_GONE'): void {
    const wasOver = this.#phase === 'ended'
    const error = new TransportError(code, message)
    this.#phase = 'ended'
    this.#reset('CANCEL')
    if (!wasOver) this.events?.onAborted(error)
    this.#upload?.receiveFailure(error)
  }

  /** Bytes wait for the client's window. */
  #watchTaking(): void {
    const { writeTimeoutMs, minResponseRate } = this.#host.limits
    if (minResponseRate > 0) {
      this.#isTracked = true
      this.#host.onResponseWaits(this, this.#response.waitsAnew())
    }
    if (this.#response.deadlineMs !== NEVER || writeTimeoutMs === 0) return
    const deadlineMs = this.#host.now() + writeTimeoutMs
    this.#response.watch(deadlineMs)
    this.onDeadline(deadlineMs)
  }

  #reset(code: 'NO_ERROR' | 'CANCEL' | 'INTERNAL_ERROR'): void {
    this.#forget()
    this.#stream.reset(code)
  }

  #forget(): void {
    if (this.#isTracked) this.#host.forget(this)
    this.#isTracked = false
  }
}

function ignoreReset(): void {}

/** Neither we nor the origin broke the response off. */
function isClientsDoing({ code }: TransportError): boolean {
  return code === 'MM_ABORTED' || code === 'MM_CLIENT_GONE' || code === 'MM_CLIENT_TOO_SLOW'
}
