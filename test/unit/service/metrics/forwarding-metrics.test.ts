import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { registerForwardingMetrics } from '../../../../src/service/metrics/service-metrics.ts'
import { parsePrometheusText } from '../../../support/prometheus-text.ts'

it('a scrape shows what slow clients hold, and how many were ended', async () => {
  const registry = new Registry()
  registerForwardingMetrics(registry, () => ({
    bufferedBytes: 65_536,
    bufferedResponses: 7,
    stalledReaders: 3,
    endedReaders: 2,
  }))
  const page = parsePrometheusText(await registry.metrics())
  expect(page.sum('middlemile_buffered_response_bytes')).toBe(65_536)
  expect(page.sum('middlemile_buffered_responses_total')).toBe(7)
  expect(page.sum('middlemile_stalled_readers')).toBe(3)
  expect(page.sum('middlemile_stalled_readers_ended_total')).toBe(2)
})
