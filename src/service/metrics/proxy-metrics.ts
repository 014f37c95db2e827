import type { Registry } from 'prom-client'
import type { ForwardProxyStatus } from '../forward-proxy/forward-proxies.ts'
import { registerScraped, type Sample } from './metric-types.ts'

/** No origin can be called so: all origins that the requests of one route name count under one label. */
export const PROXY_LABEL = 'forward:'

/** How forward proxies stand, by route. */
export function registerProxyMetrics(registry: Registry, proxies: () => readonly ForwardProxyStatus[]): void {
  const register = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    samples: (proxy: ForwardProxyStatus) => Sample[],
  ): void => registerScraped(registry, type, name, help, () => proxies().flatMap(samples))
  register(
    'gauge',
    'middlemile_forward_origins',
    'Origins that requests have named (forward of a route) and that have a pool now',
    ({ route, pools }) => [{ labels: { route }, value: pools.length }],
  )
  register(
    'gauge',
    'middlemile_forward_connections',
    'Connections to origins that requests have named',
    ({ route, totalConnections }) => [{ labels: { route }, value: totalConnections }],
  )
  register(
    'gauge',
    'middlemile_tunnels',
    'Tunnels (CONNECT, CONNECT-UDP) that are open, or are being opened',
    ({ route, tunnels }) => [{ labels: { route }, value: tunnels }],
  )
  register(
    'gauge',
    'middlemile_udp_tunnels',
    'Those of middlemile_tunnels that are for UDP (CONNECT-UDP)',
    ({ route, udpTunnels }) => [{ labels: { route }, value: udpTunnels }],
  )
  register(
    'counter',
    'middlemile_udp_tunnel_datagrams_total',
    'Datagrams that came for tunnels of UDP, from clients and from targets; dropped: those of them that there was no room for',
    ({ route, datagrams: { fromClient, fromTarget, dropped } }) => [
      { labels: { route, what: 'from_client' }, value: fromClient },
      { labels: { route, what: 'from_target' }, value: fromTarget },
      { labels: { route, what: 'dropped' }, value: dropped },
    ],
  )
  register(
    'counter',
    'middlemile_tunnels_total',
    'Tunnels by what became of them; idle: opened, and ended since nothing went through',
    ({ route, tunnelOutcomes }) =>
      Array.from(tunnelOutcomes, ([outcome, value]) => ({ labels: { route, outcome }, value })),
  )
  register(
    'counter',
    'middlemile_forward_refused_total',
    'Requests to a forward proxy that were refused before anything was dialed, by code',
    ({ route, refusals }) => Array.from(refusals, ([code, value]) => ({ labels: { route, code }, value })),
  )
}
