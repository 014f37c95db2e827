import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { PoolStats } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { bodyOf } from '../../support/body-files.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { serveOptions, startConnectorProcess } from '../../support/connector-process.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { type KeepAliveLoadResult, runKeepAliveLoad } from '../../support/keep-alive-load.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { readPool } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { volume } from '../../support/volume.ts'
import { runWrk, wrkFailures } from '../../support/wrk.ts'

const REQUESTS = volume(1_000, 20_000)
const CLIENTS = 32
const GET_1K = 'GET /1k HTTP/1.1\r\nHost: a\r\n\r\n'

const openedIn = ({ opened }: PoolStats): number =>
  opened.full + opened.resumed + opened.earlyData + opened.cleartext

/** Every request answered with 200 and its body, on the connections that the clients began with. */
const flawless = (requests: number): KeepAliveLoadResult => ({
  statuses: { 200: requests },
  failures: [],
  wrongBodies: 0,
  connections: CLIENTS,
})

/** What the connector made of its connections, told by both sides, with nothing left over. */
async function settledPool(adminUrl: string, requests: number): Promise<PoolStats> {
  const isSettled = ({ connections, waiters }: PoolStats): boolean =>
    connections.leased === 0 && connections.draining === 0 && connections.connecting === 0 && waiters === 0
  await expect.poll(async () => isSettled(await readPool(adminUrl, 'origin')), { timeout: 5_000 }).toBe(true)
  const pool = await readPool(adminUrl, 'origin')
  expect(pool.requests).toBe(requests + pool.retries)
  // A connection that was dialed for a request that another one took may never carry any.
  expect(pool.requests - pool.reused).toBeLessThanOrEqual(openedIn(pool))
  const ended = Object.values(pool.closed).reduce((sum, count) => sum + count, 0)
  expect(openedIn(pool) - ended).toBe(pool.connections.idle)
  return pool
}

describe(`${REQUESTS} requests through the connector, none of which fails`, () => {
  it.for([5, 100])(
    'when nginx ends each connection after %i requests, and reloads in the middle',
    { timeout: 240_000 },
    async (keepaliveRequests, ctx) => {
      const missing = requireBinary('nginx')
      ctx.skip(missing !== undefined, missing)
      await using nginx = await startNginx({ keepaliveRequests })
      await using connector = await startConnectorProcess(serveOptions(nginx.url, nginx.certificates.caFile))
      let reloaded: Promise<void> | undefined
      const result = await runKeepAliveLoad({
        port: connector.port,
        request: GET_1K,
        requests: REQUESTS,
        connections: CLIENTS,
        body: bodyOf(1024),
        at: { answers: REQUESTS / 2, run: () => void (reloaded = nginx.reload()) },
      })
      await reloaded
      expect(result).toEqual(flawless(REQUESTS))
      const pool = await settledPool(connector.adminUrl, REQUESTS)
      const seen = await nginx.counters()
      // nginx has worked off each request once, whatever was sent again.
      expect(seen.requests).toBe(REQUESTS)
      expect(seen.connections).toBe(openedIn(pool))
      expect(openedIn(pool)).toBeGreaterThanOrEqual(REQUESTS / keepaliveRequests)
      // At its worst the reload costs every client a connection.
      expect(openedIn(pool)).toBeLessThanOrEqual(REQUESTS / keepaliveRequests + 3 * CLIENTS)
      expect(pool.connectFailures).toBe(0)
    },
  )

  it('under wrk, too, with a reload in the middle', { timeout: 180_000 }, async ctx => {
    const missing = requireBinary('nginx', 'wrk')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ keepaliveRequests: 50 })
    await using connector = await startConnectorProcess(serveOptions(nginx.url, nginx.certificates.caFile))
    // As many rounds as it takes: wrk counts time, and a busy machine makes few requests of it.
    let requests = 0
    let rounds = 0
    while (requests < 1_000 && rounds < 30) {
      rounds++
      const load = runWrk({ url: `${connector.url}/1k`, connections: CLIENTS, seconds: 2 })
      await sleep(1_000)
      await nginx.reload()
      const report = await load
      expect(wrkFailures(report)).toBe(0)
      requests += report.requests
    }
    expect(requests).toBeGreaterThanOrEqual(1_000)
    const pool = await readPool(connector.adminUrl, 'origin')
    // wrk leaves what is under way when its time is up.
    expect(pool.requests).toBeGreaterThanOrEqual(requests)
    expect(pool.requests).toBeLessThanOrEqual(requests + rounds * CLIENTS + pool.retries)
    expect(pool.connectFailures).toBe(0)
  })

  it('when an origin closes each connection after 10 answers without a word', {
    timeout: 240_000,
  }, async () => {
    using directory = makeTemporaryDirectory('recycling')
    const authority = await createCertificateAuthority()
    const files = await writeCertificateFiles(directory.path, authority)
    const { cert, key } = await authority.issue({ names: ['localhost'] })
    const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
    let answers = 0
    await using origin = await startLoopbackServer({
      tls: { cert, key },
      onConnection: socket => {
        let left = 10
        // A request without a body comes in one piece.
        socket.on('data', () => {
          if (left === 0) return
          answers++
          if (--left > 0) socket.write(answer)
          else socket.end(answer)
        })
      },
    })
    await using connector = await startConnectorProcess(
      serveOptions(`https://localhost:${origin.port}`, files.caFile),
    )
    const result = await runKeepAliveLoad({
      port: connector.port,
      request: GET_1K,
      requests: REQUESTS,
      connections: CLIENTS,
      body: Buffer.from('ok'),
    })
    expect(result).toEqual(flawless(REQUESTS))
    expect(answers).toBe(REQUESTS)
    const pool = await settledPool(connector.adminUrl, REQUESTS)
    expect(origin.accepted()).toBe(openedIn(pool))
    expect(openedIn(pool)).toBeGreaterThanOrEqual(REQUESTS / 10)
  })

  it('when haproxy closes connections that were idle for 20 ms', { timeout: 240_000 }, async ctx => {
    const missing = requireBinary('haproxy')
    ctx.skip(missing !== undefined, missing)
    await using haproxy = await startHaproxy({ keepAliveTimeout: '20ms' })
    await using connector = await startConnectorProcess(
      serveOptions(haproxy.url, haproxy.certificates.caFile),
    )
    const result = await runKeepAliveLoad({
      port: connector.port,
      request: GET_1K,
      requests: REQUESTS,
      connections: 2 * CLIENTS,
      body: bodyOf(1024),
      // Idle times on either side of the 20 ms, so that requests and closes meet.
      pauseMs: () => Math.random() * 30,
    })
    expect(result).toEqual({ ...flawless(REQUESTS), connections: 2 * CLIENTS })
    const pool = await settledPool(connector.adminUrl, REQUESTS)
    const seen = await haproxy.counters()
    expect(seen.requests).toBe(REQUESTS)
    expect(seen.connections).toBe(openedIn(pool))
    expect(pool.closed['peer-closed'] ?? 0).toBeGreaterThan(0)
  })
})

describe('requests that must not be sent twice', () => {
  it('are not, and none fails, as long as the origin says when it closes', {
    timeout: 180_000,
  }, async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ keepaliveRequests: 5 })
    await using connector = await startConnectorProcess(serveOptions(nginx.url, nginx.certificates.caFile))
    const requests = 1_000
    const result = await runKeepAliveLoad({
      port: connector.port,
      request: 'POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
      requests,
      connections: CLIENTS,
      body: Buffer.from('ok\n'),
    })
    expect(result).toEqual(flawless(requests))
    const pool = await settledPool(connector.adminUrl, requests)
    expect(pool.retries).toBe(0)
    expect(await nginx.counters()).toMatchObject({ requests, connections: openedIn(pool) })
  })

  it('are not sent again when a connection dies on them: that is a 502', { timeout: 180_000 }, async () => {
    const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
    let answers = 0
    await using origin = await startLoopbackServer({
      onConnection: socket => {
        let left = 3
        socket.on('data', () => {
          answers++
          // It reads the fourth, may have acted on it, and goes.
          if (left-- > 0) socket.write(answer)
          else socket.destroy()
        })
      },
    })
    await using connector = await startConnectorProcess(serveOptions(`http://127.0.0.1:${origin.port}`))
    const { statuses, failures } = await runKeepAliveLoad({
      port: connector.port,
      request: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
      requests: 400,
      connections: 4,
      body: Buffer.from('ok'),
    })
    expect(failures).toEqual([])
    expect((statuses[200] ?? 0) + (statuses[502] ?? 0)).toBe(400)
    // One in four, but for the connections that are within their cycle at the end.
    expect(statuses[502]).toBeGreaterThan(90)
    // It has seen each request once.
    expect(answers).toBe(400)
    expect((await settledPool(connector.adminUrl, 400)).retries).toBe(0)
  })
})
