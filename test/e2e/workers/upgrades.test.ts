import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { load } from '../../support/load.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { volume } from '../../support/volume.ts'
import { readyWorkers, SteadyLoad, untilReplaced } from '../../support/worker-service.ts'

let origin: TestOrigin
beforeAll(async () => {
  origin = await startQuickOrigin({})
})
afterAll(() => origin.close())

const SHUTDOWN = { drainTimeout: '20s' }

async function upgraded(adminUrl: string): Promise<number> {
  const answer = await fetch(`${adminUrl}/upgrade`, { method: 'POST' })
  const body = (await answer.json()) as { pid: number } // the page is ours
  expect([answer.status, body]).toEqual([200, { upgraded: true, pid: expect.any(Number) as number }])
  return body.pid
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It has ended by itself.
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a service with workers', () => {
  it('reloads under load without losing a request', async () => {
    await using connector = await startConfiguredConnector({
      workers: 2,
      origins: { quick: { url: origin.url } },
    })
    const steady = new SteadyLoad(connector.url, { connections: 8 })
    const pids = (await readyWorkers(connector)).map(({ pid }) => pid)
    for (let count = 0; count < volume(10, 200); count++) {
      const answer = await fetch(`${connector.adminUrl}/reload`, { method: 'POST' })
      expect(answer.status).toBe(200)
    }
    const { answered, failures } = await steady.end()
    expect(failures).toEqual([])
    expect(answered).toBeGreaterThan(100)
    expect((await readyWorkers(connector)).map(({ pid }) => pid)).toEqual(pids)
  })

  it('is replaced by a new program under load of HTTP/1.1 and HTTP/2, without losing a request', async () => {
    await using connector = await startConfiguredConnector({
      workers: 2,
      shutdown: SHUTDOWN,
      origins: { quick: { url: origin.url } },
    })
    await using transport = createTransport({ defaults: { protocols: ['h2'] } })
    const ending = new AbortController()
    const overHttp1 = new SteadyLoad(connector.url, { connections: 8 })
    // A POST is sent again only when its first copy is known to be unprocessed.
    const overHttp2 = load(transport, connector.url, {
      method: 'POST',
      body: 'a',
      concurrency: 8,
      until: ending.signal,
    })
    const pids: number[] = []
    try {
      for (let count = 0; count < volume(2, 20); count++) pids.push(await upgraded(connector.adminUrl))
      const { answered, failures } = await overHttp1.end()
      ending.abort()
      const { requests, failures: http2Failures } = await overHttp2
      expect(failures).toEqual([])
      expect(http2Failures).toEqual([])
      expect(Math.min(answered, requests)).toBeGreaterThan(100)
      await expect.poll(() => isAlive(connector.cli.pid), { timeout: 25_000 }).toBe(false)
      await expect.poll(() => pids.slice(0, -1).filter(isAlive), { timeout: 25_000 }).toEqual([])
    } finally {
      for (const pid of pids) end(pid)
    }
    await expect.poll(() => pids.filter(isAlive), { timeout: 25_000 }).toEqual([])
  }, 300_000)

  it('goes on when the new program does not come up, and says why', async () => {
    await using connector = await startConfiguredConnector({
      workers: 1,
      origins: { quick: { url: origin.url } },
    })
    writeFileSync(connector.file, 'listen: 1')
    const answer = await fetch(`${connector.adminUrl}/upgrade`, { method: 'POST' })
    expect([answer.status, await answer.json()]).toEqual([
      409,
      {
        error: {
          code: 'MM_INTERNAL',
          message: 'the old program goes on: the new program ended by code 2',
        },
      },
    ])
    connector.cli.signal('SIGUSR2')
    await connector.cli.untilStdout(/upgrade failed.*code 2[\s\S]*upgrade failed.*code 2/)
    expect((await fetch(connector.url)).status).toBe(200)
    const [worker] = await readyWorkers(connector)
    process.kill(worker?.pid ?? 0, 'SIGKILL')
    // The configuration that runs is the one that was read, whatever lies on the disk.
    await untilReplaced(connector, worker?.pid ?? 0, 1)
    expect((await fetch(connector.url)).status).toBe(200)
    const told = await runCli(['upgrade', '--admin', new URL(connector.adminUrl).host])
    expect(told).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('ended by code 2') as string })
  })

  it('says 503 on /readyz before its listeners close', async () => {
    await using connector = await startConfiguredConnector({
      workers: 1,
      shutdown: { delay: '700ms', keepAdmin: true },
      origins: { quick: { url: origin.url } },
    })
    connector.cli.signal('SIGTERM')
    await expect
      .poll(async () => (await fetch(`${connector.adminUrl}/readyz`)).status, { interval: 10 })
      .toBe(503)
    expect((await fetch(connector.url)).status).toBe(200)
    expect(await connector.cli.exited).toMatchObject({ exitCode: 0 })
  })
})
