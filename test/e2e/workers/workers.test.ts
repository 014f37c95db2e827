import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { readyWorkers, SteadyLoad, scrape, untilReplaced } from '../../support/worker-service.ts'

let origin: TestOrigin
beforeAll(async () => {
  origin = await startQuickOrigin({})
})
afterAll(() => origin.close())

function start(more: object = {}): Promise<ConnectorProcess> {
  return startConfiguredConnector({
    workers: { count: 2, hangTimeout: '1s' },
    origins: { quick: { url: origin.url } },
    ...more,
  })
}

/** Not through `url`: what is measured here is what becomes of a signal. */
function signal(pid: number, name: NodeJS.Signals): void {
  process.kill(pid, name)
}

describe('workers', () => {
  it('share the connections of clients about evenly', async () => {
    await using connector = await start()
    const sockets = Array.from({ length: 400 }, () => connect(connector.port, '127.0.0.1'))
    await Promise.all(
      sockets.map(
        socket =>
          new Promise<void>(resolve => {
            socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
            socket.once('data', () => resolve())
          }),
      ),
    )
    const page = await scrape(connector)
    const shares = ['1', '2'].map(worker => page.sum('middlemile_worker_connections', { worker }))
    expect((shares[0] ?? 0) + (shares[1] ?? 0)).toBe(400)
    // By hash of the four-tuple: five standard deviations of a fair coin are 50.
    for (const share of shares) expect(share).toBeGreaterThan(140)
    for (const socket of sockets) socket.destroy()
  })

  it('are one service on /metrics, /pools and explain', async () => {
    await using connector = await start()
    const load = new SteadyLoad(connector.url, { connections: 16 })
    await new Promise(resolve => setTimeout(resolve, 300))
    const { answered } = await load.end()
    const page = await scrape(connector)
    const total = page.sum('middlemile_requests_total', { status_class: '2xx' })
    expect(total).toBeGreaterThanOrEqual(answered)
    const each = await Promise.all(
      ['1', '2'].map(async worker =>
        (await scrape(connector, `?worker=${worker}`)).sum('middlemile_requests_total', {
          status_class: '2xx',
        }),
      ),
    )
    expect((each[0] ?? 0) + (each[1] ?? 0)).toBe(total)
    expect(page.sum('middlemile_workers', { state: 'ready' })).toBe(2)
    expect(page.samples.filter(({ name }) => name === 'process_resident_memory_bytes')).toHaveLength(3)
    const pools = (await (await fetch(`${connector.adminUrl}/pools`)).json()) as {
      pools: { worker: string; name: string }[]
    }
    expect(new Set(pools.pools.map(({ worker }) => worker))).toEqual(new Set(['1', '2']))
    const explained = await (await fetch(`${connector.adminUrl}/origins/quick/explain`)).json()
    expect(explained).toMatchObject({ workers: [{ worker: '1' }, { worker: '2' }] })
  })

  it.for([
    ['SIGKILL', 1_000],
    ['SIGABRT', 1_000],
    // The second of silence that makes a hang comes first.
    ['SIGSTOP', 2_500],
  ] as const)('are replaced after %s, and only what was in that one is lost', async ([name, limitMs]) => {
    await using connector = await start()
    const connections = 8
    const load = new SteadyLoad(connector.url, { connections, pauseMs: 1 })
    await new Promise(resolve => setTimeout(resolve, 300))
    const [victim] = await readyWorkers(connector)
    expect(victim).toBeDefined()
    signal(victim?.pid ?? 0, name)
    const tookMs = await untilReplaced(connector, victim?.pid ?? 0, 2)
    await new Promise(resolve => setTimeout(resolve, 300))
    const before = load.answered
    await new Promise(resolve => setTimeout(resolve, 300))
    const { answered, failures } = await load.end()
    expect(answered).toBeGreaterThan(before)
    // At most one request was under way, and one connection idle, for each of its clients.
    expect(failures.length).toBeLessThanOrEqual(connections)
    expect(tookMs).toBeLessThan(limitMs * 4) // a busy machine; alone it takes about 0.4 s
    const page = await scrape(connector)
    const cause = name === 'SIGSTOP' ? 'hung' : 'died'
    expect(page.sum('middlemile_worker_starts_total', { cause })).toBe(1)
    // What the dead one had counted before it was last asked stays: none was.
    expect((await fetch(`${connector.adminUrl}/readyz`)).status).toBe(200)
  })

  it('lose no counter when one is replaced that was seen before', async () => {
    await using connector = await start()
    const load = new SteadyLoad(connector.url, { connections: 8 })
    await new Promise(resolve => setTimeout(resolve, 300))
    await load.end()
    const before = (await scrape(connector)).sum('middlemile_requests_total')
    const [victim] = await readyWorkers(connector)
    signal(victim?.pid ?? 0, 'SIGKILL')
    await untilReplaced(connector, victim?.pid ?? 0, 2)
    expect((await scrape(connector)).sum('middlemile_requests_total')).toBe(before)
  })

  it('drain and end when the supervisor is killed', async () => {
    await using connector = await start()
    const pids = (await readyWorkers(connector)).map(({ pid }) => pid)
    connector.cli.signal('SIGKILL')
    const isAlive = (pid: number): boolean => {
      try {
        process.kill(pid, 0)
        return true
      } catch {
        return false
      }
    }
    await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([])
  })

  it('keep the admin server answering while all of them hang', async () => {
    await using connector = await start({ workers: { count: 2, hangTimeout: '20s' } })
    const workers = await readyWorkers(connector)
    for (const { pid } of workers) signal(pid, 'SIGSTOP')
    expect((await fetch(`${connector.adminUrl}/healthz`)).status).toBe(200)
    expect((await scrape(connector)).sum('middlemile_workers', { state: 'ready' })).toBe(2)
    for (const { pid } of workers) signal(pid, 'SIGCONT')
    expect((await fetch(connector.url)).status).toBe(200)
  })

  it('take one configuration, all of them or none', async () => {
    await using connector = await start()
    const answer = await fetch(`${connector.adminUrl}/reload`, { method: 'POST' })
    expect([answer.status, await answer.json()]).toEqual([200, { reloaded: true, changes: [], warnings: [] }])
  })

  it('are replaced when they outgrow their bound, without losing a request', async () => {
    await using connector = await start({ workers: { count: 1, maxMemoryBytes: 1 } })
    const load = new SteadyLoad(connector.url, { connections: 4, pauseMs: 20 })
    await expect
      .poll(
        async () => (await scrape(connector)).sum('middlemile_worker_starts_total', { cause: 'memory' }),
        {
          timeout: 10_000,
        },
      )
      .toBeGreaterThan(1)
    const { answered, failures } = await load.end()
    expect(failures).toEqual([])
    expect(answered).toBeGreaterThan(10)
  })
})
