import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientRequest, createServer, type IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { rawClient } from '../../support/raw-client.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'

/** `ws` on both ends: neither is ours. */
interface WebSocketOrigin {
  url: string
  /** Upgrades that it has accepted, with what it saw of each. */
  accepted: { socket: WebSocket; request: IncomingMessage }[]
  close(): void
}

async function startWebSocketOrigin(tls: IssuedCertificate): Promise<WebSocketOrigin> {
  const server = createTlsServer({ cert: tls.cert, key: tls.key }, (_request, response) =>
    response.end('plain'),
  )
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1_048_576 })
  const accepted: WebSocketOrigin['accepted'] = []
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (request.url === '/refuse') {
      socket.end('HTTP/1.1 426 Upgrade Required\r\nX-Wanted: other\r\nContent-Length: 5\r\n\r\nno ws')
      return
    }
    if (request.url === '/ignore') {
      socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nplain')
      return
    }
    sockets.handleUpgrade(request, socket, head, webSocket => {
      accepted.push({ socket: webSocket, request })
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `https://localhost:${port}`,
    accepted,
    close() {
      for (const { socket } of accepted) socket.terminate()
      server.closeAllConnections()
      server.close()
    },
  }
}

async function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'), { maxPayload: 64 * 1_048_576 })
  await once(socket, 'open')
  return socket
}

async function echoed(socket: WebSocket, message: string | Buffer): Promise<Buffer> {
  const answer = once(socket, 'message')
  socket.send(message)
  const [data] = (await answer) as [RawData]
  return data as Buffer // the default binaryType is nodebuffer
}

const HANDSHAKE =
  'Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

describe('WebSocket through the connector, to an origin over TLS', () => {
  let authority: Awaited<ReturnType<typeof createCertificateAuthority>>
  let origin: WebSocketOrigin
  let connector: TestConnector
  beforeAll(async () => {
    authority = await createCertificateAuthority()
    origin = await startWebSocketOrigin(await authority.issue({ names: ['localhost'] }))
    connector = await startConnector({ origins: { chat: { url: origin.url, tls: { ca: authority.cert } } } })
  })
  afterAll(async () => {
    await connector[Symbol.asyncDispose]()
    origin.close()
  })

  it('echoes text and binary, small and large', async () => {
    const socket = await open(`${connector.url}/chat?room=1`)
    expect((await echoed(socket, 'hello')).toString()).toBe('hello')
    const large = randomBytes(16 * 1_048_576)
    expect((await echoed(socket, large)).equals(large)).toBe(true)
    // Both directions at once: neither must wait for the other.
    const many = Array.from({ length: 2_000 }, (_, i) => `${i} ${'x'.repeat(i % 300)}`)
    const seen: string[] = []
    const all = new Promise<void>(resolve => {
      socket.on('message', data => {
        seen.push((data as Buffer).toString()) // nodebuffer, as above
        if (seen.length === many.length) resolve()
      })
    })
    for (const message of many) socket.send(message)
    await all
    expect(seen).toEqual(many)
    socket.close()
    await once(socket, 'close')
  })

  it('informs the origin of the client, and passes the fields of the handshake on', async () => {
    const socket = await open(`${connector.url}/who`)
    const { url, headers } = origin.accepted.at(-1)?.request ?? {}
    expect(url).toBe('/who')
    expect(headers).toMatchObject({
      connection: expect.stringMatching(/^upgrade$/i),
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'x-forwarded-for': '127.0.0.1',
      via: expect.stringContaining('middlemile'),
    })
    socket.terminate()
  })

  it.for(['client', 'origin'] as const)(
    'passes on a close of the %s with its code and reason',
    async side => {
      const socket = await open(`${connector.url}/`)
      const atOrigin = origin.accepted.at(-1)?.socket
      if (atOrigin === undefined) throw new Error('the origin has accepted it')
      const [closing, other] = side === 'client' ? [socket, atOrigin] : [atOrigin, socket]
      const heard = once(other, 'close')
      closing.close(4_001, 'enough')
      const [code, reason] = (await heard) as [number, Buffer]
      expect([code, reason.toString()]).toEqual([4_001, 'enough'])
    },
  )

  it.for(['client', 'origin'] as const)('ends the other side when the %s vanishes', async side => {
    const socket = await open(`${connector.url}/`)
    const atOrigin = origin.accepted.at(-1)?.socket
    if (atOrigin === undefined) throw new Error('the origin has accepted it')
    const [vanishing, other] = side === 'client' ? [socket, atOrigin] : [atOrigin, socket]
    const heard = once(other, 'close')
    vanishing.terminate()
    const [code] = (await heard) as [number]
    expect(code).toBe(1_006)
  })

  it('passes on the answer of an origin that refuses or ignores the upgrade', async () => {
    for (const [path, status, body] of [
      ['/refuse', 426, 'no ws'],
      ['/ignore', 200, 'plain'],
    ] as const) {
      const socket = new WebSocket(`${connector.url.replace('http', 'ws')}${path}`, { agent: false })
      socket.on('error', () => {}) // ws reports the refusal this way, too
      const [request, response] = (await once(socket, 'unexpected-response')) as [
        ClientRequest,
        IncomingMessage,
      ]
      expect(response.statusCode).toBe(status)
      const [data] = (await once(response, 'data')) as [Buffer]
      expect(data.toString()).toBe(body)
      if (path === '/refuse') expect(response.headers['x-wanted']).toBe('other')
      expect(response.headers.via).toContain('middlemile')
      request.destroy()
    }
  })

  it('gives a client that was refused its connection back for the next request', async () => {
    using client = rawClient(connector.port)
    client.send(`GET /ignore HTTP/1.1\r\n${HANDSHAKE}`)
    await client.until(/plain$/)
    client.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    const text = await client.until(/plain[^]+plain$/)
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
  })

  it('carries frames that came together with the handshake', async () => {
    using client = rawClient(connector.port)
    // A masked text frame with the mask 0: "early".
    client.send(`GET / HTTP/1.1\r\n${HANDSHAKE}\x81\x85\0\0\0\0early`)
    const [head, frame] = (await client.until(/early$/)).split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
    expect(frame).toBe('\x81\x05early')
  })

  it('is counted: 101 as 1xx, and its connection as one that takes no more requests until it ends', async () => {
    const state = async () => {
      const { connections, closed } = await connector.pool('chat')
      return [connections.leased, connections.draining, closed['upgraded'] ?? 0]
    }
    await expect.poll(async () => (await state())[1]).toBe(0) // those of the tests before
    const [, , endedBefore = 0] = await state()
    const socket = await open(`${connector.url}/`)
    expect(await state()).toEqual([0, 1, endedBefore])
    const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
    expect(page.sum('middlemile_connections', { state: 'draining' })).toBe(1)
    expect(page.sum('middlemile_requests_total', { status_class: '1xx' })).toBe(endedBefore + 1)
    socket.terminate()
    await expect.poll(state).toEqual([0, 0, endedBefore + 1])
    await expect.poll(async () => openClients(connector)).toBe(0)
  })

  it('has its bytes of both directions counted while it is open', async () => {
    const bytes = async () => {
      const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
      const sum = (way: string) => page.sum(`middlemile_${way}_body_bytes_total`, { origin: 'chat' })
      return [sum('request'), sum('response')]
    }
    const [sent = 0, received = 0] = await bytes()
    const socket = await open(`${connector.url}/`)
    await echoed(socket, randomBytes(100_000))
    // A frame of that size has a header of 10 bytes, and from a client 4 more for its mask (RFC 6455 5.2).
    expect(await bytes()).toEqual([sent + 100_014, received + 100_010])
    socket.terminate()
  })

  it('answers 502 when the origin cannot be reached', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    server.close()
    await once(server, 'close')
    await using lost = await startConnector({ origins: { lost: { url: `http://127.0.0.1:${port}` } } })
    const socket = new WebSocket(lost.url.replace('http', 'ws'), { agent: false })
    socket.on('error', () => {}) // as above
    const [request, response] = (await once(socket, 'unexpected-response')) as [
      ClientRequest,
      IncomingMessage,
    ]
    expect(response.statusCode).toBe(502)
    request.destroy()
  })

  it('holds up a drain until its timeout, which ends it', async () => {
    await using draining = await startConnector({
      shutdown: { drainTimeout: '200ms' },
      origins: { chat: { url: origin.url, tls: { ca: authority.cert } } },
    })
    const socket = await open(`${draining.url}/`)
    const closed = once(socket, 'close')
    await draining.service.drain()
    await closed
    expect(draining.service.stats().totalConnections).toBe(0)
  })

  it('ends with the connector', async () => {
    const socket = await open(`${connector.url}/`)
    const closed = once(socket, 'close')
    await connector.service.close()
    await closed
  })
})

describe('any other protocol behind an upgrade', () => {
  const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n'
  const ACCEPTED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n'

  it('may close one direction and use the other', async () => {
    await using echo = await startLoopbackServer({
      onConnection: socket => {
        socket.once('data', () => {
          socket.write(ACCEPTED)
          let length = 0
          socket.on('data', (chunk: Buffer) => (length += chunk.length))
          // Only now, when the client has said that it is done. (loopback servers end with their client.)
          socket.on('end', () => socket.end(`${length} bytes`))
        })
      },
    })
    await using connector = await startConnector({
      origins: { echo: { url: `http://127.0.0.1:${echo.port}` } },
    })
    using client = rawClient(connector.port)
    client.send(UPGRADE)
    await client.until(/\r\n\r\n/)
    client.socket.end(Buffer.alloc(3_000_000))
    expect(await client.untilClosed()).toMatch(/\r\n\r\n3000000 bytes$/)
  })

  it('is held back by a client that does not read', async () => {
    const chunk = Buffer.alloc(65_536)
    let written = 0
    await using flood = await startLoopbackServer({
      onConnection: socket => {
        const pump = (): void => {
          while (written < 500_000_000) {
            written += chunk.length
            if (!socket.write(chunk)) return
          }
          socket.end()
        }
        socket.once('data', () => {
          socket.write(ACCEPTED)
          socket.on('drain', pump)
          pump()
        })
      },
    })
    await using connector = await startConnector({
      origins: { flood: { url: `http://127.0.0.1:${flood.port}` } },
    })
    using client = rawClient(connector.port)
    client.send(UPGRADE)
    await client.until(/\r\n\r\n/)
    client.socket.pause()
    await sleep(400)
    // What the kernel holds for two connections, and a few reads.
    expect(written).toBeLessThan(64_000_000)
    client.socket.destroy()
    await expect.poll(() => flood.open()).toBe(0)
  })
})

async function openClients(connector: TestConnector): Promise<number> {
  const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
  return page.sum('middlemile_ingress_connections')
}
