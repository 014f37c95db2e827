import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { rawClient } from '../../support/raw-client.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'
import { startUnreadConnector, type UnreadConnector } from '../../support/unread-connector.ts'

/**
 * Stands for a defect: what it is reported by the host of a request it does within the event that brought it.
 */
const DEFECTS = `
import net from 'node:net'
const emit = net.Server.prototype.emit
net.Server.prototype.emit = function (event, socket, ...rest) {
  if (event === 'connection')
    socket.on('data', chunk => {
      const text = chunk.toString('latin1')
      if (text.includes('event.test')) throw new TypeError('a defect in an event')
      if (text.includes('timer.test')) setTimeout(() => { throw new TypeError('a defect in a timer') })
      if (text.includes('promise.test')) void Promise.reject(new TypeError('a defect in a promise'))
      if (text.includes('system.test')) setTimeout(() => { throw Object.assign(new Error('EMFILE: open'), { syscall: 'open' }) })
    })
  return emit.call(this, event, socket, ...rest)
}
`

let origin: TestOrigin
let directory: TemporaryDirectory
let logs = 0

beforeAll(async () => {
  directory = makeTemporaryDirectory('faults')
  origin = await startQuickOrigin()
  writeFileSync(join(directory.path, 'defects.mjs'), DEFECTS)
})
afterAll(async () => {
  await origin.close()
  directory.remove()
})

async function start(shutdown: object) {
  const file = join(directory.path, `log-${++logs}`)
  const stdout = openSync(file, 'w')
  const connector = await startUnreadConnector({
    config: { origins: { quick: { url: origin.url } }, shutdown },
    stdout,
    preload: join(directory.path, 'defects.mjs'),
  })
  closeSync(stdout)
  return { connector, log: () => readFileSync(file, 'utf8') }
}

const request = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`

async function faults({ adminUrl }: UnreadConnector, cause: string): Promise<number> {
  const page = parsePrometheusText(await (await fetch(`${adminUrl}/metrics`)).text())
  return page.sum('middlemile_faults_total', { kind: 'uncaught', cause })
}

describe('what nobody caught', () => {
  it('ends the connection in whose event it was thrown, is logged and counted, and the process goes on', async () => {
    const { connector, log } = await start({})
    await using _ended = connector
    using control = rawClient(connector.port)
    control.send(request('a.test'))
    await control.until(/\}\n$/)
    using culprit = rawClient(connector.port)
    culprit.send(request('event.test'))
    await culprit.untilClosed()
    for (const host of ['timer.test', 'promise.test', 'system.test']) {
      using client = rawClient(connector.port)
      client.send(request(host))
      expect(await client.until(/\}\n$/)).toMatch(/^HTTP\/1\.1 200/)
    }
    await expect.poll(() => faults(connector, 'defect')).toBe(3)
    await expect.poll(() => faults(connector, 'system')).toBe(1)
    expect(log()).toMatch(
      /error an error that nobody caught; the connection with 127\.0\.0\.1 port \d+ was ended: TypeError: a defect in an event\n/,
    )
    expect(log()).toMatch(
      /error a rejection that nobody handled; nothing was ended for it: TypeError: a defect in a promise\n/,
    )
    const before = control.received.length
    control.send(request('a.test'))
    await control.until(new RegExp(`^[^]{${before}}[^]*\\}\\n$`))
    process.kill(connector.pid, 'SIGTERM')
    expect([await connector.exited, connector.stderr]).toEqual([0, ''])
  })

  it('ends the process in order when it comes too often: it drains, and exits with 4', async () => {
    const { connector, log } = await start({ maxFaults: 3, faultWindow: '10m' })
    await using _ended = connector
    using slow = rawClient(connector.port)
    const seen = origin.requestsSeen()
    slow.send('GET /slow?ms=1000 HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await expect.poll(() => origin.requestsSeen()).toBe(seen + 1)
    for (let i = 0; i < 3; i++) {
      using client = rawClient(connector.port)
      client.send(request('timer.test'))
      await client.until(/\}\n$/)
    }
    expect(await connector.exited).toBe(4)
    expect(slow.received, 'what was under way ended well').toMatch(/^HTTP\/1\.1 200[^]*\}\n$/)
    expect(log()).toMatch(
      /3 defects within 600000ms \(shutdown\.maxFaults, shutdown\.faultWindow\): the process drains and ends\n/,
    )
    expect(log()).toMatch(/drained\n.*closed\n$/)
  })
})
