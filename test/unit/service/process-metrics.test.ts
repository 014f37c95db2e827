import { describe, expect, it } from 'vitest'
import { newIngressStats } from '../../../src/ingress/ingress-stats.ts'
import { ServiceMetrics } from '../../../src/service/metrics/service-metrics.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'

describe('a scrape', () => {
  it('shows what the process has lived through', async () => {
    const ingress = newIngressStats()
    const metrics = new ServiceMetrics({
      transportStats: () => ({
        pools: [],
        leaving: [],
        totalConnections: 0,
        deferredDials: 0,
        resolver: { answered: 0, failed: 0, stale: 0 },
      }),
      ingressStats: () => [ingress],
      stallStats: () => ({ bufferedBytes: 0, bufferedResponses: 0, stalledReaders: 0, endedReaders: 0 }),
      dropped: () => ({ log: 3, qlog: 4 }),
    })
    metrics.faults.add('contained system')
    metrics.returnedMemoryBytes = 6
    ingress.accepting.pauses = 5
    ingress.accepting.isPaused = true
    ingress.accepting.limitedTurns = 6
    const page = parsePrometheusText(await metrics.registry.metrics())
    expect(page.sum('middlemile_faults_total', { kind: 'contained', cause: 'system' })).toBe(1)
    expect(page.sum('middlemile_faults_total', { kind: 'uncaught', cause: 'defect' })).toBe(0)
    expect(page.sum('middlemile_memory_returned_bytes_total')).toBe(6)
    expect(page.sum('middlemile_log_dropped_total', { to: 'log' })).toBe(3)
    expect(page.sum('middlemile_log_dropped_total', { to: 'qlog' })).toBe(4)
    expect(page.sum('middlemile_ingress_accept_pauses_total')).toBe(5)
    expect(page.sum('middlemile_ingress_paused')).toBe(1)
    expect(page.sum('middlemile_ingress_accept_limited_turns_total')).toBe(6)
  })
})
