import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { BodySource } from '../../../../src/base/http/exchange.ts'
import type { HeaderList } from '../../../../src/base/http/headers.ts'
import type { IngressExchange } from '../../../../src/ingress/ingress-exchange.ts'
import { literals } from '../../../support/http2-fields.ts'
import { data, FLAG, headers, resetStream, SETTING, windowUpdate } from '../../../support/http2-wire.ts'
import { answerOk, own, tick } from '../fake-client.ts'
import { FakeHttp2Client } from '../fake-http2-client.ts'

class Sink {
  text = ''
  end_: HeaderList | undefined
  error: string | undefined
  takesMore = true
  write(chunk: Uint8Array): boolean {
    this.text += Buffer.from(chunk).toString('latin1')
    return this.takesMore
  }
  end(trailers: HeaderList): void {
    expect(this.end_ ?? this.error).toBeUndefined()
    this.end_ = trailers
  }
  fail(error: TransportError): void {
    expect(this.end_ ?? this.error).toBeUndefined()
    this.error = error.code
  }
}

const post = { method: 'POST', ends: false }
const sourceOf = (exchange: IngressExchange): BodySource => {
  expect(exchange.body).not.toBeInstanceOf(Uint8Array)
  return exchange.body as BodySource // neither null nor bytes
}
const text = (exchange: IngressExchange): string | null =>
  exchange.body === null ? null : Buffer.from(exchange.body as Uint8Array).toString() // asserted to be bytes

describe('the request bodies of an exchange over HTTP/2', () => {
  it('are in memory when they are small and came whole with their head', () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1, post), data(1, 'ab'), data(1, 'cd', FLAG.END_STREAM))
    client.send(client.ask(3, { ...post, fields: [['content-length', '2']] }), data(3, 'xy', FLAG.END_STREAM))
    client.send(client.ask(5, post), data(5, '', FLAG.END_STREAM))
    expect(client.exchanges.map(text)).toEqual(['abcd', 'xy', null])
  })

  it('are sources when they come in pieces, with their trailers', () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1, { ...post, fields: [['content-length', '4']] }), data(1, 'ab'))
    const source = sourceOf(client.exchange)
    expect([source.length, source.isReplayable()]).toEqual([4, true])
    const sink = new Sink()
    source.attach(sink)
    expect([sink.text, source.isReplayable()]).toEqual(['ab', false])
    client.send(data(1, 'cd'), headers(1, literals(['x-sum', '1']), FLAG.END_HEADERS | FLAG.END_STREAM))
    expect([sink.text, sink.end_]).toEqual(['abcd', ['x-sum', '1']])
  })

  it('are sources when they came whole but have trailers', () => {
    const client = new FakeHttp2Client()
    client.send(
      client.ask(1, post),
      data(1, 'ab'),
      headers(1, literals(['x-sum', '1']), FLAG.END_HEADERS | FLAG.END_STREAM),
    )
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    expect([sink.text, sink.end_]).toEqual(['ab', ['x-sum', '1']])
  })

  it('stop while the sink has enough, and lose nothing', () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1, post))
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    sink.takesMore = false
    const [a, b] = ['a'.repeat(2_000), 'b'.repeat(2_000)]
    client.send(data(1, a), data(1, b))
    client.send(data(1, 'c', FLAG.END_STREAM))
    expect(sink.text).toBe(a)
    sink.takesMore = true
    sourceOf(client.exchange).resume()
    expect([sink.text, sink.end_]).toEqual([`${a}${b}c`, []])
  })

  it('fail when the client takes its request back', () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1, post))
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    client.send(resetStream(1, 'CANCEL'))
    expect(client.aborted).toEqual([
      expect.stringMatching(/^MM_CLIENT_GONE the client reset the stream \(CANCEL\)/),
    ])
    expect(sink.error).toBe('MM_CLIENT_GONE')
  })

  it('fail when they are not as long as announced, and that is counted', async () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1, { ...post, fields: [['content-length', '4']] }))
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    client.send(data(1, 'abc', FLAG.END_STREAM))
    expect(await client.of(1)).toEqual(['RST_STREAM 1 PROTOCOL_ERROR'])
    expect([sink.error, client.stats.badRequests]).toEqual(['MM_BAD_REQUEST', { MM_BAD_REQUEST: 1 }])
  })

  it('that stop are answered with 408, and the stream ends', async () => {
    const client = new FakeHttp2Client({ requestTimeoutMs: 1000 })
    client.send(client.ask(1, post))
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    client.clock.advance(900)
    client.send(data(1, 'a'))
    client.clock.advance(999)
    expect(await client.of(1)).toEqual([])
    client.clock.advance(1)
    expect(await client.of(1)).toEqual([
      'HEADERS 408',
      expect.stringMatching(/^DATA .* END$/),
      'RST_STREAM 1 NO_ERROR',
    ])
    expect([sink.error, client.stats.badRequests]).toEqual(['MM_CLIENT_TIMEOUT', { MM_CLIENT_TIMEOUT: 1 }])
    expect(client.aborted).toEqual([expect.stringMatching(/^MM_CLIENT_TIMEOUT/)])
  })

  it('that stop while the answer is under way end their stream, whatever the handler does then', async () => {
    const client = new FakeHttp2Client({ requestTimeoutMs: 1000 })
    client.send(client.ask(1, post))
    const { exchange } = client
    const source = sourceOf(exchange)
    exchange.events = { onDrain() {}, onAborted: () => source.cancel() }
    source.attach(new Sink())
    exchange.respondStart(200, [])
    exchange.respondData(Buffer.from('begun'), own)
    client.clock.advance(1000)
    expect(await client.of(1)).toEqual(['HEADERS 200', 'DATA begun', 'RST_STREAM 1 CANCEL'])
  })

  it('do not time out while we hold them back', async () => {
    const client = new FakeHttp2Client({ requestTimeoutMs: 1000 })
    client.send(client.ask(1, post), data(1, 'a'))
    client.clock.advance(5000)
    expect(await client.of(1)).toEqual([])
    sourceOf(client.exchange).attach(new Sink())
    client.clock.advance(1000)
    expect((await client.of(1))[0]).toBe('HEADERS 408')
  })

  it('that are too large are refused, at once when their length says so', async () => {
    const client = new FakeHttp2Client({ maxBodyBytes: 4 })
    client.send(client.ask(1, { ...post, fields: [['content-length', '5']] }))
    expect(client.exchanges).toEqual([])
    client.send(client.ask(3, post), data(3, 'abcde', FLAG.END_STREAM))
    expect(client.exchanges).toEqual([])
    client.send(client.ask(5, post), data(5, 'abcd'))
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    client.send(data(5, 'e'))
    expect(sink.error).toBe('MM_REQUEST_BODY_LIMIT')
    for (const id of [1, 3, 5]) expect((await client.of(id))[0]).toBe('HEADERS 413')
    expect((await client.of(1)).at(-1)).toBe('RST_STREAM 1 NO_ERROR')
    expect((await client.of(3)).at(-1)).toMatch(/^DATA .* END$/)
    expect(client.stats.badRequests).toEqual({ MM_REQUEST_BODY_LIMIT: 3 })
    client.send(client.ask(7, post), data(7, 'abcd', FLAG.END_STREAM))
    expect(text(client.exchange)).toBe('abcd')
  })

  it('that nobody reads are given up after the answer', async () => {
    const client = new FakeHttp2Client({}, exchange => answerOk(exchange))
    client.send(client.ask(1, post), data(1, 'a'))
    expect(await client.of(1)).toEqual(['HEADERS 200', 'DATA ok END', 'RST_STREAM 1 NO_ERROR'])
  })

  it('that have no reader are read and discarded while the answer comes, up to a bound', async () => {
    const client = new FakeHttp2Client({ maxDiscardBytes: 40_000, http2: { streamWindowBytes: 65_536 } })
    client.send(client.ask(1, post))
    sourceOf(client.exchange).cancel()
    const credit = async () =>
      (await client.frames()).filter(({ type, streamId }) => type === 8 && streamId === 1).length
    for (let i = 0; i < 3; i++) client.send(data(1, 'x'.repeat(16_384)))
    expect(await credit()).toBe(1)
    client.send(data(1, 'x'.repeat(16_384)))
    client.send(data(1, 'x'.repeat(16_384)))
    client.send(data(1, 'x'.repeat(16_384)))
    expect(await credit()).toBe(1)
    answerOk(client.exchange)
    expect((await client.of(1)).at(-1)).toBe('RST_STREAM 1 NO_ERROR')
  })

  it('that have a reader go on behind the answer', async () => {
    const client = new FakeHttp2Client({ requestTimeoutMs: 1000 })
    client.send(client.ask(1, post))
    const sink = new Sink()
    sourceOf(client.exchange).attach(sink)
    answerOk(client.exchange)
    client.send(data(1, 'late', FLAG.END_STREAM))
    expect([sink.text, sink.end_]).toEqual(['late', []])
    expect(await client.of(1)).toEqual(['HEADERS 200', 'DATA ok END'])
    client.send(client.ask(3, post))
    const second = new Sink()
    sourceOf(client.exchange).attach(second)
    answerOk(client.exchange)
    client.clock.advance(1000)
    expect((await client.of(3)).at(-1)).toBe('RST_STREAM 3 CANCEL')
    expect(second.error).toBe('MM_CLIENT_TIMEOUT')
    expect(client.aborted).toEqual([])
  })
})

describe('the responses of an exchange over HTTP/2', () => {
  const start = async (method = 'GET') => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1, { method }))
    return { client, exchange: client.exchange }
  }

  it('end with their head when they have no body', async () => {
    const { client, exchange } = await start()
    exchange.respondStart(200, ['grpc-status', '5'])
    exchange.respondEnd([])
    expect(await client.of(1)).toEqual(['HEADERS 200 END'])
  })

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('to %s with %i have no body, whatever is set', async (method, status) => {
    const { client, exchange } = await start(method)
    exchange.respondStart(status, ['content-length', '5'])
    expect(exchange.respondData(Buffer.from('hello'), own)).toBe(true)
    exchange.respondEnd([])
    expect(await client.of(1)).toEqual([`HEADERS ${status} END`])
    expect(client.aborted).toEqual([])
  })

  it('leave with their first bytes, or at the end of the turn without', async () => {
    const { client, exchange } = await start()
    exchange.respondStart(200, [])
    expect(await client.of(1)).toEqual(['HEADERS 200'])
    exchange.respondData(Buffer.from('x'), own)
    expect(await client.of(1)).toEqual(['HEADERS 200', 'DATA x'])
    exchange.respondEnd(['x-sum', '1'])
    expect(await client.of(1)).toEqual(['HEADERS 200', 'DATA x', 'HEADERS trailers END'])
  })

  it('may have trailers without a body, and 1xx before them, but no 101', async () => {
    const { client, exchange } = await start()
    exchange.respondInformational(103, ['link', '</a>'])
    exchange.respondInformational(101, [])
    exchange.respondStart(200, ['content-length', '0'])
    exchange.respondEnd(['grpc-status', '0'])
    expect(await client.of(1)).toEqual(['HEADERS 103', 'HEADERS 200', 'HEADERS trailers END'])
  })

  it('wait for the window of their stream, and notify the handler when there is room', async () => {
    const client = new FakeHttp2Client({}, undefined, { [SETTING.INITIAL_WINDOW_SIZE]: 10 })
    client.send(client.ask(1))
    const { exchange } = client
    exchange.respondStart(200, ['content-length', '20'])
    expect(exchange.respondData(Buffer.from('x'.repeat(15)), own)).toBe(false)
    expect(await client.of(1)).toEqual(['HEADERS 200', `DATA ${'x'.repeat(10)}`])
    client.send(windowUpdate(1, 100))
    expect(client.drains).toBe(1)
    expect(exchange.respondData(Buffer.from('y'.repeat(5)), own)).toBe(true)
    exchange.respondEnd([])
    expect((await client.of(1)).slice(2)).toEqual(['DATA xxxxx', 'DATA yyyyy END'])
  })

  it('whose client never opens its window are aborted, each by itself', async () => {
    const client = new FakeHttp2Client({ writeTimeoutMs: 1000 }, undefined, {
      [SETTING.INITIAL_WINDOW_SIZE]: 1,
    })
    client.send(client.ask(1), client.ask(3), client.ask(5))
    const [stuck, slow, done] = client.exchanges as [IngressExchange, IngressExchange, IngressExchange]
    for (const exchange of [stuck, slow]) {
      exchange.respondStart(200, [])
      exchange.respondData(Buffer.from('abc'), own)
    }
    // One that is complete as far as its handler knows is watched as well.
    answerOk(done)
    client.clock.advance(600)
    client.send(windowUpdate(3, 1))
    client.clock.advance(399)
    expect(client.aborted).toEqual([])
    client.clock.advance(1)
    expect(client.aborted).toEqual([
      'MM_CLIENT_GONE the client opened no window for the response for 1000 ms',
    ])
    expect((await client.of(1)).at(-1)).toBe('RST_STREAM 1 CANCEL')
    expect((await client.of(5)).at(-1)).toBe('RST_STREAM 5 CANCEL')
    expect((await client.of(3)).at(-1)).toBe('DATA b')
    client.clock.advance(1000)
    expect((await client.of(3)).at(-1)).toBe('RST_STREAM 3 CANCEL')
  })

  it('whose client opens its window for what is queued and no further are given up as well', async () => {
    const client = new FakeHttp2Client({ writeTimeoutMs: 1000 }, undefined, {
      [SETTING.INITIAL_WINDOW_SIZE]: 10,
    })
    client.send(client.ask(1))
    client.exchange.respondStart(200, [])
    expect(client.exchange.respondData(Buffer.alloc(15), own)).toBe(false)
    client.send(windowUpdate(1, 5))
    expect(client.drains).toBe(0)
    client.clock.advance(2_000)
    expect(client.aborted).toEqual([
      'MM_CLIENT_GONE the client opened no window for the response for 1000 ms',
    ])
  })

  it.each([
    ['longer', '2'],
    ['shorter', '9'],
  ])('that are %s than announced are broken off', async (what, length) => {
    const { client, exchange } = await start()
    exchange.respondStart(200, ['content-length', length])
    exchange.respondData(Buffer.from('abc'), own)
    exchange.respondEnd([])
    expect((await client.of(1)).at(-1)).toBe('RST_STREAM 1 INTERNAL_ERROR')
    expect(client.aborted).toEqual([`MM_INTERNAL the response body is ${what} than its content-length`])
  })

  it('that fail are reset, and the others go on', async () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1), client.ask(3), client.ask(5))
    const [broken, given, well] = client.exchanges as [IngressExchange, IngressExchange, IngressExchange]
    broken.respondStart(200, [])
    broken.respondData(Buffer.from('a'), own)
    broken.abort(new TransportError('MM_STREAM_RESET', 'x'))
    given.abort(new TransportError('MM_ABORTED', 'x'))
    answerOk(well)
    expect((await client.of(1)).at(-1)).toBe('RST_STREAM 1 INTERNAL_ERROR')
    expect(await client.of(3)).toEqual(['RST_STREAM 3 CANCEL'])
    expect((await client.of(5)).at(-1)).toBe('DATA ok END')
    expect(client.aborted).toEqual([])
    broken.respondEnd([])
    broken.respondStart(200, [])
  })

  it('that cannot be written are answered with 500', async () => {
    const { client, exchange } = await start()
    exchange.respondStart(200, ['x', 'a\r\nb'])
    exchange.respondEnd([])
    expect((await client.of(1))[0]).toBe('HEADERS 500')
    expect(client.aborted).toEqual([expect.stringMatching(/^MM_INVALID_ARGUMENT/)])
  })

  it('are sent once', async () => {
    const { exchange } = await start()
    exchange.respondStart(200, [])
    expect(() => exchange.respondStart(200, [])).toThrow('a second final response')
  })
})

describe('a tunnel of an exchange over HTTP/2', () => {
  it('is a GET with an upgrade, from an extended CONNECT, and gets a key if it asks for a WebSocket', () => {
    const client = new FakeHttp2Client()
    client.send(client.connect(1, 'websocket', [['sec-websocket-version', '13']]), client.connect(3, 'other'))
    const [webSocket, other] = client.exchanges as [IngressExchange, IngressExchange]
    expect([webSocket.method, webSocket.upgrade, webSocket.path, webSocket.body]).toEqual([
      'GET',
      'websocket',
      '/chat',
      null,
    ])
    expect(webSocket.headers).toEqual([
      'sec-websocket-version',
      '13',
      'sec-websocket-key',
      expect.stringMatching(/^[A-Za-z0-9+/]{22}==$/),
    ])
    expect([other.upgrade, other.headers]).toEqual(['other', []])
  })

  it('carries bytes in both directions once it is accepted, and not before', async () => {
    const client = new FakeHttp2Client()
    client.send(client.connect(1, 'websocket'), data(1, 'early'))
    const tunnel = client.exchange.acceptUpgrade(101, ['sec-websocket-accept', 'x', 'x-a', '1'])
    let received = ''
    tunnel.on('data', (chunk: Buffer) => (received += chunk.toString()))
    tunnel.write('down')
    await tick()
    client.send(data(1, 'up'))
    await tick()
    expect(received).toBe('earlyup')
    expect(await client.of(1)).toEqual(['HEADERS 200', 'DATA down'])
    tunnel.end()
    client.send(data(1, '!', FLAG.END_STREAM))
    await tick()
    expect(received).toBe('earlyup!')
    expect((await client.of(1)).at(-1)).toBe('DATA  END')
  })

  it('delivers what came before the other side ended, however slowly it is read', async () => {
    const client = new FakeHttp2Client()
    client.send(client.connect(1, 'other'))
    const tunnel = client.exchange.acceptUpgrade(101, [])
    client.send(data(1, 'x'.repeat(16_384)))
    for (let i = 0; i < 3; i++) client.send(data(1, 'y'.repeat(10_000)))
    client.send(data(1, 'z', FLAG.END_STREAM))
    tunnel.end()
    await tick()
    let bytes = 0
    tunnel.on('data', (chunk: Buffer) => (bytes += chunk.length))
    const ended = new Promise(resolve => tunnel.once('end', resolve))
    await ended
    expect(bytes).toBe(46_385)
  })

  it('is reset when either side breaks', async () => {
    const client = new FakeHttp2Client()
    client.send(client.connect(1, 'other'), client.connect(3, 'other'))
    const [first, second] = client.exchanges as [IngressExchange, IngressExchange]
    const ours = first.acceptUpgrade(101, [])
    ours.destroy()
    expect((await client.of(1)).at(-1)).toBe('RST_STREAM 1 CANCEL')
    const theirs = second.acceptUpgrade(101, [])
    const failed = new Promise<Error>(resolve => theirs.once('error', resolve))
    client.send(resetStream(3, 'CANCEL'))
    expect((await failed).message).toContain('CANCEL')
  })

  it('is not accepted when the origin answers with 2xx and does not switch', async () => {
    const client = new FakeHttp2Client()
    client.send(client.connect(1, 'websocket'))
    client.exchange.respondStart(200, ['content-length', '5'])
    client.exchange.respondData(Buffer.from('plain'), own)
    expect((await client.of(1))[0]).toBe('HEADERS 502')
    expect(client.aborted).toEqual([expect.stringMatching(/^MM_UPGRADE_UNAVAILABLE the origin answered 200/)])
  })

  it('may be refused like any request, and so may a CONNECT', async () => {
    const client = new FakeHttp2Client()
    const connect = literals([':method', 'CONNECT'], [':authority', 'a:443'])
    client.send(client.connect(1, 'websocket'), headers(3, connect))
    const [webSocket, proxied] = client.exchanges as [IngressExchange, IngressExchange]
    expect([proxied.method, proxied.path, proxied.authority, proxied.upgrade]).toEqual([
      'CONNECT',
      '',
      'a:443',
      undefined,
    ])
    for (const exchange of [webSocket, proxied]) {
      exchange.respondStart(405, ['content-length', '2'])
      exchange.respondData(Buffer.from('no'), own)
      exchange.respondEnd([])
    }
    expect(await client.of(1)).toEqual(['HEADERS 405', 'DATA no END', 'RST_STREAM 1 NO_ERROR'])
    expect(await client.of(3)).toEqual(['HEADERS 405', 'DATA no END', 'RST_STREAM 3 NO_ERROR'])
  })
})
