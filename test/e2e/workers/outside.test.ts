import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { findBinary, requireBinary } from '../../support/require-binary.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { startUnreadConnector } from '../../support/unread-connector.ts'
import { readyWorkers, SteadyLoad, scrape, untilReplaced } from '../../support/worker-service.ts'

const noLimit = requireBinary('prlimit')

let origin: TestOrigin
beforeAll(async () => {
  origin = await startQuickOrigin({})
})
afterAll(() => origin.close())

describe('supervisor and workers are neither ended nor frozen', () => {
  it('by a log that nobody reads', async () => {
    using directory = makeTemporaryDirectory('workers-log')
    const path = join(directory.path, 'pipe')
    execFileSync(findBinary('mkfifo') ?? '', [path])
    const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const writeFd = openSync(path, constants.O_WRONLY)
    await using connector = await startUnreadConnector({
      stdout: writeFd,
      config: {
        workers: 2,
        log: { level: 'debug', maxQueuedLines: 50 },
        origins: { quick: { url: origin.url, hosts: ['quick.test'] } },
      },
    })
    closeSync(writeFd)
    const url = `http://127.0.0.1:${connector.port}/`
    // No route leads anywhere from here: each is a line of the log.
    const load = new SteadyLoad(url, { connections: 8 })
    await expect
      .poll(async () => (await scrape(connector)).sum('middlemile_log_dropped_total'), { timeout: 20_000 })
      .toBeGreaterThan(0)
    const [worker] = await readyWorkers(connector)
    process.kill(worker?.pid ?? 0, 'SIGKILL')
    await untilReplaced(connector, worker?.pid ?? 0, 2)
    await load.end()
    expect((await fetch(url)).status).toBe(404)
    closeSync(readFd)
  })

  it.skipIf(noLimit !== undefined)('by a supervisor without descriptors', async () => {
    await using connector = await startConfiguredConnector({
      workers: 2,
      origins: { quick: { url: origin.url } },
    })
    const prlimit = findBinary('prlimit') ?? ''
    const before = execFileSync(prlimit, [
      '--pid',
      String(connector.cli.pid),
      '--nofile',
      '--noheadings',
      '-o',
      'SOFT',
    ])
    const limit = (soft: string): void =>
      void execFileSync(prlimit, ['--pid', String(connector.cli.pid), `--nofile=${soft}:`])
    const [worker] = await readyWorkers(connector)
    limit('10')
    process.kill(worker?.pid ?? 0, 'SIGKILL')
    await connector.cli.untilStdout(/takes its place/)
    // The other one carries on meanwhile.
    const load = new SteadyLoad(connector.url, { connections: 4 })
    await new Promise(resolve => setTimeout(resolve, 1_000))
    limit(before.toString().trim())
    await untilReplaced(connector, worker?.pid ?? 0, 2, 30_000)
    const { answered } = await load.end()
    expect(answered).toBeGreaterThan(0)
  })
})
