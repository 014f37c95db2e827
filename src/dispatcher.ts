import { Dispatcher } from 'undici'
import { TransportError } from './errors.ts'
import { parseOrigin } from './origin.ts'
import type { Transport } from './transport/api.ts'
import { toUndiciError } from './transport/undici-errors.ts'
import { fromLegacyHandler, UndiciExchange } from './transport/undici-handlers.ts'
import { fromUndiciOptions } from './transport/undici-options.ts'

/**
 * A transport as an undici 7 Dispatcher: `fetch(url, { dispatcher })`, `undici.request`, `setGlobalDispatcher` and the interceptors
 * run on its pools. Closing it ends what was dispatched through it; the transport lives on.
 */
export class TransportDispatcher extends Dispatcher {
  readonly #transport: Transport
  readonly #open = new Set<UndiciExchange>()
  #state: 'open' | 'closing' | 'closed' = 'open'
  #whenEmpty: (() => void)[] = []

  constructor(transport: Transport) {
    super()
    this.#transport = transport
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const modern = typeof handler.onRequestStart === 'function' ? handler : fromLegacyHandler(handler)
    const exchange = new UndiciExchange(modern, this.#onSettled)
    this.#open.add(exchange)
    if (!exchange.announce()) return true
    try {
      if (this.#state !== 'open') throw new TransportError('MM_TRANSPORT_CLOSED', 'the dispatcher is closed')
      if (options.origin === undefined)
        throw new TransportError('MM_INVALID_ARGUMENT', 'dispatch() needs an origin')
      exchange.attach(
        this.#transport.dispatch(parseOrigin(options.origin), fromUndiciOptions(options), exchange),
      )
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      this.#onSettled(exchange)
      modern.onResponseError?.(exchange, toUndiciError(error))
    }
    return true
  }

  override close(callback?: () => void): Promise<void> {
    if (this.#state === 'open') this.#state = 'closing'
    const closed = new Promise<void>(resolve => {
      if (this.#open.size === 0) resolve()
      else this.#whenEmpty.push(resolve)
    })
    return settle(closed, callback)
  }

  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> {
    this.#state = 'closed'
    const reason =
      error instanceof Error
        ? error
        : new TransportError('MM_TRANSPORT_CLOSED', 'the dispatcher was destroyed')
    for (const exchange of this.#open) exchange.abort(reason)
    return settle(Promise.resolve(), typeof error === 'function' ? error : callback)
  }

  readonly #onSettled = (exchange: UndiciExchange): void => {
    this.#open.delete(exchange)
    if (this.#open.size > 0) return
    const waiting = this.#whenEmpty
    this.#whenEmpty = []
    for (const resolve of waiting) resolve()
  }
}

/** undici's close and destroy take a callback or give a promise. */
function settle(promise: Promise<void>, callback: (() => void) | undefined): Promise<void> {
  return callback === undefined ? promise : promise.then(callback)
}
