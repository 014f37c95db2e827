import type { Registry } from 'prom-client'
import type { TransportStats } from '../../index.ts'
import { registerScraped } from './metric-types.ts'

/** How the names of origins were resolved. */
export function registerResolverMetrics(registry: Registry, counts: () => TransportStats['resolver']): void {
  registerScraped(
    registry,
    'counter',
    'middlemile_dns_lookups_total',
    'Lookups of addresses, by outcome; answered: with addresses, or that there are none',
    () => {
      const { answered, failed } = counts()
      return [
        { labels: { outcome: 'answered' }, value: answered },
        { labels: { outcome: 'failed' }, value: failed },
      ]
    },
  )
  registerScraped(
    registry,
    'counter',
    'middlemile_dns_stale_answers_total',
    'Addresses that were used beyond their time, since no server gave an answer in time',
    () => [{ labels: {}, value: counts().stale }],
  )
}
