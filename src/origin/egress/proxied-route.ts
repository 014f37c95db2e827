import type { SecureContext } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { asTransportError, TransportError } from '../../base/errors.ts'
import { type Endpoint, formatEndpoint, type Resolution, type Resolver } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { ProxyServer } from '../../base/options/egress-options.ts'
import type { DatagramTunnel } from '../../base/socket/datagram-tunnel.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { TunnelTarget } from '../../connect/proxy/connect-codec.ts'
import { openTunnel } from '../../connect/proxy/open-tunnel.ts'
import { isProxyFault } from '../../connect/proxy/proxy-error.ts'
import { orderAddresses } from '../../connect/tcp/dial-race.ts'
import type { Tunnels } from '../../connect/tcp/dial-request.ts'
import type { DatagramTunnels } from '../../quic/dial.ts'
import type { KnownFact } from '../../select/evidence/evidence.ts'
import { EgressCounts, type EgressFigures } from './egress-counts.ts'
import { EgressRotation } from './egress-rotation.ts'
import { isPooled, type ProxyEgress } from './egress-settings.ts'

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
  /** The same for UDP (RFC 9298). Rejects with MM_PROXY_REFUSED where the proxy takes none. */
  readonly openPooledUdp: (request: PooledTunnelRequest, signal: AbortSignal) => Promise<DatagramTunnel>
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
/** How long a proxy that takes no tunnels for UDP is not asked for them again. */
const UDP_REFUSAL_MS = 600_000

interface UdpRefusal {
  readonly because: string
  readonly untilMs: number
}

/**
 * How one origin is reached through the proxies of its egress. It takes the place of the origin's resolver,
 * so that a dial goes to the proxies, in the order of their rotation, and asks here for the tunnels.
 */
export class ProxiedRoute implements Resolver, Tunnels {
  readonly #parts: ProxiedRouteParts
  readonly #rotation: EgressRotation
  readonly #counts: EgressCounts
  /** By placeOf(): what stands at an address. Bounded: the last resolution of each proxy. */
  readonly #proxies = new Map<string, number>()
  /** Of proxies that have refused tunnels for UDP to this origin. */
  readonly #udpRefusals = new Map<number, UdpRefusal>()
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
    const { clock, random } = this.#parts
    return await this.#resolveProxies(this.#rotation.order(clock.now(), random), 'tcp', signal)
  }

  /**
   * The same for QUIC. Proxies that have refused tunnels for UDP are left out, unless all have: who comes
   * then has no other protocol.
   */
  async resolveForUdp(signal: AbortSignal): Promise<Resolution> {
    const { egress, clock, random } = this.#parts
    const now = clock.now()
    const capable = this.#rotation.order(now, random).filter(index => this.#mayTakeUdp(index))
    if (capable.length === 0)
      throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `no proxy of egress ${egress.name} carries UDP`)
    const willing = capable.filter(index => this.#udpRefusal(index, now) === undefined)
    return await this.#resolveProxies(willing.length > 0 ? willing : capable, 'udp', signal)
  }

  /** Why HTTP/3 is not tried through the proxies. Undefined: it is. */
  udpFault(now: number): string | undefined {
    const { egress } = this.#parts
    const capable = egress.proxies.flatMap((_, index) => (this.#mayTakeUdp(index) ? [index] : []))
    if (capable.length === 0) return `not tried: egress ${egress.name} has no h2 or h3 proxy to carry UDP`
    const refusals = capable.map(index => this.#udpRefusal(index, now))
    return refusals.includes(undefined) ? undefined : `not tried: ${refusals[0]?.because}`
  }

  /** What a dial over QUIC goes through, to where the origin or an alternative of it is. */
  tunnelsTo(target: TunnelTarget): DatagramTunnels & { readonly egress: string } {
    return {
      egress: this.egress,
      open: (endpoint, signal) =>
        this.#opened(endpoint, signal, proxy => this.#openUdp(proxy, endpoint, target, signal)),
      nameOf: endpoint => this.nameOf(endpoint),
    }
  }

  async #resolveProxies(
    order: readonly number[],
    transport: Endpoint['transport'],
    signal: AbortSignal,
  ): Promise<Resolution> {
    const { egress, resolverOf } = this.#parts
    const next = order.slice(0, MAX_PROXIES_PER_DIAL)
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
    for (const { index, ...place } of places.toReversed()) this.#remember({ ...place, transport }, index)
    const unique = new Map(
      places.map(({ address, family, port }) => [`${address} ${port}`, { address, family, port }]),
    )
    // As the operator's endpoints: their order stays, and a rotation drains no connection.
    return { addresses: [...unique.values()], source: 'endpoints' }
  }

  async open(endpoint: Endpoint, signal: AbortSignal): Promise<StreamSocket> {
    return await this.#opened(endpoint, signal, proxy => this.#openThrough(proxy, endpoint, signal))
  }

  /** What `open` opens through the proxy that stands there, and what becomes of the proxy by it. */
  async #opened<T>(
    endpoint: Endpoint,
    signal: AbortSignal,
    open: (proxy: ProxyServer) => Promise<T>,
  ): Promise<T> {
    const { egress, clock, random } = this.#parts
    const index = this.#proxies.get(placeOf(endpoint))
    const proxy = index === undefined ? undefined : egress.proxies[index]
    if (index === undefined || proxy === undefined)
      throw new TransportError('MM_INTERNAL', `no proxy is known at ${formatEndpoint(endpoint)}`)
    try {
      const tunnel = await open(proxy)
      this.#rotation.onConnected(index, clock.now(), random)
      this.#counts.onOpened(index, endpoint.transport === 'udp')
      if (this.#last !== undefined && this.#last !== index) this.#changes += 1
      this.#last = index
      return tunnel
    } catch (error) {
      // One that was overtaken has done nothing wrong.
      if (!signal.aborted && error instanceof TransportError) {
        this.#counts.onFailed(index, error.code)
        if (isProxyFault(error)) this.#rotation.onFailed(index, clock.now(), random)
      }
      throw error
    }
  }

  async #openUdp(
    proxy: ProxyServer,
    endpoint: Endpoint,
    target: TunnelTarget,
    signal: AbortSignal,
  ): Promise<DatagramTunnel> {
    const { egress, clock, timeoutMs, openPooledUdp } = this.#parts
    const index = this.#proxies.get(placeOf(endpoint))
    if (index === undefined || !isPooled(proxy))
      throw new TransportError('MM_INTERNAL', `${proxy.name} carries no UDP`)
    try {
      const tunnel = await openPooledUdp({ egress, proxy, target, timeoutMs }, signal)
      this.#udpRefusals.delete(index)
      return tunnel
    } catch (error) {
      if (error instanceof TransportError && error.code === 'MM_PROXY_REFUSED')
        this.#udpRefusals.set(index, { because: error.message, untilMs: clock.now() + UDP_REFUSAL_MS })
      throw error
    }
  }

  #mayTakeUdp(index: number): boolean {
    const proxy = this.#parts.egress.proxies[index]
    return proxy !== undefined && isPooled(proxy)
  }

  #udpRefusal(index: number, now: number): UdpRefusal | undefined {
    const refusal = this.#udpRefusals.get(index)
    return refusal !== undefined && now < refusal.untilMs ? refusal : undefined
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
    const proxy = this.#parts.egress.proxies[this.#proxies.get(placeOf(endpoint)) ?? -1]
    return proxy !== undefined && isPooled(proxy)
  }

  describe(endpoint: Endpoint): string {
    return `${this.#parts.origin.host} through ${this.nameOf(endpoint)}`
  }

  /** `the proxy http://proxy.example:3128 of egress partner`. */
  nameOf(endpoint: Endpoint): string {
    const { proxies, name } = this.#parts.egress
    const proxy = proxies[this.#proxies.get(placeOf(endpoint)) ?? -1]
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
      ...proxies.flatMap((proxy, index) => {
        const refusal = this.#udpRefusal(index, now)
        if (refusal === undefined) return []
        const evidence = `${refusal.because}; asked again in ${Math.ceil((refusal.untilMs - now) / 1000)} s`
        return [{ fact: `the proxy ${proxy.name} carries no UDP for this origin`, evidence }]
      }),
    ]
  }

  figures(now: number): EgressFigures {
    const { name } = this.#parts.egress
    return { name, kind: 'proxies', members: this.#counts.figures(this.#rotation, now) }
  }

  #remember(endpoint: Endpoint, index: number): void {
    const key = placeOf(endpoint)
    this.#proxies.delete(key)
    this.#proxies.set(key, index)
    const bound = 8 * MAX_ADDRESSES * this.#parts.egress.proxies.length
    const first = this.#proxies.keys().next()
    if (this.#proxies.size > bound && first.done !== true) this.#proxies.delete(first.value)
  }
}

/** One proxy may stand at a port of TCP, and another one at the same of UDP. */
function placeOf(endpoint: Endpoint): string {
  return `${endpoint.transport} ${formatEndpoint(endpoint)}`
}
