import { type ClientHttp2Session, connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTransport, type PoolStats } from '../../../src/index.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { runH2load } from '../../support/h2load.ts'
import { load } from '../../support/load.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import type { CliProcess } from '../../support/spawn-cli.ts'
import { readPool } from '../../support/start-connector.ts'
import { volume } from '../../support/volume.ts'

/** Of each test. */
const REQUESTS = volume(1_000, 30_000)
/** Of those at a pace, which take their time. */
const PACED_REQUESTS = volume(400, 5_000)
const TIMEOUT = { timeout: 30_000 + REQUESTS * 10 }
const PER_SECOND = 500
const KEEPALIVE_REQUESTS = 100

const openedIn = ({ opened }: PoolStats): number =>
  opened.full + opened.resumed + opened.earlyData + opened.cleartext

/** Reloads again and again until it is stopped. Resolves with how often. */
function reloadsOf(nginx: Nginx, everyMs: number): { stop(): Promise<number> } {
  let isStopped = false
  const running = (async () => {
    let reloads = 0
    while (!isStopped) {
      await sleep(everyMs)
      if (isStopped) break
      await nginx.reload()
      reloads++
    }
    return reloads
  })()
  return {
    stop() {
      isStopped = true
      return running
    },
  }
}

/** Stops the process for so long, and lets it run for as long, again and again. 0: never. */
function stopsOf(child: CliProcess, stopMs: number): { stop(): Promise<void> } {
  let isOver = stopMs === 0
  const running = (async () => {
    while (!isOver) {
      await sleep(stopMs)
      child.signal('SIGSTOP')
      await sleep(stopMs)
      child.signal('SIGCONT')
    }
  })()
  return {
    stop() {
      isOver = true
      return running
    },
  }
}

/** Starts `perSecond` of them each second, whatever becomes of those before. */
async function paced(requests: number, perSecond: number, send: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  const all: Promise<void>[] = []
  while (all.length < requests) {
    const due = Math.min(requests, Math.ceil(((performance.now() - startedAt) / 1000) * perSecond))
    while (all.length < due) all.push(send())
    await sleep(5)
  }
  await Promise.all(all)
}

/** One request; what is wrong with its answer, or undefined. */
function ask(session: ClientHttp2Session, path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const stream = session.request({ ':path': path })
    let status: number | undefined
    let bytes = 0
    stream.on('response', headers => {
      status = headers[':status']
    })
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    stream.on('error', error => resolve(error.message))
    stream.on('end', () =>
      resolve(status === 200 && bytes === 1024 ? undefined : `${status}, ${bytes} bytes`),
    )
    stream.end()
  })
}

/**
 * Every connection carried as many as nginx allows, but for those that a reload cut short; and nothing is
 * left over.
 */
function expectChurn(pool: PoolStats, requests: number, reloads: number): void {
  expect(pool.requests).toBe(requests + pool.retries)
  expect(openedIn(pool)).toBeGreaterThanOrEqual(Math.floor(requests / KEEPALIVE_REQUESTS))
  expect(openedIn(pool)).toBeLessThanOrEqual((2 * requests) / KEEPALIVE_REQUESTS + 4 * (reloads + 2))
  expect(pool.connectFailures).toBe(0)
}

describe('none of many requests fails over HTTP/2 while nginx ends each connection after 100 and reloads', () => {
  const missing = requireBinary('nginx', 'h2load')

  it(`through the module, at ${PER_SECOND} a second`, TIMEOUT, async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true, keepaliveRequests: KEEPALIVE_REQUESTS })
    await using transport = createTransport({
      defaults: { protocols: ['h2'], tls: { ca: nginx.certificates.ca } },
    })
    const requests = PACED_REQUESTS
    const failures: unknown[] = []
    const reloading = reloadsOf(nginx, 500)
    await paced(requests, PER_SECOND, async () => {
      try {
        const response = await transport.request(`${nginx.url}/1k`)
        const { length } = await response.bytes()
        if (response.status !== 200 || length !== 1024) failures.push(`${response.status}, ${length} bytes`)
      } catch (error) {
        failures.push(error)
      }
    })
    const reloads = await reloading.stop()
    expect(failures).toEqual([])
    expect(reloads).toBeGreaterThan(0)
    const pool = transport.stats().pools[0]
    if (pool === undefined) throw new Error('one origin, one pool')
    expectChurn(pool, requests, reloads)
  })

  it.for([
    [`at ${PER_SECOND} a second`, 0],
    // What waits meanwhile comes in one go: more than one connection takes, and more than its windows let
    // through at once.
    [`at ${PER_SECOND} a second, though it is stopped again and again`, 300],
  ] as const)('through the connector, %s', TIMEOUT, async ([, stopMs], ctx) => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true, keepaliveRequests: KEEPALIVE_REQUESTS })
    await using connector = await startConfiguredConnector({
      origins: {
        nginx: { url: nginx.url, protocols: ['h2'], tls: { ca: nginx.certificates.caFile } },
      },
    })
    const session = connect(connector.url)
    const requests = PACED_REQUESTS
    const failures: string[] = []
    session.on('error', error => failures.push(error.message))
    const reloading = reloadsOf(nginx, 500)
    const stopping = stopsOf(connector.cli, stopMs)
    await paced(requests, PER_SECOND, async () => {
      const failure = await ask(session, '/1k')
      if (failure !== undefined) failures.push(failure)
    })
    const reloads = await reloading.stop()
    await stopping.stop()
    session.destroy()
    expect(failures).toEqual([])
    const pool = await readPool(connector.adminUrl, 'nginx')
    if (stopMs === 0) expectChurn(pool, requests, reloads)
    else expect(pool.requests).toBe(requests + pool.retries)
  })

  it('through the module, 64 at a time', TIMEOUT, async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true, keepaliveRequests: KEEPALIVE_REQUESTS })
    await using transport = createTransport({
      defaults: { protocols: ['h2'], tls: { ca: nginx.certificates.ca } },
    })
    const reloading = reloadsOf(nginx, 500)
    const { failures } = await load(transport, `${nginx.url}/1k`, { requests: REQUESTS, concurrency: 64 })
    const reloads = await reloading.stop()
    expect(failures.map(String)).toEqual([])
    const pool = transport.stats().pools[0]
    if (pool === undefined) throw new Error('one origin, one pool')
    expect(pool.requests).toBe(REQUESTS + pool.retries)
    expect(pool.connectFailures).toBe(0)
    expect(openedIn(pool)).toBeGreaterThanOrEqual(REQUESTS / KEEPALIVE_REQUESTS)
    expect(reloads).toBeGreaterThanOrEqual(0)
  })

  it.for(['GET', 'POST'])('through the connector, from h2load: %s', TIMEOUT, async (method, ctx) => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true, keepaliveRequests: KEEPALIVE_REQUESTS })
    await using connector = await startConfiguredConnector({
      origins: {
        nginx: { url: nginx.url, protocols: ['h2'], tls: { ca: nginx.certificates.caFile } },
      },
    })
    const reloading = reloadsOf(nginx, 500)
    const report = await runH2load({
      url: `${connector.url}/${method === 'GET' ? '1k' : 'sink'}`,
      requests: REQUESTS,
      clients: 8,
      streams: 8,
      ...(method === 'POST' && { dataFile: `${nginx.directory}/www/1k` }),
      timeoutMs: TIMEOUT.timeout,
    })
    const reloads = await reloading.stop()
    expect(report.requests).toMatchObject({ succeeded: REQUESTS, failed: 0, errored: 0, timeout: 0 })
    expect(report.statuses['2xx']).toBe(REQUESTS)
    const pool = await readPool(connector.adminUrl, 'nginx')
    expect(pool.requests).toBe(REQUESTS + pool.retries)
    expect(pool.connectFailures).toBe(0)
    expect(openedIn(pool)).toBeGreaterThanOrEqual(REQUESTS / KEEPALIVE_REQUESTS)
    // What must not be sent twice was worked off once.
    if (method === 'POST' && reloads === 0) expect((await nginx.counters()).requests).toBe(REQUESTS)
  })
})
