import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { PassThrough, Readable, Writable } from 'node:stream'
import { pipeline as pump } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, errors, Headers, pipeline, request, stream, WebSocket } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { createTransport, type Transport } from '../../../src/index.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startHttpServer } from '../../support/http-server.ts'
import { ok, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { until } from '../../support/until.ts'

/** undici's own API on our dispatcher. */
describe("of undici's API on our dispatcher,", () => {
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

  const pool = () => transport.stats().pools[0]

  describe('request()', () => {
    it('gives status, headers, body and trailers', async () => {
      const { statusCode, statusText, headers, body, trailers } = await request(`${origin.url}/trailers`, {
        dispatcher,
      })
      expect([statusCode, statusText, headers['content-type'], await body.text()]).toEqual([
        200,
        'OK',
        'text/plain',
        'with trailers',
      ])
      expect(trailers).toEqual({ 'x-checksum': 'abc123' })
    })

    it('sends the query, and headers in each form that undici takes', async () => {
      const forms = [
        { 'X-A': '1', 'x-b': ['2', '3'], 'x-n': 4 as unknown as string, 'x-none': undefined },
        ['X-A', '1', 'x-b', '2', 'x-b', '3', 'x-n', '4'],
        new Headers([
          ['X-A', '1'],
          ['x-b', '2'],
          ['x-b', '3'],
          ['x-n', '4'],
        ]),
        new Map<string, string | string[]>([
          ['X-A', '1'],
          ['x-b', ['2', '3']],
          ['x-n', '4'],
        ]),
      ]
      for (const headers of forms) {
        const { body } = await request(`${origin.url}/inspect`, {
          dispatcher,
          headers,
          query: { q: 'a b', r: [1, 2] },
        })
        const seen = (await body.json()) as { url: string; rawHeaders: string[] } // /inspect answers this
        expect(seen.url).toBe('/inspect?q=a%20b&r=1&r=2')
        const sent = seen.rawHeaders.filter((_value, index, all) =>
          all[index - (index % 2)]?.startsWith('x-'),
        )
        expect(sent.join(' ')).toMatch(/^x-a 1 x-b 2(, | x-b )3 x-n 4$/)
      }
    })

    it.each([
      ['a string', () => 'body', 4],
      ['an empty string', () => '', 0],
      ['a Buffer', () => Buffer.alloc(100_000), 100_000],
      ['a Readable', () => Readable.from([Buffer.alloc(5_000), Buffer.alloc(5_000)]), 10_000],
      ['an async generator', () => pieces(3, 1_000) as unknown as Readable, 3_000],
    ])('sends %s', async (_what, body, bytes) => {
      const answer = await request(`${origin.url}/inspect`, { dispatcher, method: 'POST', body: body() })
      expect(await answer.body.json()).toMatchObject({ method: 'POST', bodyBytes: bytes })
    })

    it('reads 10 MB slowly in bounded memory, and holds the origin up', async () => {
      let written = 0
      await using server = await startHttpServer((_request, response) => {
        Readable.from(pieces(160, 65_536, bytes => (written += bytes))).pipe(response)
      })
      const { body } = await request(server.url, { dispatcher })
      await sleep(100)
      expect(written).toBeLessThan(9_000_000)
      const before = process.memoryUsage().rss
      let bytes = 0
      for await (const chunk of body) {
        bytes += (chunk as Buffer).length // no encoding was set
        await sleep(0)
      }
      expect(bytes).toBe(160 * 65_536)
      expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000)
    })

    it('is notified of 1xx through onInfo', async () => {
      const infos: unknown[] = []
      const { body } = await request(`${origin.url}/informational`, {
        dispatcher,
        onInfo: info => infos.push(info.statusCode),
      })
      await body.dump()
      expect(infos).toEqual([103])
    })

    it('is aborted by its signal in each phase, and nothing is held', async () => {
      await expect(request(origin.url, { dispatcher, signal: AbortSignal.abort() })).rejects.toMatchObject({
        name: 'AbortError',
      })
      const abort = new AbortController()
      const before = origin.requestsSeen()
      const waiting = expect(
        request(`${origin.url}/silent`, { dispatcher, signal: abort.signal }),
      ).rejects.toBe('as text')
      await until(() => origin.requestsSeen() > before, 'the request')
      abort.abort('as text')
      await waiting
      const { body } = await request(`${origin.url}/drip?n=100&ms=100`, {
        dispatcher,
        signal: AbortSignal.timeout(500),
      })
      await expect(body.text()).rejects.toMatchObject({ name: 'TimeoutError' })
      expect(pool()).toMatchObject({
        connections: { leased: 0, idle: 0 },
        closed: { 'exchange-aborted': 2 },
        waiters: 0,
      })
    })

    it('destroys the body of a request that fails', async () => {
      const body = new PassThrough()
      body.write('begin')
      const broken = request(`${origin.url}/echo`, { dispatcher, method: 'POST', body, headersTimeout: 1 })
      setTimeout(() => body.destroy(new Error('my own')), 20)
      await expect(broken.then(answer => answer.body.text())).rejects.toThrow('my own')
      expect(body.destroyed).toBe(true)
    })
  })

  it('stream() writes into what its factory returns', async () => {
    const chunks: Buffer[] = []
    await stream(`${origin.url}/bytes/300000`, { dispatcher, method: 'GET' }, ({ statusCode }) => {
      expect(statusCode).toBe(200)
      return new Writable({
        highWaterMark: 1_000,
        write: (chunk: Buffer, _encoding, callback) => {
          chunks.push(chunk)
          setImmediate(callback)
        },
      })
    })
    expect(Buffer.concat(chunks).equals(patternBytes(300_000))).toBe(true)
  })

  it('pipeline() is a duplex', async () => {
    const received: Buffer[] = []
    await pump(
      Readable.from(pieces(50, 10_000)),
      pipeline(`${origin.url}/echo`, { dispatcher, method: 'POST' }, ({ body }) => body),
      new Writable({
        write: (chunk: Buffer, _encoding, callback) => {
          received.push(chunk)
          callback()
        },
      }),
    )
    expect(Buffer.concat(received)).toHaveLength(500_000)
    expect(pool()?.connections.leased).toBe(0)
  })

  it('upgrade() gives the tunnel', async () => {
    const { socket, headers } = await dispatcher.upgrade({
      origin: origin.url,
      path: '/',
      protocol: 'Echo',
    } as Dispatcher.UpgradeOptions)
    expect(headers).toMatchObject({ upgrade: 'echo', connection: 'upgrade' })
    socket.write('there and back')
    expect(String((await once(socket, 'data'))[0])).toBe('there and back')
    expect(pool()).toMatchObject({ connections: { leased: 0, draining: 1 }, closed: {} })
    socket.end()
    await once(socket, 'close')
    await until(() => origin.connectionsOpen() === 0, 'the tunnel is closed')
    await until(() => pool()?.closed['upgraded'] === 1, 'its place is free')
  })

  it('connect() gives a tunnel to where its path says', async () => {
    const seen: string[] = []
    const proxy = createServer((socket: Socket) => {
      socket.on('error', () => {})
      socket.once('data', (head: Buffer) => {
        seen.push(head.toString())
        socket.write('HTTP/1.1 200 Connected\r\n\r\nhello ')
        socket.pipe(socket)
      })
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const { port } = proxy.address() as { port: number } // it listens on a port
    const { statusCode, socket } = await dispatcher.connect({
      origin: `http://127.0.0.1:${port}`,
      path: 'inner.test:443',
    })
    let text = ''
    socket.on('data', chunk => (text += String(chunk)))
    socket.write('inside')
    await until(() => text === 'hello inside', 'the echo')
    expect(statusCode).toBe(200)
    expect(seen).toEqual(['CONNECT inner.test:443 HTTP/1.1\r\nhost: inner.test:443\r\n\r\n'])
    socket.destroy()
    proxy.close()
  })

  it('WebSocket speaks through it', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    server.on('connection', peer =>
      peer.on('message', data => peer.send(`${(data as Buffer).toString()}, heard`)),
    )
    const { port } = server.address() as { port: number } // it listens on a port
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { dispatcher })
    const answers: unknown[] = []
    socket.addEventListener('message', event => answers.push(event.data))
    await new Promise<unknown>((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', event => reject(event.error))
    })
    socket.send('one')
    socket.send('x'.repeat(100_000))
    await until(() => answers.length === 2, 'two answers')
    expect(answers[0]).toBe('one, heard')
    const closed = new Promise(resolve => socket.addEventListener('close', resolve))
    socket.close()
    await closed
    server.close()
  })

  describe('the dispatcher', () => {
    it('close() lets what was dispatched end, and refuses what comes', async () => {
      const running = request(`${origin.url}/slow?ms=80`, { dispatcher })
      const closed = dispatcher.close()
      await expect(request(origin.url, { dispatcher })).rejects.toBeInstanceOf(errors.ClientClosedError)
      expect(await (await running).body.json()).toEqual({ slow: true })
      await closed
      // The transport lives on.
      await (await transport.request(origin.url)).dump()
    })

    it('close() waits for bodies, and takes a callback', async () => {
      const { body } = await request(`${origin.url}/drip?n=4&ms=150`, { dispatcher })
      let isClosed = false
      dispatcher.close(() => {
        isClosed = true
      })
      await sleep(10)
      expect(isClosed).toBe(false)
      expect(await body.text()).toHaveLength(40)
      await until(() => isClosed, 'the callback')
    })

    it('destroy() ends what was dispatched, and nothing else', async () => {
      const [waiting, dripping] = [
        request(`${origin.url}/silent`, { dispatcher }),
        request(`${origin.url}/drip?n=90&ms=10`, { dispatcher }),
      ]
      const other = transport.request(`${origin.url}/slow?ms=60`)
      const { body } = await dripping
      await sleep(10)
      const outcomes = Promise.allSettled([waiting, body.text()])
      await dispatcher.destroy()
      expect(await outcomes).toMatchObject([
        { status: 'rejected', reason: { name: 'ClientDestroyedError' } },
        { status: 'rejected', reason: { name: 'ClientDestroyedError' } },
      ])
      await expect(request(origin.url, { dispatcher })).rejects.toBeInstanceOf(errors.ClientDestroyedError)
      expect(await (await other).json()).toEqual({ slow: true })
    })

    it('destroy(error) hands out the error', async () => {
      const waiting = request(`${origin.url}/silent`, { dispatcher })
      const outcome = expect(waiting).rejects.toThrow('my reason')
      await sleep(10)
      await dispatcher.destroy(new Error('my reason'))
      await outcome
    })

    it('refuses arguments that make no sense through the handler', async () => {
      const refusals = [
        { path: 'no-slash', method: 'GET' },
        { path: '/', method: 'NO SUCH' },
        { path: '/', method: 'GET', headersTimeout: -1 },
        { path: '/', method: 'GET', headers: { a: {} as unknown as string } },
        { path: '/?a', method: 'GET', query: { b: 1 } },
        { path: '/', method: 'GET', upgrade: 'websocket' },
      ]
      for (const options of refusals) {
        const error = await new Promise<unknown>(resolve => {
          dispatcher.dispatch(
            { origin: origin.url, ...options },
            {
              onRequestStart: () => {},
              onResponseError: (_controller, error) => resolve(error),
            },
          )
        })
        expect([options, error]).toMatchObject([
          options,
          { code: 'UND_ERR_INVALID_ARG', cause: { code: 'MM_INVALID_ARGUMENT' } },
        ])
      }
      expect(pool()?.streams ?? 0).toBe(0)
    })

    it('waits for nothing that never began when it closes', async () => {
      const locked = new ReadableStream()
      locked.getReader()
      const pairs = new Map([[1, 'x']]) as unknown as Map<string, string> // what no caller with types can say
      const options = { origin: origin.url, path: '/' }
      const body = locked as unknown as Readable // undici takes web streams as well, its types do not
      await expect(dispatcher.request({ ...options, method: 'POST', body })).rejects.toThrow()
      await expect(dispatcher.request({ ...options, method: 'GET', headers: pairs })).rejects.toThrow()
      await dispatcher.close()
    })

    it('survives a handler that throws: that exchange is lost, the next ones are not', async () => {
      for (const hook of ['onRequestStart', 'onResponseStart', 'onResponseData', 'onResponseEnd'] as const) {
        const error = await new Promise<unknown>(resolve => {
          dispatcher.dispatch(
            { origin: origin.url, path: '/bytes/10', method: 'GET' },
            {
              onRequestStart: () => {},
              onResponseError: (_controller, error) => resolve(error),
              [hook]: () => {
                throw new Error(`from ${hook}`)
              },
            },
          )
        })
        expect(error).toMatchObject({ message: `from ${hook}` })
      }
      expect(await (await request(origin.url, { dispatcher })).body.json()).toMatchObject({ method: 'GET' })
      expect(pool()).toMatchObject({ connections: { leased: 0 }, streams: 0, waiters: 0 })
    })

    it('lets a handler pause the body and go on later', async () => {
      await using server = await startScriptedOrigin(({ socket }) => {
        socket.write('HTTP/1.1 103 Early Hints\r\n\r\n')
        socket.write(ok('y'.repeat(2_000_000)))
      })
      let bytes = 0
      let controller: Dispatcher.DispatchController | undefined
      const ended = new Promise<void>((resolve, reject) => {
        dispatcher.dispatch(
          { origin: server.url, path: '/', method: 'GET' },
          {
            // A pause before the response is one from its first byte on.
            onRequestStart: one => {
              controller = one
              one.pause()
            },
            onResponseData: (_controller, chunk) => {
              bytes += chunk.length
            },
            onResponseEnd: () => resolve(),
            onResponseError: (_controller, error) => reject(error),
          },
        )
      })
      await until(() => controller !== undefined, 'the beginning')
      await sleep(50)
      expect(bytes).toBeLessThan(200_000) // what was read together with the head
      controller?.resume()
      await ended
      expect(bytes).toBe(2_000_000)
    })
  })
})

async function* pieces(
  count: number,
  bytes: number,
  onPiece: (bytes: number) => void = () => {},
): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) {
    onPiece(bytes)
    yield Buffer.alloc(bytes, i)
    if (i % 10 === 0) await sleep(0)
  }
}
