import type { Clock } from '../base/clock.ts'
import type { TransportEvent } from '../base/events/observer.ts'
import { guarded } from '../base/guard.ts'
import type { Resolver } from '../base/http/endpoint.ts'
import { type Origin, originUrl, parseOrigin } from '../base/http/origin.ts'
import { checkNumbers, checkWord } from '../base/options/check-options.ts'
import { layered } from '../base/options/options.ts'
import { DEFAULT_RESOLVER_OPTIONS, type ResolverOptions } from '../base/options/resolver-options.ts'
import type { GlobalLimits, TransportOptions } from '../base/options/transport-options.ts'
import { FastOpen } from '../connect/fast-open/fast-open.ts'
import { DirectDepartures } from '../connect/local/departure.ts'
import { PortBudget } from '../connect/local/port-budget.ts'
import { readPortRange } from '../connect/native/port-range.ts'
import { Dialer } from '../connect/tcp/dial.ts'
import { SocketSettings } from '../connect/tcp/socket-settings.ts'
import { SecureContexts } from '../connect/tls/secure-contexts.ts'
import { AddressGuard } from '../dns/address-guard.ts'
import { AddressLookup } from '../dns/address-lookup.ts'
import { AddressResolver, findBy, type Lookup } from '../dns/address-resolver.ts'
import { AlternativeResolver } from '../dns/alternative-resolver.ts'
import { DnsClient } from '../dns/client/dns-client.ts'
import { ServiceRecordResolver } from '../dns/https-records.ts'
import type { Pools } from '../pool/pools.ts'
import { quicEngine } from '../quic/load-engine.ts'
import { ProbeBudget } from '../select/probe/probe-schedule.ts'
import { OriginRecord } from '../select/record/origin-record.ts'
import type { HostNews, NewsPort } from '../state/shares/host-news.ts'
import type { ShareFigures } from '../state/shares/share-keeper.ts'
import { Coalescing } from './coalescing/coalescing.ts'
import { DialTurns } from './connecting/dial-turns.ts'
import { Http3Dialer } from './connecting/http3-dialer.ts'
import { OriginConnector } from './connecting/origin-connector.ts'
import { trustIn } from './egress/egress-settings.ts'
import { LocalRoute } from './egress/local-route.ts'
import { ProxiedRoute, type ProxiedRouteParts } from './egress/proxied-route.ts'
import type { EventLoopReference } from './event-loop-reference.ts'
import { PreconnectHints } from './hints/preconnect-hints.ts'
import { CpuMeter } from './lanes/cpu-meter.ts'
import { type OpenState, openState } from './open-state.ts'
import { OriginEntry } from './origin-entry.ts'
import type { OriginSettings } from './origin-settings.ts'
import { type FastOpenProbe, fastOpenProbe } from './probing/fast-open.ts'
import { quicVersions } from './probing/quic-versions.ts'

export interface OriginMakerParts {
  readonly options: TransportOptions
  readonly limits: Pick<GlobalLimits, 'dialShare' | 'maxPortShare'>
  readonly clock: Clock
  readonly random: () => number
  readonly lookup: Lookup | undefined
  readonly hold: EventLoopReference
  readonly observer: (event: TransportEvent) => void
  readonly isObserved: () => boolean
  readonly onStateFault: (message: string) => void
  /** A link lingers for a ticket after its connection has ended. */
  readonly onLinger: (over: Promise<void>) => void
  /** The addresses that this machine has now. */
  readonly presentAddresses: () => ReadonlySet<string>
  /** An origin that a response named. Undefined: there is no place for one more. */
  readonly hintTarget: (origin: Origin) => OriginEntry | undefined
  /** The record of an origin, as far as it is in use. */
  readonly entryOf: (originKey: string) => OriginEntry | undefined
  readonly openPooledTunnel: ProxiedRouteParts['openPooledTunnel']
  readonly openPooledUdp: ProxiedRouteParts['openPooledUdp']
  /** How our share of an origin's ceiling stands; undefined: nobody else has a part in it. */
  readonly shareOf: (originKey: string) => ShareFigures | undefined
  /** Undefined: no other process is to learn of it. */
  readonly news: NewsPort | undefined
}

/**
 * What all origins of a transport share (resolvers, dialers, memory), and what makes an origin's entry of it.
 */
export class OriginMaker {
  readonly resolver: AddressResolver
  readonly dns: DnsClient
  readonly serviceRecords: ServiceRecordResolver
  readonly fastOpen: FastOpen
  readonly probeFastOpen: FastOpenProbe
  readonly dialer: Dialer
  readonly http3Dialer: Http3Dialer
  readonly dialTurns: DialTurns
  /** Local ports of the connections of all origins. */
  readonly ports: PortBudget
  readonly state: OpenState
  /** Connections that carry requests of more than one origin. */
  readonly coalescing = new Coalescing()
  readonly preconnectHints: PreconnectHints
  readonly clock: Clock
  readonly #parts: OriginMakerParts
  readonly #budget = new ProbeBudget()
  readonly #cpuMeter = new CpuMeter()
  /** Of TLS to `https` proxies. */
  readonly #proxyContexts = new SecureContexts()

  /** Throws MM_INVALID_ARGUMENT for options that make no sense. */
  constructor(parts: OriginMakerParts) {
    const { options, limits, clock, random, lookup, news, onStateFault, onLinger } = parts
    this.#parts = parts
    this.clock = clock
    this.preconnectHints = new PreconnectHints(options, origin => parts.hintTarget(origin)?.hints)
    const { dnsServers } = options
    const resolverOptions = checkResolverOptions(layered(DEFAULT_RESOLVER_OPTIONS, options.resolver))
    const find =
      lookup === undefined
        ? new AddressLookup({ clock, options: resolverOptions, servers: dnsServers }).find
        : findBy(lookup)
    const guard = options.addressGuard && new AddressGuard(options.addressGuard, parts.presentAddresses)
    this.resolver = new AddressResolver({ clock, options: resolverOptions, find, guard })
    this.dns = new DnsClient({ clock, ...(dnsServers !== undefined && { servers: dnsServers }) })
    const maxEntries = resolverOptions.maxDnsEntries
    this.serviceRecords = new ServiceRecordResolver({ clock, random, client: this.dns, maxEntries })
    this.state = openState(options, {
      clock,
      origins: {
        collect: key => parts.entryOf(key)?.snapshot(),
        merge: (a, b) => OriginRecord.mergeSnapshots(a, b, Date.now()),
        onLearned: (key, facts) => parts.entryOf(key)?.learn(facts),
        onWritten: news && (origin => news.publish({ kind: 'record', origin })),
      },
      onFault: onStateFault,
    })
    news?.onNews(one => this.#onNews(one))
    this.fastOpen = new FastOpen({ clock })
    this.probeFastOpen = fastOpenProbe(clock, this.fastOpen)
    const { tickets } = this.state
    const keylog = guardedKeylog(options.keylog)
    this.ports = new PortBudget({ share: limits.maxPortShare, readRange: readPortRange })
    const departures = new DirectDepartures(this.ports, clock)
    this.dialer = new Dialer({ clock, tickets, keylog, fastOpen: this.fastOpen, departures })
    this.dialTurns = new DialTurns(clock, limits.dialShare)
    this.http3Dialer = new Http3Dialer({
      clock,
      tickets,
      keylog,
      loadEngine: quicEngine,
      onLinger,
      departures,
    })
  }

  /** `overrides`: fixed addresses of the whole transport. */
  make(
    origin: Origin,
    settings: OriginSettings,
    overrides: Readonly<Record<string, string>>,
    pools: Pools,
  ): OriginEntry {
    const { clock, random, hold, observer, isObserved, options } = this.#parts
    const { endpoints, resolve, timeouts, select } = settings
    const { dnsMs } = timeouts
    const record = this.#recordOf(origin, select)
    const socketSettings = new SocketSettings(settings.socket, fault =>
      observer({ type: 'socket-option-refused', origin, ...fault }),
    )
    const ownResolver: Resolver =
      settings.balance === undefined
        ? this.resolver.forOrigin(origin, { endpoints, overrides: resolve, dnsMs })
        : // They may be configured anew.
          { resolve: (host, signal) => this.#endpointsOf(origin, entry.settings).resolve(host, signal) }
    const route = this.#routeOf(origin, settings, ownResolver)
    const locals = this.#localsOf(settings)
    const resolver = route ?? ownResolver
    const alternativeResolver = new AlternativeResolver(this.resolver, overrides, dnsMs)
    const world = { clock, random }
    const isNamed = origin.ipFamily === 0 && endpoints.length === 0 && route === undefined
    const entry: OriginEntry = new OriginEntry({
      origin,
      settings,
      record,
      resolver,
      route,
      locals,
      socketSettings,
      makeConnector: (purpose, hooks) =>
        new OriginConnector({
          purpose,
          origin,
          settings,
          record,
          resolver,
          route,
          locals,
          alternativeResolver,
          dialer: this.dialer,
          dialTurns: this.dialTurns,
          socketSettings,
          http3Dialer: this.http3Dialer,
          coalescing: this.coalescing,
          clock,
          ...hooks,
        }),
      clock,
      observer,
      isObserved,
      hold,
      dialTurns: this.dialTurns,
      coalescing: this.coalescing,
      preconnectHints: this.preconnectHints,
      makePool: config => pools.add(origin, { ...config, ...world }),
      makePoolBeside: (first, config) => pools.addBeside(first, origin, { ...config, ...world }),
      isBudgetFull: () => pools.isFull,
      random,
      endPool: pool => pools.removeBeside(origin, pool),
      endpointResolver: (text, now) =>
        this.resolver.forEndpoint(text, origin, { overrides: now.resolve, dnsMs }),
      ceiling: () => pools.ceilingOf(origin.key),
      share: () => this.#parts.shareOf(originUrl(origin)),
      http3Fault: () => route?.udpFault(clock.now()) ?? this.http3Dialer.fault,
      cpuMeter: this.#cpuMeter,
      discovery: {
        // Who has a fixed address for the name may have it from no DNS at all.
        isResolved: isNamed && (Object.keys(resolve).length === 0 || options.dnsServers !== undefined),
        serviceRecords: (host, port, signal) => this.serviceRecords.lookup(host, port, signal),
        quicVersions: (endpoint, timeoutMs, signal) => {
          const localAddress = locals?.next(endpoint).local?.address
          return quicVersions(endpoint, { clock, timeoutMs, localAddress }, signal)
        },
        fastOpen: (endpoint, of, wanted, signal) =>
          this.probeFastOpen(endpoint, of, wanted, signal, locals?.next(endpoint).local),
        budget: this.#budget,
      },
      news: this.#parts.news,
      onRecordChanged: () => this.state.shelf?.onChanged(origin.key),
      dnsRefreshMs: options.resolver?.dnsRefreshMs ?? DEFAULT_RESOLVER_OPTIONS.dnsRefreshMs,
      network: {
        present: this.#parts.presentAddresses,
        // Where nobody looks for changes somebody reports them, who does not tell that nothing has changed
        // since.
        checkMs: options.resolver?.networkCheckMs || DEFAULT_RESOLVER_OPTIONS.networkCheckMs,
      },
    })
    return entry
  }

  #endpointsOf(origin: Origin, { endpoints, resolve, timeouts }: OriginSettings): Resolver {
    return this.resolver.forOrigin(origin, { endpoints, overrides: resolve, dnsMs: timeouts.dnsMs })
  }

  /** Undefined: the origin is reached directly. */
  #routeOf(origin: Origin, settings: OriginSettings, ownResolver: Resolver): ProxiedRoute | undefined {
    const { egress, timeouts } = settings
    if (egress?.kind !== 'proxies') return undefined
    const { clock, random, openPooledTunnel, openPooledUdp } = this.#parts
    return new ProxiedRoute({
      origin,
      egress,
      ownResolver,
      resolverOf: ({ host, port }) => {
        const place = parseOrigin(`http://${host.includes(':') ? `[${host}]` : host}:${port}`)
        return this.resolver.forOrigin(place, { dnsMs: timeouts.dnsMs })
      },
      context: () => this.#proxyContexts.get(trustIn(egress)).context,
      openPooledTunnel,
      openPooledUdp,
      clock,
      random,
      timeoutMs: timeouts.connectMs,
    })
  }

  /** Undefined: connections leave from where the kernel lets them. */
  #localsOf({ egress }: OriginSettings): LocalRoute | undefined {
    if (egress?.kind !== 'addresses') return undefined
    const { clock, random } = this.#parts
    return new LocalRoute({ egress, ports: this.ports, clock, random })
  }

  onNetworkChanged(): void {
    this.fastOpen.onNetworkChanged()
    this.resolver.expire()
    this.serviceRecords.clear()
  }

  #onNews(news: HostNews): void {
    if (news.kind === 'record') this.state.shelf?.onWrittenElsewhere(news.origin)
    else this.#parts.entryOf(news.origin)?.endpoints?.onNews(news)
  }

  /** As it was kept, or new. */
  #recordOf(origin: Origin, options: OriginSettings['select']): OriginRecord {
    const kept = this.state.shelf?.read(origin.key)
    const place = { host: origin.host, port: origin.port }
    return kept === undefined
      ? new OriginRecord(place, options)
      : OriginRecord.restore(kept, place, options, this.#parts.clock.now(), Date.now())
  }
}

/** Throws MM_INVALID_ARGUMENT with the name of what makes no sense. */
function checkResolverOptions(options: ResolverOptions): ResolverOptions {
  const { addresses, ...numbers } = options
  checkWord('resolver.addresses', addresses, ['auto', 'dns', 'system'])
  checkNumbers('resolver', numbers)
  return options
}

/**
 * It is called in the middle of handshakes, and may write to a disk that is full: that is no reason for them
 * to fail.
 */
function guardedKeylog(keylog: TransportOptions['keylog']): TransportOptions['keylog'] {
  return keylog && (line => guarded('writing the key log', () => keylog(line)))
}
