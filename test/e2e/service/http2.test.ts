import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { startNodeHttp2 } from '../../support/node-http2.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { rawClient } from '../../support/raw-client.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

function connect(connector: TestConnector): ClientHttp2Session {
  const session = http2.connect(connector.url)
  session.on('error', () => {}) // streams report it
  ends.push(() => session.destroy())
  return session
}

async function get(
  session: ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
): Promise<{ headers: IncomingHttpHeaders; body: string }> {
  const stream = session.request(headers)
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  let body = ''
  for await (const chunk of stream.setEncoding('utf8')) body += chunk
  return { headers: answer, body }
}

/** `ws`, which is not ours, over HTTP/1.1; it echoes. */
async function startWebSocketOrigin() {
  const requests: IncomingMessage[] = []
  const server = createServer((_request, response) => response.end('plain'))
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 16 * 1_048_576 })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    requests.push(request)
    if (request.url === '/ignore') {
      socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nplain')
      return
    }
    sockets.handleUpgrade(request, socket, head, webSocket => {
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // it listens on TCP
  return { url: `http://127.0.0.1:${port}`, requests }
}

/** An origin that speaks HTTP/2 and takes extended CONNECT; it echoes bytes. */
async function startTunnelOrigin() {
  const asked: IncomingHttpHeaders[] = []
  const origin = await startNodeHttp2({
    settings: { enableConnectProtocol: true },
    onConnect: (stream, headers) => {
      asked.push(headers)
      stream.on('error', () => {})
      stream.respond({ ':status': 200, 'x-from': 'tunnel' })
      stream.pipe(stream)
    },
  })
  return { origin, asked }
}

/** Asks for a WebSocket over HTTP/2 (RFC 8441), and resolves with its stream and the head of the answer. */
async function openWebSocket(
  session: ClientHttp2Session,
  path = '/chat?room=1',
): Promise<{ stream: ClientHttp2Stream; answer: IncomingHttpHeaders }> {
  // A client must not ask before the server has offered it (RFC 8441 3).
  if (session.remoteSettings?.enableConnectProtocol !== true) await once(session, 'remoteSettings')
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': path,
    'sec-websocket-version': '13',
  })
  stream.on('error', () => {})
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  return { stream, answer }
}

/** A binary message with the mask 0. */
function message(payload: Buffer): Buffer {
  const head = Buffer.alloc(14)
  head[0] = 0x82
  head[1] = 0xff
  head.writeBigUInt64BE(BigInt(payload.length), 2)
  return Buffer.concat([head, payload])
}

/** Reads this many bytes. */
async function take(stream: ClientHttp2Stream, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  while (length < bytes) {
    const chunk = stream.read() as Buffer | null // no encoding is set
    if (chunk === null) await once(stream, 'readable')
    else {
      chunks.push(chunk)
      length += chunk.length
    }
  }
  return Buffer.concat(chunks)
}

describe('WebSocket over HTTP/2 (RFC 8441)', () => {
  it('reaches an origin that speaks HTTP/1.1', async () => {
    const origin = await startWebSocketOrigin()
    await using connector = await startConnector({ origins: { chat: { url: origin.url } } })
    const { stream, answer } = await openWebSocket(connect(connector))
    expect(answer[':status']).toBe(200)
    for (const name of ['sec-websocket-accept', 'upgrade', 'connection'])
      expect(answer).not.toHaveProperty(name)
    expect(answer.via).toMatch(/^1\.1 middlemile /)
    const { url, headers } = origin.requests[0] as IncomingMessage
    expect([url, headers.upgrade, headers.via]).toEqual([
      '/chat?room=1',
      'websocket',
      expect.stringMatching(/^2 middlemile /),
    ])
    const payload = Buffer.alloc(1_000_000, 'abc')
    stream.write(message(payload))
    const echoed = await take(stream, 10 + payload.length)
    expect(echoed.subarray(10).equals(payload)).toBe(true)
    // A close frame with 1000, masked with 0; the origin answers with its own and ends.
    stream.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]))
    expect(await take(stream, 4)).toEqual(Buffer.from([0x88, 0x02, 0x03, 0xe8]))
    stream.end()
    stream.resume()
    await once(stream, 'close')
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR)
  })

  it('reaches an origin that speaks HTTP/2, and other requests share the connection', async () => {
    const { origin, asked } = await startTunnelOrigin()
    await using _ = origin
    await using connector = await startConnector({
      origins: { chat: { url: origin.url, tls: { ca: origin.ca }, protocols: ['h2'] } },
    })
    const session = connect(connector)
    const { stream, answer } = await openWebSocket(session)
    expect([answer[':status'], answer['x-from'], answer.via]).toEqual([
      200,
      'tunnel',
      expect.stringMatching(/^2 middlemile /),
    ])
    expect(asked[0]).toMatchObject({ ':protocol': 'websocket', 'sec-websocket-version': '13' })
    expect(asked[0]).not.toHaveProperty('sec-websocket-key')
    const payload = Buffer.alloc(3_000_000, 'xyz')
    stream.write(payload)
    expect((await take(stream, payload.length)).equals(payload)).toBe(true)
    expect((await get(session, {})).body).toBe('hello')
    stream.end()
    stream.resume()
    await once(stream, 'close')
    expect(origin.seen()).toEqual({ h2: 1, http1: 0 })
  })

  it('ends with a reset where either side vanishes', async () => {
    const { origin } = await startTunnelOrigin()
    await using _ = origin
    await using connector = await startConnector({
      origins: { chat: { url: origin.url, tls: { ca: origin.ca }, protocols: ['h2'] } },
    })
    const first = await openWebSocket(connect(connector))
    for (const session of origin.sessions) session.destroy()
    first.stream.resume()
    await once(first.stream, 'close')
    expect(first.stream.rstCode).toBe(http2.constants.NGHTTP2_CANCEL)
    const second = await openWebSocket(connect(connector))
    second.stream.close(http2.constants.NGHTTP2_CANCEL)
    await expect.poll(async () => (await connector.pool('chat')).streams).toBe(0)
  })

  it('is refused when the origin does not switch', async () => {
    const origin = await startWebSocketOrigin()
    await using connector = await startConnector({ origins: { chat: { url: origin.url } } })
    const session = connect(connector)
    const { stream, answer } = await openWebSocket(session, '/ignore')
    expect(answer[':status']).toBe(502)
    let body = ''
    for await (const chunk of stream.setEncoding('utf8')) body += chunk
    expect(JSON.parse(body).error.code).toBe('MM_UPGRADE_UNAVAILABLE')
    expect((await get(session, {})).body).toBe('plain')
  })
})

describe('WebSocket over HTTP/1.1', () => {
  it('reaches an origin that speaks HTTP/2', async () => {
    const { origin, asked } = await startTunnelOrigin()
    await using _ = origin
    await using connector = await startConnector({
      origins: { chat: { url: origin.url, tls: { ca: origin.ca }, protocols: ['h2', 'http/1.1'] } },
    })
    const socket = new WebSocket(`${connector.url.replace('http', 'ws')}/chat`)
    const [response] = (await once(socket, 'upgrade')) as [IncomingMessage]
    expect([response.statusCode, response.headers['x-from']]).toEqual([101, 'tunnel'])
    expect(asked[0]).toMatchObject({ ':protocol': 'websocket', ':path': '/chat' })
    // The bytes come back as they went, masked: ws refuses them, which is the proof that they came through.
    const failed = once(socket, 'error')
    if (socket.readyState !== WebSocket.OPEN) await once(socket, 'open')
    socket.send('hello')
    const [error] = (await failed) as [Error]
    expect(error.message).toContain('MASK must be clear')
    socket.terminate()
  })
})

describe('forwarding between versions', () => {
  it('names in Via what each side spoke', async () => {
    const h1 = await startQuickOrigin()
    await using h2 = await startNodeHttp2({
      onRequest: (request, response) => response.end(String(request.headers['via'])),
    })
    await using connector = await startConnector({
      origins: {
        one: { url: h1.url, hosts: ['one.test'] },
        two: { url: h2.url, hosts: ['two.test'], tls: { ca: h2.ca }, protocols: ['h2'] },
      },
    })
    const session = connect(connector)
    const one = await get(session, { ':authority': 'one.test' })
    expect(one.headers.via).toMatch(/^1\.1 middlemile /)
    const two = await get(session, { ':authority': 'two.test' })
    expect([two.headers.via, two.body]).toEqual([
      expect.stringMatching(/^2 middlemile /),
      expect.stringMatching(/^2 middlemile /),
    ])
    await h1.close()
  })

  it.each([true, false])(
    'answers a request whose Upgrade an HTTP/2 origin cannot be asked for; extended CONNECT offered: %s',
    async enableConnectProtocol => {
      await using origin = await startNodeHttp2({
        settings: { enableConnectProtocol },
        onRequest: (request, response) => {
          let body = ''
          request.on('data', chunk => (body += String(chunk)))
          request.on('end', () => response.end(`${request.method} ${body}`))
        },
      })
      await using connector = await startConnector({
        origins: { o: { url: origin.url, tls: { ca: origin.ca } } },
      })
      using client = rawClient(connector.port)
      const fields = 'Host: a\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n'
      client.send(`GET / HTTP/1.1\r\n${fields}\r\n`)
      await client.until(/GET $|\r\n0\r\n/)
      client.send(`POST / HTTP/1.1\r\n${fields}Content-Length: 2\r\n\r\nhi`)
      await client.until(/POST hi/)
      client.send(`POST / HTTP/1.1\r\n${fields}Transfer-Encoding: chunked\r\n\r\n`)
      client.send('5\r\nstill\r\n0\r\n\r\n')
      const text = await client.until(/POST still/)
      expect(text.match(/^HTTP\/1\.1 \d+/gm)).toEqual(Array(3).fill('HTTP/1.1 200'))
    },
  )

  it('is counted by protocol', async () => {
    const origin = await startQuickOrigin()
    await using connector = await startConnector({ origins: { origin: { url: origin.url } } })
    const session = connect(connector)
    for (let i = 0; i < 3; i++) await get(session, { ':path': `/${i}` })
    await fetch(connector.url)
    const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
    expect(page.sum('middlemile_ingress_requests_total', { protocol: 'h2' })).toBe(3)
    expect(page.sum('middlemile_ingress_requests_total', { protocol: 'http/1.1' })).toBe(1)
    expect(page.sum('middlemile_ingress_sessions_total', { protocol: 'h2' })).toBe(1)
    await origin.close()
  })

  it('takes the protocols and limits of a listener from the configuration', async () => {
    const origin = await startQuickOrigin()
    await using connector = await startConnector({
      listen: [{ address: '127.0.0.1:0', protocols: ['h2'] }],
      ingress: { http2: { maxConcurrentStreams: 7 } },
      origins: { origin: { url: origin.url } },
    })
    const session = connect(connector)
    await once(session, 'remoteSettings')
    expect(session.remoteSettings?.maxConcurrentStreams).toBe(7)
    await expect(fetch(connector.url)).rejects.toThrow()
    await origin.close()
  })
})
