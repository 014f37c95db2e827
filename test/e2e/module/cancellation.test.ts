import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import {
  asTransportError,
  createTransport,
  type Transport,
  TransportError,
  type TransportOptions,
} from '../../../src/index.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startBlackHole } from '../../support/loopback-server.ts'
import { ok, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { until } from '../../support/until.ts'

/** An AbortSignal in each phase of an exchange: prompt, with the right error, and nothing stays behind. */
describe('cancellation', () => {
  let origin: TestOrigin
  let transport: Transport
  beforeEach(async () => {
    origin = await startQuickOrigin()
  })
  afterEach(async () => {
    await transport.close()
    await origin.close()
  })

  const make = (options: TransportOptions = {}): Transport => (transport = createTransport(options))
  const pool = () => transport.stats().pools[0]
  const nothingIsHeld = (): boolean =>
    pool()?.waiters === 0 && pool()?.streams === 0 && pool()?.connections.leased === 0

  /** The error of a promise that must reject soon, and not when what it waits for comes. */
  async function promptly(promise: Promise<unknown>): Promise<unknown> {
    const late = sleep(5_000, 'not within 5 s', { ref: false })
    return Promise.race([
      promise.then(
        () => 'it was fulfilled',
        (error: unknown) => error,
      ),
      late,
    ])
  }

  it('before anything rejects without asking the pool', async () => {
    make()
    const why = new Error('why')
    const error = await promptly(transport.request(origin.url, { signal: AbortSignal.abort(why) }))
    expect(error).toBe(why)
    expect(error).toMatchObject({ code: 'MM_ABORTED' })
    expect(asTransportError(error)).toMatchObject({ code: 'MM_ABORTED', processed: 'no', fault: 'local' })
    expect(transport.stats().pools).toEqual([])
  })

  it('by a timeout, with request() and fetch() alike, rejects with the TimeoutError of the signal', async () => {
    make()
    for (const ask of ['request', 'fetch'] as const) {
      const signal = AbortSignal.timeout(20)
      const error = await promptly(transport[ask](`${origin.url}/silent`, { signal }))
      expect([ask, error]).toEqual([ask, signal.reason])
      expect(error).toMatchObject({ name: 'TimeoutError', code: DOMException.TIMEOUT_ERR })
    }
  })

  it('while a request waits in the queue rejects at once, and frees its place', async () => {
    make({ defaults: { pool: { maxConnections: 1 } } })
    const running = transport.request(`${origin.url}/slow?ms=500`)
    await vi.waitFor(() => expect(pool()?.connections.leased).toBe(1), { interval: 2, timeout: 10_000 })
    const abort = new AbortController()
    const waiting = transport.request(origin.url, { signal: abort.signal })
    expect(pool()?.waiters).toBe(1)
    abort.abort()
    expect(await promptly(waiting)).toBe(abort.signal.reason)
    expect(asTransportError(abort.signal.reason)).toMatchObject({ code: 'MM_ABORTED', processed: 'no' })
    expect(pool()?.waiters).toBe(0)
    await (await running).dump()
    expect(origin.requestsSeen()).toBe(1)
  })

  it('while it connects, with a reason that is a TransportError, rejects with that', async () => {
    await using hole = await startBlackHole('127.0.0.1')
    make({ defaults: { pool: { maxConnections: 1 } } })
    const abort = new AbortController()
    const connecting = transport.request(`http://127.0.0.1:${hole.port}/`, { signal: abort.signal })
    await until(() => pool()?.connections.connecting === 1, 'it connects')
    abort.abort(new TransportError('MM_CLIENT_GONE', 'the client went away'))
    expect(await promptly(connecting)).toMatchObject({ code: 'MM_CLIENT_GONE' })
    expect(pool()?.waiters).toBe(0)
    await transport.close()
    expect(transport.stats().totalConnections).toBe(0)
  })

  it('while it waits for the head ends the connection, which is out of step', async () => {
    make()
    const abort = new AbortController()
    const waiting = transport.request(`${origin.url}/silent`, { signal: abort.signal })
    await until(() => origin.requestsSeen() === 1, 'the origin has it')
    abort.abort()
    expect(await promptly(waiting)).toBe(abort.signal.reason)
    expect(nothingIsHeld()).toBe(true)
    await until(() => origin.connectionsOpen() === 0, 'the origin sees it closed')
    expect(pool()?.closed).toEqual({ 'exchange-aborted': 1 })
    expect(origin.requestsSeen()).toBe(1)
  })

  it('within the body fails it, whichever way it is read', async () => {
    make()
    for (const read of ['stream', 'text', 'unclaimed'] as const) {
      const abort = new AbortController()
      const response = await transport.request(`${origin.url}/drip?n=300&ms=30`, { signal: abort.signal })
      const done =
        read === 'text' ? response.text() : read === 'stream' ? response.body.toArray() : Promise.resolve()
      const failed = read === 'unclaimed' ? undefined : promptly(done)
      await sleep(25)
      abort.abort()
      const error = failed === undefined ? await promptly(response.text()) : await failed
      expect([read, error]).toEqual([read, abort.signal.reason])
      expect(nothingIsHeld()).toBe(true)
    }
    await until(() => origin.connectionsOpen() === 0, 'the origin sees them closed')
  })

  it('by destroying the body closes its connection', async () => {
    make()
    const response = await transport.request(`${origin.url}/bytes/10000000`)
    for await (const chunk of response.body) {
      expect((chunk as Buffer).length).toBeGreaterThan(0) // no encoding was set
      break
    }
    expect(nothingIsHeld()).toBe(true)
    await until(() => origin.connectionsOpen() === 0, 'the origin sees it closed')
    expect(pool()?.closed).toEqual({ 'exchange-aborted': 1 })
  })

  it('while it uploads, stops the source', async () => {
    await using scripted = await startScriptedOrigin(() => {})
    make()
    let isStopped = false
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          yield Buffer.alloc(1000)
          await sleep(1)
        }
      } finally {
        isStopped = true
      }
    }
    const abort = new AbortController()
    const uploading = transport.request(scripted.url, {
      method: 'PUT',
      body: endless(),
      signal: abort.signal,
    })
    await until(() => scripted.requests.length === 1, 'the origin has its head')
    abort.abort()
    expect(await promptly(uploading)).toBe(abort.signal.reason)
    await until(() => isStopped && scripted.open() === 0, 'the source and the connection end')
  })

  it('in the queue with a body, stops the source, though nobody began to read it', async () => {
    make({ defaults: { pool: { maxConnections: 1 } } })
    const running = transport.request(`${origin.url}/slow?ms=60`)
    const web = new ReadableStream({ pull: controller => controller.enqueue(Buffer.alloc(10)) })
    const abort = new AbortController()
    const waiting = transport.request(origin.url, { method: 'PUT', body: web, signal: abort.signal })
    abort.abort()
    expect(await promptly(waiting)).toBe(abort.signal.reason)
    expect(asTransportError(abort.signal.reason)).toMatchObject({ code: 'MM_ABORTED', processed: 'no' })
    await sleep(5)
    await expect(web.getReader().read()).resolves.toEqual({ done: true, value: undefined }) // it was cancelled
    await (await running).dump()
  })

  it('by an observer, when a request is about to be sent again, prevents that', async () => {
    await using scripted = await startScriptedOrigin(({ socket, place, connection }) => {
      if (connection === 1 && place === 1) socket.write(ok())
      else if (connection === 1) socket.destroy()
      else socket.write(ok())
    })
    const abort = new AbortController()
    make({
      observer: event => {
        if (event.type === 'exchange-retried') abort.abort()
      },
    })
    await (await transport.request(scripted.url)).dump()
    const error = await promptly(transport.request(scripted.url, { signal: abort.signal }))
    expect(error).toBe(abort.signal.reason)
    expect(scripted.requests).toHaveLength(2)
    expect(nothingIsHeld()).toBe(true)
  })

  it('by the transport before anything, stops the source', async () => {
    const refused = async (url: string): Promise<[unknown, boolean]> => {
      const body = new PassThrough()
      const error = await promptly(transport.request(url, { method: 'POST', body }))
      return [error, body.destroyed]
    }
    make({ limits: { maxOrigins: 1 } })
    const running = transport.request(`${origin.url}/slow?ms=200`)
    expect(await refused('http://127.0.0.1:1/')).toMatchObject([{ code: 'MM_QUEUE_FULL' }, true])
    await (await running).dump()
    await transport.close()
    expect(await refused(origin.url)).toMatchObject([{ code: 'MM_TRANSPORT_CLOSED' }, true])
  })

  it('after the end does nothing', async () => {
    make()
    const abort = new AbortController()
    const response = await transport.request(origin.url, { signal: abort.signal })
    expect(await response.json()).toMatchObject({ method: 'GET' })
    abort.abort()
    await sleep(5)
    expect(pool()).toMatchObject({ connections: { idle: 1 }, closed: {} })
  })

  it('takes its listeners off the signal, however the exchange ends', async () => {
    make({ defaults: { pool: { maxWaiters: 1, maxConnections: 1 } } })
    const { signal } = new AbortController()
    let listeners = 0
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }
    await (await transport.request(origin.url, { signal })).dump()
    const abandoned = transport.request(`${origin.url}/abort`, { signal }).then(response => response.text())
    await expect(abandoned).rejects.toMatchObject({
      code: expect.stringMatching(/^MM_CONNECTION_(CLOSED|RESET)$/) as string,
      processed: 'yes',
    })
    await expect(transport.request('http://127.0.0.1:9/', { signal })).rejects.toMatchObject({
      code: 'MM_CONNECT_REFUSED',
    })
    expect(listeners).toBe(0)
  })

  it('leaks nothing over 200 aborts at random moments', async () => {
    const random = seededRandom(20_241_121)
    make({ defaults: { pool: { maxConnections: 6 } } })
    const paths = ['/', '/slow?ms=8', '/drip?n=4&ms=3', '/bytes/300000', '/silent', '/inspect']
    const outcomes = { complete: 0, aborted: 0, other: [] as unknown[] }
    const one = async (): Promise<void> => {
      const path = paths[Math.floor(random() * paths.length)] ?? '/'
      const abort = new AbortController()
      // One in three may end as it likes.
      const isMeantToEnd = path !== '/silent' && random() < 0.33
      const timer = isMeantToEnd ? undefined : setTimeout(() => abort.abort(), random() * 25)
      const upload = path === '/inspect' ? { method: 'PUT', body: drops(20) } : {}
      try {
        const response = await transport.request(origin.url + path, { signal: abort.signal, ...upload })
        if (random() < 0.5) await response.bytes()
        else for await (const chunk of response.body) void chunk
        outcomes.complete++
      } catch (error) {
        if (error === abort.signal.reason) outcomes.aborted++
        else outcomes.other.push(error)
      }
      clearTimeout(timer)
    }
    const lane = async (): Promise<void> => {
      while (outcomes.aborted < 200 && outcomes.other.length === 0) await one()
    }
    await Promise.all(Array.from({ length: 20 }, lane))
    expect(outcomes.other).toEqual([])
    expect(outcomes.complete).toBeGreaterThan(30)
    expect(nothingIsHeld()).toBe(true)
    await until(() => pool()?.connections.connecting === 0, 'the end of dials that nobody waits for')
    const idle = pool()?.connections.idle ?? -1
    expect(pool()?.connections).toEqual({ connecting: 0, idle, leased: 0, draining: 0 })
    await until(() => origin.connectionsOpen() === idle, 'the origin has as many connections as we have')
    expect(transport.stats().totalConnections).toBe(idle)

    const after = await Promise.all(Array.from({ length: 30 }, () => transport.request(`${origin.url}/echo`)))
    for (const response of after) await response.dump()
    expect(pool()?.connections.leased).toBe(0)
  })

  it('does not affect a preconnect of other requests', async () => {
    await using scripted = await startScriptedOrigin(({ socket }) => socket.write(ok()))
    make()
    const abort = new AbortController()
    const ready = transport.preconnect(scripted.url, { connections: 2 })
    const request = transport.request(scripted.url, { signal: abort.signal })
    abort.abort()
    expect(await promptly(request)).toBe(abort.signal.reason)
    await ready
    expect(pool()?.connections.idle).toBe(2)
    expect(scripted.requests).toEqual([])
  })
})

async function* drops(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    yield Buffer.alloc(500, 'd')
    await sleep(1)
  }
}
