import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ServiceConfig } from '../../../src/service/index.ts'
import { descriptorsTo } from '../../support/descriptors-to.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { ok, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { startConnector } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'

const noNginx = requireBinary('nginx')

const CEILING = 4
const MANY = 24

/** The status of one answer that was read to its end. Each call is a connection of its own, from `localAddress`. */
async function ask(url: string, localAddress: string): Promise<number | undefined> {
  const request = get(url, { localAddress, agent: false })
  const [response] = await once(request, 'response')
  response.resume()
  await once(response, 'end')
  return response.statusCode
}

/** The most sockets to a port that this process has open at once, looked at until `isOver`. */
async function mostAtOnce(port: number, isOver: () => boolean): Promise<number> {
  let most = 0
  while (!isOver()) {
    most = Math.max(most, descriptorsTo(port).length)
    await sleep(5)
  }
  return most
}

describe.skipIf(noNginx)('nginx as a protected origin', () => {
  it('never has more connections than its ceiling, over lanes and reloads, and one client waits for none of the other', async () => {
    await using nginx = await startNginx({ http2: true, slowBytesPerSecond: 70_000 })
    const config = (idleTimeout: string): ServiceConfig => ({
      listen: [{ address: '127.0.0.1:0' }],
      admin: { address: '127.0.0.1:0' },
      origins: {
        shop: {
          url: nginx.url,
          protocols: ['h2', 'http/1.1'],
          tls: { ca: nginx.certificates.caFile },
          pool: {
            maxStreamsPerConnection: 1,
            maxConnections: 32,
            maxStalledConnections: 32,
            idleTimeout,
            queueTarget: 0,
            queueTimeout: '1m',
          },
          protection: { maxConnections: CEILING },
        },
      },
    })
    await using connector = await startConnector(config('90s'))
    const ended: string[] = []
    const asked = async (client: string, address: string) => {
      expect(await ask(`${connector.url}/slow/100k`, address)).toBe(200)
      ended.push(client)
    }
    const many = Array.from({ length: MANY }, () => asked('many', '127.0.0.1'))
    await expect.poll(async () => (await connector.pool('shop')).waiters).toBeGreaterThan(MANY / 2)
    let isOver = false
    const most = mostAtOnce(nginx.tlsPort, () => isOver)
    await asked('one', '127.0.0.2')
    // Those that went before it, and one more on each connection.
    expect(ended.indexOf('one')).toBeLessThanOrEqual(3 * CEILING)
    // Requests that are under way hold the connections of the pools that this puts out of use.
    expect(await connector.service.reload(config('60s'))).toMatchObject({ ok: true })
    await Promise.all([...many, asked('late', '127.0.0.3')])
    isOver = true
    expect(await most).toBeLessThanOrEqual(CEILING)
    expect(await most).toBeGreaterThan(1)
    expect((await connector.pool('shop')).protection).toMatchObject({ ceiling: CEILING, fairBy: 'client' })
  })
})

describe('a request beyond the ceiling', () => {
  it('is refused by name after its wait, says when to come back, and is counted', async () => {
    const held: (() => void)[] = []
    await using origin = await startScriptedOrigin(({ socket }) => held.push(() => socket.write(ok('done'))))
    await using connector = await startConnector({
      origins: {
        shop: {
          url: origin.url,
          protocols: ['http/1.1'],
          pool: { queueTimeout: 200 },
          protection: { maxConnections: 1 },
        },
      },
    })
    const busy = fetch(`${connector.url}/busy`)
    await until(() => held.length === 1, 'the first request at the origin')
    const refused = await fetch(`${connector.url}/second`)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(refused.headers.get('proxy-status')).toContain('error=connection_limit_reached')
    expect(await refused.json()).toMatchObject({ error: { code: 'MM_ORIGIN_PROTECTED' } })
    const explanation = await (await fetch(`${connector.adminUrl}/origins/shop/explain`)).text()
    expect(explanation).toContain('protection.maxConnections = 1, 1 are there')
    const metrics = await (await fetch(`${connector.adminUrl}/metrics`)).text()
    expect(metrics).toContain('middlemile_protection_refused_total{origin="shop"} 1')
    expect(metrics).toContain('middlemile_protection_connections{origin="shop"} 1')
    expect(metrics).toContain('middlemile_protection_max_connections{origin="shop"} 1')
    held[0]?.()
    expect((await busy).status).toBe(200)
    expect(origin.requests).toEqual(['GET /busy'])
  })
})
