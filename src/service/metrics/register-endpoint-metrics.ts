import type { Registry } from 'prom-client'
import type { TransportStats } from '../../index.ts'
import type { Labels, Sample } from './metric-types.ts'
import { perPool } from './pool-metrics.ts'

type PoolStats = TransportStats['pools'][number]
type EndpointStats = NonNullable<PoolStats['endpoints']>[number]
type EndpointName = NonNullable<PoolStats['endpointNames']>[number]

/**
 * How requests are spread over the endpoints of an origin. There are as many series as it has endpoints
 * (MAX_BALANCED_ENDPOINTS at the most), times the lanes in use; those that are gone have none. `configured`
 * names each origin key.
 */
export function registerEndpointMetrics(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): void {
  const perOrigin = perPool(registry, configured, stats)
  const perEndpoint = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    valueOf: (endpoint: EndpointStats) => number,
  ) =>
    perOrigin(type, name, help, (pool, { origin }) =>
      present(pool).map(endpoint => ({
        labels: { origin, endpoint: endpoint.address, lane: endpoint.lane },
        value: valueOf(endpoint),
      })),
    )
  /** Health is the same over all lanes: that of the first one. */
  const perHealth = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    samplesOf: (endpoint: EndpointStats, labels: Labels) => Sample[],
  ) =>
    perOrigin(type, name, help, (pool, { origin }) => {
      const endpoints = present(pool)
      return endpoints
        .filter(({ lane }) => lane === endpoints[0]?.lane)
        .flatMap(endpoint => samplesOf(endpoint, { origin, endpoint: endpoint.address }))
    })
  const perName = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    samplesOf: (figures: EndpointName, labels: Labels) => Sample[],
  ) =>
    perOrigin(type, name, help, ({ endpointNames = [] }, { origin }) =>
      endpointNames.flatMap(figures => samplesOf(figures, { origin, name: figures.name })),
    )

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
  perHealth(
    'counter',
    'middlemile_endpoint_passed_over_total',
    'Requests that went to another endpoint, or were refused, since a breaker of this one was full; only with such breakers',
    ({ breakers }, labels) => (breakers === undefined ? [] : [{ labels, value: breakers.passedOver }]),
  )
  perHealth(
    'gauge',
    'middlemile_endpoint_healthy',
    '1 while neither the checks of an endpoint nor what becomes of its requests speak against it',
    ({ health }, labels) => [{ labels, value: health === 'healthy' ? 1 : 0 }],
  )
  perHealth(
    'counter',
    'middlemile_endpoint_ejections_total',
    'By the reason: how often an endpoint was ejected',
    ({ ejections }, labels) =>
      Object.entries(ejections).map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
  )
  perHealth(
    'counter',
    'middlemile_endpoint_checks_total',
    'By the outcome (good, failed): active checks of an endpoint',
    ({ checks }, labels) =>
      checks === undefined
        ? []
        : [
            { labels: { ...labels, outcome: 'good' }, value: checks.made - checks.failed },
            { labels: { ...labels, outcome: 'failed' }, value: checks.failed },
          ],
  )
  perName(
    'gauge',
    'middlemile_endpoint_name_addresses',
    'Addresses of a host name among the endpoints of an origin that are endpoints now',
    ({ addresses }, labels) => [{ labels, value: addresses }],
  )
  perName(
    'gauge',
    'middlemile_endpoint_name_ignored_addresses',
    'Addresses of such a name that are no endpoints, for being more than balance.maxAddressesPerName',
    ({ ignored }, labels) => [{ labels, value: ignored }],
  )
  perName(
    'counter',
    'middlemile_endpoint_name_lookups_total',
    'By the outcome (answered, failed): lookups of such a name; where one fails, what was known stays',
    ({ answered, failed }, labels) => [
      { labels: { ...labels, outcome: 'answered' }, value: answered },
      { labels: { ...labels, outcome: 'failed' }, value: failed },
    ],
  )
}

/** Those that take requests. */
function present({ endpoints = [] }: Partial<PoolStats>): readonly EndpointStats[] {
  return endpoints.filter(({ state }) => state !== 'leaving')
}
