import type { Registry } from 'prom-client'
import type { TransportStats } from '../../index.ts'
import { perPool } from './pool-metrics.ts'

/**
 * What bounds the requests of each origin, and what was turned away. `configured` names each origin key.
 */
export function registerAdmissionMetrics(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): void {
  const perOrigin = perPool(registry, configured, stats)
  perOrigin(
    'gauge',
    'middlemile_breaker_used',
    'By the breaker: what holds a place now; only of breakers with a limit',
    ({ breakers }, labels) =>
      Object.entries(breakers).flatMap(([breaker, { limit, used }]) =>
        limit === 0 ? [] : [{ labels: { ...labels, breaker }, value: used }],
      ),
  )
  perOrigin(
    'counter',
    'middlemile_breaker_refused_total',
    'By the breaker: requests, or replays, that it turned away; only of breakers with a limit',
    ({ breakers }, labels) =>
      Object.entries(breakers).flatMap(([breaker, { limit, refused }]) =>
        limit === 0 ? [] : [{ labels: { ...labels, breaker }, value: refused }],
      ),
  )
  perOrigin(
    'gauge',
    'middlemile_concurrency_limit',
    'Requests that an origin bears at a time by its latency; none while concurrency.limit is off',
    ({ concurrency }, labels) => (concurrency === undefined ? [] : [{ labels, value: concurrency.limit }]),
  )
  perOrigin(
    'counter',
    'middlemile_concurrency_refused_total',
    'Requests above that limit; none while concurrency.limit is off',
    ({ concurrency }, labels) => (concurrency === undefined ? [] : [{ labels, value: concurrency.refused }]),
  )
  perOrigin(
    'gauge',
    'middlemile_retry_budget_left',
    'Replays that the retry budget of an origin allows now',
    ({ retryBudget }, labels) => [{ labels, value: retryBudget.left }],
  )
  perOrigin(
    'counter',
    'middlemile_retry_budget_refused_total',
    'Replays that were not made since the retry budget was empty',
    ({ retryBudget }, labels) => [{ labels, value: retryBudget.refused }],
  )
  perOrigin(
    'counter',
    'middlemile_hedges_total',
    'By the outcome (won, lost, failed): second copies of slow requests; none while hedge is off',
    ({ hedging }, labels) =>
      Object.entries(hedging?.outcomes ?? {}).map(([outcome, value]) => ({
        labels: { ...labels, outcome },
        value,
      })),
  )
}
