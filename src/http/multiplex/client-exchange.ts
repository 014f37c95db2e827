import { NEVER } from '../../base/clock.ts'
import type { Processed } from '../../base/error-code-info.ts'
import { asTransportError, TransportError, withProcessed } from '../../base/errors.ts'
import { BodyUpload, type UploadOwner } from '../../base/http/body-upload.ts'
import type {
  ExchangeController,
  ExchangeHandler,
  ExchangeRequest,
  RequestBody,
} from '../../base/http/exchange.ts'
import { type HeaderList, NO_HEADERS } from '../../base/http/headers.ts'
import { MemorySource } from '../../base/http/memory-source.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { ClientSession } from './client-session.ts'
import type { DeadlineTable } from './deadlines.ts'
import type { GuestConnection } from './guest-connection.ts'
import type { ResponseHead } from './messages/message-head.ts'
import { isNoBody, prepareRequest, upgradeAnswer } from './messages/outgoing-request.ts'
import {
  keepAsItIs,
  type ResetCode,
  type Stream,
  type StreamEvents,
  type StreamReset,
  streamWriter,
} from './stream.ts'
import { speaksAgainstPeer, streamFailure, timeoutFailure } from './stream-failure.ts'
import { StreamTunnel } from './stream-tunnel.ts'

/** What an exchange asks of its connection. */
export interface MultiplexedExchangeOwner {
  readonly protocol: Protocol
  readonly session: ClientSession
  readonly table: DeadlineTable<MultiplexedClientExchange>
  readonly maxInformational: number
  /** Why the connection is ending with everything on it. Exchanges fall with it: see onExchangeFallen. */
  loss(): TransportError | undefined
  keep(chunk: Buffer): Buffer
  /**
   * The exchange has ended, before the handler is notified of it. `failed`: see ConnectionListener. Its
   * stream is free, or still to be reset with `code`.
   */
  onExchangeEnded(
    exchange: MultiplexedClientExchange,
    failed: boolean,
    stream?: Stream,
    code?: ResetCode,
  ): void
  /**
   * The exchange has ended with its connection, or was not wanted: settle() is to be called once the listener
   * knows.
   */
  onExchangeFallen(exchange: MultiplexedClientExchange): void
  /** The stream has become a tunnel, whose end is reported by the session. */
  onTunnelOpened(exchange: MultiplexedClientExchange, stream: Stream): void
  /** Its holder broke it off. */
  onTunnelReset(stream: Stream): void
  /** From now on the tunnel keeps the process alive, or does so no longer. */
  onTunnelReference(stream: Stream, isHeld: boolean): void
  /** The handler threw within its last call, where it cannot be reported any more. */
  onHandlerThrew(error: unknown): void
}

/**
 * Where the exchange stands.
 * - `pending`: nothing of it was given to the session. Valid transitions: open, fallen, over
 * - `open`: it has its stream. Valid transitions: tunnel, fallen, held, over
 * - `fallen`: it has failed and the handler does not know yet. Valid transitions: over
 * - `held`: the response came whole, the connection is gone, and the handler has paused: it gets the rest
 *   when it resumes. Valid transitions: over
 * - `tunnel`: the handler has its stream; there is no exchange any more. Final
 * - `over`: the handler has had its last call. Final
 */
type Phase = 'pending' | 'open' | 'fallen' | 'held' | 'tunnel' | 'over'

/** Owned chunks, those from `next` on still to be delivered. */
interface HeldRest {
  readonly chunks: Buffer[]
  next: number
  trailers: HeaderList
  isDelivering: boolean
}

/**
 * Up to this size a body in memory is handed over at once; a larger one in pieces, so that it can be seen to
 * move.
 */
const DIRECT_BODY_BYTES = 65_536

/**
 * One exchange on a stream: what its session calls, and the handler's hold on it. One object per exchange,
 * without a closure, a timer or a promise.
 */
export class MultiplexedClientExchange implements ExchangeController, StreamEvents, UploadOwner {
  readonly request: ExchangeRequest
  readonly handler: ExchangeHandler
  /** Whose it is, where the connection is another origin's. */
  readonly guest: GuestConnection | undefined
  deadlineAt = NEVER
  tableIndex = -1
  readonly #owner: MultiplexedExchangeOwner
  #phase: Phase = 'pending'
  #stream: Stream | undefined = undefined
  /** The body that is being sent, until it is complete. */
  #upload: BodyUpload | undefined = undefined
  #tunnel: StreamTunnel | undefined = undefined
  /** Of an exchange that has fallen. */
  #error: TransportError | undefined = undefined
  /** What the session delivered behind a pause, since its connection ends: see `held`. */
  #rest: HeldRest | undefined = undefined
  #hasResponse = false
  #isPaused = false
  #isAborted = false
  #informationalCount = 0
  #wasEarly = false

  constructor(
    request: ExchangeRequest,
    handler: ExchangeHandler,
    owner: MultiplexedExchangeOwner,
    guest: GuestConnection | undefined,
  ) {
    this.request = request
    this.handler = handler
    this.guest = guest
    this.#owner = owner
  }

  get isPending(): boolean {
    return this.#phase === 'pending'
  }

  get processed(): Processed {
    return this.#hasResponse ? 'yes' : this.#stream === undefined ? 'no' : 'unknown'
  }

  // The connection's side

  /** The handler is notified that it has its connection. */
  start(): void {
    this.armDeadline()
    try {
      this.handler.onRequestStart(this)
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  /** Puts the request out. */
  send(): void {
    const { request } = this
    const { session, table } = this.#owner
    try {
      const prepared = prepareRequest(request)
      const body = this.#wantsTunnel || isNoBody(request.body) ? null : request.body
      const endsStream = body === null && !this.#wantsTunnel
      const stream = session.open(prepared, endsStream, this, table.now)
      this.#stream = stream
      this.#phase = 'open'
      this.#wasEarly = session.isInEarlyData
      if (this.#isPaused) stream.pause()
      if (body !== null) this.#sendBody(stream, body, prepared.bodyLength)
    } catch (error) {
      // The request cannot be written.
      this.fail(asTransportError(error, 'MM_INTERNAL', this.processed), false)
      return
    }
    this.armDeadline()
  }

  /** Ends it with an error; `failed`: see ConnectionListener. Does nothing when it is over. */
  fail(error: TransportError, failed: boolean, code: ResetCode = 'CANCEL'): void {
    if (this.#phase !== 'pending' && this.#phase !== 'open') return
    this.#leave('over')
    this.#owner.onExchangeEnded(this, failed, this.#stream, code)
    this.#reportError(error)
  }

  /** Its connection ends under it, or takes it no more: settle() follows. */
  fall(error: TransportError, processed: Processed = this.processed): void {
    if (this.#phase !== 'pending' && this.#phase !== 'open') return
    this.#leave('fallen')
    this.#error = withProcessed(error, processed)
    this.#owner.onExchangeFallen(this)
  }

  /** Ends it with an error, and its tunnel if it has become one, while the connection goes on. */
  end(error: TransportError): void {
    if (this.#phase === 'tunnel') this.#tunnel?.duplex.destroy(error)
    else this.fail(error, false)
  }

  /** It has fallen in a way that speaks against the connection; see ConnectionListener. */
  get hasFailed(): boolean {
    return this.#error !== undefined && speaksAgainstPeer(this.#error)
  }

  /** The handler is notified that it has fallen. */
  settle(): void {
    const error = this.#error
    if (this.#phase !== 'fallen' || error === undefined) return
    this.#phase = 'over'
    this.#reportError(error)
  }

  /** Its deadline has passed. */
  onDeadline(): void {
    const upload = this.#upload
    const isHead = upload === undefined && !this.#hasResponse
    const error = timeoutFailure(this.request, isHead, this.processed)
    // A source that has nothing to send says nothing about the peer.
    this.fail(error, upload === undefined || upload.isBlocked)
  }

  /**
   * What is waited for: while the body is sent, the next progress; then the head of the response; then the
   * next bytes of its body, unless the handler has paused them.
   */
  armDeadline(): void {
    const { request } = this
    let delayMs: number
    if (this.#upload !== undefined) delayMs = request.bodyTimeoutMs
    else if (!this.#hasResponse) delayMs = request.headersTimeoutMs
    else delayMs = this.#isPaused ? 0 : request.bodyTimeoutMs
    if (delayMs <= 0) {
      this.deadlineAt = NEVER
      return
    }
    const { table } = this.#owner
    const deadlineAt = table.now + delayMs
    this.deadlineAt = deadlineAt
    table.cover(deadlineAt)
  }

  // The handler's side: ExchangeController

  get protocol(): Protocol {
    return this.#owner.protocol
  }

  get wasEarly(): boolean {
    return this.#wasEarly
  }

  get stallMs(): number | undefined {
    return this.#stream?.stallMs
  }

  get paused(): boolean {
    return this.#isPaused
  }

  get aborted(): boolean {
    return this.#isAborted
  }

  pause(): void {
    if (this.#phase === 'held') this.#isPaused = true
    if (this.#isPaused || (this.#phase !== 'pending' && this.#phase !== 'open')) return
    this.#isPaused = true
    this.#stream?.pause()
    this.armDeadline()
  }

  resume(): void {
    if (this.#phase === 'held') this.#deliverRest()
    if (!this.#isPaused || (this.#phase !== 'pending' && this.#phase !== 'open')) return
    this.#isPaused = false
    this.#owner.table.touch()
    this.armDeadline()
    this.#stream?.resume()
  }

  abort(error: TransportError): void {
    if (this.#phase === 'held') {
      this.#isAborted = true
      this.#leave('over')
      this.#reportError(error)
      return
    }
    if (this.#phase !== 'pending' && this.#phase !== 'open') return
    this.#isAborted = true
    this.fail(error, false)
  }

  keep(chunk: Buffer): Buffer {
    const isOwned = this.#phase === 'held' || this.#stream?.isDeliveringOwned === true
    return isOwned ? chunk : this.#owner.keep(chunk)
  }

  // The session's side: StreamEvents

  onResponse(head: ResponseHead): void {
    if (this.#phase !== 'open') return
    const { status, headers } = head
    try {
      if (status < 200) this.#onInformational(status, headers)
      else if (status < 300 && this.#wantsTunnel) this.#becomeTunnel(status, headers)
      else {
        this.#hasResponse = true
        this.armDeadline()
        this.handler.onResponseStart(this, status, headers, '')
      }
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  onData(chunk: Buffer): void {
    if (this.#phase !== 'open') {
      this.#tunnel?.receiveData(chunk)
      return
    }
    if (this.#isPaused) {
      this.#rest ??= { chunks: [], next: 0, trailers: NO_HEADERS, isDelivering: false }
      this.#rest.chunks.push(this.keep(chunk))
      return
    }
    this.armDeadline()
    try {
      this.handler.onResponseData(this, chunk)
    } catch (error) {
      this.#onHandlerThrew(error)
    }
  }

  onEnd(trailers: HeaderList): void {
    if (this.#phase !== 'open') {
      this.#tunnel?.receiveEnd()
      return
    }
    const stream = this.#stream
    const isHeld = this.#isPaused
    this.#leave(isHeld ? 'held' : 'over')
    // Answered before the request was sent: who has said everything does not want the rest (RFC 9113 8.1).
    const isUnsent = stream !== undefined && (stream.isSendOpen || stream.queuedBytes > 0)
    this.#owner.onExchangeEnded(this, false, isUnsent ? stream : undefined, 'NO_ERROR')
    if (!isHeld) {
      this.#reportEnd(trailers)
      return
    }
    this.#rest ??= { chunks: [], next: 0, trailers, isDelivering: false }
    this.#rest.trailers = trailers
  }

  onWritable(): void {
    const upload = this.#upload
    if (upload === undefined) {
      this.#tunnel?.onWritable()
      return
    }
    this.#owner.table.touch()
    if (this.#stream?.isSendOpen !== false) {
      upload.onWritable()
      return
    }
    // The peer wants no more of it, and its answer comes all the same: who woke the source would have all of
    // it produced for nothing.
    this.#upload = undefined
    upload.cancel()
    this.armDeadline()
  }

  onReset(reset: StreamReset): void {
    const loss = this.#owner.loss()
    const failure = streamFailure(reset, this.#hasResponse)
    if (this.#tunnel !== undefined) this.#tunnel.receiveReset(loss ?? failure, reset.isError)
    else if (loss !== undefined) this.fall(loss, failure.processed)
    else if (this.#phase === 'open') {
      this.#leave('over')
      this.#owner.onExchangeEnded(this, speaksAgainstPeer(failure))
      this.#reportError(failure)
    }
  }

  // The body's side: UploadOwner

  onUploadProgress(): void {
    this.#owner.table.touch()
    this.armDeadline()
  }

  onUploadEnd(): void {
    this.#upload = undefined
    this.#owner.table.touch()
    this.armDeadline()
  }

  onUploadFailed(error: TransportError): void {
    this.fail(withProcessed(error, this.processed), false)
  }

  /** The handler goes on where it paused. */
  #deliverRest(): void {
    this.#isPaused = false
    const rest = this.#rest
    // Who pauses and resumes within a call is served by the loop that called him.
    if (rest === undefined || rest.isDelivering) return
    rest.isDelivering = true
    while (this.#isPlaying && rest.next < rest.chunks.length) {
      try {
        this.handler.onResponseData(this, rest.chunks[rest.next++] as Buffer) // next < length
      } catch (error) {
        this.abort(asTransportError(error, 'MM_INTERNAL', this.processed))
      }
    }
    rest.isDelivering = false
    if (!this.#isPlaying) return
    this.#leave('over')
    this.#reportEnd(rest.trailers)
  }

  get #isPlaying(): boolean {
    return this.#phase === 'held' && !this.#isPaused
  }

  get #wantsTunnel(): boolean {
    return this.request.upgrade !== undefined || this.request.method === 'CONNECT'
  }

  #sendBody(stream: Stream, body: NonNullable<RequestBody>, length: number | undefined): void {
    if (body instanceof Uint8Array && body.length <= DIRECT_BODY_BYTES) {
      stream.write(body, keepAsItIs)
      stream.end(NO_HEADERS)
      return
    }
    const source = body instanceof Uint8Array ? new MemorySource(body) : body
    const upload = new BodyUpload(streamWriter(stream), source, length, this)
    this.#upload = upload
    upload.start()
  }

  #onInformational(status: number, headers: HeaderList): void {
    const { maxInformational } = this.#owner
    if (++this.#informationalCount <= maxInformational) {
      this.handler.onInformational(this, status, headers)
      return
    }
    const message = `more than ${maxInformational} informational responses`
    const error = new TransportError('MM_PROTOCOL_ERROR', message, { processed: this.processed })
    this.fail(error, true, 'ENHANCE_YOUR_CALM')
  }

  #becomeTunnel(status: number, headers: HeaderList): void {
    const stream = this.#stream
    if (stream === undefined) return
    this.#leave('tunnel')
    const owner = this.#owner
    const tunnel = new StreamTunnel(
      stream,
      chunk => owner.keep(chunk),
      () => owner.onTunnelReset(stream),
      isHeld => owner.onTunnelReference(stream, isHeld),
    )
    this.#tunnel = tunnel
    owner.onTunnelOpened(this, stream)
    if (this.#isPaused) stream.resume()
    try {
      const answer = upgradeAnswer(this.request, status, headers)
      this.handler.onUpgrade(this, answer.status, answer.headers, tunnel.duplex)
    } catch (error) {
      tunnel.duplex.destroy()
      owner.onHandlerThrew(error)
    }
  }

  /** The one place that leaves a phase, but for send() and settle(). */
  #leave(phase: 'fallen' | 'held' | 'tunnel' | 'over'): void {
    this.#phase = phase
    this.deadlineAt = NEVER
    const upload = this.#upload
    if (upload === undefined) return
    this.#upload = undefined
    upload.cancel()
  }

  /** Not the peer's fault, and not that of the connection: the others on it go on. */
  #onHandlerThrew(error: unknown): void {
    const wrapped = asTransportError(error, 'MM_INTERNAL', this.processed)
    this.fail(wrapped, false, 'INTERNAL_ERROR')
  }

  #reportEnd(trailers: HeaderList): void {
    try {
      this.handler.onResponseEnd(this, trailers)
    } catch (error) {
      this.#owner.onHandlerThrew(error)
    }
  }

  #reportError(error: TransportError): void {
    try {
      this.handler.onResponseError(this, error)
    } catch (thrown) {
      this.#owner.onHandlerThrew(thrown)
    }
  }
}
