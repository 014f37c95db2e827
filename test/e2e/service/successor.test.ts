import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSlowOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startConfiguredConnector, startConnectorProcess } from '../../support/connector-process.ts'
import { rawClient } from '../../support/raw-client.ts'
import { freePort } from '../../support/tcp-port.ts'

let origin: TestOrigin

beforeAll(async () => {
  origin = await startSlowOrigin({ delayMs: 1_000 })
})
afterAll(() => origin.close())

const config = (adminPort: number, port: number, shutdown = {}) => ({
  listen: [{ address: `127.0.0.1:${port}` }],
  admin: { address: `127.0.0.1:${adminPort}` },
  shutdown: { drainTimeout: '60s', ...shutdown },
  origins: { slow: { url: origin.url } },
})

describe('a drain', () => {
  it('frees every port when it begins: a successor starts while requests of the old process are under way', async () => {
    const [adminPort, port] = [await freePort(), await freePort()]
    await using old = await startConfiguredConnector(config(adminPort, port))
    using poller = rawClient(adminPort)
    poller.send('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await poller.until(/ready\n$/)
    using client = rawClient(port)
    const seen = origin.requestsSeen()
    client.send('GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expect.poll(() => origin.requestsSeen()).toBe(seen + 1)
    old.cli.signal('SIGTERM')
    await old.cli.untilStdout(/draining/)

    await using successor = await startConfiguredConnector(config(adminPort, port))
    expect(successor.adminUrl).toBe(`http://127.0.0.1:${adminPort}`)
    expect(await (await fetch(`${successor.adminUrl}/readyz`)).text()).toBe('ready\n')
    poller.send('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await poller.until(/not ready: draining\n$/)
    expect(client.isClosed, 'its request is still under way').toBe(false)
    client.socket.destroy()
    expect((await old.cli.exited).exitCode).toBe(0)
    await poller.untilClosed()
  })

  it('keeps the admin port with shutdown.keepAdmin, to be watched', async () => {
    const adminPort = await freePort()
    await using connector = await startConfiguredConnector(config(adminPort, 0, { keepAdmin: true }))
    using client = rawClient(connector.port)
    const seen = origin.requestsSeen()
    client.send('GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expect.poll(() => origin.requestsSeen()).toBe(seen + 1)
    connector.cli.signal('SIGTERM')
    await connector.cli.untilStdout(/draining/)
    using watcher = rawClient(adminPort)
    watcher.send('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await watcher.until(/not ready: draining\n$/)
    await expect(
      startConnectorProcess(['--origin', origin.url, '--listen', '0', '--admin', String(adminPort)]),
    ).rejects.toThrow(/cannot open the admin server on .*: the address is in use/)
    client.socket.destroy()
    expect((await connector.cli.exited).exitCode).toBe(0)
  })
})
