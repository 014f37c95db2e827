import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { readyWorkers, SteadyLoad, scrape } from '../../support/worker-service.ts'

const DAY_MS = 86_400_000

/** Loaded before a program: its wall clock is off by what a file says, as when somebody has set it. */
const PRELOAD = `
import { readFileSync } from 'node:fs'
let offset = 0
setInterval(() => { offset = Number(readFileSync(process.env.CLOCK_FILE, 'utf8')) }, 20).unref()
const { now } = Date
Date.now = () => now() + offset
globalThis.Date = class extends Date {
  constructor(...args) { args.length === 0 ? super(now() + offset) : super(...args) }
}
`

let identity: IssuedCertificate
beforeAll(async () => {
  identity = await (await createCertificateAuthority()).issue({ names: ['localhost', '127.0.0.1'] })
})

const directory = makeTemporaryDirectory('clock-jump')
afterAll(() => directory.remove())

/** The days of the lines of an access log. */
function daysIn(file: string): Set<string> {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return new Set(lines.map(line => String((JSON.parse(line) as { time: unknown }).time).slice(0, 10)))
}

describe('a wall clock that jumps', () => {
  it('costs neither a request nor a connection nor a worker, forwards or backwards', async () => {
    await using origin = await startHttp2Origin({ tls: identity }).then(one =>
      Object.assign(one, { [Symbol.asyncDispose]: () => one.close() }),
    )
    const clockFile = join(directory.path, 'clock')
    const preload = join(directory.path, 'preload.mjs')
    const accessLog = join(directory.path, 'access.log')
    writeFileSync(clockFile, '0')
    writeFileSync(preload, PRELOAD)
    await using connector = await startConfiguredConnector(
      {
        workers: 2,
        listen: [{ address: '127.0.0.1:0', tls: { cert: identity.cert, key: identity.key } }],
        state: { directory: join(directory.path, 'state') },
        accessLog: { format: 'json', to: accessLog },
        origins: {
          shop: { url: origin.url, tls: { ca: identity.ca }, endpoints: [`127.0.0.1:${origin.port}`] },
        },
      },
      { CLOCK_FILE: clockFile, NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` },
    )
    const steady = new SteadyLoad(connector.url, { connections: 8, pauseMs: 2, ca: identity.ca })
    const pids = (await readyWorkers(connector)).map(({ pid }) => pid)
    await sleep(500)
    const opened = origin.connectionsSeen()
    const expected = [0, 400, -400, 0].map(days => new Date(Date.now() + days * DAY_MS).toISOString())
    for (const days of [400, -400, 0]) {
      writeFileSync(clockFile, String(days * DAY_MS))
      await sleep(700)
      // The state of origins and tickets is written, and pages are made, at that time as well.
      expect((await fetch(`${connector.adminUrl}/pools`)).status).toBe(200)
      expect((await scrape(connector)).sum('middlemile_requests_total')).toBeGreaterThan(0)
    }
    const { answered, failures } = await steady.end()
    expect(failures).toEqual([])
    expect(answered).toBeGreaterThan(100)
    expect(origin.connectionsSeen()).toBe(opened)
    expect((await readyWorkers(connector)).map(({ pid }) => pid)).toEqual(pids)
    await expect
      .poll(() => [...daysIn(accessLog)].sort())
      .toEqual([...new Set(expected.map(time => time.slice(0, 10)))].sort())
  })
})
