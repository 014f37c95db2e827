import { type Clock, systemClock } from './clock.ts'
import { TransportDispatcher } from './dispatcher.ts'
import { abortError, asTransportError, TransportError } from './errors.ts'
import type { ExchangeHandler } from './exchange.ts'
import { TicketStore } from './memory/ticket-store.ts'
import type { TransportEvent } from './observer.ts'
import { DEFAULT_GLOBAL_LIMITS, type GlobalLimits } from './options.ts'
import { type Origin, parseOrigin } from './origin.ts'
import { Pools } from './pool/pools.ts'
import { OriginRecord } from './select/origin-record.ts'
import { SystemResolver } from './select/resolve.ts'
import { Dialer } from './tcp/dial.ts'
import type {
  DispatchHandle,
  DispatchRequest,
  Explanation,
  RequestOptions,
  Transport,
  TransportOptions,
  TransportResponse,
  TransportStats,
} from './transport/api.ts'
import { DispatchedExchange } from './transport/dispatched-exchange.ts'
import { explain } from './transport/explain.ts'
import { OriginConnector } from './transport/origin-connector.ts'
import { OriginEntry } from './transport/origin-entry.ts'
import { SettingsBook } from './transport/origin-settings.ts'
import { ProcessHold } from './transport/process-hold.ts'
import { prepareMessage } from './transport/request-message.ts'
import { RequestedExchange } from './transport/requested-exchange.ts'

/** What the world gives a transport; the tests give it another one. */
export interface TransportEnvironment {
  readonly clock: Clock
  readonly random: () => number
}

/**
 * A transport: pools of connections to any number of origins behind request(), fetch(), a Dispatcher and dispatch().
 * Throws MM_INVALID_ARGUMENT for options that make no sense. Close it when it is no longer needed (`await using` does).
 */
export function createTransport(
  options: TransportOptions = {},
  environment: TransportEnvironment = { clock: systemClock, random: Math.random },
): Transport {
  return new PooledTransport(options, environment)
}

class PooledTransport implements Transport {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #pools: Pools
  readonly #resolver: SystemResolver
  readonly #dialer: Dialer
  readonly #hold = new ProcessHold()
  readonly #entries = new Map<string, OriginEntry>()
  #options: TransportOptions
  #settings: SettingsBook
  #fetchDispatcher: TransportDispatcher | undefined
  #isClosed = false

  constructor(options: TransportOptions, { clock, random }: TransportEnvironment) {
    this.#options = options
    this.#settings = new SettingsBook(options)
    this.#clock = clock
    this.#random = random
    this.#resolver = new SystemResolver({ clock, options: options.resolver ?? {} })
    this.#dialer = new Dialer({ clock, tickets: new TicketStore(options.tickets), keylog: options.keylog })
    this.#pools = new Pools(globalLimits(options), key => this.#entries.delete(key))
  }

  dispatch(origin: Origin, request: DispatchRequest, handler: ExchangeHandler): DispatchHandle {
    let entry: OriginEntry
    try {
      entry = this.#entryFor(origin)
    } catch (error) {
      return failedDispatch(asTransportError(error, 'MM_INTERNAL', 'no'), handler)
    }
    const { timeouts } = entry.settings
    const exchange = new DispatchedExchange(
      entry,
      {
        method: request.method,
        scheme: origin.scheme,
        authority: request.authority ?? origin.authority,
        path: request.path,
        headers: request.headers,
        body: request.body,
        upgrade: request.upgrade,
        headersTimeoutMs: request.headersTimeoutMs ?? timeouts.headersMs,
        bodyTimeoutMs: request.bodyTimeoutMs ?? timeouts.bodyMs,
      },
      handler,
      this.#clock,
    )
    exchange.start()
    return exchange
  }

  request(url: string | URL, options: RequestOptions = {}): Promise<TransportResponse> {
    return new Promise((resolve, reject) => {
      const { signal } = options
      if (signal?.aborted) throw abortError(signal, 'the request')
      if (options.earlyData === true)
        throw new TransportError('MM_INVALID_ARGUMENT', 'early data is not built in this version')
      const target = typeof url === 'string' ? parseUrl(url) : url
      if (target.username !== '' || target.password !== '') {
        throw new TransportError(
          'MM_INVALID_ARGUMENT',
          'credentials in a URL are refused: send an authorization header',
        )
      }
      const origin = parseOrigin(target)
      const { headers, body, authority } = prepareMessage(options.headers, options.body)
      const onAbort = (): void => {
        if (signal !== undefined) exchange.handle?.abort(abortError(signal, 'the request'))
      }
      const exchange = new RequestedExchange(this.#clock, resolve, reject, () =>
        signal?.removeEventListener('abort', onAbort),
      )
      signal?.addEventListener('abort', onAbort, { once: true })
      const { method = 'GET', headersTimeoutMs, bodyTimeoutMs } = options
      const path = target.pathname + target.search
      exchange.handle = this.dispatch(
        origin,
        { method, path, headers, body, authority, headersTimeoutMs, bodyTimeoutMs },
        exchange,
      )
      if (signal?.aborted === true) onAbort() // from within dispatch(), by an observer
    })
  }

  /** Node's own fetch over our dispatcher, so that its semantics are exactly the platform's. */
  fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    // Node's fetch takes undici's `dispatcher`; its types come from another copy of undici, or from the web, which knows none.
    this.#fetchDispatcher ??= new TransportDispatcher(this)
    return globalThis.fetch(input, { ...init, dispatcher: this.#fetchDispatcher } as object) // see above
  }

  dispatcher(): TransportDispatcher {
    return new TransportDispatcher(this)
  }

  async preconnect(origin: string | URL, options: { connections?: number } = {}): Promise<void> {
    await this.#hold.during(this.#entryFor(parseOrigin(origin)).pool.preconnect(options.connections ?? 1))
  }

  async explain(origin: string | URL): Promise<Explanation> {
    return explain(this.#entryFor(parseOrigin(origin)), this.#clock.now(), new AbortController().signal)
  }

  stats(): TransportStats {
    return {
      pools: Array.from(this.#entries.values(), entry => entry.stats()),
      totalConnections: this.#pools.totalConnections,
    }
  }

  configure(options: TransportOptions): void {
    const settings = new SettingsBook(options) // throws before anything is changed, and so does what follows
    const changed = [...this.#entries.values()].filter(
      entry => settings.settingsFor(entry.origin).fingerprint !== entry.settings.fingerprint,
    )
    this.#options = options
    this.#settings = settings
    this.#pools.setLimits(globalLimits(options))
    for (const { origin } of changed) {
      this.#entries.delete(origin.key)
      void this.#pools.remove(origin.key)
    }
  }

  async drain(): Promise<void> {
    this.#isClosed = true
    await this.#hold.during(this.#pools.drain())
  }

  async close(
    error: TransportError = new TransportError('MM_TRANSPORT_CLOSED', 'the transport was closed'),
  ): Promise<void> {
    this.#isClosed = true
    await this.#hold.during(this.#pools.close(error))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #entryFor(origin: Origin): OriginEntry {
    const known = this.#entries.get(origin.key)
    if (known !== undefined && !this.#isClosed) return known
    if (this.#isClosed)
      throw new TransportError('MM_TRANSPORT_CLOSED', 'the transport was closed or is draining')
    const settings = this.#settings.settingsFor(origin)
    const record = new OriginRecord()
    const resolver = this.#resolver.forOrigin(origin, {
      endpoints: settings.endpoints,
      overrides: settings.resolve,
      dnsMs: settings.timeouts.dnsMs,
    })
    const world = { clock: this.#clock, random: this.#random }
    const entry = new OriginEntry({
      origin,
      settings,
      record,
      resolver,
      makeConnector: (isForUpgrades, onDefence) =>
        new OriginConnector({
          origin,
          settings,
          isForUpgrades,
          record,
          resolver,
          dialer: this.#dialer,
          clock: this.#clock,
          onDefence,
        }),
      clock: this.#clock,
      observer: this.#observe,
      isObserved: this.#isObserved,
      hold: this.#hold,
      makePool: config => this.#pools.add(origin, { ...config, ...world }),
      makeSecondPool: (first, config) => this.#pools.addSecond(first, origin, { ...config, ...world }),
    })
    this.#entries.set(origin.key, entry)
    return entry
  }

  readonly #isObserved = (): boolean => this.#options.observer !== undefined

  /** A defect of the observer must show, but not in the middle of an exchange, whose caller would never hear of its end. */
  readonly #observe = (event: TransportEvent): void => {
    try {
      this.#options.observer?.(event)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : new Error(String(error)))
    }
  }
}

function globalLimits(options: TransportOptions): GlobalLimits {
  return { ...DEFAULT_GLOBAL_LIMITS, ...options.limits }
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch (cause) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `not an absolute URL: ${JSON.stringify(url.slice(0, 200))}`,
      { cause },
    )
  }
}

/** A dispatch that ended before it began. */
function failedDispatch(error: TransportError, handler: ExchangeHandler): DispatchHandle {
  handler.onResponseError(undefined, error)
  return { abort: () => {}, connection: undefined, reused: false, retries: 0, queueMs: 0, ttfbMs: 0 }
}
