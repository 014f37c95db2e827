import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import type { TransportError } from '../../../src/base/errors.ts'
import type { BodySink } from '../../../src/base/http/exchange.ts'
import type { IngressExchange, IngressHandler } from '../../../src/ingress/ingress-exchange.ts'
import { type IngressListener, type ListenOptions, listen } from '../../../src/ingress/listener.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { curl } from '../../support/curl.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
import { until, untilSteady } from '../../support/until.ts'

const open: IngressListener[] = []
afterEach(() => Promise.all(open.splice(0).map(listener => listener.close())))

async function serve(
  handler: IngressHandler,
  options: Partial<ListenOptions> = {},
): Promise<IngressListener> {
  const listener = await listen({ address: { host: '127.0.0.1', port: 0 }, handler, ...options })
  open.push(listener)
  return listener
}

const own = (chunk: Buffer): Buffer => chunk
const copy = (chunk: Buffer): Buffer => Buffer.from(chunk)
const ignore = { onDrain(): void {}, onAborted(): void {} }

function respond(exchange: IngressExchange, status: number, body: string, headers: string[] = []): void {
  exchange.events ??= ignore
  exchange.respondStart(status, [...headers, 'content-length', String(Buffer.byteLength(body))])
  exchange.respondData(Buffer.from(body), own)
  exchange.respondEnd([])
}

/** Sends the request body back as it comes, with back-pressure, and the trailers behind it. */
const echo: IngressHandler = exchange => {
  const { body } = exchange
  if (body === null || body instanceof Uint8Array) {
    exchange.events = ignore
    exchange.respondStart(200, [])
    if (body !== null) exchange.respondData(Buffer.from(body), own)
    exchange.respondEnd([])
    return
  }
  exchange.events = { onDrain: () => body.resume(), onAborted: () => {} }
  const expectsContinue = exchange.headers.includes('expect')
  if (expectsContinue) exchange.respondInformational(100, [])
  exchange.respondStart(200, [])
  const sink: BodySink = {
    write: chunk => exchange.respondData(Buffer.from(chunk), copy),
    end: trailers => exchange.respondEnd(trailers),
    fail: error => exchange.abort(error),
  }
  body.attach(sink)
}

/** Sends a text, optionally in pieces, and reads until the server closes or `until` shows up. */
async function talk(port: number, text: string | readonly string[], until?: RegExp): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  socket.setNoDelay(true)
  let received = ''
  socket.setEncoding('latin1')
  const done = new Promise<void>((resolve, reject) => {
    socket.on('data', chunk => {
      received += chunk
      if (until?.test(received) === true) resolve()
    })
    socket.on('close', () => resolve())
    socket.on('error', reject)
  })
  for (const piece of typeof text === 'string' ? [text] : text) {
    socket.write(piece, 'latin1')
    if (typeof text !== 'string') await new Promise(resolve => setTimeout(resolve, 5))
  }
  await done
  socket.destroy()
  return received
}

describe('the listener with curl', () => {
  it('answers GET, HEAD, POST, chunked and HTTP/1.0, and keeps connections', async () => {
    const listener = await serve(exchange => {
      if (exchange.method === 'POST') echo(exchange)
      else respond(exchange, 200, `${exchange.method} ${exchange.path} HTTP/${exchange.httpVersion}\n`)
    })
    const url = `http://127.0.0.1:${listener.port}`
    const get = await curl([`${url}/a?b=c`])
    expect([get.exitCode, get.status, get.body.toString()]).toEqual([0, 200, 'GET /a?b=c HTTP/1.1\n'])
    const head = await curl(['--head', `${url}/`])
    expect([head.exitCode, head.status, head.headers['content-length']]).toEqual([0, 200, ['16']])
    const old = await curl(['--http1.0', `${url}/old`])
    expect([old.exitCode, old.body.toString()]).toEqual([0, 'GET /old HTTP/1.0\n'])
    const post = await curl(['--data-binary', 'some body', `${url}/`])
    expect([post.exitCode, post.body.toString()]).toEqual([0, 'some body'])
    const both = await curl([`${url}/1`, '--next', `${url}/2`])
    expect(both.exitCode).toBe(0)
    expect(listener.stats.requests).toBe(6)
    expect(listener.stats.connections.accepted).toBe(5)
  })

  it('carries large bodies in both directions at once, of known length or chunked', async () => {
    const listener = await serve(echo)
    const input = patternBytes(5_000_000)
    const url = `http://127.0.0.1:${listener.port}/`
    const known = await curl(['--data-binary', '@-', url], { input })
    expect([known.exitCode, known.body.equals(input)]).toEqual([0, true])
    const chunked = await curl(['-H', 'Transfer-Encoding: chunked', '--data-binary', '@-', url], { input })
    expect([chunked.exitCode, chunked.body.equals(input)]).toEqual([0, true])
  })

  it('lets 100-continue through: at once when relayed, and a final answer instead', async () => {
    const listener = await serve(exchange =>
      exchange.path === '/no' ? respond(exchange, 417, 'no') : echo(exchange),
    )
    const url = `http://127.0.0.1:${listener.port}`
    const input = patternBytes(100_000)
    const args = ['-H', 'Expect: 100-continue', '--expect100-timeout', '20', '--data-binary', '@-']
    const yes = await curl([...args, `${url}/yes`], { input })
    expect([yes.exitCode, yes.body.equals(input)]).toEqual([0, true])
    expect(yes.seconds.total).toBeLessThan(10)
    const no = await curl([...args, `${url}/no`], { input })
    expect([no.status, no.body.toString(), no.headers['connection']]).toEqual([417, 'no', ['close']])
  })

  it('speaks TLS, and refuses what is no handshake', async () => {
    const authority = await createCertificateAuthority()
    const issued = await authority.issue({ names: ['localhost'] })
    const listener = await serve(echo, { tls: { cert: issued.cert, key: issued.key } })
    const input = patternBytes(2_000_000)
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: authority.cert })
    for (let i = 0; i < 3; i++) {
      const request = https.request({ port: listener.port, host: 'localhost', method: 'POST', agent })
      request.end(input)
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      expect(Buffer.concat(chunks).equals(input)).toBe(true)
    }
    agent.destroy()
    expect(listener.stats.connections.accepted).toBe(1)
    const plain = await talk(listener.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n').catch(() => 'reset')
    expect(plain).not.toContain('200')
    expect(listener.stats.connections.failedHandshakes).toBe(1)
  })

  it('ends a TLS handshake that takes too long', async () => {
    const issued = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    const events: string[] = []
    const listener = await serve(echo, {
      tls: { cert: issued.cert, key: issued.key },
      limits: { tlsHandshakeTimeoutMs: 50 },
      observer: event => events.push(event.type),
    })
    const socket = net.connect({ port: listener.port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.resume()
    await once(socket, 'close')
    expect(events).toEqual(['handshake-failed'])
  })

  it('relays an upgrade as a raw stream', async () => {
    const listener = await serve(exchange => {
      exchange.events = ignore
      const tunnel = exchange.acceptUpgrade(101, [])
      tunnel.pipe(tunnel)
    })
    const socket = net.connect({ port: listener.port, host: '127.0.0.1' })
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst ')
    const big = patternBytes(1_000_000)
    socket.end(big)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    const received = Buffer.concat(chunks)
    const head = received.indexOf('\r\n\r\n') + 4
    expect(received.subarray(0, head).toString()).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n',
    )
    expect(received.subarray(head).equals(Buffer.concat([Buffer.from('first '), big]))).toBe(true)
  })
})

describe.each(['http', 'https'])('keepalive towards clients of %s', scheme => {
  const missing = requireBinary('ss')
  /** The timer of the listener's end of the one connection that there is, in milliseconds; 0: none runs. */
  async function keepAliveMs(liveness: { intervalMs: number; timeoutMs: number }): Promise<number> {
    const authority = await createCertificateAuthority()
    const tls = scheme === 'https' ? await authority.issue({ names: ['localhost'] }) : undefined
    const upgrade: IngressHandler = exchange => void exchange.acceptUpgrade(101, [])
    const { port } = await serve(upgrade, { limits: { liveness }, ...(tls === undefined ? {} : { tls }) })
    const socket =
      tls === undefined
        ? net.connect(port, '127.0.0.1')
        : connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert })
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    await once(socket, 'data')
    const timerMs = async (): Promise<number | undefined> => {
      const { output } = await runTool('ss', ['-tnoH', 'state', 'established', `sport = :${port}`])
      if (output.includes('timer:(on')) return undefined // what was sent is not acknowledged yet
      const [, seconds, ms] = /timer:\(keepalive,(?:(\d+)sec|([\d.]+)ms)/.exec(output) ?? []
      return seconds === undefined ? Number(ms?.replace('.', '') ?? 0) : Number(seconds) * 1000
    }
    let found = await timerMs()
    while (found === undefined) found = await timerMs()
    socket.destroy()
    return found
  }

  it('probes after half of the bound, also behind an upgrade', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const found = await keepAliveMs({ intervalMs: 20_000, timeoutMs: 40_000 })
    expect(found).toBeGreaterThan(15_000)
    expect(found).toBeLessThanOrEqual(30_000)
  })

  it('is there with a bound of less than a second, too, and gone without one', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const found = await keepAliveMs({ intervalMs: 300, timeoutMs: 500 })
    expect(found).toBeGreaterThan(0)
    expect(found).toBeLessThanOrEqual(1_000)
    expect(await keepAliveMs({ intervalMs: 0, timeoutMs: 500 })).toBe(0)
  })
})

describe('the listener with hostile and broken clients', () => {
  const host = 'Host: a\r\n'
  it.each([
    [
      'both lengths',
      `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET`,
    ],
    ['two lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`],
    ['a list of lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 4, 4\r\n\r\nabcd`],
    ['a signed length', `POST / HTTP/1.1\r\n${host}Content-Length: +4\r\n\r\nabcd`],
    ['an unknown coding', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    [
      'a coding behind chunked',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    ],
    ['a space before the colon', `POST / HTTP/1.1\r\n${host}Content-Length : 4\r\n\r\nabcd`],
    ['a folded line', `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`],
    ['a bare LF', `GET / HTTP/1.1\n${host}\r\n\r\n`],
    ['a bare CR in a value', `GET / HTTP/1.1\r\n${host}X: a\rb\r\n\r\n`],
    ['a NUL', `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['another host in the target', 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['chunked in HTTP/1.0', `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['what begins like the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\t'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('refuses %s with 400 and a close', async (_what, request) => {
    let handled = 0
    const listener = await serve(exchange => {
      handled++
      respond(exchange, 200, 'ok')
    })
    const answer = await talk(listener.port, request)
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nconnection: close\r\n/)
    expect(answer.match(/HTTP\/1\.1 \d/g)?.length).toBe(1)
    expect(handled).toBe(0)
    expect(listener.stats.badRequests).toEqual({ MM_BAD_REQUEST: 1 })
  })

  it.each([
    ['a bad chunk size', '4g\r\nabcd\r\n0\r\n\r\n'],
    ['a chunk without its end', '4\r\nabcde\r\n0\r\n\r\n'],
    ['a bare LF behind a size', '4\nabcd\r\n0\r\n\r\n'],
    ['a negative size', '-1\r\nabcd\r\n0\r\n\r\n'],
  ])('refuses a chunked body with %s', async (_what, body) => {
    const errors: string[] = []
    let handled = 0
    const listener = await serve(exchange => {
      handled++
      exchange.events = { onDrain() {}, onAborted: error => errors.push(error.code) }
    })
    const answer = await talk(listener.port, [
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`,
      body,
    ])
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    // Head and body in one read: then nobody is notified of the request at all.
    expect(errors).toEqual(handled === 0 ? [] : ['MM_BAD_REQUEST'])
  })

  it('refuses long lines, large heads and large bodies, and the client sees the answer though it is still sending', async () => {
    const listener = await serve(exchange => respond(exchange, 200, 'ok'), {
      limits: { maxLineBytes: 200, maxHeaderBytes: 1000, maxBodyBytes: 1000 },
    })
    const url = `http://127.0.0.1:${listener.port}/`
    expect((await curl([url + 'x'.repeat(300)])).status).toBe(414)
    expect((await curl(['-H', `X: ${'y'.repeat(2000)}`, url])).status).toBe(431)
    const input = patternBytes(3_000_000)
    const known = await curl(['--data-binary', '@-', url], { input })
    expect([known.status, JSON.parse(known.body.toString()).error.code]).toEqual([
      413,
      'MM_REQUEST_BODY_LIMIT',
    ])
    const chunked = await curl(
      ['-H', 'Transfer-Encoding: chunked', '-H', 'Expect:', '--data-binary', '@-', url],
      { input },
    )
    expect([200, 413]).toContain(chunked.status)
    expect(listener.stats.badRequests).toMatchObject({
      MM_URI_TOO_LONG: 1,
      MM_REQUEST_HEADER_LIMIT: 1,
    })
  })

  it('answers a slow head with 408', async () => {
    const listener = await serve(exchange => respond(exchange, 200, 'ok'), {
      limits: { headerTimeoutMs: 80 },
    })
    const pieces = ['GET / HTTP/1.1\r\n', ...Array.from({ length: 40 }, (_, i) => `X-${i}: y\r\n`)]
    const answer = await talk(listener.port, pieces).catch(() => 'reset')
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\nconnection: close\r\n/)
  })

  it('answers pipelined requests in order, whatever each of them takes', async () => {
    const listener = await serve(exchange => {
      exchange.events = ignore
      const delayMs = exchange.path === '/1' ? 30 : 0
      setTimeout(() => respond(exchange, 200, `<${exchange.path}>`), delayMs)
    })
    const requests = [1, 2, 3, 4].map(n => `GET /${n} HTTP/1.1\r\n${host}\r\n`).join('')
    const answer = await talk(listener.port, requests, /<\/4>/)
    expect(answer.match(/<.*?>/g)).toEqual(['</1>', '</2>', '</3>', '</4>'])
  })

  it('sends a chunked body with trailers back as such', async () => {
    const listener = await serve(echo)
    const request = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n`
    const answer = await talk(listener.port, request, /x-sum/)
    expect(answer).toMatch(/transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n$/)
  })

  it('notifies the handler when the client aborts within its body, and frees the connection', async () => {
    let failed: TransportError | undefined
    let socket: net.Socket | undefined
    const aborted = new Promise<TransportError>(resolve => {
      void serve(exchange => {
        exchange.events = { onDrain() {}, onAborted: resolve }
        const { body } = exchange
        if (body === null || body instanceof Uint8Array) throw new Error('expected a source')
        body.attach({ write: () => true, end() {}, fail: error => (failed = error) })
        socket?.resetAndDestroy()
      }).then(listener => {
        socket = net.connect({ port: listener.port, host: '127.0.0.1' })
        socket.write(`POST / HTTP/1.1\r\n${host}Content-Length: 1000\r\n\r\nabc`)
      })
    })
    expect((await aborted).code).toBe('MM_CLIENT_GONE')
    expect(failed?.code).toBe('MM_CLIENT_GONE')
    await expect.poll(() => open[0]?.stats.connections.open).toBe(0)
  })

  it('holds a response back at constant memory for a client that does not read', async () => {
    let sent = 0
    const listener = await serve(exchange => {
      const chunk = Buffer.alloc(65_536)
      const pump = (): void => {
        while (sent < 1_000_000_000) {
          sent += chunk.length
          if (!exchange.respondData(chunk, copy)) return
        }
      }
      exchange.events = { onDrain: pump, onAborted: () => {} }
      exchange.respondStart(200, [])
      pump()
    })
    const socket = net.connect({ port: listener.port, host: '127.0.0.1' })
    socket.pause()
    socket.write(`GET / HTTP/1.1\r\n${host}\r\n`)
    await until(() => sent > 65_536, 'the beginning')
    await untilSteady(() => sent, 'what is sent')
    // What the kernel buffers of both ends hold, and one chunk or two.
    expect(sent).toBeLessThan(20_000_000)
    socket.destroy()
  })

  it('closes connections above its limit at once', async () => {
    const events: string[] = []
    const listener = await serve(exchange => respond(exchange, 200, 'ok'), {
      limits: { maxConnections: 1 },
      observer: event => events.push(event.type),
    })
    const first = net.connect({ port: listener.port, host: '127.0.0.1' })
    await once(first, 'connect')
    const second = net.connect({ port: listener.port, host: '127.0.0.1' })
    second.on('error', () => {})
    second.resume()
    await once(second, 'close')
    expect(events).toEqual(['connection-refused'])
    expect(listener.stats.connections).toMatchObject({ accepted: 1, refused: 1 })
    first.destroy()
  })
})

describe('the end of a listener', () => {
  it('drains: accepts no more, ends idle connections, lets the others finish', async () => {
    const waiting: IngressExchange[] = []
    const listener = await serve(exchange => {
      exchange.events = ignore
      if (exchange.path === '/wait') waiting.push(exchange)
      else respond(exchange, 200, 'ok')
    })
    const agent = new http.Agent({ keepAlive: true })
    const get = async (path: string): Promise<http.IncomingMessage> => {
      const request = http.get({ port: listener.port, host: '127.0.0.1', path, agent })
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      response.resume()
      await once(response, 'end')
      return response
    }
    const busy = get('/wait')
    await expect.poll(() => waiting.length).toBe(1)
    await get('/')
    let isDrained = false
    const drained = listener.drain().then(() => (isDrained = true))
    await expect.poll(() => listener.stats.connections.open).toBe(1)
    await expect(get('/new')).rejects.toThrow(/ECONNREFUSED|ECONNRESET|socket hang up/)
    expect(isDrained).toBe(false)
    respond(waiting[0] as IngressExchange, 200, 'done')
    expect((await busy).headers.connection).toBe('close')
    await drained
    agent.destroy()
  })

  it('closes: open exchanges are notified, handshakes and tunnels end too', async () => {
    const errors: string[] = []
    const listener = await serve(exchange => {
      exchange.events = { onDrain() {}, onAborted: error => errors.push(error.code) }
      if (exchange.upgrade !== undefined) exchange.acceptUpgrade(101, []).resume()
    })
    const sockets = [
      `GET / HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n`,
    ].map(text => {
      const socket = net.connect({ port: listener.port, host: '127.0.0.1' })
      socket.on('error', () => {})
      socket.resume()
      socket.write(text)
      return socket
    })
    await expect.poll(() => listener.stats.requests).toBe(2)
    await listener.close()
    await Promise.all(sockets.map(async socket => socket.closed || (await once(socket, 'close'))))
    expect(errors).toEqual(['MM_TRANSPORT_CLOSED'])
    expect(listener.stats.connections.open).toBe(0)
  })

  it('cannot listen where another listener does', async () => {
    const listener = await serve(echo)
    await expect(serve(echo, { address: { host: '127.0.0.1', port: listener.port } })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })
})
