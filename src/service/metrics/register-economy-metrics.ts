import type { Registry } from 'prom-client'
import { REUSE_CAUSES } from '../../entry/events.ts'
import type { TransportStats } from '../../index.ts'
import { perPool } from './pool-metrics.ts'

const HINT_OUTCOMES = ['opened', 'warm', 'paced', 'limited', 'refused'] as const

/** How few connections carry the requests, and what that costs. `configured`: the origin keys. */
export function registerEconomyMetrics(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): void {
  const perOrigin = perPool(registry, configured, stats)
  perOrigin(
    'gauge',
    'middlemile_idle_horizon_seconds',
    'How long an origin keeps idle connections, as far as its closes have shown it; none while that is not known',
    ({ idleHorizon: { keptMs } }, labels) => (keptMs === undefined ? [] : [{ labels, value: keptMs / 1000 }]),
  )
  perOrigin(
    'counter',
    'middlemile_reuse_races_total',
    'Requests that came when the origin was about to end the next connection; avoided: they got another one; lost: they met its end',
    ({ idleHorizon }, labels) => [
      { labels: { ...labels, outcome: 'avoided' }, value: idleHorizon.racesAvoided },
      { labels: { ...labels, outcome: 'lost' }, value: idleHorizon.racesLost },
    ],
  )
  perOrigin(
    'counter',
    'middlemile_preconnect_hints_total',
    'Hints to preconnect (Link, 103) in responses of other origins that named the origin, by what became of them',
    ({ hints }, labels) =>
      HINT_OUTCOMES.map(outcome => ({ labels: { ...labels, outcome }, value: hints[outcome] })),
  )
  perOrigin(
    'gauge',
    'middlemile_objective_missed',
    'By the top cause: 1 while the reuse of an origin is below its objective, 0 else',
    ({ objective }, labels) =>
      objective.state === 'off'
        ? []
        : REUSE_CAUSES.map(cause => ({
            labels: { ...labels, cause },
            value: objective.state === 'missed' && objective.cause === cause ? 1 : 0,
          })),
  )
  perOrigin(
    'gauge',
    'middlemile_reuse_rate',
    '1 - connections made / requests, over the last minute and the last hour; none without requests',
    ({ economy }, labels) =>
      [
        { window: '1m', value: economy.lastMinute.reuseRate },
        { window: '1h', value: economy.lastHour.reuseRate },
      ].flatMap(({ window, value }) =>
        value === undefined ? [] : [{ labels: { ...labels, window }, value }],
      ),
  )
  perOrigin(
    'gauge',
    'middlemile_connections_needed',
    'Connections that the demand of the last minute needs, with headroom (Little’s law); none where that is not known',
    ({ sizing: { needed } }, labels) => (needed === undefined ? [] : [{ labels, value: needed }]),
  )
  perOrigin(
    'gauge',
    'middlemile_connections_level',
    'Connections that are kept ready: pool.warm, and with pool.headroom what the demand needs',
    ({ sizing: { level } }, labels) => [{ labels, value: level }],
  )
}
