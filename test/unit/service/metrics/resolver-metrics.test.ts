import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { registerResolverMetrics } from '../../../../src/service/metrics/register-resolver-metrics.ts'

it('a scrape has what became of lookups of addresses', async () => {
  const registry = new Registry()
  registerResolverMetrics(registry, () => ({ answered: 5, failed: 2, stale: 3 }))
  const text = await registry.metrics()
  expect(text.split('\n').filter(line => line.startsWith('middlemile'))).toEqual([
    'middlemile_dns_lookups_total{outcome="answered"} 5',
    'middlemile_dns_lookups_total{outcome="failed"} 2',
    'middlemile_dns_stale_answers_total 3',
  ])
})
