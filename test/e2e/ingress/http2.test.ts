import { once } from 'node:events'
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import type { BodySink } from '../../../src/base/http/exchange.ts'
import type { IngressExchange, IngressHandler } from '../../../src/ingress/ingress-exchange.ts'
import { type IngressListener, type ListenOptions, listen } from '../../../src/ingress/listener.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { curl } from '../../support/curl.ts'
import { connectHttp2Peer } from '../../support/http2-peer.ts'
import { requireBinary } from '../../support/require-binary.ts'

// node:http2 is nghttp2: a client that is not ours.

const noCurl = requireBinary('curl')
const open: IngressListener[] = []
const sessions: ClientHttp2Session[] = []
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy()
  await Promise.all(open.splice(0).map(listener => listener.close()))
})

async function serve(
  handler: IngressHandler,
  options: Partial<ListenOptions> = {},
): Promise<IngressListener> {
  const listener = await listen({ address: { host: '127.0.0.1', port: 0 }, handler, ...options })
  open.push(listener)
  return listener
}

function connect(
  listener: IngressListener,
  options: http2.SecureClientSessionOptions & http2.ClientSessionOptions = {},
): ClientHttp2Session {
  const scheme = options.ca === undefined ? 'http' : 'https'
  const session = http2.connect(`${scheme}://localhost:${listener.port}`, {
    // Of Node's own: with 10 MB it would break off its uploads.
    maxSessionMemory: 100,
    ...options,
  })
  session.on('error', () => {}) // streams report it
  sessions.push(session)
  return session
}

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  trailers: IncomingHttpHeaders
  informational: number[]
}

/** Reads the answer to its end. Rejects when the stream breaks. */
async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const answer: Answer = { status: 0, headers: {}, body: Buffer.alloc(0), trailers: {}, informational: [] }
  const chunks: Buffer[] = []
  stream.on('response', headers => Object.assign(answer, { headers, status: headers[':status'] }))
  stream.on('headers', headers => answer.informational.push(headers[':status'] ?? 0))
  stream.on('trailers', trailers => Object.assign(answer, { trailers }))
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(stream, 'end')
  if (!stream.closed) await once(stream, 'close')
  return { ...answer, body: Buffer.concat(chunks) }
}

async function ask(
  session: ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return await answerOf(stream)
}

const own = (chunk: Buffer): Buffer => chunk
const copy = (chunk: Buffer): Buffer => Buffer.from(chunk)
const ignore = { onDrain(): void {}, onAborted(): void {} }

function respond(exchange: IngressExchange, body: string, headers: string[] = []): void {
  exchange.events = ignore
  exchange.respondStart(200, [...headers, 'content-length', String(Buffer.byteLength(body))])
  exchange.respondData(Buffer.from(body), own)
  exchange.respondEnd([])
}

/** Sends the request body back as it comes, with back-pressure, and the trailers behind it. */
const echo: IngressHandler = exchange => {
  const { body } = exchange
  if (body === null || body instanceof Uint8Array) {
    respond(exchange, body === null ? '' : Buffer.from(body).toString('latin1'))
    return
  }
  exchange.events = { onDrain: () => body.resume(), onAborted: () => body.cancel() }
  exchange.respondStart(200, [])
  const sink: BodySink = {
    write: chunk => exchange.respondData(Buffer.from(chunk), copy),
    end: trailers => exchange.respondEnd(trailers),
    fail: error => exchange.abort(error),
  }
  body.attach(sink)
}

async function certificate(): Promise<{ ca: string; tls: { cert: string; key: string } }> {
  const authority = await createCertificateAuthority()
  const { cert, key } = await authority.issue({ names: ['localhost'] })
  return { ca: authority.cert, tls: { cert, key } }
}

describe.for(['cleartext', 'TLS'] as const)('HTTP/2 over %s', over => {
  async function start(
    handler: IngressHandler,
    limits: ListenOptions['limits'] = {},
  ): Promise<{ listener: IngressListener; session: ClientHttp2Session }> {
    if (over === 'cleartext') {
      const listener = await serve(handler, { limits })
      return { listener, session: connect(listener) }
    }
    const { ca, tls } = await certificate()
    const listener = await serve(handler, { limits, tls })
    return { listener, session: connect(listener, { ca }) }
  }

  it('answers GET, HEAD and POST, with 1xx and trailers, on one connection', async () => {
    const { listener, session } = await start(exchange => {
      exchange.events = ignore
      if (exchange.path === '/early') exchange.respondInformational(103, ['link', '</a>; rel=preload'])
      if (exchange.path === '/empty') {
        exchange.respondStart(204, [])
        exchange.respondEnd([])
      } else if (exchange.method === 'POST') echo(exchange)
      else respond(exchange, `${exchange.method} ${exchange.path} ${exchange.scheme}`)
    })
    const scheme = over === 'TLS' ? 'https' : 'http'
    expect((await ask(session, { ':path': '/a?b' })).body.toString()).toBe(`GET /a?b ${scheme}`)
    const head = await ask(session, { ':path': '/h', ':method': 'HEAD' })
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([
      200,
      String(`HEAD /h ${scheme}`.length),
      0,
    ])
    expect((await ask(session, { ':path': '/early' })).informational).toEqual([103])
    expect((await ask(session, { ':path': '/empty' })).status).toBe(204)
    const posting = session.request({ ':method': 'POST' }, { waitForTrailers: true })
    posting.on('wantTrailers', () => posting.sendTrailers({ 'x-sum': '42' }))
    posting.end('body')
    const posted = await answerOf(posting)
    expect([posted.body.toString(), posted.trailers['x-sum']]).toEqual(['body', '42'])
    expect([listener.stats.protocols.h2, listener.stats.requests]).toEqual([
      { connections: 1, requests: 5 },
      5,
    ])
  })

  it('carries 10 MB in both directions at once, on several streams', async () => {
    const { session } = await start(echo)
    const body = patternBytes(10_000_000)
    const answers = await Promise.all([1, 2, 3].map(() => ask(session, { ':method': 'POST' }, body)))
    for (const answer of answers) expect(answer.body.equals(body)).toBe(true)
  }, 30_000)

  it('breaks one stream off and leaves the others', async () => {
    const aborted: string[] = []
    const { session } = await start(exchange => {
      if (exchange.path !== '/wait') {
        echo(exchange)
        return
      }
      exchange.events = { onDrain() {}, onAborted: error => aborted.push(error.code) }
      exchange.respondStart(200, [])
      exchange.respondData(Buffer.from('begun'), own)
    })
    const stream = session.request({ ':path': '/wait' })
    await once(stream, 'data')
    stream.close(http2.constants.NGHTTP2_CANCEL)
    await expect.poll(() => aborted).toEqual(['MM_CLIENT_GONE'])
    expect((await ask(session, { ':method': 'POST' }, Buffer.from('on'))).body.toString()).toBe('on')
  })

  it('answers 413 and 408 on their stream, and goes on', async () => {
    const { session } = await start(echo, { maxBodyBytes: 100, requestTimeoutMs: 600 })
    const large = await ask(session, { ':method': 'POST', 'content-length': 101 }, Buffer.alloc(101))
    expect(large.status).toBe(413)
    expect(large.body.toString()).toContain('MM_REQUEST_BODY_LIMIT')
    const slow = session.request({ ':method': 'POST' })
    slow.write('a')
    // The answer was begun by then: the stream is reset.
    slow.on('error', () => {})
    slow.resume()
    await once(slow, 'close')
    expect(slow.rstCode).toBe(http2.constants.NGHTTP2_CANCEL)
    expect((await ask(session, { ':method': 'POST' }, Buffer.from('on'))).status).toBe(200)
  })

  it('loses nothing when it drains under load', async () => {
    const { listener, session } = await start(exchange => {
      exchange.events = ignore
      setTimeout(() => respond(exchange, 'ok'), 20)
    })
    const statuses: number[] = []
    const failures: string[] = []
    let drained: Promise<void> | undefined
    statuses.push((await ask(session, {})).status)
    session.on('goaway', () => {})
    for (let i = 0; i < 200; i++) {
      if (session.closed || session.destroyed) break
      ask(session, { ':path': `/${i}` }).then(
        answer => statuses.push(answer.status),
        (error: Error) => failures.push(error.message),
      )
      if (i === 100) drained = listener.drain()
      if (i % 10 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await drained
    await expect.poll(() => statuses.length).toBe(listener.stats.requests)
    expect(statuses.length).toBeGreaterThan(50)
    expect(statuses.every(status => status === 200)).toBe(true)
    // What its client had not sent when the GOAWAY came: it knows that it can send it again.
    expect(new Set(failures)).toEqual(
      new Set(failures.length === 0 ? [] : ['Stream closed with error code NGHTTP2_REFUSED_STREAM']),
    )
    expect(listener.stats.connections.open).toBe(0)
  })

  it('has flat memory for a client that does not read, and closes it', async () => {
    let paused = 0
    const { listener, session } = await start(
      exchange => {
        const chunk = Buffer.alloc(65_536)
        const pump = (): void => {
          for (let i = 0; i < 1_000; i++) {
            if (!exchange.respondData(chunk, copy)) {
              paused++
              return
            }
          }
          exchange.respondEnd([])
        }
        exchange.events = { onDrain: pump, onAborted() {} }
        exchange.respondStart(200, [])
        pump()
      },
      { writeTimeoutMs: 300 },
    )
    const stream = session.request({})
    stream.on('error', () => {})
    stream.pause()
    await once(stream, 'close')
    expect(paused).toBeGreaterThan(0)
    expect(paused).toBeLessThan(50)
    expect(listener.stats.requests).toBe(1)
  })
})

describe('what a listener speaks', () => {
  it('is what the client chooses by ALPN, or by its first bytes', async () => {
    const { ca, tls: identity } = await certificate()
    const handler: IngressHandler = exchange => respond(exchange, exchange.httpVersion)
    const secure = await serve(handler, { tls: identity })
    const clear = await serve(handler)
    for (const [listener, alpn, version] of [
      [secure, ['h2', 'http/1.1'], '2'],
      [secure, ['http/1.1', 'h2'], '2'], // the server's order counts
      [secure, ['http/1.1'], '1.1'],
    ] as const) {
      const socket = tls.connect({
        port: listener.port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca,
        ALPNProtocols: [...alpn],
      })
      await once(socket, 'secureConnect')
      expect(socket.alpnProtocol).toBe(version === '2' ? 'h2' : 'http/1.1')
      socket.destroy()
    }
    expect((await ask(connect(secure, { ca }), {})).body.toString()).toBe('2')
    expect((await ask(connect(clear), {})).body.toString()).toBe('2')
    const old = net.connect({ port: clear.port, host: '127.0.0.1' })
    old.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n')
    old.write('HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n')
    const [answer] = (await once(old, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*1\.1$/)
    old.destroy()
  })

  it('is only what is configured', async () => {
    const handler: IngressHandler = exchange => respond(exchange, exchange.httpVersion)
    const { ca, tls: identity } = await certificate()
    const h1 = await serve(handler, { protocols: ['http/1.1'] })
    using refused = await connectHttp2Peer(h1.port, { isSilent: true })
    let text = ''
    refused.socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    refused.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    await expect.poll(() => text).toMatch(/^HTTP\/1\.1 400 /)
    const h2 = await serve(handler, { protocols: ['h2'] })
    using peer = await connectHttp2Peer(h2.port, { isSilent: true })
    peer.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await peer.untilClosed()).at(-1)).toBe('GOAWAY 0 PROTOCOL_ERROR')
    const secure = await serve(handler, { protocols: ['http/1.1'], tls: identity })
    const socket = tls.connect({
      port: secure.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca,
      ALPNProtocols: ['h2'],
    })
    const [error] = (await once(socket, 'error')) as [Error]
    expect(error.message).toMatch(/no application protocol/i)
  })

  it.skipIf(noCurl !== undefined)('is all of it to curl, upgrades to h2c left aside', async () => {
    const listener = await serve(echo)
    const url = `http://127.0.0.1:${listener.port}/`
    const input = patternBytes(3_000_000)
    const known = await curl(['--http2-prior-knowledge', '--data-binary', '@-', url], { input })
    expect([known.exitCode, known.httpVersion, known.body.equals(input)]).toEqual([0, '2', true])
    const asked = await curl(['--http2', url])
    expect([asked.exitCode, asked.httpVersion, asked.status]).toEqual([0, '1.1', 200])
    const continued = await curl(
      ['--http2-prior-knowledge', '-H', 'Expect: 100-continue', '--data-binary', '@-', url],
      { input },
    )
    expect([continued.exitCode, continued.body.equals(input)]).toEqual([0, true])
  })
})
