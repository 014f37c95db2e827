import { describe, expect, it } from 'vitest'
import { type ServiceConfig, startService } from '../../../src/service/index.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { MostEstablished } from '../../support/established-at.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { type Redis, startRedis } from '../../support/redis.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { SteadyLoad, scrape } from '../../support/worker-service.ts'

const CEILING = 6
const PASSWORD = 'open-sesame'

interface FleetPage {
  readonly fleet: {
    readonly state: string
    readonly because?: string
    readonly ceilings: readonly {
      readonly state: string
      readonly share: number
      readonly fleet?: { readonly hosts: number; readonly granted: number }
    }[]
  }
}

type Host = Pick<ConnectorProcess, 'url' | 'adminUrl'>

function configOf(redis: Redis, nginx: Nginx) {
  return {
    state: { redis: { url: `redis://:${PASSWORD}@127.0.0.1:${redis.port}`, lease: '60s' } },
    origins: {
      shop: {
        url: nginx.url,
        protocols: ['http/1.1'],
        tls: { ca: nginx.certificates.caFile },
        pool: { queueTarget: 0, queueTimeout: '30s' },
        protection: { maxConnections: CEILING, floor: 1 },
      },
    },
  } satisfies Partial<ServiceConfig>
}

/** A host without workers, in this process: a start of a process takes seconds on a busy machine. */
async function startHere(redis: Redis, nginx: Nginx) {
  let log = ''
  const logTo = { write: (line: string) => void (log += line) }
  const local = { address: '127.0.0.1:0' }
  const service = await startService({ listen: [local], admin: local, ...configOf(redis, nginx) }, { logTo })
  return {
    url: `http://127.0.0.1:${service.addresses[0]?.port}`,
    adminUrl: `http://127.0.0.1:${service.adminAddress?.port}`,
    log: () => log,
    close: () => service.close(),
    [Symbol.asyncDispose]: () => service.close(),
  }
}

async function fleetOf({ adminUrl }: Host): Promise<FleetPage['fleet']> {
  const page = (await (await fetch(`${adminUrl}/pools`)).json()) as FleetPage // ours
  return page.fleet
}

const sharesOf = async (hosts: readonly Host[]): Promise<number[]> =>
  (await Promise.all(hosts.map(fleetOf))).map(({ ceilings }) => ceilings[0]?.share ?? 0)

/** Every load has had that many more answers. */
async function untilAnswered(loads: readonly SteadyLoad[], more: number): Promise<void> {
  const before = loads.map(({ answered }) => answered)
  await expect
    .poll(() => Math.min(...loads.map(({ answered }, index) => answered - (before[index] ?? 0))))
    .toBeGreaterThan(more)
}

/** A fleet that has been there for longer than a lease: no host of an earlier time can come back. */
async function beOld(redis: Redis, key: string): Promise<void> {
  const run = /run_id:(\w+)/.exec(await redis.command('INFO', 'server'))?.[1]
  await redis.command('HSET', `middlemile:share:${key}`, '#', `1 ${run}`)
}

describe.skipIf(requireBinary('nginx', 'redis-server'))('three hosts with one protected origin', () => {
  it('never exceed its ceiling together, even while Redis is killed and comes back empty', async () => {
    await using nginx = await startNginx()
    await using redis = await startRedis({ password: PASSWORD })
    await beOld(redis, nginx.url)
    await using first = await startConfiguredConnector({ workers: 2, ...configOf(redis, nginx) })
    await using second = await startHere(redis, nginx)
    await using third = await startHere(redis, nginx)
    const hosts = [first, second, third]
    using sockets = new MostEstablished(nginx.tlsPort)
    const loads = hosts.map(({ url }) => new SteadyLoad(`${url}/1k`, { connections: 8 }))
    const [firstLoad, secondLoad, lastLoad] = loads as [SteadyLoad, SteadyLoad, SteadyLoad] // of three hosts
    await using _all = {
      [Symbol.asyncDispose]: async () => void (await Promise.all(loads.map(l => l.end()))),
    }
    await expect.poll(() => sharesOf(hosts)).toEqual([2, 2, 2])
    await untilAnswered(loads, 20)
    const shown = await fleetOf(first)
    expect(shown).toMatchObject({ redis: `127.0.0.1:${redis.port}`, state: 'answering' })
    expect(shown.ceilings).toMatchObject([{ of: nginx.url, ceiling: CEILING, floor: 1, state: 'granted' }])
    const explained = await (await fetch(`${second.adminUrl}/origins/shop/explain`)).text()
    expect(explained).toContain('this host may have 2 of 6 now; 3 hosts want')

    // What a host has is free when it ends: at once where it can say so.
    await lastLoad.end()
    await third.close()
    await expect.poll(() => sharesOf([first, second])).toEqual([3, 3])
    expect((await scrape(second)).sum('middlemile_fleet_hosts', { origin: 'shop' })).toBe(2)

    await redis.kill()
    await expect.poll(async () => (await fleetOf(first)).because).toBe('ECONNREFUSED')
    await untilAnswered([firstLoad, secondLoad], 20)
    expect((await scrape(first)).sum('middlemile_fleet_redis_up')).toBe(0)
    await redis.start()
    for (const host of [first, second])
      await expect.poll(async () => (await scrape(host)).sum('middlemile_fleet_redis_up')).toBe(1)
    await untilAnswered([firstLoad, secondLoad], 20)
    expect(await sharesOf([first, second])).toEqual([3, 3]) // it believes what hosts say that they have

    for (const load of loads) expect((await load.end()).failures).toEqual([])
    expect(sockets.most).toBeLessThanOrEqual(CEILING)
    expect(sockets.most).toBeGreaterThan(CEILING / 2)
    for (const text of [first.cli.stdout, second.log(), explained, JSON.stringify(shown)])
      expect(text).not.toContain(PASSWORD)
    expect(first.cli.stdout).toMatch(/fleet: Redis at 127\.0\.0\.1:\d+ does not answer: ECONNREFUSED/)
  })
})
