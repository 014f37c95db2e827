import { isDeepStrictEqual } from 'node:util'
import { guardedPromise } from '../../base/guard.ts'
import type { Clock } from '../../entry/events.ts'
import {
  type ErrorCode,
  type Explanation,
  type PoolStats,
  parseOrigin,
  type Transport,
  type TransportOptions,
} from '../../index.ts'
import type { RouteSettings } from '../config/service-settings.ts'
import { AllowList } from './allow-list.ts'
import { ForwardProxy, type ForwardProxyReports } from './forward-proxy.ts'
import type { ForwardSettings } from './proxy-settings.ts'
import type { TunnelOutcome } from './proxy-tunnel.ts'
import type { UdpCounts } from './tunnel-ends.ts'

/** As `GET /pools` shows it. */
export function proxyPage({ tunnelOutcomes, refusals, ...status }: ForwardProxyStatus) {
  return {
    ...status,
    tunnelOutcomes: Object.fromEntries(tunnelOutcomes),
    refusals: Object.fromEntries(refusals),
  }
}

/** What their transports are made of, beside their own settings. */
export type SharedOptions = Pick<TransportOptions, 'limits' | 'resolve'>

interface ForwardProxiesParts {
  readonly clock: Clock
  /** Throws MM_INVALID_ARGUMENT for options that make no sense. */
  readonly makeTransport: (route: string, settings: ForwardSettings, shared: SharedOptions) => Transport
  readonly reportsOf: (route: string) => ForwardProxyReports
}

/** How a forward proxy stands. */
export interface ForwardProxyStatus {
  readonly route: string
  readonly totalConnections: number
  readonly tunnels: number
  readonly maxTunnels: number
  readonly maxOrigins: number
  /** Those of the tunnels that are for UDP. */
  readonly udpTunnels: number
  /** Datagrams of these, so far. */
  readonly datagrams: Readonly<UdpCounts>
  readonly tunnelOutcomes: ReadonlyMap<TunnelOutcome, number>
  readonly refusals: ReadonlyMap<ErrorCode, number>
  readonly pools: readonly PoolStats[]
}

/**
 * The forward proxies of a configuration, by route. One whose settings a reload leaves as they are keeps its
 * connections; of another one the requests that are under way end with the transport that they began with.
 */
export class ForwardProxies {
  readonly #parts: ForwardProxiesParts
  /** Of proxies that a reload has put out of use, until their last exchange has ended. */
  readonly #leaving = new Set<Transport>()
  #proxies: ReadonlyMap<string, ForwardProxy> = new Map()
  #shared: SharedOptions = {}

  constructor(parts: ForwardProxiesParts) {
    this.#parts = parts
  }

  /** Undefined: the route is none. */
  of(route: string): ForwardProxy | undefined {
    return this.#proxies.get(route)
  }

  /** One of them takes tunnels of UDP. */
  get takeUdp(): boolean {
    for (const { takesUdp } of this.#proxies.values()) if (takesUdp) return true
    return false
  }

  /**
   * Makes those of other routes. Nothing holds before it is committed. Throws MM_INVALID_ARGUMENT for
   * options that make no sense.
   */
  prepare(
    routes: readonly RouteSettings[],
    shared: SharedOptions,
  ): { readonly commit: () => void; readonly discard: () => void } {
    const { clock, makeTransport, reportsOf } = this.#parts
    const next = new Map<string, ForwardProxy>()
    const made: Transport[] = []
    const discard = (): void => {
      for (const transport of made) guardedPromise('closing a forward proxy', transport.close())
    }
    const isSameWorld = isDeepStrictEqual(shared, this.#shared)
    try {
      for (const { name, action } of routes) {
        const settings = action.forward
        if (settings === undefined || next.has(name)) continue
        const known = this.#proxies.get(name)
        if (known !== undefined && isSameWorld && isDeepStrictEqual(known.settings, settings)) {
          next.set(name, known)
          continue
        }
        const transport = makeTransport(name, settings, shared)
        made.push(transport)
        next.set(
          name,
          new ForwardProxy({ route: name, settings, transport, clock, reports: reportsOf(name) }),
        )
      }
    } catch (error) {
      discard()
      throw error
    }
    const commit = (): void => {
      const before = this.#proxies
      this.#proxies = next
      this.#shared = shared
      for (const [name, { transport }] of before)
        if (next.get(name)?.transport !== transport) this.#retire(transport)
    }
    return { commit, discard }
  }

  statuses(): ForwardProxyStatus[] {
    return Array.from(this.#proxies.values(), proxy => {
      const { pools, totalConnections } = proxy.transport.stats()
      const { route, tunnels, udpTunnels, tunnelOutcomes, refusals, settings } = proxy
      const { maxTunnels, maxOrigins } = settings
      const datagrams = { ...proxy.udpCounts }
      return {
        route,
        totalConnections,
        tunnels,
        udpTunnels,
        maxTunnels,
        maxOrigins,
        datagrams,
        tunnelOutcomes,
        refusals,
        pools,
      }
    })
  }

  /**
   * What would be tried for an origin, given by its URL, that one of the proxies lets through. Undefined:
   * none does.
   */
  async explain(url: string): Promise<Explanation | undefined> {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) return undefined
    const origin = parseOrigin(url)
    const proxy = [...this.#proxies.values()].find(({ settings: { allow } }) =>
      new AllowList(allow).has(origin.scheme, origin),
    )
    return await proxy?.transport.explain(origin.key)
  }

  async drain(): Promise<void> {
    await Promise.all(this.#transports().map(transport => transport.drain()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#transports().map(transport => transport.close()))
  }

  #transports(): Transport[] {
    return [...Array.from(this.#proxies.values(), ({ transport }) => transport), ...this.#leaving]
  }

  #retire(transport: Transport): void {
    this.#leaving.add(transport)
    const drained = transport.drain().then(() => this.#leaving.delete(transport))
    guardedPromise('the end of a forward proxy', drained)
  }
}
