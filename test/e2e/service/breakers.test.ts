import { describe, expect, it } from 'vitest'
import { ok, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { startConnector } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'

describe('an origin with bounds', () => {
  it.each([
    [
      'breakers',
      { breakers: { maxRequests: 1 } },
      'MM_BREAKER_OPEN',
      'breakers.maxRequests = 1; 1 are now, 1 were turned away',
      'middlemile_breaker_refused_total{origin="shop",breaker="requests"} 1',
    ],
    [
      'concurrency',
      { concurrency: { limit: 'gradient', initial: 1, min: 1 } },
      'MM_CONCURRENCY_LIMIT',
      'the origin bears 1 requests at a time',
      'middlemile_concurrency_refused_total{origin="shop"} 1',
    ],
  ] as const)(
    'refuses a request above its %s at once by name, and /pools, explain and the metrics show it',
    async (_what, bounds, code, explained, metric) => {
      const held: (() => void)[] = []
      await using origin = await startScriptedOrigin(({ socket }) =>
        held.push(() => socket.write(ok('done'))),
      )
      await using connector = await startConnector({
        origins: { shop: { url: origin.url, protocols: ['http/1.1'], ...bounds } },
      })
      const first = fetch(`${connector.url}/first`)
      await until(() => held.length === 1, 'the first request at the origin')
      const refused = await fetch(`${connector.url}/second`)
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
      expect(refused.headers.get('proxy-status')).toContain('error=connection_limit_reached')
      expect(await refused.json()).toMatchObject({ error: { code } })
      const pool = await connector.pool('shop')
      const figures = code === 'MM_BREAKER_OPEN' ? pool.breakers.requests : pool.concurrency
      expect(figures).toMatchObject({ limit: 1, refused: 1 })
      const explanation = await fetch(`${connector.adminUrl}/origins/shop/explain`)
      expect(await explanation.text()).toContain(explained)
      const metrics = await fetch(`${connector.adminUrl}/metrics`)
      expect(await metrics.text()).toContain(metric)
      held[0]?.()
      expect((await first).status).toBe(200)
      const third = fetch(`${connector.url}/third`)
      await until(() => held.length === 2, 'the third request at the origin')
      held[1]?.()
      expect((await third).status).toBe(200)
      expect(origin.requests).toEqual(['GET /first', 'GET /third'])
    },
  )
})
