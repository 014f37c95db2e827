import { randomUUID } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { type Clock, systemClock } from '../base/clock.ts'
import { abortError, asTransportError, callersError, TransportError } from '../base/errors.ts'
import type { TransportEvent } from '../base/events/observer.ts'
import type { ProbeReport } from '../base/events/probe-report.ts'
import { guardedListener, guardedPromise } from '../base/guard.ts'
import { type ExchangeHandler, isSafeMethod } from '../base/http/exchange.ts'
import { type Origin, parseOrigin } from '../base/http/origin.ts'
import { checkNumber } from '../base/options/check-options.ts'
import { layered } from '../base/options/options.ts'
import type { OnlyLane } from '../base/options/request-options.ts'
import { DEFAULT_RESOLVER_OPTIONS } from '../base/options/resolver-options.ts'
import type { TransportOptions } from '../base/options/transport-options.ts'
import type { Lookup } from '../dns/address-resolver.ts'
import type { DispatchHandle, DispatchRequest } from '../exchange/dispatch.ts'
import { DispatchedExchange } from '../exchange/dispatched-exchange.ts'
import { REFUSED_DISPATCH, refusedExchange } from '../exchange/exchange-ended.ts'
import { connectRaw, type RawConnection } from '../origin/connecting/raw-connect.ts'
import { connectRawUdp, type RawUdp } from '../origin/connecting/raw-udp.ts'
import { sumEconomy } from '../origin/economy/economy-figures.ts'
import { EventLoopReference } from '../origin/event-loop-reference.ts'
import type { OriginEntry } from '../origin/origin-entry.ts'
import { OriginMaker } from '../origin/origin-maker.ts'
import { type OriginSettings, SettingsBook } from '../origin/origin-settings.ts'
import { OriginShares } from '../origin/origin-shares.ts'
import { checkMigrationTarget } from '../origin/paths/connection-moves.ts'
import { NetworkWatch } from '../origin/paths/network-watch.ts'
import type { MigrateOptions, MigrationResult, OriginLoad } from '../origin/stats.ts'
import { Pools } from '../pool/pools.ts'
import type { NewsPort } from '../state/shares/host-news.ts'
import type { SharePort } from '../state/shares/share-messages.ts'
import type { WebTransportSession } from '../webtransport/types.ts'
import { checkCallNames } from './call-names.ts'
import { laneOf, originOf, requestOf, requestTarget } from './calls.ts'
import { connectTo, type RawParts } from './connect-to.ts'
import { explain } from './explain.ts'
import { globalLimits } from './global-limits.ts'
import { PooledTunnels } from './pooled-tunnels.ts'
import { probe } from './probe.ts'
import { RequestedExchange } from './requested-exchange.ts'
import type {
  ConnectOptions,
  ConnectTarget,
  DispatcherOptions,
  Explanation,
  FetchInit,
  RequestOptions,
  Transport,
  TransportDispatcher,
  TransportResponse,
  TransportStats,
  WebTransportOptions,
} from './types.ts'
import { transportDispatcher } from './undici/dispatcher.ts'
import { openWebTransport } from './web-transport.ts'

/** What the world gives a transport; the tests give it another one. */
export interface TransportEnvironment {
  readonly clock: Clock
  readonly random: () => number
  /** How names are looked up. Default: as `resolver.addresses` says. */
  readonly lookup?: Lookup | undefined
  /** Where ceilings of protected origins are shared with other processes. Default: they are not. */
  readonly shares?: SharePort | undefined
  /** News of origins from other processes of this host, and for them. Default: none. */
  readonly news?: NewsPort | undefined
  /** Its connections carry HTTP datagrams. Default false. */
  readonly httpDatagrams?: boolean | undefined
}

/**
 * A transport: pools of connections to any number of origins behind request(), fetch(), a Dispatcher and
 * dispatch(). Throws MM_INVALID_ARGUMENT for options that make no sense. Close it when it is no longer needed
 * (`await using` does).
 *
 * @example
 * ```ts
 * import { createTransport } from 'middlemile'
 * await using transport = createTransport({
 *   defaults: { pool: { maxConnections: 8 }, timeouts: { headersMs: 10_000 } },
 *   origins: { 'https://origin.example': { protocols: ['h2'] } },
 * })
 * const response = await transport.request('https://origin.example/api')
 * console.log(response.status, await response.json())
 * ```
 */
export function createTransport(
  options: TransportOptions = {},
  environment: TransportEnvironment = { clock: systemClock, random: Math.random },
): Transport {
  return new PooledTransport(options, environment)
}

class PooledTransport implements Transport {
  readonly #clock: Clock
  readonly #pools: Pools
  readonly #maker: OriginMaker
  readonly #networkWatch: NetworkWatch
  readonly #hold = new EventLoopReference()
  /** Links of connections that have ended, and wait for a ticket. */
  readonly #lingers = new Set<Promise<void>>()
  readonly #entries = new Map<string, OriginEntry>()
  /** Those that were replaced, while their exchanges end. */
  readonly #leaving = new Set<OriginEntry>()
  readonly #pooledTunnels: PooledTunnels
  /** Those that were asked for sessions of WebTransport. */
  readonly #sessionOrigins = new Set<string>()
  readonly #httpDatagrams: boolean
  #options: TransportOptions
  #settings: SettingsBook
  /** By whether its requests may leave early. */
  readonly #fetchDispatchers = new Map<boolean | undefined, Dispatcher>()
  #isClosed = false

  constructor(options: TransportOptions, environment: TransportEnvironment) {
    const { clock, random, lookup, shares, news, httpDatagrams = false } = environment
    const limits = globalLimits(options)
    const { resolver, dnsServers, keylog } = options
    this.#pooledTunnels = new PooledTunnels(
      clock,
      own =>
        new PooledTransport(
          { ...own, resolver, dnsServers, keylog },
          { ...environment, shares: undefined, news: undefined, httpDatagrams: true },
        ),
    )
    this.#options = options
    this.#settings = new SettingsBook(options)
    this.#clock = clock
    this.#httpDatagrams = httpDatagrams
    this.#maker = new OriginMaker({
      options,
      limits,
      clock,
      random,
      lookup,
      hold: this.#hold,
      observer: this.#observe,
      isObserved: this.#isObserved,
      onStateFault: this.#onStateFault,
      onLinger: over => {
        this.#lingers.add(over)
        guardedPromise(
          'the end of a connection',
          over.then(() => this.#lingers.delete(over)),
        )
      },
      presentAddresses: () => this.#networkWatch.present(),
      hintTarget: origin => this.#hintTarget(origin),
      entryOf: key => this.#entries.get(key),
      openPooledTunnel: (request, signal) => this.#pooledTunnels.open(request, signal),
      openPooledUdp: (request, signal) => this.#pooledTunnels.openUdp(request, signal),
      shareOf: key => originShares?.figuresOf(key),
      news,
    })
    const { networkCheckMs } = layered(DEFAULT_RESOLVER_OPTIONS, options.resolver)
    this.#networkWatch = new NetworkWatch(clock, networkCheckMs, present => this.#onNetworkChanged(present))
    const originShares = shares && new OriginShares({ port: shares, clock, member: randomUUID() })
    this.#pools = new Pools(
      limits,
      key => this.#forget(key),
      originShares && ((key, ceiling) => originShares.join(key, ceiling)),
    )
  }

  dispatch(origin: Origin, request: DispatchRequest, handler: ExchangeHandler): DispatchHandle {
    let entry: OriginEntry
    let onlyLane: OnlyLane
    try {
      entry = request.upgrade === 'webtransport' ? this.#sessionEntryFor(origin) : this.#entryFor(origin)
      onlyLane = request.protocols && laneOf(request.protocols, entry.settings.protocols)
    } catch (error) {
      return this.#failedDispatch(origin, request, handler, asTransportError(error, 'MM_INTERNAL', 'no'))
    }
    const { timeouts, earlyData, retry } = entry.settings
    const wantsEarly = request.earlyData ?? earlyData === 'safe'
    entry.discovery.onRequest()
    const exchange = new DispatchedExchange(
      entry.exchanges,
      {
        method: request.method,
        scheme: origin.scheme,
        authority: request.authority ?? origin.authority,
        path: request.path,
        headers: request.headers,
        body: request.body,
        upgrade: request.upgrade,
        isUpgradeOptional: request.isUpgradeOptional === true,
        acceptsTrailers: request.acceptsTrailers,
        mayBeEarly:
          wantsEarly &&
          request.body === null &&
          request.upgrade === undefined &&
          isSafeMethod(request.method),
        fairKey: request.fairKey,
        headersTimeoutMs: request.headersTimeoutMs ?? timeouts.headersMs,
        bodyTimeoutMs: request.bodyTimeoutMs ?? timeouts.bodyMs,
        requestTimeoutMs: request.requestTimeoutMs,
        retry: request.retry && layered(retry, request.retry),
        onlyLane,
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
      if (signal?.aborted) throw callersError(abortError(signal, 'the request'))
      const target = requestTarget(url)
      const request = requestOf(target, options)
      const origin = parseOrigin(target)
      const abort = (): void => {
        if (signal !== undefined) exchange.handle?.abort(abortError(signal, 'the request'))
      }
      const onAbort = guardedListener('the abort of a request', abort, fault => {
        exchange.onResponseError(undefined, fault)
      })
      const exchange = new RequestedExchange(this.#clock, resolve, reject, () =>
        signal?.removeEventListener('abort', onAbort),
      )
      signal?.addEventListener('abort', onAbort, { once: true })
      exchange.handle = this.dispatch(origin, request, exchange)
      if (signal?.aborted === true) onAbort() // from within dispatch(), by an observer
    })
  }

  /** Node's own fetch over our dispatcher, so that its semantics are exactly the platform's. */
  fetch(input: string | URL | Request, { earlyData, ...init }: FetchInit = {}): Promise<Response> {
    // Node's fetch takes undici's `dispatcher`; its types come from another copy of undici, or from the web,
    // which knows none.
    const dispatcher = this.#fetchDispatchers.get(earlyData) ?? transportDispatcher(this, { earlyData })
    this.#fetchDispatchers.set(earlyData, dispatcher)
    return globalThis.fetch(input, { ...init, dispatcher } as object) // see above
  }

  dispatcher(options: DispatcherOptions = {}): TransportDispatcher {
    checkCallNames('dispatcher', options)
    return transportDispatcher(this, options) as TransportDispatcher // one class, described twice
  }

  webTransport(url: string | URL, options: WebTransportOptions = {}): WebTransportSession {
    const target = requestTarget(url)
    const dispatch: Transport['dispatch'] = (...request) => this.dispatch(...request)
    return openWebTransport({ clock: this.#clock, dispatch }, target, options)
  }

  async preconnect(
    origin: string | URL | Origin,
    options: { connections?: number | undefined } = {},
  ): Promise<void> {
    checkCallNames('preconnect', options)
    const connections = checkNumber('connections', options.connections ?? 1)
    const { lanes } = this.#entryFor(originOf(origin))
    const { connector, pool } = lanes.preferred(this.#clock.now())
    connector.prepare()
    await this.#hold.during(pool.preconnect(connections))
  }

  async connect(target: ConnectTarget, options: ConnectOptions = {}): Promise<RawConnection> {
    return await connectTo(connectRaw, this.#rawParts, target, options)
  }

  async connectUdp(target: ConnectTarget, options: ConnectOptions = {}): Promise<RawUdp> {
    return await connectTo(connectRawUdp, this.#rawParts, target, options)
  }

  async explain(origin: string | URL | Origin): Promise<Explanation> {
    const entry = this.#entryFor(originOf(origin))
    const { dialer, http3Dialer } = this.#maker
    const { fastOpen, early } = dialer
    const http3Fault = this.#http3Fault(entry)
    const isSpoken = entry.settings.protocols.includes('h3') && http3Fault === undefined
    const udp = isSpoken && entry.route === undefined ? http3Dialer.udp : undefined
    return explain(
      entry,
      { http3Fault, udp, fastOpen, early },
      this.#clock.now(),
      new AbortController().signal,
    )
  }

  async probe(
    origin: string | URL | Origin,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<ProbeReport> {
    checkCallNames('probe', options)
    const { signal } = options
    const entry = this.#entryFor(originOf(origin))
    try {
      return await this.#hold.during(probe(entry, this.#maker, this, signal ?? new AbortController().signal))
    } catch (error) {
      throw callersError(asTransportError(error, 'MM_INTERNAL', 'no'))
    }
  }

  async migrate(origin: string | URL | Origin, to: MigrateOptions = {}): Promise<readonly MigrationResult[]> {
    checkCallNames('migrate', to)
    checkMigrationTarget(to)
    const entry = this.#entries.get(originOf(origin).key)
    return entry === undefined ? [] : await this.#hold.during(entry.paths.migrate(to))
  }

  networkChanged(): void {
    this.#onNetworkChanged(this.#networkWatch.present())
  }

  stats(): TransportStats {
    const pools = Array.from(this.#entries.values(), entry => entry.stats())
    return {
      pools,
      leaving: Array.from(this.#leaving, entry => entry.stats()),
      totalConnections: this.#pools.totalConnections,
      economy: sumEconomy(pools.map(({ economy }) => economy)),
      deferredDials: this.#maker.dialTurns.deferred,
      ports: this.#maker.ports.figures(this.#clock.now()),
      resolver: this.#maker.resolver.counts,
    }
  }

  load({ key }: Origin): OriginLoad | undefined {
    return this.#entries.get(key)?.pools.load
  }

  configure(options: TransportOptions): void {
    const settings = new SettingsBook(options) // throws before anything is changed, and so does what follows
    const before = this.#settings
    const entries = Array.from(this.#entries.values(), entry => ({
      entry,
      next: settings.hasEgress(entry.origin) ? this.#settingsOf(settings, entry.origin) : undefined,
    }))
    const isKept = ({ entry: { origin, settings: now }, next }: (typeof entries)[number]): boolean =>
      next?.fingerprint === now.fingerprint &&
      // Though the defaults may say the same of it: nobody wants it warm any more.
      (!before.names(origin) || settings.names(origin))
    const changed = entries.filter(one => !isKept(one))
    const moved = entries.filter(
      one => isKept(one) && one.next?.endpointsFingerprint !== one.entry.settings.endpointsFingerprint,
    )
    const limits = globalLimits(options)
    this.#maker.preconnectHints.configure(options)
    this.#options = options
    this.#settings = settings
    this.#pools.setLimits(limits)
    this.#maker.dialTurns.share = limits.dialShare
    this.#maker.ports.share = limits.maxPortShare
    for (const { entry } of changed) this.#letGo(entry.origin.key)
    for (const { entry, next } of moved) if (next !== undefined) entry.configureEndpoints(next)
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
    await this.#hold.during(this.#pooledTunnels.close())
    await this.#hold.during(Promise.all(this.#lingers))
    this.#networkWatch.close()
    for (const entry of this.#entries.values()) {
      entry.keep()
      entry.close()
    }
    this.#maker.state.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #onNetworkChanged(present: ReadonlySet<string>): void {
    this.#maker.onNetworkChanged()
    const now = this.#clock.now()
    for (const entry of this.#entries.values()) entry.onNetworkChanged(now, present)
    for (const entry of this.#leaving) entry.onNetworkChanged(now, present)
  }

  #entryFor(origin: Origin): OriginEntry {
    const known = this.#entries.get(origin.key)
    if (known !== undefined && !this.#isClosed) return known
    if (this.#isClosed)
      throw new TransportError('MM_TRANSPORT_CLOSED', 'the transport was closed or is draining')
    const settings = this.#settingsOf(this.#settings, origin)
    const entry = this.#maker.make(origin, settings, this.#options.resolve ?? {}, this.#pools)
    this.#entries.set(origin.key, entry)
    return entry
  }

  /**
   * Its connections offer WebTransport: those that do not are on their way out, if this is the first to ask.
   * Throws MM_WEBTRANSPORT_UNAVAILABLE where no connection of it can.
   */
  #sessionEntryFor(origin: Origin): OriginEntry {
    const entry = this.#entryFor(origin)
    const why = this.#sessionFault(entry)
    if (why !== undefined) throw new TransportError('MM_WEBTRANSPORT_UNAVAILABLE', `${origin.key}: ${why}`)
    if (entry.settings.webTransport) return entry
    this.#sessionOrigins.add(origin.key)
    this.#letGo(origin.key)
    return this.#entryFor(origin)
  }

  #settingsOf(book: SettingsBook, origin: Origin): OriginSettings {
    const sessions = this.#sessionOrigins.has(origin.key) ? { webTransport: true } : {}
    return book.settingsFor(origin, { httpDatagrams: this.#httpDatagrams, ...sessions })
  }

  /** Why there is no HTTP/3, where it is allowed. */
  #http3Fault({ settings, route }: OriginEntry): string | undefined {
    if (!settings.protocols.includes('h3')) return undefined
    return route?.udpFault(this.#clock.now()) ?? this.#maker.http3Dialer.fault
  }

  #sessionFault(entry: OriginEntry): string | undefined {
    if (!entry.settings.protocols.includes('h3')) return 'protocols of the origin has no h3'
    return this.#http3Fault(entry)
  }

  get #rawParts(): RawParts {
    return { maker: this.#maker, settings: this.#settings, hold: this.#hold, isClosed: this.#isClosed }
  }

  /** No other origin has to go for it. */
  #hintTarget(origin: Origin): OriginEntry | undefined {
    const known = this.#entries.get(origin.key)
    if (known !== undefined || this.#isClosed || this.#pools.areAllOrigins) return known
    return this.#entryFor(origin)
  }

  #forget(key: string): void {
    this.#entries.get(key)?.keep()
    this.#maker.state.shelf?.flush()
    this.#entries.get(key)?.close()
    this.#entries.delete(key)
  }

  /**
   * Its pools serve who is under way, and until then the entry watches over them: second copies, paths,
   * addresses.
   */
  #letGo(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.keep()
    this.#maker.state.shelf?.flush()
    this.#entries.delete(key)
    this.#leaving.add(entry)
    entry.retire()
    const closed = this.#pools.remove(key).then(() => {
      this.#leaving.delete(entry)
      entry.close()
    })
    guardedPromise('the end of an origin', closed)
  }

  /** It ended before it began: nobody will read its body. */
  #failedDispatch(
    origin: Origin,
    request: DispatchRequest,
    handler: ExchangeHandler,
    error: TransportError,
  ): DispatchHandle {
    const { body } = request
    if (body !== null && !(body instanceof Uint8Array)) body.cancel()
    if (this.#isObserved()) this.#observe(refusedExchange(origin, request, error))
    handler.onResponseError(undefined, error)
    return REFUSED_DISPATCH
  }

  readonly #isObserved = (): boolean => this.#options.observer !== undefined

  readonly #onStateFault = (message: string): void => {
    if (this.#options.observer === undefined) process.emitWarning(message, 'MiddlemileWarning')
    else this.#observe({ type: 'state-fault', message })
  }

  /**
   * A defect of the observer must show, but not within an exchange, whose caller would miss its end.
   */
  readonly #observe = (event: TransportEvent): void => {
    try {
      this.#options.observer?.(event)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
