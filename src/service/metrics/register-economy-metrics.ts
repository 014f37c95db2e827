import type { Registry } from 'prom-client'
import type { PoolStats, TransportStats } from '../../index.ts'
import { type Labels, registerScraped, type Sample } from './metric-types.ts'

/** How few connections carry the requests, and what stands against fewer. `configured` names each origin key. */
export function registerEconomyMetrics(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): void {
  const perOrigin = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    samples: (pool: PoolStats, labels: Labels) => Sample[],
  ) =>
    registerScraped(registry, type, `middlemile_${name}`, help, () => {
      const pools = new Map(stats().pools.map(pool => [pool.origin, pool]))
      return configured().flatMap(({ key, name: origin }) => {
        const pool = pools.get(key)
        return pool === undefined ? [] : samples(pool, { origin })
      })
    })

  perOrigin(
    'gauge',
    'idle_horizon_seconds',
    'How long an origin keeps idle connections, as far as its closes have shown it; none while that is not known',
    ({ idleHorizon: { keptMs } }, labels) => (keptMs === undefined ? [] : [{ labels, value: keptMs / 1000 }]),
  )
  perOrigin(
    'counter',
    'reuse_races_total',
    'Requests that came when the origin was about to end the next connection; avoided: they got another one; lost: they met its end',
    ({ idleHorizon }, labels) => [
      { labels: { ...labels, outcome: 'avoided' }, value: idleHorizon.racesAvoided },
      { labels: { ...labels, outcome: 'lost' }, value: idleHorizon.racesLost },
    ],
  )
}
