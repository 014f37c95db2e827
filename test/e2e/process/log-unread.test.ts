import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { rawClient } from '../../support/raw-client.ts'
import { findBinary } from '../../support/require-binary.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'
import { startUnreadConnector, type UnreadConnector } from '../../support/unread-connector.ts'

let origin: TestOrigin
let directory: TemporaryDirectory
let pipes = 0

beforeAll(async () => {
  directory = makeTemporaryDirectory('log-unread')
  origin = await startQuickOrigin()
})
afterAll(async () => {
  await origin.close()
  directory.remove()
})

/**
 * A pipe without a reader of its own: what we read from it, and what the connector gets as its standard
 * output.
 */
function unreadPipe(): { readFd: number; writeFd: number } {
  const path = join(directory.path, `pipe-${++pipes}`)
  execFileSync(findBinary('mkfifo') ?? '', [path])
  const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return { readFd, writeFd: openSync(path, constants.O_WRONLY) }
}

const settings = () => ({
  log: { level: 'debug' as const, maxQueuedLines: 50 },
  origins: { quick: { url: origin.url, hosts: ['quick.test'] } },
})

/** Each is a line of the log: 130 KB, twice what a pipe holds. */
async function fillLog(connector: UnreadConnector): Promise<void> {
  using client = rawClient(connector.port)
  const request = 'GET / HTTP/1.1\r\nHost: nowhere.test\r\n\r\n'
  client.send(request.repeat(2_000))
  await expect.poll(() => client.received.split('HTTP/1.1 4').length).toBe(2_001)
}

async function dropped(connector: UnreadConnector): Promise<number> {
  const page = await (await fetch(`${connector.adminUrl}/metrics`)).text()
  return parsePrometheusText(page).sum('middlemile_log_dropped_total')
}

async function expectService(connector: UnreadConnector): Promise<void> {
  expect((await fetch(`${connector.adminUrl}/healthz`)).status).toBe(200)
  using client = rawClient(connector.port)
  client.send('GET / HTTP/1.1\r\nHost: quick.test\r\n\r\n')
  expect(await client.until(/\}\n$/)).toMatch(/^HTTP\/1\.1 200/)
}

function readAll(fd: number): string {
  const block = Buffer.alloc(1_048_576)
  try {
    return block.toString('utf8', 0, readSync(fd, block))
  } catch {
    return '' // EAGAIN: nothing is there
  }
}

describe('a log that nobody reads', () => {
  it.each(['pipe', 'socket'])(
    '(a %s) stops neither requests nor the end of the process, and lines beyond the bound are counted',
    async kind => {
      const pipe = kind === 'pipe' ? unreadPipe() : undefined
      await using connector = await startUnreadConnector({
        config: settings(),
        stdout: pipe?.writeFd ?? 'pipe',
      })
      for (let round = 0; round < 10 && (await dropped(connector)) === 0; round++) await fillLog(connector)
      expect(await dropped(connector)).toBeGreaterThan(0)
      await expectService(connector)
      process.kill(connector.pid, 'SIGTERM')
      expect(await connector.exited).toBe(0)
      expect(connector.stderr).toBe('')
      if (pipe !== undefined) for (const fd of Object.values(pipe)) closeSync(fd)
    },
  )

  it('says how many lines were dropped when its reader is back', async () => {
    const { readFd, writeFd } = unreadPipe()
    await using connector = await startUnreadConnector({ config: settings(), stdout: writeFd })
    await fillLog(connector)
    await expect.poll(() => dropped(connector)).toBeGreaterThan(0)
    let text = ''
    await expect
      .poll(() => {
        text += readAll(readFd)
        return text
      })
      .toMatch(/warn {2}log: \d+ lines were dropped: it was read too slowly/)
    expect(text, 'whole lines').not.toMatch(/^(?!\d{4}-).+$/m)
    await expectService(connector)
    for (const fd of [readFd, writeFd]) closeSync(fd)
  })

  it('may lose its reader for good', async () => {
    const { readFd, writeFd } = unreadPipe()
    await using connector = await startUnreadConnector({ config: settings(), stdout: writeFd })
    closeSync(readFd)
    closeSync(writeFd)
    await fillLog(connector)
    await expectService(connector)
    await expect.poll(() => dropped(connector)).toBeGreaterThan(0)
    process.kill(connector.pid, 'SIGTERM')
    expect([await connector.exited, connector.stderr]).toEqual([0, ''])
  })

  it('may be on a full disk', async () => {
    const full = openSync('/dev/full', 'w')
    await using connector = await startUnreadConnector({ config: settings(), stdout: full })
    closeSync(full)
    await expectService(connector)
    await expect.poll(() => dropped(connector)).toBeGreaterThan(0)
    process.kill(connector.pid, 'SIGTERM')
    expect([await connector.exited, connector.stderr]).toEqual([0, ''])
  })
})
