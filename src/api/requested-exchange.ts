import type { Duplex, Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { callersError, TransportError } from '../base/errors.ts'
import { formatEndpoint } from '../base/http/endpoint.ts'
import type { ExchangeController, ExchangeHandler } from '../base/http/exchange.ts'
import { type HeaderList, headersToRecord, headerValue, NO_HEADERS } from '../base/http/headers.ts'
import type { DispatchHandle } from '../exchange/dispatch.ts'
import { ResponseBody } from './response-body.ts'
import type { ExchangeInfo, TransportResponse } from './types.ts'

/**
 * How an exchange went so far. Phases of the handshake count for the exchange that had to wait for them, not
 * for those that reuse it.
 */
export function exchangeInfo(
  handle: DispatchHandle | undefined,
  informational: ExchangeInfo['informational'],
  totalMs: number,
): ExchangeInfo {
  const connection = handle?.connection
  const handshake = connection?.handshake
  const isFirst = handle?.reused === false
  const wasEarly = handle?.wasEarly === true
  return {
    protocol: connection?.protocol ?? 'http/1.1',
    connectionId: connection?.id ?? 0,
    reused: handle?.reused ?? false,
    resumed: handshake?.kind === 'resumed' || handshake?.kind === 'early_data',
    earlyData: wasEarly ? (handshake?.earlyData ?? 'none') : 'none',
    tfo: isFirst ? (handshake?.tfo ?? 'off') : 'off',
    ...(isFirst && handshake?.tfoBecause !== undefined && { tfoBecause: handshake.tfoBecause }),
    remoteAddress: connection === undefined ? '' : formatEndpoint(connection.endpoint),
    attempts: handle?.attempts ?? [],
    retries: handle?.retries ?? 0,
    informational,
    timings: {
      queueMs: handle?.queueMs ?? 0,
      dnsMs: isFirst ? (handshake?.timings.dnsMs ?? 0) : 0,
      connectMs: isFirst ? (handshake?.timings.connectMs ?? 0) : 0,
      // Who left in early data did not wait for the handshake.
      tlsMs: isFirst && !wasEarly ? (handshake?.timings.tlsMs ?? 0) : 0,
      ttfbMs: handle?.ttfbMs ?? 0,
      totalMs,
    },
  }
}

/** What bytes(), text() and json() take when the caller sets no bound. */
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024

/**
 * The handler behind transport.request(), and the response that it resolves with. What callers may not look
 * at (header object, stream) is made when they do.
 */
export class RequestedExchange implements ExchangeHandler, TransportResponse {
  status = 0
  statusText = ''
  /** Set right after the dispatch. */
  handle: DispatchHandle | undefined

  readonly #startedAt: number
  readonly #clock: Clock
  readonly #resolve: (response: TransportResponse) => void
  readonly #reject: (reason: unknown) => void
  readonly #onSettled: () => void
  #body: ResponseBody | undefined
  #headerList: HeaderList = NO_HEADERS
  #headers: Record<string, string | string[]> | undefined
  #trailers: HeaderList = NO_HEADERS
  #informational: { status: number; headers: Record<string, string | string[]> }[] = []
  #totalMs = 0

  constructor(
    clock: Clock,
    resolve: (response: TransportResponse) => void,
    reject: (reason: unknown) => void,
    onSettled: () => void,
  ) {
    this.#clock = clock
    this.#startedAt = clock.now()
    this.#resolve = resolve
    this.#reject = reject
    this.#onSettled = onSettled
  }

  // The response, for the caller

  get headers(): Record<string, string | string[]> {
    this.#headers ??= headersToRecord(this.#headerList)
    return this.#headers
  }

  get trailers(): Record<string, string | string[]> {
    return headersToRecord(this.#trailers)
  }

  get body(): Readable {
    return this.#responseBody().stream()
  }

  get info(): ExchangeInfo {
    return exchangeInfo(this.handle, this.#informational, this.#totalMs)
  }

  bytes(maxBytes: number = DEFAULT_MAX_BYTES): Promise<Buffer> {
    return this.#responseBody().bytes(maxBytes)
  }

  async text(maxBytes: number = DEFAULT_MAX_BYTES): Promise<string> {
    return (await this.bytes(maxBytes)).toString('utf8')
  }

  async json(maxBytes: number = DEFAULT_MAX_BYTES): Promise<unknown> {
    return JSON.parse(await this.text(maxBytes)) as unknown // JSON.parse is typed any
  }

  dump(): Promise<void> {
    return this.#responseBody().dump()
  }

  #responseBody(): ResponseBody {
    if (this.#body === undefined)
      throw new TransportError('MM_INVALID_ARGUMENT', 'the response has not begun')
    return this.#body
  }

  // The exchange, from the transport

  onRequestStart(): void {}

  onInformational(_controller: ExchangeController, status: number, headers: HeaderList): void {
    this.#informational.push({ status, headers: headersToRecord(headers) })
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    this.status = status
    this.statusText = statusText
    this.#headerList = headers
    this.#body = new ResponseBody(controller, contentLength(headers))
    this.#resolve(this)
  }

  onResponseData(_controller: ExchangeController, chunk: Buffer): void {
    this.#body?.onData(chunk)
  }

  onResponseEnd(_controller: ExchangeController, trailers: HeaderList): void {
    this.#trailers = trailers
    this.#settle()
    this.#body?.onEnd()
  }

  onUpgrade(_controller: ExchangeController, _status: number, _headers: HeaderList, tunnel: Duplex): void {
    tunnel.destroy()
    this.#settle()
    this.#reject(
      new TransportError(
        'MM_INVALID_ARGUMENT',
        'request() cannot upgrade: use dispatch() or the dispatcher',
        { processed: 'yes' },
      ),
    )
  }

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    this.#settle()
    if (this.#body === undefined) this.#reject(callersError(error))
    else this.#body.onError(error)
  }

  #settle(): void {
    this.#totalMs = this.#clock.now() - this.#startedAt
    this.#onSettled()
  }
}

/** The codec has checked it. */
function contentLength(headers: HeaderList): number | undefined {
  const value = headerValue(headers, 'content-length')
  return value === undefined ? undefined : Number(value)
}
