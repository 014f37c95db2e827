import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { constants } from 'node:http2'
import type { Duplex } from 'node:stream'
import { WebSocket } from 'undici'
import { describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { createTransport, type Transport, type TransportError } from '../../../src/index.ts'
import { type NodeHttp2, startNodeHttp2 } from '../../support/node-http2.ts'
import { openTunnel } from '../../support/open-tunnel.ts'
import { until } from '../../support/until.ts'

/** Upgrades towards origins that speak HTTP/2. */
describe('an upgrade', () => {
  const transportTo = (server: NodeHttp2, options: object = {}): Transport =>
    createTransport({ defaults: { tls: { ca: server.ca }, ...options } })

  const echoes = async (tunnel: Duplex): Promise<string> => {
    tunnel.write('over')
    const [chunk] = (await once(tunnel, 'data')) as [Buffer] // no encoding was set
    tunnel.destroy()
    return chunk.toString()
  }

  const echoUpgrade = (_request: IncomingMessage, socket: Duplex): void => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.pipe(socket)
  }

  it('is extended CONNECT where the origin offers it, on the connection that all requests share', async () => {
    await using server = await startNodeHttp2({
      settings: { enableConnectProtocol: true },
      onConnect: (stream, headers) => {
        expect(headers).toMatchObject({ ':method': 'CONNECT', ':protocol': 'echo', ':path': '/chat' })
        stream.respond({ ':status': 200 })
        stream.pipe(stream)
      },
    })
    await using transport = transportTo(server)
    await (await transport.request(server.url)).dump()
    const { tunnel } = await openTunnel(transport, server.url)
    expect(await echoes(tunnel)).toBe('over')
    expect(server.seen()).toEqual({ h2: 1, http1: 0 })
    const { known } = await transport.explain(server.url)
    expect(known.map(({ fact }) => fact)).toContain('offers extended CONNECT: upgrades go over h2')
  })

  it('goes over HTTP/1.1 connections of its own where it does not, and the next one goes there at once', async () => {
    await using server = await startNodeHttp2({ allowHTTP1: true, onUpgrade: echoUpgrade })
    await using transport = transportTo(server)
    const first = await openTunnel(transport, server.url)
    expect([first.status, await echoes(first.tunnel)]).toEqual([101, 'over'])
    expect(server.seen()).toEqual({ h2: 1, http1: 1 })
    const before = transport.stats().pools[0]?.requests ?? 0
    const second = await openTunnel(transport, server.url)
    expect(await echoes(second.tunnel)).toBe('over')
    expect(transport.stats().pools[0]?.requests, 'one lease: it did not ask over h2 again').toBe(before + 1)

    const response = await transport.request(server.url)
    expect([await response.text(), response.info.protocol]).toEqual(['hello', 'h2'])
    expect(server.seen()).toEqual({ h2: 1, http1: 2 })
    expect(transport.stats().pools).toHaveLength(1)
    expect(transport.stats().pools[0]).toMatchObject({
      opened: { full: expect.any(Number) },
      closed: { upgraded: 2 },
      retries: 0,
    })
    const { known } = await transport.explain(server.url)
    expect(known.map(({ fact }) => fact)).toContainEqual(
      expect.stringContaining('upgrades go over http/1.1 connections of their own'),
    )
  })

  it('counts for maxConnections together with all other connections, though it has a pool of its own', async () => {
    await using server = await startNodeHttp2({ allowHTTP1: true, onUpgrade: echoUpgrade })
    await using transport = createTransport({
      defaults: { tls: { ca: server.ca }, pool: { maxConnections: 3, queueTimeoutMs: 60_000 } },
    })
    const tunnels = [await openTunnel(transport, server.url), await openTunnel(transport, server.url)]
    const third = openTunnel(transport, server.url)
    await expect.poll(() => transport.stats().pools[0]?.waiters).toBe(1)
    expect(server.seen()).toEqual({ h2: 1, http1: 2 })
    expect(transport.stats().totalConnections).toBe(3)
    expect(await (await transport.request(server.url)).text(), 'requests go on').toBe('hello')
    tunnels[0]?.tunnel.destroy()
    expect(await echoes((await third).tunnel)).toBe('over')
    expect(server.seen()).toEqual({ h2: 1, http1: 3 })
  })

  it('fails where HTTP/1.1 is not allowed, and where the origin does not speak it', async () => {
    await using server = await startNodeHttp2()
    const failure = async (options: object): Promise<unknown> => {
      await using transport = transportTo(server, options)
      return await openTunnel(transport, server.url).catch((error: unknown) => error)
    }
    const notAllowed = await failure({ protocols: ['h2'] })
    expect(notAllowed).toMatchObject({ code: 'MM_UPGRADE_UNAVAILABLE', processed: 'no' })
    const notSpoken = await failure({})
    expect(notSpoken).toMatchObject({ code: 'MM_UPGRADE_UNAVAILABLE', processed: 'no' })
    expect((notSpoken as TransportError).cause).toMatchObject({ code: 'MM_ALPN_MISMATCH' })
  })

  it.each([true, false])(
    "is what undici's WebSocket needs; extended CONNECT offered: %s",
    async enableConnectProtocol => {
      const sockets = new WebSocketServer({ noServer: true })
      await using server = await startNodeHttp2({
        allowHTTP1: true,
        settings: { enableConnectProtocol },
        onUpgrade: (request, socket, head) =>
          sockets.handleUpgrade(request, socket, head, webSocket =>
            webSocket.on('message', (data: Buffer) => webSocket.send(`${data.toString()} back`)),
          ),
        onConnect: stream => {
          stream.respond({ ':status': 200 })
          // A frame of text, masked by the client, is answered with one that says so.
          stream.once('data', () => stream.write(Buffer.from('\x81\x0bhello back!', 'latin1')))
        },
      })
      await using transport = transportTo(server)
      const webSocket = new WebSocket(server.url.replace('https', 'wss'), {
        dispatcher: transport.dispatcher(),
      })
      const answer = await new Promise((resolve, reject) => {
        webSocket.onopen = () => webSocket.send('hello')
        webSocket.onmessage = ({ data }) => resolve(data)
        webSocket.onerror = event => reject(event.error)
      })
      expect(answer).toBe(enableConnectProtocol ? 'hello back!' : 'hello back')
      expect(server.seen().http1).toBe(enableConnectProtocol ? 0 : 1)
      webSocket.close()
    },
  )

  it('keeps to the limit over all origins, and goes when the transport drains', async () => {
    await using server = await startNodeHttp2({
      allowHTTP1: true,
      onUpgrade: (_request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'),
    })
    await using transport = createTransport({
      defaults: { tls: { ca: server.ca } },
      limits: { maxTotalConnections: 1 },
    })
    for (let round = 0; round < 2; round++) {
      await expect(openTunnel(transport, server.url)).rejects.toThrow('status 403')
      const response = await transport.request(server.url)
      expect(await response.text()).toBe('hello')
      expect(transport.stats().totalConnections).toBeLessThanOrEqual(1)
    }
    await transport.drain()
    expect(transport.stats().totalConnections).toBe(0)
  })
})

/**
 * RFC 9113 7, HTTP_1_1_REQUIRED: some things an origin does over HTTP/1.1 only (client certificates, NTLM).
 */
describe('a request that the origin wants in HTTP/1.1', () => {
  const picky = (): Promise<NodeHttp2> =>
    startNodeHttp2({
      allowHTTP1: true,
      onRequest: (request, response) => {
        if (request.httpVersionMajor === 2 && request.url === '/picky') {
          response.stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED)
        } else response.end(`over ${request.httpVersion}`)
      },
    })

  it('goes over HTTP/1.1, and the others stay where they are', async () => {
    await using server = await picky()
    await using transport = createTransport({ defaults: { tls: { ca: server.ca } } })
    const texts: string[] = []
    for (const path of ['/', '/picky', '/']) {
      texts.push(await (await transport.request(server.url + path, { method: 'POST', body: 'x' })).text())
    }
    expect(texts).toEqual(['over 2.0', 'over 1.1', 'over 2.0'])
    expect(server.seen()).toEqual({ h2: 1, http1: 1 })
  })

  describe('and that takes its time', () => {
    /** Says so after a while, and answers over HTTP/1.1 after a while. */
    const slow = (answers: { from: number }): Promise<NodeHttp2> =>
      startNodeHttp2({
        allowHTTP1: true,
        onRequest: (request, response) => {
          const isHttp2 = request.httpVersionMajor === 2
          if (!isHttp2) answers.from = performance.now()
          setTimeout(() => {
            if (isHttp2) response.stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED)
            else response.end('one')
          }, 300)
        },
      })

    it('is waited for by a drain, though it goes from one pool to another', async () => {
      await using server = await slow({ from: 0 })
      const transport = createTransport({ defaults: { tls: { ca: server.ca } } })
      // Both pools are there before the drain: a new one is refused then.
      await (await transport.request(`${server.url}/picky`)).dump()
      const order: string[] = []
      const answer = transport.request(`${server.url}/picky`).then(async response => {
        await response.dump()
        order.push('answered')
      })
      await transport.drain()
      order.push('drained')
      await answer
      expect(order).toEqual(['answered', 'drained'])
    })

    it('is ended by close(), though its origin has other settings by then', async () => {
      const answers = { from: 0 }
      await using server = await slow(answers)
      const options = { defaults: { tls: { ca: server.ca } } }
      const transport = createTransport(options)
      await (await transport.request(`${server.url}/picky`)).dump()
      answers.from = 0
      const answer = transport.request(`${server.url}/picky`)
      const outcome = expect(answer).rejects.toMatchObject({ code: 'MM_TRANSPORT_CLOSED' })
      transport.configure({ defaults: { ...options.defaults, retry: { maxRetries: 5 } } })
      await until(() => answers.from > 0, 'the request over HTTP/1.1')
      await transport.close()
      await outcome
      expect(transport.stats().totalConnections).toBe(0)
    })
  })

  it('fails with what the origin said where HTTP/1.1 is not allowed', async () => {
    await using server = await picky()
    await using transport = createTransport({ defaults: { tls: { ca: server.ca }, protocols: ['h2'] } })
    const failed = transport.request(`${server.url}/picky`)
    await expect(failed).rejects.toMatchObject({ code: 'MM_HTTP11_REQUIRED', processed: 'no' })
    expect(server.seen()).toEqual({ h2: 1, http1: 0 })
  })
})
