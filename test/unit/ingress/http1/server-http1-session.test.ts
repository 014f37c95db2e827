import { describe, expect, it } from 'vitest'
import { answerOk, FakeClient, GET, OK, own, tick } from '../fake-client.ts'

describe('an HTTP/1.1 session of the ingress that receives requests', () => {
  it('passes a request on with the facts of its connection', () => {
    const client = new FakeClient()
    client.send('POST /x?y HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\nTE: trailers\r\nX-A: 1\r\n\r\nabc')
    const { method, path, authority, headers, scheme, httpVersion, body, acceptsTrailers } = client.exchange
    expect({ method, path, authority, scheme, httpVersion, acceptsTrailers }).toEqual({
      method: 'POST',
      path: '/x?y',
      authority: 'shop',
      scheme: 'http',
      httpVersion: '1.1',
      acceptsTrailers: true,
    })
    expect(headers).toEqual(['content-length', '3', 'x-a', '1'])
    expect(Buffer.from(body as Uint8Array).toString()).toBe('abc')
    const { remoteAddress, remotePort, localAddress, localPort } = client.exchange
    expect([remoteAddress, remotePort, localAddress, localPort]).toEqual([
      '192.0.2.1',
      4711,
      '192.0.2.2',
      8080,
    ])
  })

  it('reads requests that come byte by byte', () => {
    const client = new FakeClient({}, exchange => answerOk(exchange))
    for (const byte of GET + GET) client.send(byte)
    expect(client.output).toBe(OK + OK)
    expect(client.stats.requests).toBe(2)
  })

  it('answers pipelined requests in order, and begins one only when the one before was answered', () => {
    const client = new FakeClient()
    client.send(
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
    )
    expect(client.exchanges.map(exchange => exchange.path)).toEqual(['/1'])
    expect(client.socket.isPaused()).toBe(true)
    answerOk(client.exchange, '1')
    expect(client.exchanges.map(exchange => exchange.path)).toEqual(['/1', '/2'])
    answerOk(client.exchange, '2')
    answerOk(client.exchange, '3')
    expect(client.output.replaceAll(/HTTP.*?\r\n\r\n/gs, '')).toBe('123')
    expect(client.socket.isPaused()).toBe(false)
  })

  it('begins no pipelined request while the client does not read the answers', async () => {
    const client = new FakeClient({}, exchange => answerOk(exchange, 'x'.repeat(70_000)))
    client.socket.isStalled = true
    client.send(GET.repeat(10))
    await tick()
    expect(client.exchanges.length).toBe(1)
    client.socket.isStalled = false
    client.socket.release()
    await tick()
    expect(client.exchanges.length).toBe(10)
  })

  it('can answer without end in one run without a growing stack', () => {
    const client = new FakeClient({}, exchange => answerOk(exchange))
    client.send(GET.repeat(2000))
    expect(client.exchanges.length).toBe(2000)
  })

  it('answers 500 when the handler throws, and starts no further request', () => {
    const client = new FakeClient({}, () => {
      throw new Error('oops')
    })
    client.send(GET + GET)
    expect(client.output).toMatch(/^HTTP\/1\.1 500 .*"MM_INTERNAL"/s)
    expect(client.exchanges.length).toBe(1)
  })
})

describe('the life of an HTTP/1.1 session of the ingress', () => {
  it('goes on idle when a client ends a request with an empty line, in one piece or two', async () => {
    const limits = { headerTimeoutMs: 100, keepAliveTimeoutMs: 1000 }
    const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'
    for (const pieces of [[`${POST}\r\n`], [`${POST}\r`, '\n'], [POST, '\r', '\n']]) {
      const client = new FakeClient(limits, exchange => answerOk(exchange))
      for (const piece of pieces) client.send(piece)
      client.clock.advance(500)
      expect([client.output, client.socket.writableEnded]).toEqual([OK, false])
      client.send(GET)
      expect(client.output).toBe(OK + OK)
      client.send('\r\n')
      client.clock.advance(1000)
      await tick()
      expect([client.output, client.socket.writableEnded], 'closed as an idle one').toEqual([OK + OK, true])
    }
  })

  it('ends quietly behind an empty line when the client closes, or the listener drains', () => {
    for (const end of ['receiveEnd', 'drain'] as const) {
      const client = new FakeClient({}, exchange => answerOk(exchange))
      client.send(`${GET}\r\n`)
      client.session[end]()
      expect([client.output, client.socket.writableEnded, client.socket.destroyed]).toEqual([OK, true, false])
    }
  })

  it('ends with 408 when a head begins behind an empty line and does not go on', () => {
    const client = new FakeClient({ headerTimeoutMs: 100 })
    client.send('\r\n')
    client.clock.advance(1000)
    client.send('GET')
    client.clock.advance(99)
    expect(client.output).toBe('')
    client.clock.advance(1)
    expect(client.output).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('ends with a second empty line', () => {
    const client = new FakeClient({}, exchange => answerOk(exchange))
    client.send(`${GET}\r\n`)
    client.send('\r\n')
    expect(client.output.slice(OK.length)).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('is watched from its start for a client that acknowledges nothing', () => {
    const { watched, socket } = new FakeClient()
    expect(watched).toEqual([[socket, socket]])
  })

  it('goes on between requests, and ends when it was idle too long', async () => {
    const client = new FakeClient({ keepAliveTimeoutMs: 1000 }, exchange => answerOk(exchange))
    client.clock.advance(900)
    client.send(GET)
    client.clock.advance(900)
    client.send(GET)
    client.clock.advance(999)
    expect(client.socket.writableEnded).toBe(false)
    client.clock.advance(1)
    expect(client.socket.writableEnded).toBe(true)
    expect(client.output).toBe(OK + OK)
  })

  it('needs no timer for a request', () => {
    const client = new FakeClient({}, exchange => answerOk(exchange))
    let timers = 0
    const setTimer = client.clock.setTimer.bind(client.clock)
    client.clock.setTimer = (delayMs, callback) => {
      timers++
      return setTimer(delayMs, callback)
    }
    for (let i = 0; i < 100; i++) client.send(GET)
    expect(timers).toBe(0)
    expect(client.clock.pendingTimers()).toBe(1)
  })

  it.each([
    ['the client says close', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', {}],
    ['the client speaks HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', {}],
    ['it was the last request of the connection', GET, { maxRequestsPerConnection: 1 }],
  ])('ends after the answer when %s', async (_why, request, limits) => {
    const client = new FakeClient(limits, exchange => answerOk(exchange))
    client.send(request + GET)
    expect(client.output).toBe('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok')
    expect(client.socket.writableEnded).toBe(true)
    await tick()
    client.clock.advance(999)
    expect(client.socket.destroyed).toBe(false)
    client.clock.advance(1)
    expect(client.socket.destroyed).toBe(true)
    expect(client.clock.pendingTimers()).toBe(0)
  })

  it('goes on with HTTP/1.0 when the client asks for it, and the answer says so', () => {
    const client = new FakeClient({}, exchange => answerOk(exchange))
    client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    expect(client.output).toContain('connection: keep-alive\r\n')
    client.send(GET)
    expect(client.exchanges.length).toBe(2)
  })

  it('ends at once when it drains while it is idle', () => {
    const client = new FakeClient({}, exchange => answerOk(exchange))
    client.send(GET)
    client.session.drain()
    expect(client.socket.writableEnded).toBe(true)
  })

  it('waits while it drains idle for a request within drainIdleTimeoutMs, and answers that as the last one', () => {
    const client = new FakeClient({ drainIdleTimeoutMs: 1_000 }, exchange => answerOk(exchange))
    client.send(GET)
    client.session.drain()
    client.clock.advance(999)
    expect(client.socket.writableEnded).toBe(false)
    client.send(GET)
    expect(client.exchanges.length).toBe(2)
    expect(client.output).toContain('connection: close')
    expect(client.socket.writableEnded).toBe(true)
    const silent = new FakeClient({ drainIdleTimeoutMs: 1_000 }, exchange => answerOk(exchange))
    silent.session.drain()
    silent.clock.advance(1_000)
    expect(silent.socket.writableEnded).toBe(true)
  })

  it('lets an exchange finish when it drains, and notifies the client', () => {
    const client = new FakeClient()
    client.send(GET)
    client.session.drain()
    expect(client.socket.writableEnded).toBe(false)
    answerOk(client.exchange)
    expect(client.output).toContain('connection: close')
    expect(client.socket.writableEnded).toBe(true)
  })

  it('notifies the handler once when the client goes', async () => {
    const client = new FakeClient()
    client.send(GET)
    client.session.receiveEnd()
    expect(client.aborted.map(error => error.code)).toEqual(['MM_CLIENT_GONE'])
    expect(client.socket.destroyed).toBe(true)
    await tick()
    expect(client.aborted.length).toBe(1)
    answerOk(client.exchange)
    expect(client.output).toBe('')
    expect(client.clock.pendingTimers()).toBe(0)
  })

  it('notifies the handler when the connection breaks', async () => {
    const client = new FakeClient()
    client.send(GET)
    client.socket.destroy(new Error('ECONNRESET'))
    await tick()
    expect(client.aborted.map(error => error.message)).toEqual([
      'the connection to the client ended: ECONNRESET',
    ])
  })

  it('ends quietly when the client closes between requests', () => {
    const client = new FakeClient({}, exchange => answerOk(exchange))
    client.send(GET)
    client.session.receiveEnd()
    expect(client.socket.writableEnded).toBe(true)
    expect(client.aborted).toEqual([])
  })

  it('discards what comes while it closes, up to a bound', async () => {
    const client = new FakeClient({ maxRequestsPerConnection: 1, maxDiscardBytes: 100 }, exchange =>
      answerOk(exchange),
    )
    client.send(GET)
    client.send('x'.repeat(100))
    expect(client.socket.isPaused()).toBe(false)
    client.send('x')
    expect(client.socket.isPaused()).toBe(true)
    expect(client.exchanges.length).toBe(1)
  })
})

describe('an HTTP/1.1 session of the ingress that refuses a request', () => {
  it.each([
    ['a bad request line', 'GET\r\n\r\n', 400, 'MM_BAD_REQUEST'],
    [
      'both lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'MM_BAD_REQUEST',
    ],
    ['a long target', `GET /${'x'.repeat(200)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414, 'MM_URI_TOO_LONG'],
    [
      'a large head',
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(500)}\r\n\r\n`,
      431,
      'MM_REQUEST_HEADER_LIMIT',
    ],
    [
      'a large body',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n',
      413,
      'MM_REQUEST_BODY_LIMIT',
    ],
  ])('answers %s, then closes', async (_what, request, status, code) => {
    const client = new FakeClient({ maxLineBytes: 100, maxHeaderBytes: 400, maxBodyBytes: 100 })
    client.send(request)
    const [head = '', body = ''] = client.output.split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(head).toContain('connection: close')
    expect(head).toContain('proxy-status: middlemile; error=http_request_error')
    expect(head).toContain(`content-length: ${body.length}`)
    expect(JSON.parse(body).error.code).toBe(code)
    expect(client.exchanges).toEqual([])
    expect(client.stats.badRequests).toEqual({ [code]: 1 })
    expect(client.events).toMatchObject([{ type: 'request-refused', remoteAddress: '192.0.2.1' }])
    expect(client.socket.writableEnded).toBe(true)
  })

  it('answers nothing but ASCII, whatever the client sent', () => {
    const client = new FakeClient()
    client.send('G\xc3\xa9T / HTTP/1.1\r\n\r\n')
    expect(/^[\r\n\x20-\x7e]+$/.test(client.output)).toBe(true)
    expect(client.output).toContain('400')
  })

  it('answers the valid requests before a bad one first', () => {
    const client = new FakeClient()
    client.send(`${GET}BAD\r\n\r\n`)
    expect(client.output).toBe('')
    answerOk(client.exchange)
    expect(client.output.startsWith(OK)).toBe(true)
    expect(client.output.slice(OK.length)).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('answers 408 when a head is not complete in time, however busy the client is', () => {
    const client = new FakeClient({ headerTimeoutMs: 1000 })
    client.send('GET / HTTP/1.1\r\n')
    for (let i = 0; i < 9; i++) {
      client.clock.advance(100)
      client.send(`X-${i}: y\r\n`)
    }
    expect(client.output).toBe('')
    client.clock.advance(100)
    expect(client.output).toMatch(/^HTTP\/1\.1 408 /)
    expect(client.stats.badRequests).toEqual({ MM_CLIENT_TIMEOUT: 1 })
  })

  it('gives the head of each request its own time', () => {
    const client = new FakeClient({ headerTimeoutMs: 1000 }, exchange => answerOk(exchange))
    client.send('GET / HTTP/1.1\r\n')
    client.clock.advance(900)
    client.send('Host: a\r\n\r\nGET / HTTP/1.1\r\n')
    client.clock.advance(900)
    client.send('Host: a\r\n\r\n')
    expect(client.output).toBe(OK + OK)
  })

  it('gives a pipelined head the time of a head, not that of an idle connection', () => {
    const client = new FakeClient({ headerTimeoutMs: 1000 }, exchange => answerOk(exchange))
    client.send('GET / HTTP/1.1\r\n')
    client.send('Host: a\r\n\r\nGET / HTTP/1.1\r\n')
    client.clock.advance(1000)
    expect(client.output).toMatch(/ok.*HTTP\/1\.1 408 /s)
  })

  it('ends a connection whose client reads nothing of its answer', () => {
    const client = new FakeClient({ writeTimeoutMs: 1000 })
    client.send(GET)
    client.socket.isStalled = true
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.alloc(100_000), own)
    client.clock.advance(999)
    expect(client.socket.destroyed).toBe(false)
    client.clock.advance(1)
    expect(client.socket.destroyed).toBe(true)
    expect(client.aborted.map(error => error.message)).toEqual([
      'the client took nothing of the response for 1000 ms',
    ])
  })

  it('tolerates a client that reads its answer slowly', () => {
    const client = new FakeClient({ writeTimeoutMs: 1000 })
    client.send(GET)
    client.socket.isStalled = true
    client.exchange.respondStart(200, [])
    for (let i = 0; i < 5; i++) {
      client.exchange.respondData(Buffer.alloc(100_000), own)
      client.clock.advance(600)
      client.socket.release()
    }
    expect(client.socket.destroyed).toBe(false)
  })
})
