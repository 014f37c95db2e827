import { brotliCompressSync, gzipSync } from 'node:zlib'
import { type Dispatcher, fetch, interceptors, request } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type HttpServer, startHttpServer } from '../../support/http-server.ts'
import { ok, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { until } from '../../support/until.ts'

/** undici's interceptors composed over our dispatcher. */
describe('of the interceptors,', () => {
  let origin: TestOrigin
  let transport: Transport
  let dispatcher: Dispatcher
  beforeAll(async () => {
    origin = await startQuickOrigin()
  })
  afterAll(() => origin.close())
  beforeEach(() => {
    transport = createTransport()
    dispatcher = transport.dispatcher()
  })
  afterEach(() => transport.close())

  const nothingIsHeld = (): boolean =>
    transport
      .stats()
      .pools.every(({ streams, waiters, connections }) => streams + waiters + connections.leased === 0)

  describe('redirect', () => {
    it('follows, also to another origin, with its history', async () => {
      const other = await startQuickOrigin()
      const composed = dispatcher.compose(interceptors.redirect({ maxRedirections: 3 }))
      const { statusCode, body, context } = await request(`${origin.url}/redirect?to=${other.url}/inspect`, {
        dispatcher: composed,
      })
      expect([statusCode, await body.json()]).toMatchObject([200, { url: '/inspect' }])
      expect((context as { history: URL[] }).history.map(String)).toHaveLength(2)
      expect(transport.stats().pools).toHaveLength(2)
      expect(nothingIsHeld()).toBe(true)
      await other.close()
    })

    it('leaves the redirect alone when it may follow none', async () => {
      const composed = dispatcher.compose(interceptors.redirect({ maxRedirections: 0 }))
      const { statusCode, body } = await request(`${origin.url}/redirect`, { dispatcher: composed })
      await body.dump()
      expect(statusCode).toBe(302)
    })
  })

  describe('retry', () => {
    const retrying = (options: object = {}): Dispatcher =>
      dispatcher.compose(interceptors.retry({ minTimeout: 5, timeoutFactor: 1, maxRetries: 4, ...options }))

    it('asks again after a 503', async () => {
      let requests = 0
      await using server = await startHttpServer((_request, response) => {
        response.statusCode = ++requests < 3 ? 503 : 200
        response.end(`answer ${requests}`)
      })
      const { statusCode, body } = await request(server.url, { dispatcher: retrying() })
      expect([statusCode, await body.text()]).toEqual([200, 'answer 3'])
    })

    it('asks again after a 503 while its handler is paused, where it is not to throw', async () => {
      let requests = 0
      await using server = await startHttpServer((_request, response) => {
        response.statusCode = ++requests < 3 ? 503 : 200
        response.end(`answer ${requests}`)
      })
      const composed = retrying({ throwOnError: false })
      const { statusCode, body } = await request(server.url, { dispatcher: composed })
      expect([statusCode, await body.text(), requests]).toEqual([200, 'answer 3', 3])
      expect(nothingIsHeld()).toBe(true)
    })

    it('gives the last answer with its body when it may ask no more, where it is not to throw', async () => {
      let requests = 0
      await using server = await startHttpServer((_request, response) => {
        response.statusCode = 503
        response.end(`answer ${++requests}`)
      })
      const composed = retrying({ throwOnError: false, maxRetries: 2 })
      const { statusCode, body } = await request(server.url, { dispatcher: composed })
      expect([statusCode, await body.text()]).toEqual([503, `answer ${requests}`])
      expect(requests).toBeGreaterThan(1)
    })

    it('asks again when the connection breaks without an answer, which its own errors show', async () => {
      // By POST and on fresh connections: we ourselves do not.
      await using server = await startScriptedOrigin(({ socket, connection }) => {
        if (connection < 3) socket.destroy()
        else socket.write(ok('third'))
      })
      const { body } = await request(server.url, {
        method: 'POST',
        body: 'x',
        dispatcher: retrying({ methods: ['POST'] }),
      })
      expect(await body.text()).toBe('third')
      expect(server.requests).toHaveLength(3)
    })

    it('goes on where a body broke off', async () => {
      await using server = await startScriptedOrigin(({ socket, head, connection }) => {
        if (connection === 1) {
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\netag: "a"\r\n\r\n01234')
          setTimeout(() => socket.destroy(), 10)
        } else if (head.includes('range: bytes=5-9')) {
          socket.write(
            'HTTP/1.1 206 Partial\r\ncontent-range: bytes 5-9/10\r\ncontent-length: 5\r\netag: "a"\r\n\r\n56789',
          )
        }
      })
      const { body } = await request(server.url, { dispatcher: retrying() })
      expect(await body.text()).toBe('0123456789')
    })

    it('gives up in the end, with the last error', async () => {
      await using server = await startScriptedOrigin(({ socket }) => socket.destroy())
      await using transport = createTransport({ defaults: { retry: { maxRetries: 0 } } }) // only the interceptor's count
      const retry = interceptors.retry({ minTimeout: 5, timeoutFactor: 1, maxRetries: 2 })
      const failed = request(server.url, { dispatcher: transport.dispatcher().compose(retry) })
      await expect(failed).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' })
      expect(server.requests).toHaveLength(3)
    })
  })

  it('responseError makes an error of a 4xx', async () => {
    const composed = dispatcher.compose(interceptors.responseError())
    const failed = request(`${origin.url}/status/418`, { dispatcher: composed })
    await expect(failed).rejects.toMatchObject({
      statusCode: 418,
      body: { status: 418 },
      code: 'UND_ERR_RESPONSE',
    })
    const { body } = await request(`${origin.url}/status/200`, { dispatcher: composed })
    expect(await body.json()).toEqual({ status: 200 })
    expect(nothingIsHeld()).toBe(true)
  })

  describe('dump', () => {
    it('reads bodies away', async () => {
      const composed = dispatcher.compose(interceptors.dump())
      const { statusCode, body } = await request(`${origin.url}/bytes/50000`, { dispatcher: composed })
      expect([statusCode, await body.text()]).toEqual([200, ''])
      expect(transport.stats().pools[0]?.connections).toMatchObject({ idle: 1, leased: 0 })
    })

    it('ends what is larger than it may be', async () => {
      const composed = dispatcher.compose(interceptors.dump({ maxSize: 1_000 }))
      for (const path of ['/bytes/50000', '/chunked/50000']) {
        // By its head it is known before the answer is there; without a length the answer was given already.
        const outcome = request(`${origin.url}${path}`, { dispatcher: composed }).then(({ body }) =>
          body.text(),
        )
        await expect(outcome).rejects.toMatchObject({ name: 'AbortError' })
      }
      expect(nothingIsHeld()).toBe(true)
    })
  })

  describe('cache', () => {
    let server: HttpServer
    let asked: string[]
    beforeEach(async () => {
      asked = []
      server = await startHttpServer((request, response) => {
        asked.push(request.headers['if-none-match'] ?? 'plain')
        response.setHeader('etag', '"v1"')
        response.setHeader(
          'cache-control',
          request.url === '/stale' ? 'max-age=0, must-revalidate' : 'max-age=60',
        )
        if (request.headers['if-none-match'] === '"v1"') response.writeHead(304).end()
        else response.end(`body ${asked.length}`)
      })
    })
    afterEach(() => server[Symbol.asyncDispose]())

    it('answers the second request by itself', async () => {
      const composed = dispatcher.compose(interceptors.cache())
      for (let i = 0; i < 3; i++) {
        const { body } = await request(server.url, { dispatcher: composed })
        expect(await body.text()).toBe('body 1')
      }
      const fetched = await fetch(server.url, { dispatcher: composed })
      expect(await fetched.text()).toBe('body 1')
      expect(asked).toEqual(['plain'])
    })

    it('asks whether what it has is still good', async () => {
      const composed = dispatcher.compose(interceptors.cache())
      for (let i = 0; i < 2; i++) {
        const { statusCode, body } = await request(`${server.url}/stale`, { dispatcher: composed })
        expect([statusCode, await body.text()]).toEqual([200, 'body 1'])
      }
      expect(asked).toEqual(['plain', '"v1"'])
    })
  })

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('decompress unpacks %s', async (coding, pack) => {
    await using server = await startHttpServer((_request, response) => {
      response.setHeader('content-encoding', coding)
      response.end(pack(Buffer.alloc(200_000, 'unpacked ')))
    })
    const composed = dispatcher.compose(interceptors.decompress())
    const { headers, body } = await request(server.url, { dispatcher: composed })
    expect(headers['content-encoding']).toBeUndefined()
    expect((await body.text()).slice(-9)).toBe('unpacked '.repeat(30_000).slice(199_991, 200_000))
  })

  it('deduplicate lets requests at the same time share one', async () => {
    const composed = dispatcher.compose(interceptors.deduplicate())
    const before = origin.requestsSeen()
    const answers = await Promise.all(
      [1, 2, 3].map(() => request(`${origin.url}/slow?ms=30`, { dispatcher: composed })),
    )
    for (const { body } of answers) expect(await body.json()).toEqual({ slow: true })
    expect(origin.requestsSeen() - before).toBe(1)
  })

  it('several apply at once: retry under redirect under responseError', async () => {
    let requests = 0
    await using server = await startHttpServer((request, response) => {
      requests++
      if (request.url === '/start') response.writeHead(302, { location: '/end' }).end()
      else if (requests < 4) response.writeHead(503).end()
      else response.end('there')
    })
    const composed = dispatcher.compose(
      interceptors.retry({ minTimeout: 5, timeoutFactor: 1 }),
      interceptors.redirect({ maxRedirections: 2 }),
      interceptors.responseError(),
    )
    const { statusCode, body } = await request(`${server.url}/start`, { dispatcher: composed })
    expect([statusCode, await body.text(), requests]).toEqual([200, 'there', 4])
  })

  it('all pass an abort on', async () => {
    const composed = dispatcher.compose(
      interceptors.decompress(),
      interceptors.retry(),
      interceptors.redirect({ maxRedirections: 2 }),
      interceptors.cache(),
    )
    const abort = new AbortController()
    const waiting = request(`${origin.url}/silent`, { dispatcher: composed, signal: abort.signal })
    setTimeout(() => abort.abort(), 20)
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    const inBody = await request(`${origin.url}/drip?n=100&ms=10`, { dispatcher: composed })
    inBody.body.on('error', () => {})
    inBody.body.destroy()
    await until(nothingIsHeld, 'nothing is held')
  })
})
