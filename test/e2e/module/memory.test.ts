import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { HUGE_BODY_BYTES } from '../../support/body-files.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'

const MB = 1024 * 1024
/**
 * How much the process may grow: a few buffers per connection, and what the collector leaves lying for a
 * while.
 */
const ALLOWED_GROWTH = 80 * MB

/**
 * 1 GB both ways in constant memory, in a process of its own (vitest.config.ts), so that its memory is only what
 * happens here.
 */
describe('memory', () => {
  let transport: Transport
  beforeAll(async () => {
    transport = createTransport({ defaults: { tls: { rejectUnauthorized: false } } })
    // What is allocated once (code, TLS, stream classes) is not growth.
    await using origin = await startCounter()
    const warmUp = await transport.request(origin.url, { method: 'PUT', body: generated(64 * MB) })
    await warmUp.dump()
  })
  afterAll(() => transport.close())

  describe.skipIf(requireBinary('nginx') !== undefined)('of downloads', () => {
    let nginx: Nginx
    beforeAll(async () => {
      nginx = await startNginx()
      await (await transport.request(`${nginx.url}/10m`)).dump()
    })
    afterAll(() => nginx.stop())

    it('stays constant over 1 GB through a stream with a slow reader, over TLS', {
      timeout: 60_000,
    }, async () => {
      const growth = watchGrowth()
      const response = await transport.request(`${nginx.url}/huge`)
      let bytes = 0
      let nextPauseAt = 200 * MB
      for await (const chunk of response.body) {
        bytes += (chunk as Buffer).length // no encoding was set
        if (bytes < nextPauseAt) continue
        nextPauseAt += 400 * MB
        await new Promise(resolve => setTimeout(resolve, 600)) // long enough for hundreds of MB to come
      }
      expect(bytes).toBe(HUGE_BODY_BYTES)
      expect(growth.end()).toBeLessThan(ALLOWED_GROWTH)
    })

    it('stays constant over 1 GB that is thrown away', { timeout: 60_000 }, async () => {
      const growth = watchGrowth()
      const response = await transport.request(`${nginx.plainUrl}/huge`)
      await response.dump()
      expect(response.headers['content-length']).toBe(String(HUGE_BODY_BYTES))
      expect(growth.end()).toBeLessThan(ALLOWED_GROWTH)
    })

    it('stays constant over 1 GB that nobody reads, since hardly any of it comes', async () => {
      const growth = watchGrowth()
      const response = await transport.request(`${nginx.plainUrl}/huge`)
      await new Promise(resolve => setTimeout(resolve, 300))
      expect(growth.end()).toBeLessThan(20 * MB)
      response.body.destroy()
    })

    it('is that of one body for twenty bodies of 10 MB, one after the other', {
      timeout: 60_000,
    }, async () => {
      const growth = watchGrowth()
      for (let i = 0; i < 20; i++) {
        const response = await transport.request(`${nginx.url}/10m`)
        expect((await response.bytes()).length).toBe(10 * MB)
      }
      // Each is there twice for a moment (pieces and whole), and two or three are left for the collector.
      expect(growth.end()).toBeLessThan(ALLOWED_GROWTH + 40 * MB)
    })
  })

  it('stays constant over an upload of 1 GB that is generated on the fly', { timeout: 60_000 }, async () => {
    await using origin = await startCounter()
    const growth = watchGrowth()
    const response = await transport.request(origin.url, { method: 'PUT', body: generated(HUGE_BODY_BYTES) })
    expect(await response.text()).toBe('all there')
    expect(origin.bytes()).toBeGreaterThanOrEqual(HUGE_BODY_BYTES)
    expect(growth.end()).toBeLessThan(ALLOWED_GROWTH)
  })

  it('stays constant under an upload whose origin does not read', async () => {
    await using origin = await startCounter('reads nothing')
    const growth = watchGrowth()
    const abort = new AbortController()
    const stuck = transport.request(origin.url, {
      method: 'PUT',
      body: generated(HUGE_BODY_BYTES),
      signal: abort.signal,
    })
    setTimeout(() => abort.abort(), 300)
    await expect(stuck).rejects.toMatchObject({ name: 'AbortError' })
    expect(growth.end()).toBeLessThan(40 * MB)
  })
})

/** Samples what the process holds; end() reports how much more than at the start it was at its peak. */
function watchGrowth(): { end(): number } {
  const before = process.memoryUsage.rss()
  let peak = before
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 10)
  return {
    end() {
      clearInterval(timer)
      return Math.max(peak, process.memoryUsage.rss()) - before
    },
  }
}

/** A body whose pieces are made when they are asked for. */
function generated(bytes: number): Readable {
  const pieceBytes = 256 * 1024
  return Readable.from(
    (function* () {
      for (let sent = 0; sent < bytes; sent += pieceBytes) yield Buffer.alloc(pieceBytes, 'g')
    })(),
    { highWaterMark: 1 },
  )
}

interface Counter extends AsyncDisposable {
  readonly url: string
  bytes(): number
}

/** Reads a chunked request without keeping any of it, and answers when its end is there. */
async function startCounter(mode: 'reads all' | 'reads nothing' = 'reads all'): Promise<Counter> {
  let bytes = 0
  const server = createServer({ pauseOnConnect: mode === 'reads nothing' }, socket => {
    socket.on('error', () => {}) // the client may go at any time
    if (mode === 'reads nothing') return
    let tail = ''
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      tail = (tail + chunk.subarray(-5).toString('latin1')).slice(-5)
      if (tail !== '0\r\n\r\n') return
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nall there')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    bytes: () => bytes,
    async [Symbol.asyncDispose]() {
      server.close()
      await Promise.resolve()
    },
  }
}
