import type { SecureContext } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { asTransportError, TransportError } from '../../base/errors.ts'
import { type Endpoint, formatEndpoint, type Resolution, type Resolver } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { ProxyServer } from '../../base/options/egress-options.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { TunnelTarget } from '../../connect/proxy/connect-codec.ts'
import { openTunnel } from '../../connect/proxy/open-tunnel.ts'
import { isProxyFault } from '../../connect/proxy/proxy-error.ts'
import { orderAddresses } from '../../connect/tcp/dial-race.ts'
import type { Tunnels } from '../../connect/tcp/dial-request.ts'
import type { KnownFact } from '../../select/evidence/evidence.ts'
import { EgressCounts, type EgressFigures } from './egress-counts.ts'
import { EgressRotation } from './egress-rotation.ts'
import type { ProxyEgress } from './egress-settings.ts'

/** A tunnel through a proxy that carries many of them over one connection. */
export interface PooledTunnelRequest {
  readonly egress: ProxyEgress
  readonly proxy: ProxyServer & { readonly kind: 'h2' | 'h3' }
  readonly target: TunnelTarget
  /** For all of it, in ms. 0: no limit. */
  readonly timeoutMs: number
}

export interface ProxiedRouteParts {
  readonly origin: Origin
  readonly egress: ProxyEgress
  /** Of the origin's own addresses, for proxies that get addresses. */
  readonly ownResolver: Resolver
  /** Of the addresses of a proxy. */
  readonly resolverOf: (proxy: ProxyServer) => Resolver
  /** For `https` proxies. */
  readonly context: () => SecureContext
  /** Through a proxy that carries many tunnels over one connection. */
  readonly openPooledTunnel: (request: PooledTunnelRequest, signal: AbortSignal) => Promise<StreamSocket>
  readonly clock: Clock
  readonly random: () => number
  readonly timeoutMs: number
}

/** Of one dial: that many proxies are tried, and that many addresses of each. */
const MAX_PROXIES_PER_DIAL = 3
const MAX_ADDRESSES = 2
const ATTEMPT_DELAY_MS = 2_000
/** Of an origin that this machine resolves: each costs another connection to the proxy. */
const MAX_TARGETS = 4

/**
 * How one origin is reached through the proxies of its egress. It takes the place of the origin's resolver,
 * so that a dial goes to the proxies, in the order of their rotation, and asks here for the tunnels.
 */
export class ProxiedRoute implements Resolver, Tunnels {
  readonly #parts: ProxiedRouteParts
  readonly #rotation: EgressRotation
  readonly #counts: EgressCounts
  /** By formatEndpoint(): what stands at an address. Bounded: the last resolution of each proxy. */
  readonly #proxies = new Map<string, number>()
  #last: number | undefined
  #changes = 0

  constructor(parts: ProxiedRouteParts) {
    this.#parts = parts
    this.#last = undefined
    const { proxies, stickyMs } = parts.egress
    this.#rotation = new EgressRotation({ count: proxies.length, stickyMs })
    this.#counts = new EgressCounts(proxies.map(({ name }) => name))
  }

  /** Until the next proxy is tried beside one that has not answered: a tunnel takes longer than a connect. */
  readonly attemptDelayMs = ATTEMPT_DELAY_MS

  get egress(): string {
    return this.#parts.egress.name
  }

  /** Connections that went through another proxy than the one before. */
  get changes(): number {
    return this.#changes
  }

  /** The addresses of the proxies that come next. Rejects where none of them has any. */
  async resolve(_host: string, signal: AbortSignal): Promise<Resolution> {
    const { egress, resolverOf, clock, random } = this.#parts
    const next = this.#rotation.order(clock.now(), random).slice(0, MAX_PROXIES_PER_DIAL)
    const found = await Promise.allSettled(
      next.map(async index => {
        const proxy = egress.proxies[index]
        if (proxy === undefined) return []
        const { addresses } = await resolverOf(proxy).resolve(proxy.host, signal)
        // Over its addresses the connection that is shared has a race of its own.
        return orderAddresses(addresses)
          .slice(0, isPooled(proxy) ? 1 : MAX_ADDRESSES)
          .map(({ address, family }) => ({ address, family, port: proxy.port, index }))
      }),
    )
    const places = found.flatMap(one => (one.status === 'fulfilled' ? one.value : []))
    if (places.length === 0) {
      const [first] = found.flatMap(one => (one.status === 'rejected' ? [one.reason] : []))
      const { code, message } = asTransportError(first, 'MM_DNS_FAILED', 'no')
      throw new TransportError(code, `no proxy of egress ${egress.name} has an address: ${message}`)
    }
    // Several may stand at one address, with other credentials: the first is meant.
    for (const { index, ...place } of places.toReversed())
      this.#remember({ ...place, transport: 'tcp' }, index)
    const unique = new Map(
      places.map(({ address, family, port }) => [`${address} ${port}`, { address, family, port }]),
    )
    // As the operator's endpoints: their order stays, and a rotation drains no connection.
    return { addresses: [...unique.values()], source: 'endpoints' }
  }

  async open(endpoint: Endpoint, signal: AbortSignal): Promise<StreamSocket> {
    const { egress, clock, random } = this.#parts
    const index = this.#proxies.get(formatEndpoint(endpoint))
    const proxy = index === undefined ? undefined : egress.proxies[index]
    if (index === undefined || proxy === undefined)
      throw new TransportError('MM_INTERNAL', `no proxy is known at ${formatEndpoint(endpoint)}`)
    try {
      const socket = await this.#openThrough(proxy, endpoint, signal)
      this.#rotation.onConnected(index, clock.now(), random)
      this.#counts.onOpened(index)
      if (this.#last !== undefined && this.#last !== index) this.#changes += 1
      this.#last = index
      return socket
    } catch (error) {
      // One that was overtaken has done nothing wrong.
      if (!signal.aborted && error instanceof TransportError) {
        this.#counts.onFailed(index, error.code)
        if (isProxyFault(error)) this.#rotation.onFailed(index, clock.now(), random)
      }
      throw error
    }
  }

  /** One tunnel, to the origin's name, or to its addresses until one is reached. */
  async #openThrough(proxy: ProxyServer, endpoint: Endpoint, signal: AbortSignal): Promise<StreamSocket> {
    const { egress, origin, ownResolver, context, clock, timeoutMs, openPooledTunnel } = this.#parts
    if (isPooled(proxy)) return await openPooledTunnel({ egress, proxy, target: origin, timeoutMs }, signal)
    const tunnel = (host: string, port: number): Promise<StreamSocket> =>
      openTunnel(
        {
          proxy,
          endpoint,
          target: { host, port },
          context: proxy.isSecure ? context() : undefined,
          clock,
          timeoutMs,
        },
        signal,
      )
    if (proxy.resolvesNames) return await tunnel(origin.host, origin.port)
    const { addresses } = await ownResolver.resolve(origin.host, signal)
    let last: unknown
    for (const { address, port = origin.port } of orderAddresses(addresses).slice(0, MAX_TARGETS)) {
      try {
        return await tunnel(address, port)
      } catch (error) {
        last = error
        if (signal.aborted || (error instanceof TransportError && isProxyFault(error))) break
      }
    }
    throw last
  }

  isShared(endpoint: Endpoint): boolean {
    const proxy = this.#parts.egress.proxies[this.#proxies.get(formatEndpoint(endpoint)) ?? -1]
    return proxy !== undefined && isPooled(proxy)
  }

  describe(endpoint: Endpoint): string {
    return `${this.#parts.origin.host} through ${this.nameOf(endpoint)}`
  }

  /** `the proxy http://proxy.example:3128 of egress partner`. */
  nameOf(endpoint: Endpoint): string {
    const { proxies, name } = this.#parts.egress
    const proxy = proxies[this.#proxies.get(formatEndpoint(endpoint)) ?? -1]
    return `the proxy ${proxy?.name ?? formatEndpoint(endpoint)} of egress ${name}`
  }

  /** For `explain`. */
  facts(now: number): KnownFact[] {
    const { proxies, name } = this.#parts.egress
    const current = this.#rotation.current(now)
    const chosen = current && proxies[current.index]
    const leftMs = current?.leftMs ?? 0
    const until = Number.isFinite(leftMs)
      ? `for ${Math.round(leftMs / 1000)} s more, or until it fails`
      : 'until it fails'
    return [
      chosen === undefined
        ? {
            fact: `connections leave through egress ${name}`,
            evidence: `${proxies.length} proxies, none chosen yet`,
          }
        : { fact: `connections leave through ${chosen.name} (egress ${name})`, evidence: until },
      ...proxies.flatMap((proxy, index) => {
        const backoff = this.#rotation.backoff(index, now)
        if (backoff === undefined) return []
        const evidence = `failed ${backoff.failures} times, is left alone for ${Math.round(backoff.leftMs / 1000)} s more`
        return [{ fact: `the proxy ${proxy.name} fails`, evidence }]
      }),
    ]
  }

  figures(now: number): EgressFigures {
    const { name } = this.#parts.egress
    return { name, kind: 'proxies', members: this.#counts.figures(this.#rotation, now) }
  }

  #remember(endpoint: Endpoint, index: number): void {
    const key = formatEndpoint(endpoint)
    this.#proxies.delete(key)
    this.#proxies.set(key, index)
    const bound = 4 * MAX_ADDRESSES * this.#parts.egress.proxies.length
    const first = this.#proxies.keys().next()
    if (this.#proxies.size > bound && first.done !== true) this.#proxies.delete(first.value)
  }
}

function isPooled(proxy: ProxyServer): proxy is PooledTunnelRequest['proxy'] {
  return proxy.kind === 'h2' || proxy.kind === 'h3'
}
