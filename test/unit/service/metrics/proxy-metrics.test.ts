import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { registerProxyMetrics } from '../../../../src/service/metrics/proxy-metrics.ts'
import { parsePrometheusText } from '../../../support/prometheus-text.ts'

describe('the metrics of forward proxies', () => {
  it('tell by route what is open, and what was refused', async () => {
    const registry = new Registry()
    registerProxyMetrics(registry, () => [
      {
        route: 'out',
        totalConnections: 3,
        udpTunnels: 0,
        datagrams: { fromClient: 0, fromTarget: 0, dropped: 0 },
        tunnels: 2,
        maxTunnels: 5,
        maxOrigins: 5,
        tunnelOutcomes: new Map([['opened', 4]]),
        refusals: new Map([['MM_TARGET_REFUSED', 7]]),
        pools: [],
      },
    ])
    const page = parsePrometheusText(await registry.metrics())
    const route = { route: 'out' }
    expect(page.sum('middlemile_forward_origins', route)).toBe(0)
    expect(page.sum('middlemile_forward_connections', route)).toBe(3)
    expect(page.sum('middlemile_tunnels', route)).toBe(2)
    expect(page.sum('middlemile_tunnels_total', { ...route, outcome: 'opened' })).toBe(4)
    expect(page.sum('middlemile_forward_refused_total', { ...route, code: 'MM_TARGET_REFUSED' })).toBe(7)
  })
})
