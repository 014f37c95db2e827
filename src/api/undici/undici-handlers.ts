import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { TransportError } from '../../base/errors.ts'
import type { ExchangeController, ExchangeHandler } from '../../base/http/exchange.ts'
import { type HeaderList, headersToRecord, NO_HEADERS } from '../../base/http/headers.ts'
import type { DispatchHandle } from '../../exchange/dispatch.ts'
import { toUndiciError } from './undici-errors.ts'

/**
 * Speaks to an undici 7 DispatchHandler. The handler gets ONE controller, at once, which stays the same over
 * replays, so that it can abort or pause while the request still waits for a connection.
 */
export class UndiciExchange implements ExchangeHandler, Dispatcher.DispatchController {
  rawHeaders: string[] | null = null
  rawTrailers: string[] | null = null
  aborted = false
  paused = false
  reason: Error | null = null
  /** The protocol that was asked for. */
  upgrade: string | undefined

  readonly #handler: Dispatcher.DispatchHandler
  readonly #onSettled: (exchange: UndiciExchange) => void
  #handle: DispatchHandle | undefined
  #controller: ExchangeController | undefined
  #hasStarted = false
  /** The head of the final response came: only then a pause stops the flow. */
  #hasHead = false
  #isOver = false

  constructor(handler: Dispatcher.DispatchHandler, onSettled: (exchange: UndiciExchange) => void) {
    this.#handler = handler
    this.#onSettled = onSettled
  }

  /** Announces the request to its handler; false when the handler aborted right there. */
  announce(): boolean {
    this.#guard(() => this.#handler.onRequestStart?.(this, {}))
    if (!this.aborted) return true
    this.fail(this.reason ?? this.#abortError())
    return false
  }

  /** The dispatch, once it was made. */
  attach(handle: DispatchHandle): void {
    this.#handle = handle
    if (this.aborted) handle.abort(this.#abortError())
  }

  /** Gives up. Not `abort`, which an interceptor may have replaced by its own (undici's dump does). */
  cancel(reason: Error): void {
    if (this.aborted || this.#isOver) return
    this.aborted = true
    this.reason = reason
    this.#handle?.abort(this.#abortError())
  }

  /** Ends it without a dispatch, or with the dispatch's own error. The handler is notified of it, once. */
  fail(error: Error): void {
    if (this.#isOver) return
    this.#settle()
    this.#handler.onResponseError?.(this, error)
  }

  // Dispatcher.DispatchController, for the handler

  abort(reason: Error): void {
    this.cancel(reason)
  }

  /**
   * Takes effect with the head of the final response, as in undici: fetch answers a 1xx with a pause that it
   * takes back only when the final response is there.
   */
  pause(): void {
    this.paused = true
    if (this.#hasHead) this.#controller?.pause()
  }

  resume(): void {
    this.paused = false
    this.#controller?.resume()
  }

  // ExchangeHandler, for the transport

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
    if (this.aborted) controller.abort(this.#abortError())
  }

  /** undici's handlers receive 1xx through onResponseStart. */
  onInformational(_controller: ExchangeController, status: number, headers: HeaderList): void {
    this.#tellHead(status, headers, '')
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    this.#tellHead(status, headers, statusText)
    this.#hasHead = true
    if (this.paused) controller.pause()
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    const kept = controller.keep(chunk) // undici's handlers own their chunks
    this.#guard(() => this.#handler.onResponseData?.(this, kept))
  }

  onResponseEnd(_controller: ExchangeController, trailers: HeaderList): void {
    this.rawTrailers = [...trailers]
    try {
      this.#handler.onResponseEnd?.(this, headersToRecord(trailers))
    } catch (error) {
      // undici's own way: its retry handler throws here to say that the response will not do.
      this.fail(asError(error))
      return
    }
    this.#settle()
  }

  onUpgrade(_controller: ExchangeController, status: number, headers: HeaderList, tunnel: Duplex): void {
    // Fields of the connection are not in the list. undici's WebSocket wants to see them; that they fit was
    // checked.
    const shown =
      status === 101 ? [...headers, 'connection', 'upgrade', 'upgrade', this.upgrade ?? ''] : headers
    this.rawHeaders = [...shown]
    this.#settle()
    try {
      this.#handler.onRequestUpgrade?.(this, status, headersToRecord(shown), tunnel)
    } catch (error) {
      tunnel.destroy(asError(error))
    }
  }

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    // The caller's own reason comes back to it as it was, whatever it is.
    if (this.aborted && error.code === 'MM_ABORTED' && this.reason !== null) this.fail(this.reason)
    else this.fail(toUndiciError(error))
  }

  #tellHead(status: number, headers: HeaderList, statusText: string): void {
    this.rawHeaders = [...headers]
    this.#guard(() => {
      if (!this.#hasStarted) {
        this.#hasStarted = true
        this.#handler.onResponseStarted?.()
      }
      this.#handler.onResponseStart?.(this, status, headersToRecord(headers), statusText)
    })
  }

  #settle(): void {
    this.#isOver = true
    this.#onSettled(this)
  }

  #abortError(): TransportError {
    const { reason } = this
    return new TransportError('MM_ABORTED', reason?.message ?? 'the request was aborted', { cause: reason })
  }

  /** A handler that throws loses its exchange (as in undici), never the connection. */
  #guard(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.cancel(asError(error))
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** undici 6 and older, and fetch in Node 20 to 24: onConnect, onHeaders, onData, onComplete, onError. */
export function fromLegacyHandler(legacy: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller, context) => {
      const onConnect: ((abort: (reason?: Error) => void, context: unknown) => void) | undefined =
        legacy.onConnect?.bind(legacy)
      onConnect?.(reason => controller.abort(reason ?? new Error('aborted')), context)
    },
    onResponseStarted: () => legacy.onResponseStarted?.(),
    onResponseStart: (controller, status, _headers, statusText) => {
      const raw = toBuffers(controller.rawHeaders)
      const goesOn = legacy.onHeaders?.(status, raw, () => controller.resume(), statusText ?? '') !== false
      if (!goesOn && status >= 200) controller.pause() // undici does not ask about 1xx
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
