import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTransport, type TransportEvent } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { responseBlock } from '../../support/http2-fields.ts'
import { startHttp2PeerOrigin } from '../../support/http2-peer.ts'
import {
  data,
  FLAG,
  frame,
  goaway,
  headers,
  SETTING,
  SETTINGS_ACK,
  settings,
  TYPE,
} from '../../support/http2-wire.ts'
import { load } from '../../support/load.ts'
import { startNginx } from '../../support/nginx.ts'
import { startNodeHttp2 } from '../../support/node-http2.ts'
import { requireBinary } from '../../support/require-binary.ts'

const noNginx = requireBinary('nginx')
const noCaddy = requireBinary('caddy')

/** Other lanes are not tried: their connections would be counted. */
const NO_TRIALS = { exploreShare: 0 }

/** How many connections the pool makes of HTTP/2, and what becomes of requests when they end. */
describe('the pool over HTTP/2', () => {
  it.skipIf(noNginx !== undefined)(
    'carries 20,000 requests at concurrency 64 on 1 or 2 connections: nginx',
    async () => {
      await using nginx = await startNginx({ http2: true, keepaliveRequests: 1_000_000 })
      await using transport = createTransport({
        defaults: { select: NO_TRIALS, tls: { ca: nginx.certificates.ca } },
      })
      const result = await load(transport, `${nginx.url}/1k`, { requests: 20_000, concurrency: 64 })
      expect(result.failures).toEqual([])
      const pool = transport.stats().pools[0]
      expect(pool?.requests).toBe(20_000)
      expect(pool?.reuseRatio).toBeGreaterThanOrEqual(0.999)
      const { connections } = await nginx.counters()
      expect(connections).toBeGreaterThanOrEqual(1)
      expect(connections).toBeLessThanOrEqual(2)
    },
  )

  it.skipIf(noCaddy !== undefined)(
    'carries 20,000 requests at concurrency 64 on 1 or 2 connections: caddy',
    async () => {
      await using caddy = await startCaddy({ http2: true })
      await using transport = createTransport({
        defaults: { select: NO_TRIALS, tls: { ca: caddy.certificates.ca } },
      })
      const result = await load(transport, `${caddy.url}/1k`, { requests: 20_000, concurrency: 64 })
      expect(result.failures).toEqual([])
      expect(result.perConnection.size).toBeLessThanOrEqual(2)
      expect(transport.stats().pools[0]?.reuseRatio).toBeGreaterThanOrEqual(0.999)
    },
  )

  it('waits for the SETTINGS of an origin once, and then remembers how many streams it allows', async () => {
    const streams = 20
    const allows = { 3: streams }
    const requestsOf = new Map<number, number[]>()
    await using origin = await startHttp2PeerOrigin({
      isSilent: true,
      acknowledges: false,
      onConnection: (peer, index) => {
        requestsOf.set(index, [])
        if (index === 1) peer.send(settings(allows), SETTINGS_ACK)
      },
      onRequest: (peer, streamId, index) => {
        const requests = requestsOf.get(index) ?? []
        requests.push(streamId)
        if (index === 1) {
          peer.answer(streamId)
          peer.send(goaway(streamId))
        } else if (requests.length === streams) {
          peer.send(settings(allows), SETTINGS_ACK)
          for (const id of requests) peer.answer(id)
        }
      },
    })
    await using transport = createTransport({
      defaults: { protocols: ['h2'], timeouts: { headersMs: 5000 } },
    })
    await (await transport.request(origin.url)).dump()
    const all = Array.from({ length: streams }, async () => (await transport.request(origin.url)).text())
    expect(await Promise.all(all)).toEqual(Array.from({ length: streams }, () => 'ok'))
    expect([...requestsOf.values()].map(requests => requests.length)).toEqual([1, streams])
  })

  it.skipIf(noNginx !== undefined)(
    'opens as many connections as a cold burst needs when the origin turns out to speak HTTP/1.1',
    async () => {
      await using nginx = await startNginx()
      await using transport = createTransport({
        defaults: { select: NO_TRIALS, tls: { ca: nginx.certificates.ca } },
      })
      const events: string[] = []
      transport.configure({
        defaults: { select: NO_TRIALS, tls: { ca: nginx.certificates.ca } },
        observer: ({ type }: TransportEvent) => void events.push(type),
      })
      await Promise.all(
        Array.from({ length: 30 }, async () => (await transport.request(`${nginx.url}/slow/1k`)).dump()),
      )
      const { connections } = await nginx.counters()
      expect(connections).toBe(30)
      expect(events.slice(0, 4), 'one dial finds out').toEqual([
        'connect-started',
        'dial-ended',
        'connection-opened',
        'connect-started',
      ])
      expect(transport.stats().pools[0]?.byProtocol).toMatchObject({ 'http/1.1': { idle: 30, capacity: 30 } })
    },
  )

  it.skipIf(noNginx !== undefined)(
    'opens another connection only when the one that is there has no room',
    async () => {
      await using nginx = await startNginx({ http2: true, http2MaxConcurrentStreams: 8 })
      await using transport = createTransport({
        defaults: { select: NO_TRIALS, tls: { ca: nginx.certificates.ca } },
      })
      const eight = await load(transport, `${nginx.url}/1k`, { requests: 400, concurrency: 8 })
      expect([eight.failures, eight.perConnection.size]).toEqual([[], 1])
      const twenty = await load(transport, `${nginx.url}/1k`, { requests: 400, concurrency: 20 })
      expect(twenty.failures).toEqual([])
      expect((await nginx.counters()).connections).toBe(3)
      expect(transport.stats().pools[0]?.byProtocol.h2).toMatchObject({ capacity: 24 })
    },
  )

  it.skipIf(noNginx !== undefined)(
    'loses nothing when nginx ends each connection after 100 requests',
    async () => {
      await using nginx = await startNginx({ http2: true, keepaliveRequests: 100 })
      await using transport = createTransport({
        defaults: { select: NO_TRIALS, tls: { ca: nginx.certificates.ca } },
      })
      const result = await load(transport, `${nginx.url}/sink`, {
        requests: 5_000,
        concurrency: 64,
        method: 'POST',
      })
      expect(result.failures).toEqual([])
      const { connections, requests } = await nginx.counters()
      expect(requests).toBe(5_000)
      expect(connections).toBe(50)
      // After two of them the pool knows how many requests a connection is good for, and nothing is refused
      // any more.
      expect(transport.stats().pools[0]?.retries).toBeLessThan(300)
    },
  )

  it.skipIf(noNginx !== undefined)('loses nothing when nginx reloads under load', async () => {
    await using nginx = await startNginx({ http2: true })
    await using transport = createTransport({
      defaults: { select: NO_TRIALS, tls: { ca: nginx.certificates.ca } },
    })
    const stop = new AbortController()
    const running = load(transport, `${nginx.url}/1k`, { concurrency: 32, until: stop.signal })
    for (let round = 0; round < 3; round++) {
      await sleep(300)
      await nginx.reload()
    }
    await sleep(300)
    stop.abort()
    const result = await running
    expect(result.failures).toEqual([])
    expect(result.perConnection.size).toBeGreaterThan(1)
  })

  it('waits for SETTINGS before more than a handful of streams, and refuses nobody', async () => {
    await using server = await startNodeHttp2({ settings: { maxConcurrentStreams: 10 } })
    await using transport = createTransport({ defaults: { select: NO_TRIALS, tls: { ca: server.ca } } })
    let most = 0
    let open = 0
    server.server.on('stream', stream => {
      most = Math.max(most, ++open)
      stream.once('close', () => open--)
    })
    const result = await load(transport, server.url, { requests: 200, concurrency: 50 })
    expect(result.failures).toEqual([])
    expect(server.seen().h2).toBe(5)
    expect(most).toBeLessThanOrEqual(50)
    expect(transport.stats().pools[0]).toMatchObject({ retries: 0, byProtocol: { h2: { capacity: 50 } } })
  })

  it('sends again what a GOAWAY left unprocessed, whatever the method, on one other connection', async () => {
    let isFirst = true
    await using server = await startNodeHttp2({
      onRequest: (request, response) => {
        const { session } = request.stream
        if (!isFirst || session === undefined) {
          response.end('second')
          return
        }
        isFirst = false
        // Everything above the first stream was not seen, so it says.
        session.goaway(0, 1)
        setTimeout(() => response.end('first'), 50)
      },
    })
    const events: TransportEvent[] = []
    await using transport = createTransport({
      defaults: { select: NO_TRIALS, tls: { ca: server.ca }, retry: { maxRetries: 0 } },
      observer: event => void events.push(event),
    })
    const texts = await Promise.all(
      Array.from({ length: 4 }, async () =>
        (await transport.request(server.url, { method: 'POST', body: 'pay' })).text(),
      ),
    )
    expect(texts.toSorted()).toEqual(['first', 'second', 'second', 'second'])
    expect(server.seen().h2).toBe(2)
    const retried = events.filter(({ type }) => type === 'exchange-retried')
    expect(retried).toMatchObject([
      { reason: 'unprocessed', error: { code: 'MM_REFUSED' } },
      { reason: 'unprocessed' },
      { reason: 'unprocessed' },
    ])
  })

  it('lets a POST run once that waits to leave when the peer breaks the connection', async () => {
    await using origin = await startHttp2PeerOrigin({
      settings: { [SETTING.MAX_CONCURRENT_STREAMS]: 1 },
      onRequest: (peer, streamId, index) => {
        if (index > 1 || streamId === 1) peer.answer(streamId)
      },
    })
    const events: TransportEvent[] = []
    await using transport = createTransport({
      defaults: {
        select: NO_TRIALS,
        protocols: ['h2'],
        retry: { maxRetries: 0 },
        pool: { maxConnections: 1 },
      },
      observer: event => void events.push(event),
    })
    await (await transport.request(origin.url)).dump()
    const get = transport.request(origin.url)
    const post = transport.request(origin.url, { method: 'POST', body: 'pay' })
    const [first] = origin.peers
    await first?.untilFrame(/^HEADERS 3$/)
    await expect.poll(() => transport.stats().pools[0]?.waiters).toBe(1)
    // The place that the end of the answer gives back goes to the POST; the fault comes in the same read.
    first?.send(
      headers(3, responseBlock()),
      data(3, 'ok', FLAG.END_STREAM),
      frame(TYPE.PING, 0, 1, Buffer.alloc(8)),
    )
    expect(await (await get).text()).toBe('ok')
    expect((await post).info.retries).toBe(1)
    expect(events.filter(({ type }) => type === 'exchange-retried')).toMatchObject([
      { reason: 'unprocessed', error: { code: 'MM_PROTOCOL_ERROR', processed: 'no' } },
    ])
    expect((await first?.untilClosed())?.slice(-2)).toEqual(['HEADERS 3', 'GOAWAY 0 PROTOCOL_ERROR'])
    expect(origin.peers).toHaveLength(2)
  })

  it('notifies its observer of what a peer overdid', async () => {
    await using server = await startNodeHttp2()
    const limits: string[] = []
    await using transport = createTransport({
      defaults: { tls: { ca: server.ca }, http2: { maxPingsPerSecond: 1 } },
      observer: event => void (event.type === 'defence' && limits.push(event.limit)),
    })
    await (await transport.request(server.url)).dump()
    const [session] = server.sessions
    // Node keeps ten PINGs under way at the most.
    const pingOn = (): void => void (session?.destroyed === false && session.ping(pingOn))
    pingOn()
    await expect.poll(() => limits).toContain('maxPingsPerSecond')
  })
})
