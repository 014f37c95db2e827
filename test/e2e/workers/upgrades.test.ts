import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { readyWorkers, untilReplaced } from '../../support/worker-service.ts'

let origin: TestOrigin
beforeAll(async () => {
  origin = await startQuickOrigin({})
})
afterAll(() => origin.close())

describe('a service with workers', () => {
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
