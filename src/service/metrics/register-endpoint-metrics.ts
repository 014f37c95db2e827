import type { Registry } from 'prom-client'
import type { TransportStats } from '../../index.ts'
import { type Labels, registerScraped } from './metric-types.ts'

type EndpointStats = NonNullable<TransportStats['pools'][number]['endpoints']>[number]

/**
 * How requests are spread over the endpoints of an origin. There are as many series as the configuration
 * names endpoints, times the lanes in use. `configured` names each origin key.
 */
export function registerEndpointMetrics(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): void {
  const perEndpoint = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    valueOf: (endpoint: EndpointStats) => number,
  ) =>
    registerScraped(registry, type, name, help, () => {
      const pools = new Map(stats().pools.map(pool => [pool.origin, pool]))
      return configured().flatMap(({ key, name: origin }) =>
        (pools.get(key)?.endpoints ?? []).map(endpoint => {
          const labels: Labels = { origin, endpoint: endpoint.address, lane: endpoint.lane }
          return { labels, value: valueOf(endpoint) }
        }),
      )
    })

  perEndpoint(
    'counter',
    'middlemile_endpoint_requests_total',
    'Requests that an endpoint of an origin was given, where they are balanced',
    ({ requests }) => requests,
  )
  perEndpoint(
    'gauge',
    'middlemile_endpoint_requests_under_way',
    'Requests that an endpoint carries or that wait for it',
    ({ underWay }) => underWay,
  )
  perEndpoint(
    'gauge',
    'middlemile_endpoint_up',
    '1 while an endpoint can be connected to, as far as is known; 0 after a failed connect, until one succeeds',
    ({ state }) => (state === 'up' ? 1 : 0),
  )
}
