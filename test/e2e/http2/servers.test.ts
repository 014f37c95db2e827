import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { BODY_BYTES, bodyOf } from '../../support/body-files.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { load } from '../../support/load.ts'
import { startNghttpd } from '../../support/nghttpd.ts'
import { parseReflection, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** What every server serves, and how it is asked for in cleartext. */
const SERVERS = [
  ['nginx', startNginx, ['1k', '100k', '10m']],
  ['haproxy', startHaproxy, ['1k']],
  ['caddy', startCaddy, ['1k', '100k', '10m']],
  ['nghttpd', startNghttpd, ['1k', '100k', '10m']],
] as const

/** The module in HTTP/2 against servers of others, whose certificates are checked. */
describe.each(SERVERS)('HTTP/2 to %s', (name, start, bodies) => {
  const missing = requireBinary(name)
  let server: Awaited<ReturnType<typeof start>> | undefined
  let transport: Transport
  beforeAll(async () => {
    if (missing !== undefined) return
    server = await start({ http2: true, keepaliveRequests: 100_000 })
    transport = createTransport({ defaults: { protocols: ['h2'], tls: { ca: server.certificates.ca } } })
  })
  afterAll(async () => {
    await transport?.close()
    await server?.stop()
  })
  const urls = (): string[] => {
    if (server === undefined) return []
    return [server.url, 'h2cUrl' in server ? server.h2cUrl : server.plainUrl]
  }

  it('reads bodies of every size, over TLS and in cleartext', async ctx => {
    ctx.skip(missing !== undefined, missing)
    for (const url of urls()) {
      for (const body of bodies) {
        const response = await transport.request(`${url}/${body}`)
        expect([response.status, response.info.protocol]).toEqual([200, 'h2'])
        expect(sha256(await response.bytes())).toBe(sha256(bodyOf(BODY_BYTES[body])))
      }
      const head = await transport.request(`${url}/1k`, { method: 'HEAD' })
      expect([head.status, head.headers['content-length'], (await head.bytes()).length]).toEqual([
        200,
        '1024',
        0,
      ])
      const absent = await transport.request(`${url}/absent`)
      await absent.dump()
      expect(absent.status).toBe(404)
    }
  })

  it('agrees on HTTP/2 by ALPN when both are allowed', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const [url = ''] = urls()
    await using own = createTransport({
      defaults: { tls: { ca: server?.certificates.ca ?? '' }, protocols: ['h2', 'http/1.1'] },
    })
    const response = await own.request(`${url}/1k`)
    await response.dump()
    expect(response.info.protocol).toBe('h2')
  })

  it('carries 2000 requests, 64 at a time, on one connection or two', { timeout: 30_000 }, async ctx => {
    ctx.skip(missing !== undefined, missing)
    for (const url of urls()) {
      await using own = createTransport({
        defaults: { protocols: ['h2'], tls: { ca: server?.certificates.ca ?? '' } },
      })
      const { failures, perConnection } = await load(own, `${url}/1k`, { requests: 2_000, concurrency: 64 })
      expect(failures).toEqual([])
      expect(perConnection.size).toBeLessThanOrEqual(2)
      expect(own.stats().pools[0]?.reuseRatio).toBeGreaterThanOrEqual(0.999)
    }
  })
})

describe('HTTP/2 to nginx', () => {
  const missing = requireBinary('nginx')

  it('uploads with a length and without, reads trailers, and says nothing that nobody asked for', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true })
    await using transport = createTransport({
      defaults: { protocols: ['h2'], tls: { ca: nginx.certificates.ca } },
    })
    const body = bodyOf(3_000_000)
    const pieces = function* (): Generator<Uint8Array> {
      for (let at = 0; at < body.length; at += 70_000) yield body.subarray(at, at + 70_000)
    }
    for (const [path, input] of [
      ['bytes', body],
      ['stream', Readable.from(pieces())],
    ] as const) {
      const response = await transport.request(`${nginx.url}/upload/${path}`, { method: 'PUT', body: input })
      await response.dump()
      expect(response.status).toBe(201)
      expect(readFileSync(join(nginx.directory, 'upload', path)).equals(body)).toBe(true)
    }
    const trailers = await transport.request(`${nginx.url}/trailers/1k`)
    await trailers.dump()
    expect(trailers.trailers).toEqual({ 'x-checksum': 'middlemile' })
    const reflection = await transport.request(`${nginx.url}/reflect?a=b%20c`, {
      headers: { 'x-test': 'a b' },
    })
    expect(parseReflection(await reflection.text())).toMatchObject({
      'request-line': 'GET /reflect?a=b%20c HTTP/2.0',
      host: `localhost:${nginx.tlsPort}`,
      connection: '',
      'user-agent': '',
      'content-length': '',
      'transfer-encoding': '',
      'x-test': 'a b',
      'tls-server-name': 'localhost',
    })
    expect(transport.stats().pools[0]?.opened).toMatchObject({ full: 1, resumed: 0 })
  })

  it('opens no more streams than it is allowed, and fails none', { timeout: 30_000 }, async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true, http2MaxConcurrentStreams: 5 })
    await using transport = createTransport({
      defaults: {
        protocols: ['h2'],
        pool: { maxConnections: 3 },
        select: { exploreShare: 0 }, // a lane on trial has one connection at the least
        tls: { ca: nginx.certificates.ca },
      },
    })
    const { failures, perConnection } = await load(transport, `${nginx.url}/100k`, {
      requests: 500,
      concurrency: 100,
    })
    expect(failures).toEqual([])
    expect(perConnection.size).toBeLessThanOrEqual(3)
  })

  it('gives up a stream and keeps the connection', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ http2: true, slowBytesPerSecond: 10_000 })
    await using transport = createTransport({
      defaults: { protocols: ['h2'], tls: { ca: nginx.certificates.ca } },
    })
    for (let round = 0; round < 5; round++) {
      const abort = new AbortController()
      const response = await transport.request(`${nginx.url}/slow/10m`, { signal: abort.signal })
      abort.abort()
      await expect(response.bytes()).rejects.toMatchObject({ name: 'AbortError' })
    }
    const after = await transport.request(`${nginx.url}/1k`)
    expect((await after.bytes()).length).toBe(1024)
    expect(await nginx.counters()).toMatchObject({ connections: 1 })
    expect(transport.stats().pools[0]).toMatchObject({ streams: 0, opened: { full: 1 } })
  })
})

describe('HTTP/2 to nghttpd', () => {
  const missing = requireBinary('nghttpd')

  it('that pads its frames, keeps small windows and sends trailers', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nghttpd = await startNghttpd({
      padding: 255,
      windowBits: 10,
      trailer: 'x-checksum: abc',
      echoesUploads: true,
    })
    await using transport = createTransport({ defaults: { protocols: ['h2'] } })
    const response = await transport.request(`${nghttpd.h2cUrl}/10m`)
    expect(sha256(await response.bytes())).toBe(sha256(bodyOf(BODY_BYTES['10m'])))
    expect(response.trailers).toEqual({ 'x-checksum': 'abc' })
    const body = bodyOf(500_000)
    const echoed = await transport.request(`${nghttpd.h2cUrl}/echo`, { method: 'POST', body })
    expect((await echoed.bytes()).equals(body)).toBe(true)
  })

  it('that answers before it has read the request', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nghttpd = await startNghttpd({ answersEarly: true })
    await using transport = createTransport({ defaults: { protocols: ['h2'] } })
    for (let round = 0; round < 3; round++) {
      const response = await transport.request(`${nghttpd.h2cUrl}/hello`, {
        method: 'POST',
        body: bodyOf(1_000_000),
      })
      expect(await response.text()).toBe('hello from nghttpd\n')
    }
    expect(transport.stats().pools[0]?.opened).toMatchObject({ cleartext: 1 })
  })
})
