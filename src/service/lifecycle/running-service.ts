import { randomBytes, randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { guardedPromise } from '../../base/guard.ts'
import { packageVersion } from '../../base/package-require.ts'
import { originUrl } from '../../entry/dispatch.ts'
import { type QlogObserver, qlogObserver, systemClock, type Timer } from '../../entry/events.ts'
import { DEFAULT_POOL_OPTIONS } from '../../entry/options.ts'
import {
  createTransport,
  type MigrateOptions,
  type Observer,
  type Origin,
  type PoolStats,
  type Transport,
  type TransportError,
  type TransportStats,
} from '../../index.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import type { NewsPort } from '../../state/shares/host-news.ts'
import type { SharePort } from '../../state/shares/share-messages.ts'
import { type AccessLog, openAccessLog } from '../access-log/access-log.ts'
import { type ConfigFault, formatFault } from '../config/config-fault.ts'
import type { ListenAddress } from '../config/fields/listen-address.ts'
import type { ServiceConfig } from '../config/service-config.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import { restartWarnings } from '../config/service-settings.ts'
import { bothClocks, fleetFacts, fleetPage } from '../fleet/fleet-pages.ts'
import { FleetShares } from '../fleet/fleet-shares.ts'
import { type ForwardProxies, proxyPage } from '../forward-proxy/forward-proxies.ts'
import { Forwarder } from '../forwarding/forwarder.ts'
import { RequestIds } from '../forwarding/request-id.ts'
import { heldForSlowReaders } from '../forwarding/stalled-readers.ts'
import { connectionLog } from '../logging/event-log.ts'
import type { ServiceLog } from '../logging/service-log.ts'
import { slowRequestLog } from '../logging/slow-request-log.ts'
import { ServiceMetrics } from '../metrics/service-metrics.ts'
import type { MetricSnapshot } from '../metrics/summed-metrics.ts'
import { HostShares, ownShares } from '../workers/host-shares.ts'
import { certificateExpiries } from './certificate-expiries.ts'
import { ListenerCertificates } from './listener-certificates.ts'
import { MemoryReturn, processMemoryCalls } from './memory-return.ts'
import { type OpenSockets, openSockets, type SharedSockets } from './open-sockets.ts'
import { ProcessFaults } from './process-faults.ts'
import type { ReloadResult, ResponseFields, Service } from './service-api.ts'
import { withServiceDefaults } from './service-defaults.ts'
import { serviceProxies, sharedByProxies } from './service-proxies.ts'
import { settingsChanges } from './settings-changes.ts'

/** What the end of sessions has to leave within, before their connections are closed. */
const SESSION_CLOSE_MS = 100

/** Reads a configuration: the given one, or, without one, the source that the service was started from. */
export type ConfigReader = (config?: ServiceConfig) => Promise<SettingsResult>
/** What a service gets from who starts it. */
interface ServiceOutside {
  readonly log: ServiceLog
  readonly read: ConfigReader
  /** See StartOptions. */
  readonly onTooManyFaults: (() => void) | undefined
  readonly returnsMemory: boolean
  readonly responseFields?: ResponseFields | undefined
  readonly sockets?: SharedSockets | undefined
  /** Receives every event of the transport as well. */
  readonly observer?: Observer | undefined
  /** Where ceilings of protected origins are shared with other processes. Left out: they are not. */
  readonly shares?: SharePort | undefined
  /** News of origins from other processes of the host, and for them. Left out: none. */
  readonly news?: NewsPort | undefined
}

export type SettingsResult =
  | { readonly ok: true; readonly settings: ServiceSettings }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }

/**
 * A connector: listeners -> forwarder -> transport, with the admin server beside them.
 *
 * starting  sockets are being opened. Valid transitions: running, closed
 * running   takes requests. Valid transitions: draining, closed
 * draining  takes no new ones while the open exchanges end. Valid transitions: closed
 * closed    everything is closed
 */
export class RunningService implements Service {
  #phase: 'starting' | 'running' | 'draining' | 'closed' = 'starting'
  #settings: ServiceSettings
  /** What sockets and files were opened by: a reload leaves those as they are. */
  readonly #startedWith: ServiceSettings
  readonly #read: ConfigReader
  readonly #log: ServiceLog
  readonly #logger: Logger
  readonly #faults: ProcessFaults
  readonly #metrics: ServiceMetrics
  readonly #observer: Observer
  readonly #qlog: QlogObserver | undefined
  readonly #forwarder: Forwarder
  readonly #proxies: ForwardProxies
  readonly #accessLog: AccessLog | undefined
  readonly #memoryReturn: MemoryReturn | undefined
  readonly #certificates: ListenerCertificates
  readonly transport: Transport
  /** With whom it shares the ceilings of protected origins; a worker's supervisor does that instead. */
  readonly #fleet: FleetShares | undefined
  readonly #ownShares: HostShares | undefined
  #sockets: OpenSockets = { listeners: [], admin: undefined, supervisorAdmin: undefined }
  #reloading: Promise<unknown> = Promise.resolve()
  #draining: Promise<void> | undefined
  /** What the configuration calls each origin, by key. */
  #originNames: ReadonlyMap<string, string>

  private constructor(settings: ServiceSettings, outside: ServiceOutside) {
    const { log, read, onTooManyFaults } = outside
    const { logger } = log
    this.#settings = settings
    this.#startedWith = settings
    this.#log = log
    this.#logger = logger
    this.#read = read
    this.#originNames = originNames(settings)
    const { redis } = settings
    const isAlone = redis !== undefined && outside.shares === undefined
    this.#metrics = new ServiceMetrics({
      transportStats: () => this.transport.stats(),
      ingressStats: () => this.#sockets.listeners.map(({ listener }) => listener.stats),
      stallStats: () => this.#forwarder.stallStats,
      mirrorCounts: () => this.#forwarder.mirrorCounts,
      proxies: () => this.#proxies.statuses(),
      dropped: () => ({
        log: log.dropped(),
        access_log: this.#accessLog?.dropped() ?? 0,
        qlog: this.#qlog?.dropped ?? 0,
      }),
      certificates: () =>
        certificateExpiries(
          this.#settings,
          this.#sockets.listeners.map(({ listener }) => listener),
          origin => this.#metrics.certificateExpiresAt(origin),
        ),
      fleet: isAlone ? () => this.#fleet?.status : undefined,
      version: packageVersion(),
    })
    this.#faults = new ProcessFaults({
      logger,
      clock: systemClock,
      budget: () => {
        const { maxFaults, faultWindowMs: windowMs } = this.#settings.shutdown
        return { maxFaults, windowMs }
      },
      count: (kind, cause) => this.#metrics.faults.add(`${kind} ${cause}`),
      onTooMany: onTooManyFaults,
    })
    this.#metrics.configure(settings)
    const { observe } = this.#metrics
    const originName = (origin: Origin): string => this.#originNames.get(origin.key) ?? origin.key
    const logEvent = connectionLog(logger, originName)
    const logSlow = slowRequestLog(logger, originName, settings.log.slowRequestMs)
    const { state, qlog, dnsServers, resolver } = settings
    const observerBy =
      (count: Observer): Observer =>
      event => {
        count(event)
        outside.observer?.(event)
        logEvent(event)
        logSlow?.(event)
        this.#qlog?.observer(event)
      }
    this.#observer = observerBy(observe)
    this.#accessLog = settings.accessLog && openAccessLog(settings.accessLog, logger, originName)
    const requestId = settings.accessLog?.requestId
    const fleet = isAlone
      ? new FleetShares({ settings: redis, logger, clock: systemClock, random: Math.random })
      : undefined
    const own = fleet && ownShares(tell => new HostShares({ tell, clock: systemClock, fleet }))
    this.#fleet = fleet
    this.#ownShares = own?.host
    this.transport = createTransport(
      {
        ...withServiceDefaults(settings.transport),
        ...(state !== undefined && { state }),
        ...(dnsServers !== undefined && { dnsServers }),
        ...(resolver !== undefined && { resolver }),
        observer: this.#observer,
      },
      { clock: systemClock, random: Math.random, shares: outside.shares ?? own?.port, news: outside.news },
    )
    this.#proxies = serviceProxies({
      clock: systemClock,
      metrics: this.#metrics,
      observerBy,
      settings: () => this.#settings,
      sockets: () => this.#sockets,
      startedWith: settings,
    })
    this.#proxies.prepare(settings.routes, sharedByProxies(settings)).commit()
    // Now that the transport has taken its options: a service that does not come up leaves no file.
    this.#qlog = qlog && qlogObserver({ ...qlog, onFault: message => logger.warn(message) })
    this.#forwarder = new Forwarder(settings, {
      transport: this.transport,
      proxies: this.#proxies,
      instanceId: randomBytes(4).toString('hex'),
      dateHeader: () => new Date().toUTCString(),
      responseFields: outside.responseFields,
      onRefused: (exchange, status, error) => this.#onRefused(exchange, status, error),
      onAnswered: answer => this.#metrics.onAnswered(answer),
      onEnded: this.#accessLog?.onEnded,
      requestIds: requestId === undefined ? undefined : new RequestIds(requestId, randomUUID),
      onCarried: (...carried) => this.#metrics.onCarried(...carried),
      sessionCounts: origin => this.#metrics.sessionCounts(origin),
    })
    if (outside.returnsMemory) this.#memoryReturn = this.#returnMemory()
    this.#certificates = new ListenerCertificates({
      clock: systemClock,
      logger,
      startedWith: settings.listen,
      listeners: () => this.#sockets.listeners,
      checkIntervalMs: () => this.#settings.certificates.checkIntervalMs,
      onOutcome: outcome => this.#metrics.certificateChanges.add(outcome),
    })
  }

  static async start(settings: ServiceSettings, outside: ServiceOutside): Promise<RunningService> {
    const service = new RunningService(settings, outside)
    const { logger } = outside.log
    service.#fleet?.start()
    try {
      service.#sockets = await openSockets(
        settings,
        {
          handlerOf: (...listener) => service.#forwarder.handler(...listener),
          takesDatagrams: () => service.#proxies.takeUdp,
        },
        service.actions,
        logger,
        outside.sockets,
      )
    } catch (error) {
      await service.close()
      throw error
    }
    service.#phase = 'running'
    for (const warning of settings.warnings) logger.warn(warning)
    service.#warmUp()
    return service
  }

  get addresses(): readonly ListenAddress[] {
    const { listeners } = this.#sockets
    // One for each entry of `listen`, which may have several sockets.
    const first = listeners.filter(
      ({ entry }, index) => listeners.findIndex(one => one.entry === entry) === index,
    )
    return first.map(({ listener: { address: host, port } }) => ({ host, port }))
  }

  get adminAddress(): ListenAddress | undefined {
    return this.#sockets.admin?.address
  }

  stats(): TransportStats {
    return this.transport.stats()
  }

  /** One after the other: what was asked for last stays, however long each file took to read. */
  reload(config?: ServiceConfig): Promise<ReloadResult> {
    const reloaded = this.#reloading.then(() => this.#reload(config))
    this.#reloading = reloaded.catch(() => {}) // who asked is notified of it
    return reloaded
  }

  async #reload(config: ServiceConfig | undefined): Promise<ReloadResult> {
    const result = await this.#read(config)
    return result.ok ? this.take(result.settings) : this.#refuseReload(result.faults)
  }

  /** Goes on with another configuration, within this very turn. `isQuiet`: who asked says so in the log. */
  take(settings: ServiceSettings, { isQuiet = false } = {}): ReloadResult {
    const warnings = [...settings.warnings, ...restartWarnings(this.#startedWith, settings)]
    const changes = settingsChanges(this.#settings, settings)
    // No await from here on: requests see the old configuration or the new one, never half of each. The
    // transport comes first, since it alone can still refuse.
    let proxies: ReturnType<ForwardProxies['prepare']> | undefined
    try {
      proxies = this.#proxies.prepare(settings.routes, sharedByProxies(settings))
      this.transport.configure({ ...withServiceDefaults(settings.transport), observer: this.#observer })
    } catch (error) {
      proxies?.discard()
      return this.#refuseReload([
        { path: '', message: error instanceof Error ? error.message : String(error) },
      ])
    }
    proxies.commit()
    this.#metrics.configure(settings)
    this.#originNames = originNames(settings)
    this.#forwarder.configure(settings)
    this.#settings = settings
    this.#certificates.take(settings.listen)
    this.#metrics.onReloaded(true)
    if (!isQuiet) this.#sayReloaded(settings, changes, warnings)
    this.#warmUp()
    return { ok: true, warnings, changes }
  }

  async drain(): Promise<void> {
    if (this.#phase === 'starting') return // there is nothing to drain yet, and later there will be
    this.#draining ??= this.#drain()
    await this.#draining
  }

  async close(): Promise<void> {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    const { listeners, admin } = this.#sockets
    await Promise.all([
      ...listeners.map(({ listener }) => listener.close()),
      this.transport.close(),
      this.#proxies.close(),
      admin?.close(),
    ])
    await this.#fleet?.close()
    this.#qlog?.close()
    this.#logger.info('closed')
    await this.#accessLog?.close()
    await this.#log.close()
    this.#memoryReturn?.close()
    this.#certificates.close()
    this.#faults.close()
  }

  reopenLogs(): void {
    this.#accessLog?.reopen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #sayReloaded(
    { origins, routes }: ServiceSettings,
    changes: readonly string[],
    warnings: readonly string[],
  ): void {
    this.#logger.info(`configuration reloaded: ${origins.length} origins, ${routes.length} routes`)
    for (const change of changes) this.#logger.info(`reload: ${change}`)
    for (const warning of warnings) this.#logger.warn(warning)
  }

  #refuseReload(faults: readonly ConfigFault[]): ReloadResult {
    const lines = faults.map(fault => formatFault(fault)).join('; ')
    this.#metrics.onReloaded(false)
    this.#logger.error(`reload refused, the old configuration stays: ${lines}`)
    return { ok: false, faults }
  }

  async #drain(): Promise<void> {
    if (this.#phase !== 'running') return
    this.#phase = 'draining'
    const { listeners, admin } = this.#sockets
    const { delayMs, drainTimeoutMs, keepAdmin } = this.#settings.shutdown
    if (delayMs > 0) {
      this.#logger.info(`draining in ${delayMs}ms (shutdown.delay): /readyz says 503 already`)
      await new Promise<void>(resolve => {
        systemClock.setTimer(delayMs, resolve)
      })
    }
    this.#logger.info('draining: no new requests, open ones end')
    // With the ports of the listeners, so that a successor can start now.
    if (!keepAdmin) admin?.release()
    const drained = Promise.all(listeners.map(({ listener }) => listener.drain())).then(async () => {
      await Promise.all([this.transport.drain(), this.#proxies.drain()])
    })
    if (drainTimeoutMs === 0) return drained
    if (await finishesWithin(drained, drainTimeoutMs)) {
      this.#logger.info('drained')
      return
    }
    this.#logger.warn(`drain timeout (${drainTimeoutMs}ms): closing what is still open`)
    await this.#closeSessions()
    // Clients first: they are cut, and get no answer in place of the origin's.
    const cut = listeners.map(({ listener }) => listener.close())
    await Promise.all([...cut, this.transport.close(), this.#proxies.close()])
  }

  /** Both sides of each receive the reason, which takes a moment, before their connections are cut. */
  async #closeSessions(): Promise<void> {
    const { sessions } = this.#forwarder
    if (sessions.size === 0) return
    sessions.closeAll()
    await new Promise<void>(resolve => {
      systemClock.setTimer(SESSION_CLOSE_MS, resolve)
    })
  }

  /**
   * Pools are made on first use; those with a warm level are wanted at once, and so are those that are sized
   * by demand, which begin at the level that an earlier process left.
   */
  #warmUp(): void {
    const { defaults, origins } = this.#settings.transport
    for (const { name, origin } of this.#settings.origins) {
      const { warm, headroom } = {
        ...DEFAULT_POOL_OPTIONS,
        ...defaults?.pool,
        ...origins?.[originUrl(origin)]?.pool,
      }
      if (warm === 0 && headroom === 0) continue
      this.transport.preconnect(origin, { connections: warm }).catch((error: TransportError) => {
        this.#logger.debug(`${name}: warming up: ${error.code} ${error.message}`)
      })
    }
  }

  #returnMemory(): MemoryReturn {
    return new MemoryReturn({
      clock: systemClock,
      calls: processMemoryCalls(),
      options: () => this.#settings.memory,
      heldBytes: () => heldForSlowReaders(this.#forwarder.stallStats),
      onReturned: (bytes, tookMs) => {
        this.#metrics.returnedMemoryBytes += bytes
        this.#logger.debug(`returned ${bytes} bytes of memory to the system in ${Math.round(tookMs)}ms`)
      },
    })
  }

  #onRefused(exchange: IngressExchange, status: number, error: TransportError | undefined): void {
    if (!this.#logger.isLevelEnabled('debug')) return
    const because = error === undefined ? '' : `: ${error.code} ${error.message}`
    this.#logger.debug({ status, code: error?.code }, `${exchange.method} answered here, ${status}${because}`)
  }

  /** What the admin routes show and start; a worker answers its supervisor with the same. */
  readonly actions = {
    notReadyBecause: () => (this.#phase === 'running' ? undefined : this.#phase),
    metrics: async (_query: URLSearchParams) => ({
      contentType: this.#metrics.registry.contentType,
      text: await this.#metrics.registry.metrics(),
    }),
    pools: () => this.#poolsPage(),
    explain: async (name: string) => {
      const found = this.#settings.origins.find(origin => origin.name === name)
      if (found === undefined) return this.#proxies.explain(name)
      const explanation = await this.transport.explain(found.origin)
      const facts = fleetFacts(this.#fleet?.status, originUrl(found.origin))
      return { ...explanation, known: [...explanation.known, ...facts] }
    },
    migrate: async (name: string, to: MigrateOptions) => {
      const found = this.#settings.origins.find(origin => origin.name === name)
      return found === undefined ? undefined : await this.transport.migrate(found.origin, to)
    },
    startDrain: () => {
      if (this.#phase === 'starting') return false
      guardedPromise('a drain', this.drain())
      return true
    },
    reload: () => this.reload(),
  }

  /** Everything that `GET /metrics` shows, as values. */
  metricSnapshots(): Promise<readonly MetricSnapshot[]> {
    // as: what the registry gives is what it writes as text
    return this.#metrics.registry.getMetricsAsJSON() as unknown as Promise<MetricSnapshot[]>
  }

  /** The statistics of the transport, each pool with the name of its origin. */
  #poolsPage() {
    const { pools, leaving, totalConnections, economy, ports } = this.transport.stats()
    const named = (pool: PoolStats) => ({ name: this.#originNames.get(pool.origin) ?? null, ...pool })
    return {
      totalConnections,
      ...(this.#ownShares !== undefined && { sharedCeilings: this.#ownShares.shown() }),
      ...(this.#fleet !== undefined && { fleet: fleetPage(this.#fleet.status, bothClocks()) }),
      economy,
      ports,
      pools: pools.map(named),
      leaving: leaving.map(named),
      forward: this.#proxies.statuses().map(proxyPage),
      webTransport: this.#metrics.sessionsPage(),
    }
  }
}

async function finishesWithin(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: Timer | undefined
  const late = new Promise<boolean>(resolve => {
    timer = systemClock.setTimer(timeoutMs, () => resolve(false))
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    timer?.cancel()
  }
}

function originNames(settings: ServiceSettings): ReadonlyMap<string, string> {
  return new Map(settings.origins.map(({ name, origin }) => [origin.key, name]))
}
