import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { TransportError } from '../errors.ts'
import type { ExchangeController, ExchangeHandler } from '../exchange.ts'
import { type HeaderList, headersToRecord, NO_HEADERS } from '../headers.ts'
import type { DispatchHandle } from './api.ts'
import { toUndiciError } from './undici-errors.ts'

/** undici's name for a header object. */
type IncomingHeaders = Record<string, string | string[]>

/**
 * Speaks to an undici 7 DispatchHandler. The handler gets ONE controller, at once, which stays the same over replays, so that it can
 * abort or pause while the request still waits for a connection.
 */
export class UndiciExchange implements ExchangeHandler, Dispatcher.DispatchController {
  rawHeaders: string[] | null = null
  rawTrailers: string[] | null = null
  aborted = false
  paused = false
  reason: Error | null = null

  readonly #handler: Dispatcher.DispatchHandler
  readonly #onSettled: (exchange: UndiciExchange) => void
  #handle: DispatchHandle | undefined
  #controller: ExchangeController | undefined

  constructor(handler: Dispatcher.DispatchHandler, onSettled: (exchange: UndiciExchange) => void) {
    this.#handler = handler
    this.#onSettled = onSettled
  }

  /** Announces the request to its handler; false when the handler aborted right there. */
  announce(): boolean {
    this.#guard(() => this.#handler.onRequestStart?.(this, {}))
    if (!this.aborted) return true
    this.#fail(this.reason ?? new TransportError('MM_ABORTED', 'aborted'))
    return false
  }

  /** The dispatch, once it was made. */
  attach(handle: DispatchHandle): void {
    this.#handle = handle
  }

  // Dispatcher.DispatchController, for the handler

  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.#handle?.abort(new TransportError('MM_ABORTED', reason?.message ?? 'aborted', { cause: reason }))
  }

  pause(): void {
    this.paused = true
    this.#controller?.pause()
  }

  resume(): void {
    this.paused = false
    this.#controller?.resume()
  }

  // ExchangeHandler, for the transport

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
    if (this.aborted) controller.abort(new TransportError('MM_ABORTED', 'aborted', { cause: this.reason }))
    else if (this.paused) controller.pause()
  }

  /** undici's handlers hear of 1xx through onResponseStart. */
  onInformational(controller: ExchangeController, status: number, headers: HeaderList): void {
    this.onResponseStart(controller, status, headers, '')
  }

  onResponseStart(
    _controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    this.rawHeaders = [...headers]
    this.#guard(() =>
      this.#handler.onResponseStart?.(this, status, headersToRecord(headers) as IncomingHeaders, statusText),
    ) // same shape
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    const kept = controller.keep(chunk) // undici's handlers own their chunks
    this.#guard(() => this.#handler.onResponseData?.(this, kept))
  }

  onResponseEnd(_controller: ExchangeController, trailers: HeaderList): void {
    this.rawTrailers = [...trailers]
    this.#onSettled(this)
    this.#guard(() => this.#handler.onResponseEnd?.(this, headersToRecord(trailers) as IncomingHeaders)) // same shape
  }

  onUpgrade(_controller: ExchangeController, status: number, headers: HeaderList, tunnel: Duplex): void {
    this.rawHeaders = [...headers]
    this.#onSettled(this)
    if (this.#handler.onRequestUpgrade === undefined) tunnel.destroy()
    this.#guard(() =>
      this.#handler.onRequestUpgrade?.(this, status, headersToRecord(headers) as IncomingHeaders, tunnel),
    ) // same shape
  }

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    this.#fail(toUndiciError(error))
  }

  #fail(error: Error): void {
    this.#onSettled(this)
    this.#handler.onResponseError?.(this, error)
  }

  /** A handler that throws loses its exchange (as in undici), never the connection. */
  #guard(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }
}

/** undici 6 and older, and fetch in Node 20 to 24: onConnect, onHeaders, onData, onComplete, onError. */
export function fromLegacyHandler(legacy: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller, context) => {
      const onConnect: ((abort: (reason?: Error) => void, context: unknown) => void) | undefined =
        legacy.onConnect?.bind(legacy)
      onConnect?.(reason => controller.abort(reason ?? new Error('aborted')), context)
    },
    onResponseStart: (controller, status, _headers, statusText) => {
      const raw = toBuffers(controller.rawHeaders)
      if (legacy.onHeaders?.(status, raw, () => controller.resume(), statusText ?? '') === false)
        controller.pause()
    },
    onResponseData: (controller, chunk) => {
      if (legacy.onData?.(chunk) === false) controller.pause()
    },
    // The types say strings; undici itself hands out Buffers, and fetch in Node 20 relies on them.
    onResponseEnd: controller =>
      legacy.onComplete?.(toBuffers(controller.rawTrailers) as unknown as string[]), // see above
    onRequestUpgrade: (controller, status, _headers, socket) =>
      legacy.onUpgrade?.(status, toBuffers(controller.rawHeaders), socket),
    onResponseError: (_controller, error) => legacy.onError?.(error),
  }
}

function toBuffers(raw: Dispatcher.DispatchController['rawHeaders']): Buffer[] {
  const list = Array.isArray(raw) ? raw : NO_HEADERS
  return list.map(field => (typeof field === 'string' ? Buffer.from(field, 'latin1') : field))
}
