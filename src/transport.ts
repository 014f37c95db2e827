import { type Clock, systemClock } from './clock.ts'
import { TransportDispatcher } from './dispatcher.ts'
import { abortError, asTransportError, TransportError } from './errors.ts'
import { type ExchangeHandler, isSafeMethod } from './exchange.ts'
import type { TransportEvent } from './observer.ts'
import { DEFAULT_GLOBAL_LIMITS, type GlobalLimits } from './options.ts'
import { type Origin, parseOrigin } from './origin.ts'
import { Pools } from './pool/pools.ts'
import { quicEngine } from './quic/load-engine.ts'
import { OriginRecord } from './select/origin-record.ts'
import { SystemResolver } from './select/resolve.ts'
import { Dialer } from './tcp/dial.ts'
import type {
  DispatcherOptions,
  DispatchHandle,
  DispatchRequest,
  Explanation,
  FetchInit,
  RequestOptions,
  Transport,
  TransportOptions,
  TransportResponse,
  TransportStats,
} from './transport/api.ts'
import { DispatchedExchange } from './transport/dispatched-exchange.ts'
import { explain } from './transport/explain.ts'
import { Http3Dialer } from './transport/http3-dialer.ts'
import { type OpenTickets, openTickets } from './transport/open-tickets.ts'
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
  readonly #http3Dialer: Http3Dialer
  readonly #kept: OpenTickets
  readonly #hold = new ProcessHold()
  /** Links of connections that have ended, and wait for a ticket. */
  readonly #farewells = new Set<Promise<void>>()
  readonly #entries = new Map<string, OriginEntry>()
  #options: TransportOptions
  #settings: SettingsBook
  /** By whether its requests may leave early. */
  readonly #fetchDispatchers = new Map<boolean | undefined, TransportDispatcher>()
  #isClosed = false

  constructor(options: TransportOptions, { clock, random }: TransportEnvironment) {
    this.#options = options
    this.#settings = new SettingsBook(options)
    this.#clock = clock
    this.#random = random
    this.#resolver = new SystemResolver({ clock, options: options.resolver ?? {} })
    this.#kept = openTickets(options, clock, this.#onStateFault)
    const { tickets } = this.#kept
    this.#dialer = new Dialer({ clock, tickets, keylog: options.keylog })
    this.#http3Dialer = new Http3Dialer({
      clock,
      tickets,
      keylog: options.keylog,
      loadEngine: quicEngine,
      onFarewell: over => {
        this.#farewells.add(over)
        void over.then(() => this.#farewells.delete(over))
      },
    })
    this.#pools = new Pools(globalLimits(options), key => this.#entries.delete(key))
  }

  dispatch(origin: Origin, request: DispatchRequest, handler: ExchangeHandler): DispatchHandle {
    let entry: OriginEntry
    try {
      entry = this.#entryFor(origin)
    } catch (error) {
      return failedDispatch(asTransportError(error, 'MM_INTERNAL', 'no'), handler)
    }
    const { timeouts, earlyData } = entry.settings
    const wantsEarly = request.earlyData ?? earlyData === 'safe'
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
        mayBeEarly:
          wantsEarly &&
          request.body === null &&
          request.upgrade === undefined &&
          isSafeMethod(request.method),
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
      const { method = 'GET', earlyData, headersTimeoutMs, bodyTimeoutMs } = options
      const path = target.pathname + target.search
      exchange.handle = this.dispatch(
        origin,
        { method, path, headers, body, authority, earlyData, headersTimeoutMs, bodyTimeoutMs },
        exchange,
      )
      if (signal?.aborted === true) onAbort() // from within dispatch(), by an observer
    })
  }

  /** Node's own fetch over our dispatcher, so that its semantics are exactly the platform's. */
  fetch(input: string | URL | Request, { earlyData, ...init }: FetchInit = {}): Promise<Response> {
    // Node's fetch takes undici's `dispatcher`; its types come from another copy of undici, or from the web, which knows none.
    const dispatcher = this.#fetchDispatchers.get(earlyData) ?? new TransportDispatcher(this, { earlyData })
    this.#fetchDispatchers.set(earlyData, dispatcher)
    return globalThis.fetch(input, { ...init, dispatcher } as object) // see above
  }

  dispatcher(options: DispatcherOptions = {}): TransportDispatcher {
    return new TransportDispatcher(this, options)
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
    await this.#end(this.#pools.drain())
  }

  async close(
    error: TransportError = new TransportError('MM_TRANSPORT_CLOSED', 'the transport was closed'),
  ): Promise<void> {
    this.#isClosed = true
    await this.#end(this.#pools.close(error))
  }

  /** What connections leave behind comes after them. */
  async #end(pools: Promise<void>): Promise<void> {
    await this.#hold.during(pools)
    await this.#hold.during(Promise.all(this.#farewells))
    this.#kept.flush()
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
      makeConnector: (isForUpgrades, hooks) =>
        new OriginConnector({
          origin,
          settings,
          isForUpgrades,
          record,
          resolver,
          dialer: this.#dialer,
          http3Dialer: this.#http3Dialer,
          clock: this.#clock,
          ...hooks,
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

  readonly #onStateFault = (message: string): void => {
    if (this.#options.observer === undefined) process.emitWarning(message, 'MiddlemileWarning')
    else this.#observe({ type: 'state-fault', message })
  }

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
  return {
    abort: () => {},
    connection: undefined,
    reused: false,
    retries: 0,
    wasEarly: false,
    queueMs: 0,
    ttfbMs: 0,
  }
}
