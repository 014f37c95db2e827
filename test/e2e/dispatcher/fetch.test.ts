import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import * as undici from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startHttpServer } from '../../support/http-server.ts'
import { freePort } from '../../support/tcp-port.ts'
import { until, untilSteady } from '../../support/until.ts'

type Fetch = (url: string, init?: object) => Promise<Response>

/**
 * What both fetches must do on our dispatcher: Node's own, whose undici is older than ours, and the undici
 * package's.
 */
describe.each([
  ["Node's fetch", globalThis.fetch as Fetch, globalThis.FormData],
  // The two Response classes differ in nothing that is looked at here.
  ["undici's fetch", undici.fetch as unknown as Fetch, undici.FormData as unknown as typeof FormData],
])('%s with our dispatcher', (_name, fetch, Form) => {
  let origin: TestOrigin
  let transport: Transport
  let dispatcher: undici.Dispatcher
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
  const inspect = async (init: object): Promise<Record<string, unknown>> =>
    (await (await fetch(`${origin.url}/inspect`, { method: 'POST', ...init, dispatcher })).json()) as Record<
      string,
      unknown
    > // /inspect answers JSON

  it('runs on the pool', async () => {
    for (let i = 0; i < 5; i++) {
      const response = await fetch(`${origin.url}/bytes/70000`, { dispatcher })
      expect(Buffer.from(await response.arrayBuffer()).equals(patternBytes(70_000))).toBe(true)
    }
    expect(pool()).toMatchObject({ requests: 5, reused: 4, connections: { idle: 1 } })
  })

  it.each([
    ['text', () => 'häuser', 'häuser'],
    ['bytes', () => Buffer.from([1, 2, 3]), Buffer.from([1, 2, 3])],
    ['a Blob', () => new Blob(['blob']), 'blob'],
    ['URLSearchParams', () => new URLSearchParams({ a: '1 2', b: 'ü' }), 'a=1+2&b=%C3%BC'],
    ['a stream', () => new Blob(['stream']).stream(), 'stream'],
    ['an async generator', () => generate('gene', 'rator'), 'generator'],
    ['nothing', () => undefined, ''],
  ])('sends %s', async (_what, body, expected) => {
    const seen = await inspect({ body: body(), duplex: 'half' })
    expect(seen['bodySha256']).toBe(createHash('sha256').update(expected).digest('hex'))
  })

  it('sends FormData with its boundary', async () => {
    const form = new Form()
    form.append('name', 'value')
    form.append('file', new Blob(['content']), 'file.txt')
    const response = await fetch(`${origin.url}/echo`, { method: 'POST', body: form, dispatcher })
    const back = await response.formData()
    expect(back.get('name')).toBe('value')
    expect(await (back.get('file') as File).text()).toBe('content') // it was a file
  })

  it('follows redirects, unless it is set not to', async () => {
    const followed = await fetch(`${origin.url}/redirect`, { dispatcher })
    expect([followed.status, followed.redirected]).toEqual([200, true])
    await followed.text()
    const manual = await fetch(`${origin.url}/redirect`, { redirect: 'manual', dispatcher })
    expect([manual.status, manual.headers.get('location')]).toEqual([302, '/'])
    await expect(fetch(`${origin.url}/redirect`, { redirect: 'error', dispatcher })).rejects.toThrow(
      TypeError,
    )
    await until(() => pool()?.connections.leased === 0, 'nothing is held')
  })

  it('is not stopped by a 103', async () => {
    const response = await fetch(`${origin.url}/informational`, { dispatcher })
    expect(await response.json()).toEqual({ informational: true })
  })

  it('decodes gzip, and keeps both of two cookies', async () => {
    await using server = await startHttpServer((_request, response) => {
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      response.setHeader('content-encoding', 'gzip')
      response.end(gzipSync('unpacked'))
    })
    const response = await fetch(server.url, { dispatcher })
    expect(await response.text()).toBe('unpacked')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  })

  it('reads answers without a body, and leaves the connection usable', async () => {
    for (const [method, status] of [
      ['GET', 204],
      ['HEAD', 200],
      ['GET', 304],
    ] as const) {
      const response = await fetch(`${origin.url}/status/${status}`, { method, dispatcher })
      expect([response.status, await response.text()]).toEqual([status, ''])
    }
    expect(pool()?.opened.cleartext).toBe(1)
  })

  describe('aborts', () => {
    const outcome = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => 'fulfilled',
        (error: unknown) => error,
      )

    it('before the connect', async () => {
      const early = fetch(origin.url, { dispatcher, signal: AbortSignal.abort() })
      expect(await outcome(early)).toMatchObject({ name: 'AbortError' })
      expect(transport.stats().totalConnections).toBe(0)
    })

    it('while it waits for a connection', async () => {
      const abort = new AbortController()
      const waiting = fetch(origin.url, { dispatcher, signal: abort.signal })
      await new Promise(resolve => setImmediate(resolve))
      abort.abort()
      expect(await outcome(waiting)).toMatchObject({ name: 'AbortError' })
      await until(() => pool()?.waiters === 0 && pool()?.connections.leased === 0, 'nothing is held')
    })

    it('while it waits for the head, with the reason that was given', async () => {
      const abort = new AbortController()
      const before = origin.requestsSeen()
      const waiting = fetch(`${origin.url}/silent`, { dispatcher, signal: abort.signal })
      await until(() => origin.requestsSeen() > before, 'the request')
      const reason = new Error('my reason')
      abort.abort(reason)
      expect(await outcome(waiting)).toBe(reason)
      expect(pool()).toMatchObject({ connections: { leased: 0 }, closed: { 'exchange-aborted': 1 } })
    })

    it('within the body', async () => {
      const abort = new AbortController()
      const response = await fetch(`${origin.url}/drip?n=100&ms=10`, { dispatcher, signal: abort.signal })
      const text = response.text()
      await sleep(20)
      abort.abort()
      expect(await outcome(text)).toMatchObject({ name: 'AbortError' })
      await until(() => pool()?.connections.leased === 0, 'nothing is held')
    })

    it('by cancelling the body', async () => {
      const response = await fetch(`${origin.url}/bytes/5000000`, { dispatcher })
      await response.body?.cancel()
      await until(() => pool()?.connections.leased === 0, 'nothing is held')
    })
  })

  it('holds the origin up when its reader is slow', async () => {
    let written = 0
    await using server = await startHttpServer((_request, response) => {
      const piece = Buffer.alloc(65_536)
      const more = (): void => {
        while (written < 50_000_000) {
          written += piece.length
          if (!response.write(piece)) {
            response.once('drain', more)
            return
          }
        }
        response.end()
      }
      more()
    })
    const response = await fetch(server.url, { dispatcher })
    const reader = response.body?.getReader()
    await reader?.read()
    const stalledAt = await untilSteady(() => written, 'what is written')
    expect(stalledAt).toBeLessThan(15_000_000) // what the kernel's buffers take
    await sleep(100)
    expect(written).toBe(stalledAt)
    let bytes = 0
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read())
      bytes += part.value.length
    expect(written).toBeGreaterThanOrEqual(50_000_000)
    expect(bytes).toBeGreaterThan(49_000_000)
  })

  it('says what failed in the cause of its TypeError', async () => {
    const error = await fetch(`http://127.0.0.1:${await freePort()}/`, { dispatcher }).catch(
      (error: unknown) => error,
    )
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ cause: { code: 'ECONNREFUSED', cause: { code: 'MM_CONNECT_REFUSED' } } })
  })
})

describe('transport.fetch()', () => {
  it("is Node's fetch: takes a Request, and gives a Response", async () => {
    const origin = await startQuickOrigin()
    await using transport = createTransport()
    const request = new Request(`${origin.url}/inspect`, {
      method: 'PUT',
      body: 'x',
      headers: { 'x-test': 'yes' },
    })
    const response = await transport.fetch(request)
    expect(response).toBeInstanceOf(Response)
    expect(await response.json()).toMatchObject({ method: 'PUT', bodyBytes: 1 })
    const signal = AbortSignal.timeout(30)
    await expect(transport.fetch(`${origin.url}/silent`, { signal })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    await origin.close()
  })
})

describe('setGlobalDispatcher', () => {
  it("puts every fetch of the process on the transport, Node's own too", async () => {
    const origin = await startQuickOrigin()
    await using transport = createTransport()
    const before = undici.getGlobalDispatcher()
    undici.setGlobalDispatcher(transport.dispatcher())
    try {
      await (await undici.fetch(origin.url)).text()
      await (await globalThis.fetch(origin.url)).text()
      await (await undici.request(origin.url)).body.text()
    } finally {
      undici.setGlobalDispatcher(before)
    }
    expect(transport.stats().pools[0]).toMatchObject({ requests: 3, opened: { cleartext: 1 } })
    await origin.close()
  })
})

async function* generate(...pieces: string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    yield Buffer.from(piece)
    await sleep(1)
  }
}
