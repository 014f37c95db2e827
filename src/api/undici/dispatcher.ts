import type { Dispatcher } from 'undici'
import { TransportError } from '../../base/errors.ts'
import { parseOrigin } from '../../base/http/origin.ts'
import type { DispatcherOptions, Transport } from '../types.ts'
import { toUndiciError } from './undici-errors.ts'
import { fromLegacyHandler, UndiciExchange } from './undici-handlers.ts'
import { undici } from './undici-module.ts'
import { fromUndiciOptions } from './undici-options.ts'

type DispatcherClass = new (transport: Transport, options: GivenOptions) => Dispatcher
type GivenOptions = { [Name in keyof DispatcherOptions]: DispatcherOptions[Name] | undefined }

let loadedClass: DispatcherClass | undefined

/**
 * A transport as an undici 7 Dispatcher: `fetch(url, { dispatcher })`, `undici.request`,
 * `setGlobalDispatcher` and the interceptors run on its pools. Closing it ends what was dispatched through
 * it; the transport lives on.
 */
export function transportDispatcher(transport: Transport, options: GivenOptions): Dispatcher {
  loadedClass ??= dispatcherClass(undici())
  return new loadedClass(transport, options)
}

/** A class that extends one of undici's can be made only when undici is there. */
function dispatcherClass({ Dispatcher, errors, api }: ReturnType<typeof undici>): DispatcherClass {
  class TransportDispatcher extends Dispatcher {
    readonly #transport: Transport
    readonly #earlyData: boolean | undefined
    readonly #open = new Set<UndiciExchange>()
    #state: 'open' | 'closing' | 'closed' = 'open'
    #whenEmpty: (() => void)[] = []

    constructor(transport: Transport, { earlyData }: GivenOptions) {
      super()
      this.#transport = transport
      this.#earlyData = earlyData
    }

    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      const modern = typeof handler.onRequestStart === 'function' ? handler : fromLegacyHandler(handler)
      const exchange = new UndiciExchange(modern, this.#onSettled)
      if (this.#state !== 'open') {
        exchange.fail(
          this.#state === 'closing' ? new errors.ClientClosedError() : new errors.ClientDestroyedError(),
        )
        return false
      }
      this.#open.add(exchange)
      if (!exchange.announce()) return true
      try {
        if (options.origin === undefined)
          throw new TransportError('MM_INVALID_ARGUMENT', 'dispatch() needs an origin')
        const request = fromUndiciOptions(options, this.#earlyData)
        if ((request.upgrade !== undefined || request.method === 'CONNECT') && !takesUpgrades(handler))
          throw new TransportError('MM_INVALID_ARGUMENT', 'the handler has no onRequestUpgrade')
        exchange.upgrade = request.upgrade
        exchange.attach(this.#transport.dispatch(parseOrigin(options.origin), request, exchange))
      } catch (error) {
        exchange.fail(error instanceof TransportError ? toUndiciError(error) : (error as Error))
      }
      return true
    }

    /** undici's close and destroy take a callback or give a promise; ours do both. */
    override async close(callback?: () => void): Promise<void> {
      if (this.#state === 'open') this.#state = 'closing'
      if (this.#open.size > 0) await new Promise<void>(resolve => this.#whenEmpty.push(resolve))
      this.#state = 'closed'
      callback?.()
    }

    override async destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> {
      this.#state = 'closed'
      const reason = error instanceof Error ? error : new errors.ClientDestroyedError()
      for (const exchange of this.#open) exchange.cancel(reason)
      await this.close()
      if (typeof error === 'function') error()
      else callback?.()
    }

    readonly #onSettled = (exchange: UndiciExchange): void => {
      this.#open.delete(exchange)
      if (this.#open.size > 0) return
      const waiting = this.#whenEmpty
      this.#whenEmpty = []
      for (const resolve of waiting) resolve()
    }
  }
  Object.assign(TransportDispatcher.prototype, api) // as undici's index does for its own
  return TransportDispatcher
}

function takesUpgrades(handler: Dispatcher.DispatchHandler): boolean {
  return typeof handler.onRequestUpgrade === 'function' || typeof handler.onUpgrade === 'function'
}
