import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTransport,
  type Transport,
  type TransportOptions,
  type TransportResponse,
} from '../../../src/index.ts'
import { BODY_BYTES, bodyOf } from '../../support/body-files.ts'
import { load } from '../../support/load.ts'
import { type Nginx, parseReflection, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'

const missing = requireBinary('nginx')

/** The module against nginx over TLS, whose certificate is checked. */
describe.skipIf(missing !== undefined)('the module and nginx', () => {
  let nginx: Nginx
  let transport: Transport

  beforeAll(async () => {
    nginx = await startNginx()
    transport = trusting(nginx)
  })
  afterAll(async () => {
    await transport.close()
    await nginx.stop()
  })

  const get = (path: string): Promise<TransportResponse> => transport.request(`${nginx.url}${path}`)

  describe('reads bodies', () => {
    it.each(['1k', '100k', '10m'] as const)('of known length, whole and unchanged: /%s', async name => {
      const response = await get(`/${name}`)
      expect(response.status).toBe(200)
      expect(response.headers['content-length']).toBe(String(BODY_BYTES[name]))
      expect(sha256(await response.bytes())).toBe(sha256(bodyOf(BODY_BYTES[name])))
    })

    it.each(['1k', '100k', '10m'] as const)('in chunks, as a stream: /chunked/%s', async name => {
      const response = await get(`/chunked/${name}`)
      expect(response.headers['content-length']).toBeUndefined()
      const hash = createHash('sha256')
      for await (const chunk of response.body) hash.update(chunk as Buffer) // no encoding was set
      expect(hash.digest('hex')).toBe(sha256(bodyOf(BODY_BYTES[name])))
      expect(response.trailers).toEqual({})
    })

    it('with trailers', async () => {
      const response = await get('/trailers/1k')
      expect((await response.bytes()).length).toBe(1024)
      expect(response.trailers).toEqual({ 'x-checksum': 'middlemile' })
    })

    it('that are not there: 204, 304 and the answer to HEAD', async () => {
      const none = await get('/204')
      expect([none.status, (await none.bytes()).length]).toEqual([204, 0])

      const full = await get('/1k')
      await full.dump()
      const etag = full.headers['etag'] as string // nginx sends one for files
      const same = await transport.request(`${nginx.url}/1k`, { headers: { 'if-none-match': etag } })
      expect([same.status, (await same.bytes()).length]).toEqual([304, 0])

      const head = await transport.request(`${nginx.url}/10m`, { method: 'HEAD' })
      expect([head.status, head.headers['content-length']]).toEqual([200, String(BODY_BYTES['10m'])])
      expect((await head.bytes()).length).toBe(0)
    })

    it('of failures like any others', async () => {
      const response = await get('/503')
      expect([response.status, response.statusText, await response.text()]).toEqual([
        503,
        'Service Temporarily Unavailable',
        'busy\n',
      ])
    })
  })

  it('does not follow redirects in request(), and does in fetch()', async () => {
    const response = await get('/redirect')
    await response.dump()
    expect([response.status, response.headers['location']]).toEqual([
      302,
      `https://localhost:${nginx.tlsPort}/1k`,
    ])

    const fetched = await transport.fetch(`${nginx.url}/redirect`)
    expect([fetched.status, fetched.redirected]).toEqual([200, true])
    expect(Buffer.from(await fetched.arrayBuffer()).equals(bodyOf(1024))).toBe(true)
  })

  it('sends nothing that nobody asked for', async () => {
    const reflection = parseReflection(await (await get('/reflect?a=b%20c')).text())
    expect(reflection).toMatchObject({
      'request-line': 'GET /reflect?a=b%20c HTTP/1.1',
      host: `localhost:${nginx.tlsPort}`,
      connection: '',
      'user-agent': '',
      'content-length': '',
      'transfer-encoding': '',
      'tls-version': 'TLSv1.3',
      'tls-server-name': 'localhost',
    })
  })

  describe('uploads', () => {
    const body = bodyOf(3_000_000)
    const pieces = function* (): Generator<Uint8Array> {
      for (let at = 0; at < body.length; at += 70_000) yield body.subarray(at, at + 70_000)
    }
    const asyncPieces = async function* (): AsyncGenerator<Uint8Array> {
      for (const piece of pieces()) {
        yield piece
        await sleep(0)
      }
    }
    const put = async (name: string, options: Parameters<Transport['request']>[1]): Promise<Buffer> => {
      const response = await transport.request(`${nginx.url}/upload/${name}`, { method: 'PUT', ...options })
      await response.dump()
      expect(response.status).toBe(201)
      return readFileSync(join(nginx.directory, 'upload', name))
    }

    it('bytes', async () => {
      expect((await put('bytes', { body })).equals(body)).toBe(true)
    })

    it('a Readable in chunks', async () => {
      expect((await put('readable', { body: Readable.from(pieces()) })).equals(body)).toBe(true)
    })

    it('an async generator in chunks', async () => {
      expect((await put('generator', { body: asyncPieces() })).equals(body)).toBe(true)
    })

    it('a stream of declared length', async () => {
      const headers = { 'content-length': String(body.length) }
      expect((await put('declared', { headers, body: asyncPieces() })).equals(body)).toBe(true)
    })

    it('a Blob', async () => {
      expect((await put('blob', { body: new Blob([body]) })).equals(body)).toBe(true)
    })

    it('says how long a body is whenever it knows', async () => {
      const lengths = []
      const bodies = ['text', new Blob(['blobs']), new URLSearchParams({ a: 'b' }), asyncPieces(), '']
      for (const one of bodies) {
        const response = await transport.request(`${nginx.url}/reflect`, { method: 'POST', body: one })
        const seen = parseReflection(await response.text())
        lengths.push(seen['content-length'] || seen['transfer-encoding'])
      }
      expect(lengths).toEqual(['4', '5', '3', 'chunked', '0'])
    })
  })

  it('refuses a certificate that it has no reason to trust, or that is for another name', async () => {
    await using stranger = createTransport()
    await expect(stranger.request(`${nginx.url}/1k`)).rejects.toMatchObject({
      code: 'MM_TLS_CERTIFICATE',
      processed: 'no',
      fault: 'remote',
    })
    await using other = createTransport({
      defaults: { tls: { ca: nginx.certificates.ca } },
      resolve: { [`elsewhere.test:${nginx.tlsPort}`]: '127.0.0.1' },
    })
    await expect(other.request(`https://elsewhere.test:${nginx.tlsPort}/1k`)).rejects.toMatchObject({
      code: 'MM_TLS_CERTIFICATE',
    })
  })

  it('answers MM_TLS_FAILED where no TLS is spoken', async () => {
    await using other = createTransport()
    const failed = other.request(`https://localhost:${nginx.plainPort}/1k`)
    await expect(failed).rejects.toMatchObject({ code: 'MM_TLS_FAILED', processed: 'no' })
  })

  it('resumes sessions on new connections', async () => {
    await using fresh = trusting(nginx, { pool: { maxRequests: 1 } })
    const infos = []
    for (let i = 0; i < 3; i++) {
      const response = await fresh.request(`${nginx.url}/1k`)
      await response.dump()
      infos.push([response.info.reused, response.info.resumed])
    }
    expect(infos).toEqual([
      [false, false],
      [false, true],
      [false, true],
    ])
    expect(fresh.stats().pools[0]?.opened).toMatchObject({ full: 1, resumed: 2 })
  })
})

describe.skipIf(missing !== undefined)('the module and an nginx that recycles connections', () => {
  it('fails none of 2,000 requests when each connection takes 5', async () => {
    await using nginx = await startNginx({ keepaliveRequests: 5 })
    await using transport = trusting(nginx)
    const result = await load(transport, `${nginx.url}/1k`, { requests: 2_000, concurrency: 16 })
    expect(result.failures).toEqual([])

    const { connections, requests } = await nginx.counters()
    const pool = transport.stats().pools[0]
    expect(requests).toBe(2_000 + (pool?.retries ?? 0))
    // 5 requests each; the last 16 connections may be left in the middle of theirs.
    expect(connections).toBeGreaterThanOrEqual(400)
    expect(connections).toBeLessThanOrEqual(400 + 16)
    // A dial that the last waiter no longer needed may be under way: nginx has counted it, and we will in a
    // moment.
    await expect.poll(async () => (await nginx.counters()).connections - opened(transport)).toBe(0)
    expect(pool?.reuseRatio).toBeGreaterThan(0.79)
  })

  it('uses one connection for one caller', async () => {
    await using nginx = await startNginx()
    await using transport = trusting(nginx)
    const result = await load(transport, `${nginx.url}/1k`, { requests: 500, concurrency: 1 })
    expect(result.failures).toEqual([])
    expect(await nginx.counters()).toMatchObject({ connections: 1, requests: 500 })
  })

  it('fails no idempotent request over a graceful reload, though idle connections are closed', async () => {
    await using nginx = await startNginx({ workers: 2 })
    await using transport = trusting(nginx)
    const stop = new AbortController()
    const running = load(transport, `${nginx.url}/1k`, { until: stop.signal, concurrency: 16 })
    for (let i = 0; i < 4; i++) {
      await sleep(250)
      await nginx.reload()
    }
    await sleep(250)
    stop.abort()
    const result = await running
    expect(result.failures).toEqual([])
    expect(result.requests).toBeGreaterThan(200)
    expect(opened(transport)).toBeGreaterThan(16) // the reloads did end connections
  })

  it('goes on at once behind a reload that ends many connections which nobody has used yet', async () => {
    await using nginx = await startNginx({ http2: true })
    await using transport = createTransport({
      defaults: {
        protocols: ['h2'],
        tls: { ca: nginx.certificates.ca },
        pool: { maxStreamsPerConnection: 1 },
      },
    })
    const pool = () => transport.stats().pools[0]
    await transport.preconnect(nginx.url, { connections: 8 })
    await nginx.reload()
    await expect.poll(() => pool()?.closed['peer-closed']).toBe(8)
    const startedAt = performance.now()
    expect(await (await transport.request(`${nginx.url}/204`)).bytes()).toHaveLength(0)
    // Eight failures one after the other would have been a pause of 6 to 10 s, and requests that fail at
    // once.
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  it('recovers from a restart, and fails only what the rules do not let it send again', async () => {
    await using nginx = await startNginx()
    await using transport = trusting(nginx)
    const stop = new AbortController()
    const running = load(transport, `${nginx.url}/1k`, { until: stop.signal, concurrency: 16 })
    await sleep(200)
    await nginx.restart()
    await sleep(300)
    stop.abort()
    const result = await running
    // While nobody listens there is nobody to send it to; what a fresh connection broke under is not sent
    // again (rule 5).
    const allowed = new Set([
      'MM_CONNECT_REFUSED',
      'MM_CONNECT_FAILED',
      'MM_CONNECTION_CLOSED',
      'MM_CONNECTION_RESET',
    ])
    expect(result.failures.filter(({ code }) => !allowed.has(code))).toEqual([])
    expect(result.requests).toBeGreaterThan(50)

    const after = await load(transport, `${nginx.url}/1k`, { requests: 200, concurrency: 16 })
    expect(after.failures).toEqual([])
  })
})

function trusting(nginx: Nginx, defaults: TransportOptions['defaults'] = {}): Transport {
  return createTransport({ defaults: { ...defaults, tls: { ca: nginx.certificates.ca } } })
}

function opened(transport: Transport): number {
  const counts = transport.stats().pools[0]?.opened
  return counts === undefined ? 0 : counts.full + counts.resumed
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
