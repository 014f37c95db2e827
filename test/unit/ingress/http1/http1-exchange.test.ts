import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { answerOk, FakeClient, GET, OK, own, tick } from '../fake-client.ts'

describe('the framing of a response over HTTP/1.1', () => {
  it('keeps content-length, and sends head and body in one write', () => {
    const client = new FakeClient()
    client.send(GET)
    answerOk(client.exchange)
    expect(client.socket.writes).toEqual([OK])
  })

  it('is chunked without a length, in one write when all comes at once', () => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondStart(200, ['x', 'y'])
    client.exchange.respondData(Buffer.from('one'), own)
    client.exchange.respondData(Buffer.alloc(0), own)
    client.exchange.respondData(Buffer.from('twenty characters...'), own)
    client.exchange.respondEnd([])
    expect(client.socket.writes).toEqual([
      'HTTP/1.1 200 OK\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n14\r\ntwenty characters...\r\n0\r\n\r\n',
    ])
  })

  it('writes the head anew whenever anything of it differs from the one before', () => {
    const headers = ['x', 'y']
    const heads: [number, string[], string | undefined, string][] = [
      [200, headers, undefined, 'HTTP/1.1 200 OK\r\nx: y\r\n'],
      [200, headers, '', 'HTTP/1.1 200 OK\r\nx: y\r\n'],
      [200, headers, 'Fine', 'HTTP/1.1 200 Fine\r\nx: y\r\n'],
      [201, headers, undefined, 'HTTP/1.1 201 Created\r\nx: y\r\n'],
      [201, ['x', 'z'], undefined, 'HTTP/1.1 201 Created\r\nx: z\r\n'],
    ]
    for (const [status, fields, text, expected] of [...heads, ...heads]) {
      for (const body of ['', 'ab']) {
        const client = new FakeClient()
        client.send(body === '' ? 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n' : GET)
        client.exchange.respondStart(status, fields, text)
        client.exchange.respondData(Buffer.from(body), own)
        client.exchange.respondEnd([])
        const framing = body === '' ? '\r\n' : 'transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n'
        expect(client.output).toBe(expected + framing)
      }
    }
    const last = new FakeClient({ maxRequestsPerConnection: 1 })
    last.send(GET)
    last.exchange.respondStart(200, headers)
    last.exchange.respondEnd([])
    expect(last.output).toContain('connection: close')
  })

  it('sends trailers behind chunks and drops them elsewhere', () => {
    const client = new FakeClient()
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nTE: trailers\r\n\r\n')
    client.exchange.respondStart(200, [])
    client.exchange.respondEnd(['x-sum', '1'])
    expect(client.output).toMatch(/\r\n\r\n0\r\nx-sum: 1\r\n\r\n$/)
    const unwilling = new FakeClient()
    unwilling.send(GET)
    unwilling.exchange.respondStart(200, [])
    unwilling.exchange.respondEnd(['x-sum', '1'])
    expect(unwilling.output, 'without TE: trailers (RFC 9110 6.5.1)').toMatch(/\r\n\r\n0\r\n\r\n$/)
    const other = new FakeClient()
    other.send(GET)
    other.exchange.respondStart(200, ['content-length', '0'])
    other.exchange.respondEnd(['x-sum', '1'])
    expect(other.output).toBe('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  })

  it('offers an upgrade where HTTP/1.1 is spoken, also when it closes', async () => {
    const answer = async (request: string): Promise<string> => {
      const client = new FakeClient()
      client.send(request)
      client.exchange.respondStart(426, ['content-length', '0', 'upgrade', 'websocket'])
      client.exchange.respondEnd([])
      await tick()
      return client.output
    }
    const OFFER = 'connection: upgrade\r\nupgrade: websocket\r\n'
    expect(await answer(GET)).toBe(`HTTP/1.1 426 Upgrade Required\r\n${OFFER}content-length: 0\r\n\r\n`)
    expect(await answer('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toContain(
      `connection: close\r\n${OFFER}`,
    )
    expect(await answer('GET / HTTP/1.0\r\n\r\n')).not.toContain('upgrade: ')
  })

  it('lets a response be taken back while nothing of it was written', async () => {
    const client = new FakeClient()
    client.send(GET)
    const { exchange } = client
    expect(exchange.retract()).toBe(false)
    exchange.respondStart(200, ['x-first', '1'])
    expect(exchange.retract(), 'the head alone').toBe(true)
    exchange.respondStart(200, ['x-second', '1'])
    exchange.respondData(Buffer.from('begun'), own)
    expect(exchange.retract(), 'with some of its body').toBe(true)
    exchange.respondStart(502, ['content-length', '2'])
    exchange.respondData(Buffer.from('no'), own)
    exchange.respondEnd([])
    expect(client.output).toBe('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nno')
    expect(exchange.retract(), 'it is over').toBe(false)
    client.send(GET)
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.from('x'), own)
    await tick()
    expect(client.exchange.retract(), 'it was written').toBe(false)
  })

  it('takes a response back without the answer before it, which waits to be written with it', () => {
    const client = new FakeClient({}, exchange => {
      exchange.respondStart(200, ['content-length', '5'])
      exchange.respondData(Buffer.from('first'), own)
      if (client.exchanges.length === 1) exchange.respondEnd([])
      else {
        expect(exchange.retract()).toBe(true)
        exchange.respondStart(204, [])
        exchange.respondEnd([])
      }
    })
    client.send(GET + GET)
    expect(client.output).toBe(
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirstHTTP/1.1 204 No Content\r\n\r\n',
    )
  })

  it('ends with the connection for HTTP/1.0, and with a reset when the response breaks off', () => {
    const client = new FakeClient()
    client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.from('body'), own)
    client.exchange.respondEnd([])
    expect(client.output).toBe('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbody')
    expect(client.socket.writableEnded).toBe(true)
    const other = new FakeClient()
    other.send('GET / HTTP/1.0\r\n\r\n')
    other.exchange.respondStart(200, [])
    other.exchange.respondData(Buffer.from('body'), own)
    other.exchange.abort(new TransportError('MM_CONNECTION_CLOSED', 'x'))
    expect(other.socket.wasReset).toBe(true)
  })

  it.each([
    ['HEAD', 200, ['content-length', '5'], 'content-length: 5\r\n'],
    ['GET', 304, ['content-length', '5'], 'content-length: 5\r\n'],
    ['GET', 204, [], ''],
    ['HEAD', 200, [], ''],
  ])('sends no body with %s %i', (method, status, headers, fields) => {
    const client = new FakeClient()
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)
    client.exchange.respondStart(status, headers)
    client.exchange.respondData(Buffer.from('never'), own)
    client.exchange.respondEnd([])
    expect(client.output).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^\r]+\r\n${fields}\r\n$`))
    client.send(GET)
    expect(client.exchanges.length).toBe(2)
  })

  it('passes the reason phrase on', () => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondStart(200, ['content-length', '0'], 'Fine')
    client.exchange.respondEnd([])
    expect(client.output).toMatch(/^HTTP\/1\.1 200 Fine\r\n/)
  })

  it('sends a head alone when the body is late', async () => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondStart(200, ['content-length', '2'])
    expect(client.output).toBe('')
    await tick()
    expect(client.output).toBe('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n')
    client.exchange.respondData(Buffer.from('ok'), own)
    client.exchange.respondEnd([])
    expect(client.output).toBe(OK)
  })

  it('sends small pieces that come in one run together, and at the end at the latest', async () => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondStart(200, ['content-length', '4'])
    client.exchange.respondData(Buffer.from('a'), own)
    client.exchange.respondData(Buffer.from('b'), own)
    await tick()
    client.exchange.respondData(Buffer.from('cd'), own)
    client.exchange.respondEnd([])
    expect(client.socket.writes.map(write => write.slice(-2))).toEqual(['ab', 'cd'])
  })

  it.each([
    ['shorter', 'o'],
    ['longer', 'oks'],
  ])('breaks the connection when the body is %s than its content-length', (what, body) => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondStart(200, ['content-length', '2'])
    client.exchange.respondData(Buffer.from(body), own)
    client.exchange.respondEnd([])
    expect(client.socket.destroyed).toBe(true)
    expect(client.aborted.map(error => error.message)).toEqual([
      `the response body is ${what} than its content-length`,
    ])
  })

  it('answers 500 instead of a head that could be read differently', () => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondStart(200, ['x', 'a\r\nset-cookie: b'])
    client.exchange.respondEnd([])
    expect(client.output).toMatch(/^HTTP\/1\.1 500 /)
    expect(client.output).not.toContain('\r\nset-cookie')
    expect(client.aborted.map(error => error.code)).toEqual(['MM_INVALID_ARGUMENT'])
  })

  it('ends the connection when the response is aborted, whatever was held back', () => {
    const client = new FakeClient()
    client.send(GET + GET)
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.from('part'), own)
    client.exchange.abort(new TransportError('MM_CONNECTION_CLOSED', 'x'))
    expect(client.socket.destroyed).toBe(true)
    expect(client.output).not.toContain('0\r\n\r\n')
    expect(client.aborted).toEqual([])
    expect(client.exchanges.length).toBe(1)
  })

  it('refuses a second final response, and does nothing once it has ended', () => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondStart(200, ['content-length', '0'])
    expect(() => client.exchange.respondStart(200, [])).toThrow('second')
    client.exchange.respondEnd([])
    client.exchange.respondEnd([])
    client.exchange.respondStart(200, [])
    expect(client.exchange.respondData(Buffer.from('x'), own)).toBe(true)
    expect(client.output).toBe('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  })
})

describe('the back-pressure of a response over HTTP/1.1', () => {
  it('asks the handler to wait while the client is behind, and notifies it when it caught up', async () => {
    const client = new FakeClient()
    client.send(GET)
    client.socket.isStalled = true
    client.exchange.respondStart(200, [])
    expect(client.exchange.respondData(Buffer.alloc(20_000), own)).toBe(true)
    expect(client.exchange.respondData(Buffer.alloc(70_000), own)).toBe(false)
    expect(client.drains).toBe(0)
    client.socket.isStalled = false
    client.socket.release()
    await tick()
    expect(client.drains).toBe(1)
    client.exchange.respondEnd([])
    await tick()
    expect(client.drains).toBe(1)
  })

  it('reports no drain that nobody waits for', async () => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondStart(200, [])
    // More than the socket wants to hold, so that it emits 'drain'; but it was taken at once.
    expect(client.exchange.respondData(Buffer.alloc(200_000), own)).toBe(true)
    await tick()
    expect(client.drains).toBe(0)
  })

  it.each([10, 5_000, 20_000, 65_536, 200_000])(
    'never lets memory be read that was changed since, with borrowed chunks of %i bytes',
    async size => {
      const client = new FakeClient()
      client.send(GET)
      const read: Buffer[] = []
      // Looks at the memory as late as a socket may: when the write is called back.
      const late = (chunks: Buffer[], callback: () => void): void => {
        setImmediate(() =>
          setImmediate(() => {
            read.push(...chunks.map(chunk => Buffer.from(chunk)))
            callback()
          }),
        )
      }
      client.socket._write = (chunk: Buffer, _encoding, callback) => late([chunk], callback)
      client.socket._writev = (chunks, callback) =>
        late(
          chunks.map(({ chunk }) => chunk),
          callback,
        )
      const memory = Buffer.alloc(size)
      const expected = [Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${size * 6}\r\n\r\n`)]
      client.exchange.respondStart(200, ['content-length', String(size * 6)])
      for (let i = 0; i < 6; i++) {
        memory.fill(0x61 + i)
        expected.push(Buffer.from(memory))
        client.exchange.respondData(memory, chunk => Buffer.from(chunk))
        memory.fill(0)
        // What was gathered is written, and not read yet.
        await new Promise(resolve => process.nextTick(resolve))
      }
      client.exchange.respondEnd([])
      while (client.socket.writableLength > 0) await tick()
      expect(Buffer.concat(read).equals(Buffer.concat(expected))).toBe(true)
    },
  )

  it('keeps only bytes that a socket that is behind cannot take', () => {
    const client = new FakeClient()
    client.send(GET)
    let kept = 0
    const keep = (chunk: Buffer): Buffer => (kept++, Buffer.from(chunk))
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.alloc(65_536), keep)
    expect(kept).toBe(0)
    client.socket.isStalled = true
    client.exchange.respondData(Buffer.alloc(65_536), keep)
    expect(kept).toBe(0)
    client.exchange.respondData(Buffer.alloc(65_536), keep)
    client.exchange.respondData(Buffer.alloc(5000), keep)
    expect(kept).toBe(1)
  })
})

describe('an informational response or upgrade over HTTP/1.1', () => {
  it('is relayed, but not to HTTP/1.0', () => {
    const client = new FakeClient()
    client.send(GET)
    client.exchange.respondInformational(103, ['link', '</a>'])
    answerOk(client.exchange)
    expect(client.output).toBe(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}`)
    const old = new FakeClient()
    old.send('GET / HTTP/1.0\r\n\r\n')
    old.exchange.respondInformational(103, [])
    answerOk(old.exchange)
    expect(old.output).not.toContain('103')
  })

  it('is sent without waiting for the final response', async () => {
    const client = new FakeClient()
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n')
    client.exchange.respondInformational(100, [])
    await tick()
    expect(client.output).toBe('HTTP/1.1 100 Continue\r\n\r\n')
  })

  it('gets the connection with the bytes that the client sent ahead', async () => {
    const client = new FakeClient()
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nearly')
    expect(client.exchange.upgrade).toBe('websocket')
    const tunnel = client.exchange.acceptUpgrade(101, ['sec-websocket-accept', 'x'])
    expect(client.output).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n',
    )
    const received: string[] = []
    tunnel.on('data', (chunk: Buffer) => received.push(chunk.toString()))
    tunnel.resume()
    client.socket.push('late')
    await tick()
    expect(received.join('')).toBe('earlylate')
    tunnel.write('down')
    expect(client.output.endsWith('down')).toBe(true)
    expect(client.clock.pendingTimers()).toBe(0)
    client.session.destroy()
    expect(client.socket.destroyed).toBe(false)
  })

  it('gets the connection after a CONNECT, which closes after a refused one', () => {
    const connect = 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n'
    const client = new FakeClient()
    client.send(connect)
    expect([client.exchange.path, client.exchange.authority]).toEqual(['', 'a:443'])
    client.exchange.acceptUpgrade(200, [])
    expect(client.output).toBe('HTTP/1.1 200 OK\r\n\r\n')
    const other = new FakeClient()
    other.send(`${connect}tunnel data`)
    other.exchange.respondStart(405, ['content-length', '0'])
    other.exchange.respondEnd([])
    expect(other.output).toContain('connection: close')
    expect(other.exchanges.length).toBe(1)
  })

  it('goes on with HTTP when an upgrade is answered otherwise', () => {
    const client = new FakeClient({}, exchange => answerOk(exchange))
    client.send(`GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n${GET}`)
    expect(client.output).toBe(OK + OK)
  })
})
