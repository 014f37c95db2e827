import type { Registry } from 'prom-client'
import type { PoolStats, TransportStats } from '../../index.ts'
import { type Labels, registerScraped, type Sample } from './metric-types.ts'

/** Registers a metric whose samples are made of the pool of each configured origin, where it has one. */
export type RegisterPerPool = (
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  samples: (pool: PoolStats, labels: Labels & { readonly origin: string }) => Sample[],
) => void

/** `configured` names each origin key. */
export function perPool(
  registry: Registry,
  configured: () => readonly { key: string; name: string }[],
  stats: () => TransportStats,
): RegisterPerPool {
  return (type, name, help, samples) =>
    registerScraped(registry, type, name, help, () => {
      const pools = new Map(stats().pools.map(pool => [pool.origin, pool]))
      return configured().flatMap(({ key, name: origin }) => {
        const pool = pools.get(key)
        return pool === undefined ? [] : samples(pool, { origin })
      })
    })
}
