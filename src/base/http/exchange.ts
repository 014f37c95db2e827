import type { TransportError } from '../errors.ts'
import type { RetryOptions } from '../options/options.ts'
import type { OnlyLane } from '../options/request-options.ts'
import type { StreamSocket } from '../socket/stream-socket.ts'
import type { HeaderList } from './headers.ts'
import type { Protocol } from './protocol.ts'

/** One request on its way to an origin: what every protocol needs to write it. */
export interface ExchangeRequest {
  /** Case-sensitive token (RFC 9110 9.1). */
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** host[:port] as it stands in Host or :authority. */
  readonly authority: string
  /** Origin-form with the query, or `*` (OPTIONS), or authority-form (CONNECT). */
  readonly path: string
  /** End-to-end fields only: see HeaderList. */
  readonly headers: HeaderList
  readonly body: RequestBody
  /**
   * Asks to switch to this protocol (`websocket`): Upgrade in HTTP/1.1, extended CONNECT in HTTP/2 and
   * HTTP/3.
   */
  readonly upgrade?: string | undefined
  /**
   * It goes without `upgrade` where it cannot ask for it, since a server may ignore that (RFC 9110 7.8).
   * Default false: it fails.
   */
  readonly isUpgradeOptional?: boolean
  /**
   * Whether it says `te: trailers` (RFC 9110 6.5.1). Left out: over HTTP/2 and HTTP/3 it does, over HTTP/1.1
   * it does not.
   */
  readonly acceptsTrailers?: boolean | undefined
  /**
   * It may travel in early data, where an onlooker can replay it: its caller or its route has opted in, its
   * method is safe and it has no body (RFC 8470 3). Default false.
   */
  readonly mayBeEarly?: boolean
  /** Whose turn it takes when requests to a protected origin wait. Default: one turn for all. */
  readonly fairKey?: string | undefined
  /**
   * The answer may take this long to begin, from the last byte of the request. Milliseconds, 0 = no limit.
   */
  readonly headersTimeoutMs: number
  /** The longest silence within a body, in either direction. Milliseconds, 0 = no limit. */
  readonly bodyTimeoutMs: number
  /** The whole exchange, waiting and replays included. Left out: as the origin has it. */
  readonly requestTimeoutMs?: number | undefined
  /** Left out: as the origin has it. */
  readonly retry?: RetryOptions | undefined
  /** Where it may go, of what the origin has. Left out: anywhere. */
  readonly onlyLane?: OnlyLane
}

/** No body, one that is in memory (and so can be sent again), or one that comes as it comes. */
export type RequestBody = null | Uint8Array | BodySource

/**
 * A request body that is produced while it is sent. The connection attaches a sink; the source writes until
 * the sink says stop and goes on when it is resumed. It ends with exactly one of sink.end and sink.fail,
 * unless it was cancelled. One that throws from attach() or resume() has failed (MM_BODY_FAILED) and is
 * cancelled; what it throws from cancel() is lost.
 */
export interface BodySource {
  /** Bytes, when known before. The connection holds the source to it. */
  readonly length: number | undefined
  /** Bytes that went to sinks so far, for who counts them. Left out: nobody counted. */
  readonly writtenBytes?: number
  /**
   * Whether attach() may be called (again) and yields the whole body: nothing was consumed yet, or it can be
   * made again.
   */
  isReplayable(): boolean
  /** Starts it. The source may write before attach() returns. */
  attach(sink: BodySink): void
  /** The sink takes more, after a write that returned false. */
  resume(): void
  /** The connection wants no more of it (an early answer, an error, an abort). No sink call may follow. */
  cancel(): void
}

/** Where a body goes. */
export interface BodySink {
  /** Takes a chunk; it must not be changed afterwards. False: wait for resume() before the next one. */
  write(chunk: Uint8Array): boolean
  /** The body is complete. */
  end(trailers: HeaderList): void
  /** The body cannot be completed; the exchange fails with the error. */
  fail(error: TransportError): void
}

/**
 * Is notified of one exchange, in this order: onRequestStart, onInformational*, then either onUpgrade, or
 * onResponseStart, onResponseData*, onResponseEnd; onResponseError ends it from anywhere. Push style like
 * undici 7's DispatchHandler, so that nobody pays for a stream that nobody asked for.
 */
export interface ExchangeHandler {
  /** The exchange has its connection. Called once per connection that it is tried on. */
  onRequestStart(controller: ExchangeController): void
  /** A 1xx response other than 101. */
  onInformational(controller: ExchangeController, status: number, headers: HeaderList): void
  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void
  /**
   * A piece of the body. The chunk is borrowed: its memory is used again once the call returned. What must
   * outlive the call goes through `controller.keep(chunk)`. None comes while the exchange is paused, and
   * neither does its end.
   */
  onResponseData(controller: ExchangeController, chunk: Buffer): void
  onResponseEnd(controller: ExchangeController, trailers: HeaderList): void
  /**
   * The connection became a tunnel: 101, or 2xx to CONNECT. The stream is the handler's from now on, and
   * keeps the process alive until it ends, or its unref() is called.
   */
  onUpgrade(controller: ExchangeController, status: number, headers: HeaderList, tunnel: StreamSocket): void
  onResponseError(controller: ExchangeController | undefined, error: TransportError): void
}

/** The handler's hold on the exchange. After the last handler call it does nothing. */
export interface ExchangeController {
  /** What the connection speaks. */
  readonly protocol: Protocol
  /**
   * The request left in early data: 425 is to be answered by sending it again after the handshake (RFC 8470
   * 5.2).
   */
  readonly wasEarly?: boolean
  /**
   * Milliseconds for which received data of the response sat behind a gap that a loss had left. Undefined:
   * the protocol cannot tell.
   */
  readonly stallMs?: number | undefined
  readonly paused: boolean
  readonly aborted: boolean
  /**
   * Stops the body, its trailers and its end until resume(), what was read already among them; a head that is
   * still to come comes. On HTTP/2 and HTTP/3 other exchanges go on.
   */
  pause(): void
  resume(): void
  /** Gives up. The handler gets onResponseError with this error, synchronously. */
  abort(error: TransportError): void
  /**
   * A version of a borrowed chunk that may be kept: a copy if that is cheap, else the memory itself. Call it
   * within onResponseData.
   */
  keep(chunk: Buffer): Buffer
}

/**
 * Safe methods (RFC 9110 9.2.1): may travel in early data.
 *
 * @example
 * ```ts
 * isSafeMethod('GET') // true
 * ```
 */
export function isSafeMethod(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE'
}

/**
 * Idempotent methods (RFC 9110 9.2.2): may be sent again though the first copy could have been processed.
 *
 * @example
 * ```ts
 * isIdempotentMethod('PUT') // true
 * ```
 */
export function isIdempotentMethod(method: string): boolean {
  return isSafeMethod(method) || method === 'PUT' || method === 'DELETE'
}

/** Whether a copy of it may be sent when nobody knows what became of the first one. */
export function isRepeatable({ method, body }: Pick<ExchangeRequest, 'method' | 'body'>): boolean {
  return isIdempotentMethod(method) && isReplayableBody(body)
}

/** Whether the body can be sent (again) from its first byte. */
export function isReplayableBody(body: RequestBody): boolean {
  return body === null || body instanceof Uint8Array || body.isReplayable()
}
