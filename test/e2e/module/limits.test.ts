import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { ExchangeEnded } from '../../../src/entry/events.ts'
import type { PoolOptions } from '../../../src/entry/options.ts'
import { createTransport, type Transport, type TransportOptions } from '../../../src/index.ts'
import {
  startIdleClosingOrigin,
  startQuickOrigin,
  startSlowOrigin,
  type TestOrigin,
} from '../../../src/testing/origins.ts'
import { load } from '../../support/load.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { openTunnel } from '../../support/open-tunnel.ts'
import { ok, type ScriptedOrigin, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { until } from '../../support/until.ts'

/** The limits of a pool as an origin sees them. */
describe('limits of the module', () => {
  const toClose: (() => PromiseLike<unknown>)[] = []
  afterEach(async () => {
    for (const close of toClose.splice(0).reverse()) await close()
  })
  const origin = async (started: Promise<TestOrigin>): Promise<TestOrigin> => {
    const one = await started
    toClose.push(() => one.close())
    return one
  }
  const transportWith = (pool: Partial<PoolOptions>, options: TransportOptions = {}): Transport => {
    const transport = createTransport({ ...options, defaults: { ...options.defaults, pool } })
    toClose.push(() => transport.close())
    return transport
  }
  const get = async (
    transport: Transport,
    url: string,
  ): Promise<{ connectionId: number; reused: boolean }> => {
    const response = await transport.request(url)
    await response.dump()
    return { connectionId: response.info.connectionId, reused: response.info.reused }
  }
  const pool = (transport: Transport) => transport.stats().pools[0]

  it('holds maxConnections, and serves everybody', async () => {
    const slow = await origin(startSlowOrigin({ delayMs: 5 }))
    const transport = transportWith({ maxConnections: 3 })
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, slow.connectionsOpen())
    }, 1)
    const result = await load(transport, slow.url, { requests: 200, concurrency: 40 })
    clearInterval(watch)
    expect(result.failures).toEqual([])
    expect([slow.connectionsSeen(), most]).toEqual([3, 3])
    expect(result.perConnection.size).toBe(3)
    expect(pool(transport)).toMatchObject({
      connections: { idle: 3, leased: 0 },
      waiters: 0,
      requests: 200,
      reused: 197,
    })
  })

  it('refuses a request that waits for too long with MM_QUEUE_TIMEOUT, and says what to raise', async () => {
    const quick = await origin(startQuickOrigin())
    const transport = transportWith({ maxConnections: 1, queueTimeoutMs: 60 })
    let isFirstDone = false
    const first = transport.request(`${quick.url}/slow?ms=1500`).finally(() => {
      isFirstDone = true
    })
    const error = await transport.request(quick.url).catch((error: unknown) => error)
    expect(isFirstDone).toBe(false)
    expect(error).toMatchObject({ code: 'MM_QUEUE_TIMEOUT', processed: 'no', fault: 'local' })
    expect(String(error)).toContain('raise pool.maxConnections')
    await (await first).dump()
    expect(quick.requestsSeen()).toBe(1)
  })

  it('refuses a request that finds the queue full with MM_QUEUE_FULL, at once', async () => {
    const quick = await origin(startQuickOrigin())
    const transport = transportWith({ maxConnections: 1, maxWaiters: 2 })
    await get(transport, quick.url) // who waits for a dial waits as well
    const running = ['/slow?ms=100', '/', '/'].map(path => get(transport, quick.url + path))
    await expect(transport.request(quick.url)).rejects.toMatchObject({
      code: 'MM_QUEUE_FULL',
      processed: 'no',
    })
    await Promise.all(running)
  })

  it('preconnects, so that the first requests find connections', async () => {
    const quick = await origin(startQuickOrigin())
    const transport = transportWith({})
    await transport.preconnect(quick.url, { connections: 4 })
    expect(pool(transport)?.connections.idle).toBe(4)
    await Promise.all([1, 2, 3, 4].map(() => get(transport, `${quick.url}/slow?ms=20`)))
    expect(quick.connectionsSeen()).toBe(4)
    await expect(transport.preconnect('http://127.0.0.1:9')).rejects.toMatchObject({
      code: 'MM_CONNECT_REFUSED',
    })
  })

  it('keeps the warm level when the origin closes connections', async () => {
    const closing = await origin(startIdleClosingOrigin({ keepAliveTimeoutMs: 1_000 }))
    const transport = transportWith({ warm: 2 })
    await get(transport, closing.url)
    await until(() => pool(transport)?.connections.idle === 2, 'two warm connections')
    const scripted = await startScriptedOrigin(({ socket }) => socket.write(ok()))
    toClose.push(() => scripted[Symbol.asyncDispose]())
    await get(transport, scripted.url)
    await until(() => scripted.open() === 2, 'two warm connections to the other')
    for (let round = 1; round <= 3; round++) {
      await sleep(100)
      // They die young and unused, which counts as a failed dial: the backoff holds the next ones for a
      // moment.
      for (const socket of scripted.sockets) socket.end()
      await until(
        () => scripted.accepted() >= 2 + 2 * round && scripted.open() === 2,
        `two new ones, round ${round}`,
      )
    }
    await get(transport, scripted.url)
    expect(scripted.open()).toBe(2)
  })

  it('closes connections above the warm level after idleTimeoutMs', async () => {
    const quick = await origin(startQuickOrigin())
    const transport = transportWith({ warm: 1, idleTimeoutMs: 80 })
    await transport.preconnect(quick.url, { connections: 3 })
    await until(() => quick.connectionsSeen() === 3 && quick.connectionsOpen() === 1, 'one left')
    await sleep(150)
    expect(quick.connectionsOpen()).toBe(1)
    expect(pool(transport)?.closed).toEqual({ 'idle-timeout': 2 })
    await get(transport, quick.url)
    expect(quick.connectionsSeen()).toBe(3)
  })

  it('uses no connection past maxAgeMs, and lets its last exchange end', async () => {
    const quick = await origin(startQuickOrigin())
    const transport = transportWith({ maxAgeMs: 1_000, maxAgeJitter: 0 })
    const first = await get(transport, quick.url)
    expect((await get(transport, quick.url)).connectionId).toBe(first.connectionId)
    const long = await get(transport, `${quick.url}/slow?ms=1100`)
    expect(long.connectionId).toBe(first.connectionId)
    expect((await get(transport, quick.url)).connectionId).not.toBe(first.connectionId)
    expect(pool(transport)?.closed).toEqual({ 'max-age': 1 })
  })

  it('uses no connection for more than maxRequests', async () => {
    const quick = await origin(startQuickOrigin())
    const transport = transportWith({ maxRequests: 7 })
    const result = await load(transport, quick.url, { requests: 100, concurrency: 2 })
    expect(result.failures).toEqual([])
    expect(Math.max(...result.perConnection.values())).toBe(7)
    expect(quick.connectionsSeen()).toBeLessThanOrEqual(16)
  })

  it("honors the origin's Keep-Alive before the origin closes", async () => {
    const closing = await origin(startIdleClosingOrigin({ keepAliveTimeoutMs: 1_000 }))
    const transport = transportWith({ keepAliveMarginMs: 800 }) // half of the timeout at the most
    await get(transport, closing.url)
    await until(() => pool(transport)?.connections.idle === 0, 'the connection is closed')
    expect(pool(transport)?.closed).toEqual({ 'keep-alive-timeout': 1 })
  })

  describe('drain()', () => {
    it('lets exchanges and their bodies finish, refuses new ones, and resolves when all is closed', async () => {
      const quick = await origin(startQuickOrigin())
      const transport = transportWith({ maxConnections: 2 })
      const running = [1, 2, 3].map(() => get(transport, `${quick.url}/slow?ms=400`)) // the third one waits
      const dripping = await transport
        .request(`${quick.url}/drip?n=3&ms=300`)
        .catch((error: unknown) => error)
      let isDrained = false
      const drained = transport.drain().then(() => {
        isDrained = true
      })
      await expect(transport.request(quick.url)).rejects.toMatchObject({
        code: 'MM_TRANSPORT_CLOSED',
        processed: 'no',
      })
      await expect(transport.preconnect(quick.url)).rejects.toMatchObject({ code: 'MM_TRANSPORT_CLOSED' })
      await expect(transport.explain(quick.url)).rejects.toMatchObject({ code: 'MM_TRANSPORT_CLOSED' })
      expect(isDrained).toBe(false)
      expect(await (dripping as { text(): Promise<string> }).text()).toHaveLength(30)
      await Promise.all(running)
      await drained
      await until(() => quick.connectionsOpen() === 0, 'the origin sees them all closed')
      expect(transport.stats().totalConnections).toBe(0)
      expect(quick.requestsSeen()).toBe(4)
    })

    it('sends again what a dying connection had, though it is draining', async () => {
      const scripted = await startScriptedOrigin(({ socket, place }) => {
        if (place === 1) socket.write(ok())
        else setTimeout(() => socket.destroy(), 30)
      })
      toClose.push(() => scripted[Symbol.asyncDispose]())
      const transport = transportWith({})
      await get(transport, scripted.url)
      const second = get(transport, scripted.url)
      const drained = transport.drain()
      expect((await second).reused).toBe(false)
      await drained
      expect(scripted.requests).toHaveLength(3)
    })
  })

  it('close() ends everything now, waiters and exchanges alike', async () => {
    const quick = await origin(startQuickOrigin())
    const transport = transportWith({ maxConnections: 1 })
    const begun = await transport.request(`${quick.url}/drip?n=50&ms=20`)
    const waiting = transport.request(quick.url)
    const text = begun.text()
    const outcomes = Promise.allSettled([waiting, text])
    await transport.close()
    expect((await outcomes).map(one => (one.status === 'rejected' ? one.reason : one.status))).toMatchObject([
      { code: 'MM_TRANSPORT_CLOSED', processed: 'no' },
      { code: 'MM_TRANSPORT_CLOSED', processed: 'yes' },
    ])
    await until(() => quick.connectionsOpen() === 0, 'closed')
    await expect(transport.request(quick.url)).rejects.toMatchObject({ code: 'MM_TRANSPORT_CLOSED' })
    await transport.close() // again does nothing
  })

  it('notifies its observer of a request that no pool could be made for, and the body', async () => {
    const slow = await origin(startSlowOrigin({ delayMs: 50 }))
    const ended: ExchangeEnded[] = []
    const transport = transportWith(
      {},
      {
        limits: { maxOrigins: 1 },
        observer: event => event.type === 'exchange-ended' && ended.push(event),
      },
    )
    const first = get(transport, slow.url)
    const body = Readable.from(['x'])
    const refused = transport.request('http://127.0.0.1:9/x', { method: 'POST', body })
    await expect(refused).rejects.toMatchObject({ code: 'MM_QUEUE_FULL' })
    expect(ended).toMatchObject([
      { method: 'POST', path: '/x', status: 0, protocol: undefined, error: { code: 'MM_QUEUE_FULL' } },
    ])
    expect([ended[0]?.origin.key, body.destroyed]).toEqual(['http://127.0.0.1:9', true])
    await first
    expect(ended.length).toBe(2)
  })

  describe('tunnels over HTTP/1.1', () => {
    const startTunnelOrigin = async (): Promise<{ url: string; open(): number }> => {
      const server = await startLoopbackServer({
        onConnection: socket =>
          socket.once('data', () =>
            socket.write('HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n'),
          ),
      })
      toClose.push(() => server[Symbol.asyncDispose]())
      return { url: `http://127.0.0.1:${server.port}`, open: () => server.open() }
    }

    it.each([
      ['maxConnections', { maxConnections: 2 }, {}],
      ['maxTotalConnections', {}, { limits: { maxTotalConnections: 2 } }],
    ])('count for %s until they end, and show in the stats', async (_name, poolOptions, options) => {
      const tunnels = await startTunnelOrigin()
      const transport = transportWith({ ...poolOptions, queueTimeoutMs: 60_000 }, options)
      const { tunnel: first } = await openTunnel(transport, tunnels.url)
      const { tunnel: second } = await openTunnel(transport, tunnels.url)
      const third = openTunnel(transport, tunnels.url)
      expect(transport.stats()).toMatchObject({
        totalConnections: 2,
        pools: [{ connections: { leased: 0, draining: 2 }, streams: 2, waiters: 1 }],
      })
      expect(tunnels.open()).toBe(2)
      first.destroy()
      await third
      expect(transport.stats().totalConnections).toBe(2)
      expect(second.destroyed).toBe(false)
    })

    it('are waited for by a drain, and ended by close()', async () => {
      const tunnels = await startTunnelOrigin()
      const transport = transportWith({})
      const { tunnel: left } = await openTunnel(transport, tunnels.url)
      const { tunnel: kept } = await openTunnel(transport, tunnels.url)
      let isDrained = false
      const drained = transport.drain().then(() => {
        isDrained = true
      })
      left.destroy()
      await until(() => pool(transport)?.closed['upgraded'] === 1, 'one has ended')
      expect([isDrained, kept.destroyed]).toEqual([false, false])
      const ended = once(kept, 'close')
      await transport.close()
      await Promise.all([ended, drained])
      await until(() => tunnels.open() === 0, 'the origin sees the end')
    })
  })

  describe('configure()', () => {
    it('keeps the connections of origins that did not change, and drains the others', async () => {
      const [kept, changed] = [await origin(startQuickOrigin()), await origin(startQuickOrigin())]
      const transport = transportWith({})
      const before = [await get(transport, kept.url), await get(transport, changed.url)]
      const running = get(transport, `${changed.url}/slow?ms=100`)
      await sleep(20)
      transport.configure({
        defaults: { pool: {} },
        origins: { [changed.url]: { pool: { maxConnections: 2 } } },
      })
      const after = [await get(transport, kept.url), await get(transport, changed.url)]
      expect(after[0]?.connectionId).toBe(before[0]?.connectionId)
      expect(after[1]?.connectionId).not.toBe(before[1]?.connectionId)
      expect((await running).connectionId).toBe(before[1]?.connectionId)
      await until(() => changed.connectionsOpen() === 1, 'the old connection is closed')
      expect(kept.connectionsSeen()).toBe(1)
    })

    it('removes an origin that it does not name any more, though its options are those of all', async () => {
      const [kept, gone, unnamed] = [
        await origin(startQuickOrigin()),
        await origin(startQuickOrigin()),
        await origin(startQuickOrigin()),
      ]
      const transport = transportWith({ warm: 1 }, { origins: { [kept.url]: {}, [gone.url]: {} } })
      for (const { url } of [kept, gone, unnamed]) await get(transport, url)
      transport.configure({ defaults: { pool: { warm: 1 } }, origins: { [kept.url]: {} } })
      await until(() => gone.connectionsOpen() === 0, 'its warm connection is closed')
      const { pools, totalConnections } = transport.stats()
      expect(pools.map(({ origin }) => origin)).toEqual([kept.url, unnamed.url])
      expect([totalConnections, gone.connectionsSeen(), kept.connectionsSeen()]).toEqual([2, 1, 1])
      await get(transport, gone.url)
      expect(gone.connectionsSeen()).toBe(2)
    })

    it('changes nothing when the new options are no good', async () => {
      const quick = await origin(startQuickOrigin())
      const transport = transportWith({})
      const before = await get(transport, quick.url)
      expect(() => transport.configure({ defaults: { pool: { maxConnections: -1 } } })).toThrow(
        'pool.maxConnections',
      )
      expect(await get(transport, quick.url)).toEqual({ ...before, reused: true })
    })

    it('connects elsewhere when only the address of an origin changed', async () => {
      const [one, other] = [await origin(startQuickOrigin()), await origin(startQuickOrigin())]
      const control = await origin(startQuickOrigin())
      const to = (port: number): TransportOptions => ({ resolve: { 'shop.test:80': `127.0.0.1:${port}` } })
      const transport = createTransport(to(one.port))
      toClose.push(() => transport.close())
      await get(transport, 'http://shop.test/')
      const by = await get(transport, control.url)
      transport.configure(to(other.port))
      await get(transport, 'http://shop.test/')
      expect([one.requestsSeen(), other.requestsSeen()]).toEqual([1, 1])
      expect((await get(transport, control.url)).connectionId).toBe(by.connectionId)
    })
  })

  it('lets a program that leaves bodies unread go on over further connections, where it says how many', async () => {
    const body = Buffer.alloc(32 * 1024 * 1024, 'x') // more than the sockets take in
    const server = await startLoopbackServer({
      onConnection: socket =>
        socket.on('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`)
          socket.write(body)
        }),
    })
    toClose.push(() => server[Symbol.asyncDispose]())
    const url = `http://127.0.0.1:${server.port}`
    const options = { defaults: { protocols: ['http/1.1'] } } as const
    const transport = transportWith({ maxConnections: 2, maxStalledConnections: 1 }, options)
    const unread = await Promise.all([transport.request(url), transport.request(url), transport.request(url)])
    expect(pool(transport)).toMatchObject({ connections: { leased: 3 }, stalled: 1 })
    const fourth = transport.request(url)
    await sleep(500) // as long as it would take, and more
    expect([server.open(), pool(transport)?.waiters]).toEqual([3, 1])
    await Promise.all(unread.map(response => response.dump()))
    await (await fourth).dump()
    await until(() => server.open() <= 2, 'nothing is left above the limit')
    expect(pool(transport)).toMatchObject({ stalled: 0 })
  })

  it("evicts another origin's idle connections for maxTotalConnections", async () => {
    const [first, second] = [await origin(startQuickOrigin()), await origin(startQuickOrigin())]
    const transport = transportWith({}, { limits: { maxTotalConnections: 4 } })
    await Promise.all([1, 2, 3, 4].map(() => get(transport, `${first.url}/slow?ms=100`)))
    expect(transport.stats().totalConnections).toBe(4)
    await Promise.all([1, 2, 3].map(() => get(transport, `${second.url}/slow?ms=100`)))
    await until(() => first.connectionsOpen() + second.connectionsOpen() <= 4, 'at most four')
    expect(second.connectionsSeen()).toBe(3)
    expect(first.connectionsOpen()).toBe(1)
    expect(transport.stats().totalConnections).toBe(4)
    expect(transport.stats().pools.find(({ origin }) => origin === first.url)?.closed).toEqual({ evicted: 3 })
  })

  it('forgets the origin that was unused for longest when maxOrigins is reached', async () => {
    const origins: ScriptedOrigin[] = []
    for (let i = 0; i < 3; i++) {
      const one = await startScriptedOrigin(({ socket, line }) => {
        if (line !== 'GET /held') socket.write(ok())
      })
      toClose.push(() => one[Symbol.asyncDispose]())
      origins.push(one)
    }
    const [a = '', b = '', c = ''] = origins.map(({ url }) => url)
    const transport = transportWith({}, { limits: { maxOrigins: 2 } })
    await get(transport, a)
    await get(transport, b)
    await get(transport, c)
    expect(transport.stats().pools.map(({ origin }) => origin)).toEqual([b, c])
    await until(() => origins[0]?.open() === 0, 'the first is closed')

    const held = [b, c].map(url => transport.request(`${url}/held`).catch((error: unknown) => error))
    await until(() => origins.slice(1).every(one => one.requests.includes('GET /held')), 'both are under way')
    await expect(transport.request(a)).rejects.toMatchObject({ code: 'MM_QUEUE_FULL' })
    await transport.close()
    expect(await Promise.all(held)).toMatchObject([
      { code: 'MM_TRANSPORT_CLOSED' },
      { code: 'MM_TRANSPORT_CLOSED' },
    ])
  })

  it('goes on when an observer throws', async () => {
    const quick = await origin(startQuickOrigin())
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    const transport = transportWith(
      {},
      {
        observer: event => {
          throw new Error(`no ${event.type}`)
        },
      },
    )
    expect(await get(transport, quick.url)).toMatchObject({ reused: false })
    await until(() => warnings.some(({ message }) => message === 'no exchange-ended'), 'the warning')
    process.off('warning', onWarning)
  })
})
