import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { MostEstablished } from '../../support/established-at.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { readyWorkers, SteadyLoad, scrape, untilReplaced } from '../../support/worker-service.ts'

const noNginx = requireBinary('nginx')

const CEILING = 4

function start(nginx: Nginx, maxConnections: number): Promise<ConnectorProcess> {
  return startConfiguredConnector({
    workers: { count: 2, hangTimeout: '1s' },
    origins: {
      shop: {
        url: nginx.url,
        protocols: ['http/1.1'],
        tls: { ca: nginx.certificates.caFile },
        pool: { queueTarget: 0, queueTimeout: '30s' },
        protection: { maxConnections },
      },
    },
  })
}

/** Requests that each worker has answered. */
async function answeredBy(connector: ConnectorProcess): Promise<number[]> {
  const pages = await Promise.all(['1', '2'].map(worker => scrape(connector, `?worker=${worker}`)))
  return pages.map(page => page.sum('middlemile_requests_total', { status_class: '2xx' }))
}

describe.skipIf(noNginx)('two workers with a protected origin', () => {
  it('never have more connections than its ceiling together, also when one is killed, and none starves', async () => {
    await using nginx = await startNginx()
    await using connector = await start(nginx, CEILING)
    using sockets = new MostEstablished(nginx.tlsPort)
    await using load = new SteadyLoad(`${connector.url}/1k`, { connections: 32 })
    await sleep(3_000)
    const before = await answeredBy(connector)
    expect(Math.min(...before)).toBeGreaterThan(0.1 * Math.max(...before))
    const shown = (await (await fetch(`${connector.adminUrl}/pools`)).json()) as {
      sharedCeilings: { limit: number; granted: number; members: number }[]
    }
    expect(shown.sharedCeilings).toMatchObject([{ of: nginx.url, limit: CEILING, members: 2 }])
    expect(shown.sharedCeilings[0]?.granted).toBeLessThanOrEqual(CEILING)
    const page = await scrape(connector)
    expect(page.sum('middlemile_protection_max_connections', { origin: 'shop' })).toBe(CEILING)
    expect(page.sum('middlemile_protection_asks_total', { origin: 'shop' })).toBeGreaterThan(1)

    const [victim] = await readyWorkers(connector)
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    await untilReplaced(connector, victim?.pid ?? 0, 2)
    await sleep(1_500)
    const answered = load.answered
    await sleep(500)
    expect(load.answered).toBeGreaterThan(answered)
    const { failures } = await load.end()
    // What was in the one that was killed.
    expect(failures.filter(failure => failure.includes('status'))).toEqual([])
    expect(failures.length).toBeLessThanOrEqual(32)
    expect(sockets.most).toBeLessThanOrEqual(CEILING)
    expect(sockets.most).toBeGreaterThan(1)
  })

  it('take turns at its one connection', async () => {
    await using nginx = await startNginx()
    await using connector = await start(nginx, 1)
    using sockets = new MostEstablished(nginx.tlsPort)
    await using load = new SteadyLoad(`${connector.url}/1k`, { connections: 24 })
    await sleep(4_000)
    const answered = await answeredBy(connector)
    const { failures } = await load.end()
    expect(failures).toEqual([])
    expect(Math.min(...answered)).toBeGreaterThan(0.1 * Math.max(...answered))
    expect(sockets.most).toBe(1)
  })
})
