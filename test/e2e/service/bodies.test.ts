import { createHash } from 'node:crypto'
import { closeSync, ftruncateSync, openSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BODY_BYTES, bodyOf, HUGE_BODY_BYTES } from '../../support/body-files.ts'
import {
  type ConnectorProcess,
  serveOptions,
  startConfiguredConnector,
  startConnectorProcess,
} from '../../support/connector-process.ts'
import { curl } from '../../support/curl.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { rawClient } from '../../support/raw-client.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { readPool } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/**
 * Of a connector that has carried a few small requests, with room for the garbage between two collections.
 * MiB.
 */
const PEAK_LIMIT = 200
const GROWTH_LIMIT = 100
const HUGE = `${HUGE_BODY_BYTES / 1_048_576} MiB`

const missing = requireBinary('nginx', 'curl')

describe.skipIf(missing !== undefined)('large bodies through a connector of its own process', () => {
  let nginx: Nginx
  let connector: ConnectorProcess

  beforeAll(async () => {
    nginx = await startNginx()
    connector = await startConfiguredConnector({
      origins: {
        origin: {
          url: nginx.url,
          tls: { ca: nginx.certificates.caFile },
          // Nobody is turned away here, however slow the machine is.
          pool: { queueTarget: '0ms', queueTimeout: '60s', maxStalledConnections: 0 },
        },
      },
      ingress: { shedTarget: '0ms' },
      // Clients that take nothing for a while keep their connections.
      forwarding: { buffering: { maxStalledShare: 1 } },
    })
    await curl([`${connector.url}/1k`])
  })
  afterAll(async () => {
    await connector[Symbol.asyncDispose]()
    await nginx.stop()
  })

  const memory = () => readProcessMemory(connector.cli.pid)

  it('carries 10 MB in both directions unchanged, of known length or chunked', async () => {
    const input = bodyOf(BODY_BYTES['10m'])
    for (const path of ['/10m', '/chunked/10m']) {
      const { exitCode, body } = await curl([`${connector.url}${path}`])
      expect([exitCode, sha256(body)]).toEqual([0, sha256(input)])
    }
    for (const args of [
      ['-X', 'PUT', '--data-binary', '@-'],
      ['-T', '-'],
    ]) {
      const put = await curl([...args, `${connector.url}/upload/10m`], { input })
      expect([put.exitCode, put.message]).toEqual([0, ''])
      expect([201, 204]).toContain(put.status)
      const direct = await curl([`${nginx.plainUrl}/upload/10m`])
      expect(sha256(direct.body)).toBe(sha256(input))
    }
  })

  it(`downloads ${HUGE} over TLS at constant memory`, { timeout: 120_000 }, async () => {
    const before = memory()
    const result = await curl([`${connector.url}/huge`], { discardBody: true, timeoutSeconds: 110 })
    expect([result.exitCode, result.status, result.bytes]).toEqual([0, 200, HUGE_BODY_BYTES])
    const after = memory()
    expect(after.peak).toBeLessThan(PEAK_LIMIT)
    expect(after.peak - before.now).toBeLessThan(GROWTH_LIMIT)
  })

  it('keeps the origin back for a slow client, and its own memory flat', { timeout: 60_000 }, async () => {
    const before = memory()
    const aborted = async () => (await readPool(connector.adminUrl, 'origin')).closed['exchange-aborted'] ?? 0
    const abortedBefore = await aborted() // the connector has served other tests
    const tooSlow = curl(['--limit-rate', '20M', `${connector.url}/huge`], {
      discardBody: true,
      timeoutSeconds: 3,
    })
    await sleep(2_500)
    const during = memory()
    expect(during.now - before.now).toBeLessThan(GROWTH_LIMIT)
    expect(during.peak).toBeLessThan(PEAK_LIMIT)
    const { exitCode, bytes } = await tooSlow
    expect(exitCode).toBe(28) // curl(1): the time is up
    expect(bytes).toBeGreaterThan(20_000_000)
    // It is gone in mid-body: the origin's connection cannot be used again and must not be kept.
    await expect.poll(async () => (await readPool(connector.adminUrl, 'origin')).connections.leased).toBe(0)
    expect(await aborted()).toBeGreaterThan(abortedBefore)
  })

  it('survives 80 clients that vanish in mid-download', { timeout: 60_000 }, async () => {
    expect((await curl([`${connector.url}/1k`])).status).toBe(200)
    const before = memory()
    const clients = Array.from({ length: 80 }, () => startDownload(connector.port))
    // 64 connections to an origin at the most (pool.maxConnections): the others wait for one.
    await expect
      .poll(
        async () => {
          const { connections, waiters } = await readPool(connector.adminUrl, 'origin')
          return [connections.leased, waiters]
        },
        { timeout: 10_000 },
      )
      .toEqual([64, 16])
    for (const [i, client] of clients.entries()) {
      if (i % 2 === 0) client.resetAndDestroy()
      else client.destroy()
    }
    await expect
      .poll(
        async () => {
          const { connections, waiters } = await readPool(connector.adminUrl, 'origin')
          return [connections.leased, connections.connecting, connections.draining, waiters]
        },
        { timeout: 10_000 },
      )
      .toEqual([0, 0, 0, 0])
    for (let i = 0; i < 20; i++) expect((await curl([`${connector.url}/1k`])).status).toBe(200)
    const after = memory()
    expect(after.peak).toBeLessThan(PEAK_LIMIT)
    expect(after.now - before.now).toBeLessThan(GROWTH_LIMIT)
    await expect.poll(() => openClients(connector)).toBe(0)
  })
})

async function openClients(connector: ConnectorProcess): Promise<number> {
  const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
  return page.sum('middlemile_ingress_connections')
}

/** Asks for a gigabyte and reads nothing of it. */
function startDownload(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {}) // it is reset by ourselves
  socket.write('GET /huge HTTP/1.1\r\nHost: a\r\n\r\n')
  return socket
}

interface CountingOrigin extends AsyncDisposable {
  url: string
  /** Of request bodies. */
  received(): number
  /** Requests whose connection ended before their body did. */
  broken(): number
}

/** Counts what it gets, and answers with the count. It reads as fast as it can, or not at all. */
async function startCountingOrigin(reads: boolean): Promise<CountingOrigin> {
  let received = 0
  let broken = 0
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    let ofThis = 0
    if (!reads) request.pause()
    else {
      request.on('data', (chunk: Buffer) => {
        received += chunk.length
        ofThis += chunk.length
      })
      request.on('end', () => response.end(String(ofThis)))
    }
    request.on('error', () => broken++)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    received: () => received,
    broken: () => broken,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

describe.skipIf(requireBinary('curl') !== undefined)('large uploads', () => {
  it(`takes ${HUGE} to the origin at constant memory`, { timeout: 120_000 }, async () => {
    using directory = makeTemporaryDirectory('upload')
    const file = join(directory.path, 'huge')
    const descriptor = openSync(file, 'w')
    ftruncateSync(descriptor, HUGE_BODY_BYTES)
    closeSync(descriptor)
    await using origin = await startCountingOrigin(true)
    await using connector = await startConnectorProcess(serveOptions(origin.url))
    await curl([`${connector.url}/`])
    const before = readProcessMemory(connector.cli.pid)
    const result = await curl(['-T', file, `${connector.url}/`], { timeoutSeconds: 110 })
    expect([result.exitCode, result.message, result.status]).toEqual([0, '', 200])
    expect(result.body.toString()).toBe(String(HUGE_BODY_BYTES))
    const after = readProcessMemory(connector.cli.pid)
    expect(after.peak).toBeLessThan(PEAK_LIMIT)
    expect(after.peak - before.now).toBeLessThan(GROWTH_LIMIT)
  })

  it('holds the client back for an origin that does not read, and gives up after timeouts.body', async () => {
    using directory = makeTemporaryDirectory('upload')
    await using origin = await startCountingOrigin(false)
    const config = {
      workers: 'off', // one process, whose memory is looked at
      listen: [{ address: '127.0.0.1:0' }],
      admin: { address: '127.0.0.1:0' },
      origins: { origin: { url: origin.url, timeouts: { body: '2s' } } },
    }
    const file = join(directory.path, 'config.json')
    writeFileSync(file, JSON.stringify(config))
    await using connector = await startConnectorProcess(['-c', file])
    const before = readProcessMemory(connector.cli.pid)
    const startUpload = () => {
      const client = rawClient(connector.port)
      client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${HUGE_BODY_BYTES}\r\n\r\n`)
      const chunk = Buffer.alloc(1_048_576)
      let written = 0
      const pump = (): void => {
        do written += chunk.length
        while (client.socket.write(chunk) && written < HUGE_BODY_BYTES)
      }
      client.socket.on('drain', pump)
      pump()
      return { client, taken: () => written - client.socket.writableLength }
    }
    const staying = startUpload()
    const leaving = startUpload()
    await expect.poll(() => leaving.taken()).toBeGreaterThan(0)
    await sleep(1_000)
    // What the kernel holds for two connections, and a few reads.
    expect(staying.taken()).toBeLessThan(64 * 1_048_576)
    expect(readProcessMemory(connector.cli.pid).now - before.now).toBeLessThan(GROWTH_LIMIT)
    // Nobody reads from it, so that nobody notices.
    leaving.client.socket.resetAndDestroy()
    expect(await staying.client.until(/\r\n\r\n.*\}\}$/)).toMatch(
      /^HTTP\/1\.1 504 [^]*error=http_response_timeout[^]*"MM_BODY_TIMEOUT"/,
    )
    staying.client.socket.destroy()
    await expect
      .poll(async () => (await readPool(connector.adminUrl, 'origin')).connections, { timeout: 5_000 })
      .toEqual({ connecting: 0, idle: 0, leased: 0, draining: 0 })
  })

  it('ends the exchange with the origin when the client breaks off within its body', async () => {
    await using origin = await startCountingOrigin(true)
    await using connector = await startConnectorProcess(serveOptions(origin.url))
    using client = rawClient(connector.port)
    client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning')
    await expect.poll(() => origin.received()).toBe(9)
    client.socket.resetAndDestroy()
    await expect.poll(() => origin.broken()).toBe(1)
    const pool = await readPool(connector.adminUrl, 'origin')
    expect([pool.connections, pool.retries]).toEqual([{ connecting: 0, idle: 0, leased: 0, draining: 0 }, 0])
    expect((await curl(['--data', 'abc', `${connector.url}/`])).body.toString()).toBe('3')
  })

  it('passes on the answer of an origin that wants no more of the body', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({
      extraServer: 'location /small { client_max_body_size 1k; dav_methods PUT; }',
    })
    await using connector = await startConnectorProcess(serveOptions(nginx.url, nginx.certificates.caFile))
    const refused = await curl(['-X', 'PUT', '--data-binary', '@-', `${connector.url}/small/x`], {
      input: bodyOf(3_000_000),
    })
    expect([refused.status, refused.headers['server']]).toEqual([413, ['nginx']])
    expect((await curl([`${connector.url}/1k`])).status).toBe(200)
  })
})
