import { connect } from 'node:http2'
import { expect, test } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import type { OriginConfig } from '../../../src/service/config/origin-config.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { startConnector } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'
import { scrape } from '../../support/worker-service.ts'
import { type BridgeWorld, bridgeConfig, bridgeWorld } from './bridge-world.ts'
import { bytesOfStream, echoStreams, writeAll } from './session-world.ts'

/** Peers that vanish without a word are found soon. */
const WATCHFUL = { interval: 200, timeout: 300 }

async function resultsOf({ connector }: Pick<BridgeWorld, 'connector'>, result: string): Promise<number> {
  const page = await scrape(connector)
  return page.sum('middlemile_webtransport_sessions_total', { result })
}

test('the answer of an origin that refuses goes to the client', async () => {
  const world = await bridgeWorld(() => {}, { origin: { acceptsSession: path => path !== '/no' } })
  await expect(world.open('/no').ready).rejects.toMatchObject({
    code: 'MM_WEBTRANSPORT_REFUSED',
    message: expect.stringContaining('403'),
  })
  expect(await resultsOf(world, 'refused')).toBe(1)
  await until(() => world.records().length === 1, 'the record')
  expect(world.records()[0]).toMatchObject({ status: 403, origin: 'app', originProtocol: 'h3' })
})

test('an origin without HTTP/3, and one without WebTransport, is a 502 with the evidence in the log', async () => {
  const authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  await using tcp = closing(await startQuickOrigin({ tls }))
  await using quic = closing(await startHttp3Origin({ tls }))
  await using transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca: authority.cert } } })
  for (const [{ url }, evidence] of [
    [tcp.server, 'over QUIC: 127.0.0.1'],
    [quic.server, 'its SETTINGS name no draft of WebTransport'],
  ] as const) {
    await using connector = await startConnector({
      ...bridgeConfig(url, authority.cert, tls),
    })
    const session = transport.webTransport(`https://127.0.0.1:${connector.port}/`)
    await expect(session.ready).rejects.toMatchObject({ message: expect.stringContaining('502') })
    expect(connector.log.join('\n')).toContain(evidence)
    expect(await resultsOf({ connector }, 'unavailable')).toBe(1)
  }
})

test('who may have no session is told so: not offered, too many, and too often', async () => {
  const world = await bridgeWorld(() => {}, {
    listen: { webTransport: { maxSessions: 2 } },
    service: { ingress: { requestRatePerClient: 1 } }, // on average over ten seconds
  })
  const client = connect(world.connector.url, { ca: world.identity.ca })
  const asked = client.request({
    ':method': 'CONNECT',
    ':protocol': 'webtransport',
    ':scheme': 'https',
    ':path': '/',
    ':authority': '127.0.0.1',
  })
  const status = await new Promise(resolve => asked.once('response', fields => resolve(fields[':status'])))
  expect(status).toBe(501)
  asked.setEncoding('utf8')
  expect(await asked.toArray().then(parts => parts.join(''))).toContain('MM_WEBTRANSPORT_NOT_OFFERED')
  client.close()
  const first = world.open()
  await Promise.all([first.ready, world.open().ready])
  await expect(world.open().ready).rejects.toMatchObject({ message: expect.stringContaining('503') })
  expect(await resultsOf(world, 'limited')).toBe(1)
  for (let asked = 0; asked < 10; asked++) await world.open().ready.catch(() => {})
  await expect(world.open().ready).rejects.toMatchObject({ message: expect.stringContaining('429') })
})

test('a listener that offers none says so in its SETTINGS', async () => {
  const world = await bridgeWorld(() => {}, { listen: { webTransport: false } })
  await expect(world.open().ready).rejects.toMatchObject({ code: 'MM_WEBTRANSPORT_UNAVAILABLE' })
})

test('a connection carries as many sessions as it may, and the next one takes another', async () => {
  const world = await bridgeWorld(() => {}, { listen: { webTransport: { maxSessionsPerConnection: 1 } } })
  await Promise.all([world.open().ready, world.open().ready, world.open().ready])
  const page = await scrape(world.connector)
  expect(page.sum('middlemile_ingress_sessions_total', { protocol: 'h3' })).toBe(3)
})

test('an origin that takes two sessions on a connection gets as many connections as it needs', async () => {
  const world = await bridgeWorld(() => {}, { origin: { http3: { maxSessions: 2 } } })
  await Promise.all(Array.from({ length: 5 }, () => world.open().ready))
  expect(world.origin.connectionsSeen()).toBeGreaterThanOrEqual(3)
})

test('a session has one record at its end, and is shown while it lives', async () => {
  const world = await bridgeWorld(session => void echoStreams(session))
  const session = world.open('/live?x=1', { protocols: ['chat'] })
  const { readable, writable } = await session.createBidirectionalStream()
  await writeAll(writable, Buffer.from('hello'))
  expect((await bytesOfStream(readable)).length).toBe(5)
  await session.datagrams.writable.getWriter().write(Buffer.from('123'))
  const shown = async () => {
    const page = (await (await fetch(`${world.connector.adminUrl}/pools`)).json()) as {
      webTransport: object[]
    }
    return page.webTransport
  }
  await expect.poll(shown).toEqual([
    {
      origin: 'app',
      open: 1,
      results: {},
      streams: { client: 1, origin: 0 },
      datagrams: { client: 1, origin: 0 },
      droppedDatagrams: { client: 0, origin: 0 },
      bytes: { client: 8, origin: 5 },
    },
  ])
  expect(world.records()).toEqual([])
  session.close({ closeCode: 77, reason: 'enough' })
  await until(() => world.records().length === 1, 'the record')
  expect(world.records()[0]).toMatchObject({
    target: '/live?x=1',
    status: 200,
    protocol: 'HTTP/3.0',
    origin: 'app',
    originProtocol: 'h3',
    requestBytes: 8,
    responseBytes: 5,
    session: 'closed_by_client',
    sessionProtocol: 'chat',
    closeCode: 77,
    streams: 1,
    datagrams: 1,
    droppedDatagrams: 0,
  })
  expect(world.records()[0]).not.toHaveProperty('error')
  const page = await scrape(world.connector)
  expect(page.sum('middlemile_webtransport_sessions', {})).toBe(0)
  expect(page.sum('middlemile_webtransport_bytes_total', { from: 'client' })).toBe(8)
})

test('a session through which nothing goes is closed on both sides', async () => {
  const world = await bridgeWorld(() => {}, { listen: { webTransport: { idleTimeout: '400ms' } } })
  const session = world.open()
  const end = { closeCode: 0, reason: 'nothing went through for 400 ms' }
  await expect(session.closed).resolves.toEqual(end)
  await expect(world.accepted[0]!.closed).resolves.toEqual(end)
  await until(() => world.records().length === 1, 'the record')
  expect(world.records()[0]).toMatchObject({ session: 'idle', error: 'MM_TUNNEL_IDLE' })
})

test('a drain asks both sides to finish, and waits until they have', async () => {
  const world = await bridgeWorld(session => void echoStreams(session))
  const session = world.open()
  await session.ready
  const drained = world.connector.service.drain()
  await session.draining
  await world.accepted[0]!.draining
  const { readable, writable } = await session.createBidirectionalStream()
  await writeAll(writable, Buffer.from('still here'))
  expect(String(await bytesOfStream(readable))).toBe('still here')
  session.close()
  await drained
})

test('what has not finished when a drain has to end is closed, with the reason on both sides', async () => {
  const world = await bridgeWorld(() => {}, { service: { shutdown: { drainTimeout: '300ms' } } })
  const session = world.open()
  await session.ready
  await world.connector.service.drain()
  const end = { closeCode: 0, reason: 'the connector is going away' }
  await expect(session.closed).resolves.toEqual(end)
  await expect(world.accepted[0]!.closed).resolves.toEqual(end)
  expect(world.records()).toMatchObject([{ session: 'shutdown', error: 'MM_TRANSPORT_CLOSED' }])
})

test('the GOAWAY of an origin asks its clients to finish', async () => {
  const world = await bridgeWorld()
  const session = world.open()
  await session.ready
  void world.origin.drain()
  await session.draining
  session.close()
  await session.closed
})

test('a reload leaves open sessions alone, and new ones go by what it says', async () => {
  const world = await bridgeWorld(session => void echoStreams(session))
  const session = world.open()
  await session.ready
  const app = { ...world.config.origins?.['app'], timeouts: { headers: '7s' } } as OriginConfig // it has a URL
  const routes = [{ path: '/new/', origin: 'app' }]
  const reloaded = await world.connector.service.reload({ ...world.config, origins: { app }, routes })
  expect(reloaded).toMatchObject({ ok: true })
  const { readable, writable } = await session.createBidirectionalStream()
  await writeAll(writable, Buffer.from('still here'))
  expect(String(await bytesOfStream(readable))).toBe('still here')
  await world.open('/new/').ready
  await expect(world.open('/session').ready).rejects.toMatchObject({
    message: expect.stringContaining('404'),
  })
})

test('an origin that vanishes ends the session of its client', async () => {
  const world = await bridgeWorld(() => {}, {
    isRelayed: 'origin',
    originOptions: { liveness: WATCHFUL },
  })
  const session = world.open()
  await session.ready
  world.relay!.isBlackHole = true
  await expect(session.closed).rejects.toBeInstanceOf(Error)
  await until(() => world.records().length === 1, 'the record')
  expect(world.records()[0]).toMatchObject({ session: 'origin_lost' })
  expect(world.records()[0]).not.toHaveProperty('closeCode')
})

test('a client that vanishes ends the session at its origin', async () => {
  const world = await bridgeWorld(() => {}, {
    isRelayed: 'client',
    service: { ingress: { liveness: WATCHFUL } },
  })
  await world.open().ready
  world.relay!.isBlackHole = true
  await until(() => world.accepted.length === 1, 'the session')
  await expect(world.accepted[0]!.closed).rejects.toBeInstanceOf(Error)
  await until(() => world.records().length === 1, 'the record')
  expect(world.records()[0]).toMatchObject({ session: 'client_lost' })
})

test('an origin that closes its connection ends the session of its client, and the next one has another', async () => {
  const world = await bridgeWorld()
  const session = world.open()
  await session.ready
  await world.origin.close()
  await expect(session.closed).rejects.toBeInstanceOf(Error)
  await expect(world.open().ready).rejects.toMatchObject({ message: expect.stringContaining('502') })
})

function closing<Server extends { close(): Promise<unknown> }>(server: Server) {
  return { server, [Symbol.asyncDispose]: async () => void (await server.close()) }
}
