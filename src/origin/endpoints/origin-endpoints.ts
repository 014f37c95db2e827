import type { BalancedEndpoint } from '../../balance/balancer.ts'
import { EndpointBreakers } from '../../balance/endpoint-breakers.ts'
import { type AnswerScope, EndpointSet, type EndpointSetChange } from '../../balance/endpoint-set.ts'
import type { Clock } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import type { Connection } from '../../base/events/connection.ts'
import type { Observer } from '../../base/events/observer.ts'
import { formatEndpoint, type ResolvedAddress, type Resolver } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import { MAX_BALANCED_ENDPOINTS, parseEndpointName } from '../../base/options/balance-options.ts'
import { EndpointHealth } from '../../health/endpoint-health.ts'
import type { EjectionNews, HostNews, NewsPort } from '../../state/shares/host-news.ts'
import { RefusalNews } from '../admission/refusal-news.ts'
import type { OriginSettings } from '../origin-settings.ts'
import type { EndpointBalance } from './endpoint-balance.ts'
import { type EndpointNameFigures, NameWatch } from './name-watch.ts'

/** Who follows the endpoints: the pools of each lane, and the checks. */
export interface EndpointUser {
  setEndpoints(change: EndpointSetChange): void
}

export interface OriginEndpointsParts {
  readonly origin: Origin
  readonly settings: Pick<OriginSettings, 'outlier' | 'health' | 'breakers'>
  readonly balance: EndpointBalance
  readonly clock: Clock
  readonly random: () => number
  readonly observer: Observer
  /** Finds the addresses of one entry of the configuration, a host name. */
  readonly resolverOf: (name: string) => Resolver
  /** See ResolverOptions. */
  readonly dnsRefreshMs: number
  /** Undefined: no other process has endpoints in common with this one. */
  readonly news?: NewsPort | undefined
}

const CONFIGURED = 'the configuration was changed'

/** What is published of an endpoint, beside which one it is. */
type OwnNews = Omit<EjectionNews, 'origin' | 'endpoint'> | { readonly kind: 'readmitted' }

/**
 * The endpoints that requests of an origin are balanced over, and what is known of them over all lanes. Host
 * names among them are watched; what they bring, and what a new configuration says, goes to all who follow.
 */
export class OriginEndpoints {
  readonly health: EndpointHealth
  /** Undefined: they have no bounds of their own. */
  readonly breakers: EndpointBreakers | undefined
  /** The endpoint of each connection that was leased. */
  readonly homes = new WeakMap<Connection, number>()
  /** See BalancerParts: the same for all lanes. */
  readonly subsetSeed: number
  readonly #parts: OriginEndpointsParts
  readonly #set: EndpointSet
  readonly #users = new Set<EndpointUser>()
  readonly #watches = new Map<string, NameWatch>()
  #isClosed = false

  constructor(parts: OriginEndpointsParts) {
    this.#parts = parts
    const { origin, settings, balance, clock, random, observer } = parts
    this.subsetSeed = Math.floor(random() * 2 ** 32)
    this.#set = new EndpointSet({
      perName: balance.options.maxAddressesPerName,
      total: MAX_BALANCED_ENDPOINTS,
    })
    this.health = new EndpointHealth(
      {
        outlier: settings.outlier,
        checks: settings.health,
        random,
        onChange: ({ index, standing, because }) => {
          const endpoint = this.#addressOf(index)
          observer({ type: 'endpoint-health', origin, endpoint, standing, because })
        },
        onEjected: (index, because, forMs) => this.#publish(index, { kind: 'ejected', because, forMs }),
        onReadmitted: index => this.#publish(index, { kind: 'readmitted' }),
      },
      clock.now(),
    )
    const news = new RefusalNews((by, limit) => observer({ type: 'requests-refused', origin, by, limit }))
    this.breakers = EndpointBreakers.of({
      options: settings.breakers,
      onRefused: (by, limit) => news.onRefused(`endpoint-${by}`, limit, clock.now()),
    })
    this.#configure(balance)
    this.#add(this.list)
  }

  /** Those of now, in the order of the configuration. */
  get list(): readonly BalancedEndpoint[] {
    return this.#set.endpoints
  }

  /** Some of them have to be found out, so that there may be none yet. */
  get hasNames(): boolean {
    return this.#watches.size > 0
  }

  /** It is notified of every change from now on. */
  add(user: EndpointUser): void {
    this.#users.add(user)
  }

  /** Looks the names up, and watches them from now on. */
  watch(): void {
    for (const watch of this.#watches.values()) watch.refresh()
  }

  /** Another list of endpoints. What is known of those that stay, and of names that stay, is kept. */
  configure(balance: EndpointBalance): void {
    this.#changed(this.#configure(balance), CONFIGURED)
    this.watch()
  }

  /** Resolves when there is one. Rejects when no name has an address. */
  async whenKnown(): Promise<void> {
    while (this.list.length === 0) {
      const watches = [...this.#watches.values()]
      const asked = await Promise.allSettled(watches.map(watch => watch.ask()))
      if (this.list.length > 0) return
      // Others may have been configured meanwhile.
      if (Array.from(this.#watches.values()).some(watch => !watches.includes(watch))) continue
      const failed = asked.find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw failed.reason
      throw new TransportError('MM_DNS_FAILED', `no endpoint of ${this.#parts.origin.key} has an address`)
    }
  }

  /** Of another process of the host. */
  onNews(news: Exclude<HostNews, { kind: 'record' }>): void {
    const endpoint = this.list.find(({ address }) => address === news.endpoint)
    if (endpoint === undefined || this.#isClosed) return
    if (news.kind === 'ejected') this.#eject(endpoint, news)
    else this.health.onReadmittedElsewhere(endpoint.index, this.#parts.clock.now())
  }

  /** Answers may be others from now on. */
  onNetworkChanged(): void {
    if (!this.#isClosed) this.watch()
  }

  names(now: number): EndpointNameFigures[] {
    return Array.from(this.#watches, ([name, watch]) => ({
      name,
      ...this.#set.figures(name),
      ...watch.lookups(now),
    }))
  }

  close(): void {
    this.#isClosed = true
    for (const watch of this.#watches.values()) watch.close()
  }

  /** They are healthy, but for those of which another process has found that they are not. */
  #add(endpoints: readonly BalancedEndpoint[]): void {
    const { news, origin } = this.#parts
    for (const { index } of endpoints) this.health.add(index)
    for (const lasting of news?.ejections(origin.key) ?? []) {
      const endpoint = endpoints.find(({ address }) => address === lasting.endpoint)
      if (endpoint !== undefined) this.#eject(endpoint, lasting)
    }
  }

  #eject({ index }: BalancedEndpoint, { because, forMs }: EjectionNews): void {
    this.health.onEjectedElsewhere(index, `another process: ${because}`, forMs, this.#parts.clock.now())
  }

  #publish(index: number, news: OwnNews): void {
    const { origin, news: port } = this.#parts
    port?.publish({ ...news, origin: origin.key, endpoint: this.#addressOf(index) })
  }

  #addressOf(index: number): string {
    return this.list.find(one => one.index === index)?.address ?? ''
  }

  #configure({ entries, options }: EndpointBalance): EndpointSetChange | undefined {
    const change = this.#set.configure(entries, options.maxAddressesPerName)
    const { names } = this.#set
    for (const [name, watch] of this.#watches) {
      if (names.includes(name)) continue
      watch.close()
      this.#watches.delete(name)
    }
    for (const name of names) if (!this.#watches.has(name)) this.#watches.set(name, this.#watchOf(name))
    return change
  }

  #watchOf(name: string): NameWatch {
    const { resolverOf, clock, dnsRefreshMs } = this.#parts
    return new NameWatch({
      name,
      // Fixed addresses may change with the configuration.
      resolver: { resolve: (host, signal) => resolverOf(name).resolve(host, signal) },
      clock,
      refreshMs: dnsRefreshMs,
      onAnswer: (addresses, scope, source) => this.#onAnswer(name, addresses, scope, source),
    })
  }

  #onAnswer(name: string, addresses: readonly ResolvedAddress[], scope: AnswerScope, source: string): void {
    if (this.#isClosed) return
    const port = parseEndpointName(name)?.port
    const places = addresses.map(one => ({
      address: port === undefined && one.port === undefined ? one.address : this.#format(one, port),
      key: this.#format(one, port),
      family: one.family,
    }))
    this.#changed(this.#set.onAnswer(name, places, scope), `the addresses of ${name} (${source})`)
  }

  #format({ address, family, port }: ResolvedAddress, own: number | undefined): string {
    const at = port ?? own ?? this.#parts.origin.port
    return formatEndpoint({ address, family, port: at, transport: 'tcp' })
  }

  #changed(change: EndpointSetChange | undefined, because: string): void {
    if (change === undefined) return
    this.#add(change.added)
    for (const user of this.#users) user.setEndpoints(change)
    for (const { index } of change.removed) {
      this.health.remove(index)
      this.breakers?.remove(index)
    }
    const { origin, observer } = this.#parts
    const added = change.added.map(({ address }) => address)
    const removed = change.removed.map(({ address }) => address)
    observer({ type: 'endpoints-changed', origin, added, removed, because })
  }
}
