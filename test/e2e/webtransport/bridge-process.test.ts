import { expect, test } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import type { ServiceConfig } from '../../../src/service/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { until } from '../../support/until.ts'
import { readyWorkers, untilReplaced } from '../../support/worker-service.ts'
import { bridgeConfig } from './bridge-world.ts'
import { bytesOfStream, echoStreams, writeAll } from './session-world.ts'

/** An origin of sessions, a connector in a process of its own, and a client. */
async function processWorld(service: Partial<ServiceConfig>) {
  const authority = await createCertificateAuthority()
  const identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  const closed: unknown[] = []
  const origin = await startHttp3Origin({
    tls: identity,
    onSession: session => {
      void session.closed.then(
        info => closed.push(info),
        () => closed.push('lost'),
      )
      return echoStreams(session)
    },
  })
  const connector = await startConfiguredConnector({
    ...bridgeConfig(origin.url, authority.cert, identity),
    ...service,
  })
  const transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca: authority.cert } } })
  return {
    closed,
    connector,
    open: () => transport.webTransport(`https://127.0.0.1:${connector.port}/`),
    async [Symbol.asyncDispose]() {
      await transport.close()
      await connector[Symbol.asyncDispose]()
      await origin.close()
    },
  }
}

test('SIGTERM asks sessions to finish, closes those that have not in time, and the process ends', async () => {
  await using world = await processWorld({ shutdown: { drainTimeout: '1s' } })
  const [slow, quick] = [world.open(), world.open()]
  await Promise.all([slow.ready, quick.ready])
  world.connector.cli.signal('SIGTERM')
  await Promise.all([slow.draining, quick.draining])
  quick.close({ closeCode: 5, reason: 'done' })
  const end = { closeCode: 0, reason: 'the connector is going away' }
  await expect(slow.closed).resolves.toEqual(end)
  expect((await world.connector.cli.exited).exitCode).toBe(0)
  await until(() => world.closed.length === 2, 'both ends at the origin')
  expect(world.closed).toEqual([{ closeCode: 5, reason: 'done' }, end])
})

test('a client that never finishes keeps no process from ending', async () => {
  await using world = await processWorld({ shutdown: { drainTimeout: '200ms' } })
  await world.open().ready
  const began = performance.now()
  world.connector.cli.signal('SIGTERM')
  expect((await world.connector.cli.exited).exitCode).toBe(0)
  expect(performance.now() - began).toBeLessThan(5_000)
})

test('a worker that dies takes its sessions with it, and the next one is carried by another', async () => {
  await using world = await processWorld({ workers: { count: 2, hangTimeout: '1s' } })
  const session = world.open()
  await session.ready
  const workers = await readyWorkers(world.connector)
  for (const { pid } of workers) process.kill(pid, 'SIGKILL')
  for (const { pid } of workers) await untilReplaced(world.connector, pid, 2)
  const again = world.open()
  const { readable, writable } = await again.createBidirectionalStream()
  await writeAll(writable, Buffer.from('still here'))
  expect(String(await bytesOfStream(readable))).toBe('still here')
  await expect(session.closed).rejects.toBeInstanceOf(Error)
  again.close()
})
