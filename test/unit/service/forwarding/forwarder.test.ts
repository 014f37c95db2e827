import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { headerValue } from '../../../../src/entry/dispatch.ts'
import { TransportError } from '../../../../src/index.ts'
import type { ServiceConfig } from '../../../../src/service/config/service-config.ts'
import type { ClientAnswer } from '../../../../src/service/forwarding/forwarded-exchange.ts'
import { Forwarder } from '../../../../src/service/forwarding/forwarder.ts'
import { SessionCounts } from '../../../../src/service/web-transport/session-counts.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { duplexPair, FakeIngressExchange } from '../fake-ingress-exchange.ts'
import { type FakeDispatch, fakeTransport } from '../fake-transport.ts'
import { settingsOf } from '../forwarder-world.ts'

const VIA = '1.1 middlemile (id)'
const gone = new TransportError('MM_CLIENT_GONE', 'the client closed')
const reset = new TransportError('MM_CONNECTION_RESET', 'the origin broke', { processed: 'unknown' })

const origins = { shop: { url: 'https://origin.example', hosts: ['shop.example'] } }

function dataOf(client: FakeIngressExchange): string {
  return client.log
    .filter(line => line.startsWith('data '))
    .map(line => line.slice(5))
    .join('|')
}

function setUp(changes: Partial<ServiceConfig> = {}, onDispatch?: (dispatch: FakeDispatch) => void) {
  const { transport, dispatches } = fakeTransport(onDispatch)
  const refused: number[] = []
  const answers: Partial<ClientAnswer>[] = []
  const clock = new FakeClock()
  const forwarder = new Forwarder(settingsOf({ origins, ...changes }), {
    transport,
    clock,
    instanceId: 'id',
    dateHeader: () => 'now',
    onRefused: (_exchange, status) => refused.push(status),
    onAnswered: ({ status, originProtocol, clientProtocol, durationMs }) =>
      answers.push({ status, originProtocol, clientProtocol, durationMs }),
    onCarried: () => undefined,
    sessionCounts: () => new SessionCounts(),
  })
  return { forwarder, dispatches, refused, answers, clock }
}

/** An exchange that has reached its origin. */
function forwarded(client = new FakeIngressExchange(), changes: Partial<ServiceConfig> = {}) {
  const { forwarder, dispatches, answers, clock } = setUp(changes)
  forwarder.handler()(client)
  const [dispatch] = dispatches
  if (dispatch === undefined) throw new Error('nothing was dispatched')
  const { handler } = dispatch
  handler.onRequestStart(dispatch)
  return { client, dispatch, handler, forwarder, answers, clock }
}

describe('a forwarded request', () => {
  it('reaches the origin of its route with method, path, body and rewritten fields', () => {
    const client = new FakeIngressExchange({ method: 'POST' })
    client.body = Buffer.from('body')
    const { dispatch } = forwarded(client)
    expect(dispatch.origin.key).toBe('https://origin.example')
    expect(dispatch.request).toMatchObject({
      method: 'POST',
      path: '/x?y=1',
      body: client.body,
      upgrade: undefined,
    })
    expect(dispatch.request.headers.slice(0, 4)).toEqual(['accept', '*/*', 'via', VIA])
    expect(dispatch.request.authority, "the origin's own").toBeUndefined()
  })

  it.each([
    ['preserve', 'shop.example', 'shop.example'],
    ['other.example:81', 'shop.example', 'other.example:81'],
    ['preserve', '', undefined],
  ])(
    'has the Host that the origin is configured with: %s for a client that sent %j',
    (hostHeader, authority, expected) => {
      const { forwarder, dispatches } = setUp({ origins: { a: { url: 'http://a', hostHeader } } })
      forwarder.handler()(new FakeIngressExchange({ authority }))
      expect(dispatches[0]?.request.authority).toBe(expected)
    },
  )

  it.each([
    [{ maxConnections: 4 }, '192.0.2.9', '192.0.2.9'],
    [{ maxConnections: 4 }, '2001:db8:1:2:3::4', '2001:db8:1:2::/64'],
    [{ maxConnections: 4, fairBy: 'host' as const }, '192.0.2.9', 'shop.example'],
    [{ maxConnections: 4, fairBy: 'none' as const }, '192.0.2.9', undefined],
    [{}, '192.0.2.9', undefined],
  ])('has the fairness key of its client: with %j, from %s', (protection, remoteAddress, key) => {
    const { forwarder, dispatches } = setUp({ origins: { a: { url: 'http://a', protection } } })
    forwarder.handler()(new FakeIngressExchange({ remoteAddress, authority: 'shop.example' }))
    expect(dispatches[0]?.request.fairKey).toBe(key)
  })

  it('follows the configuration that is in force when it arrives', () => {
    const { forwarder, dispatches } = setUp()
    forwarder.configure(settingsOf({ origins: { other: { url: 'http://other.example' } } }))
    forwarder.handler()(new FakeIngressExchange())
    expect(dispatches[0]?.origin.key).toBe('http://other.example')
  })
})

describe('the response to a forwarded request', () => {
  it('is passed on with its 1xx, status text, fields, body and trailers, and gains Via', () => {
    const { client, dispatch, handler } = forwarded()
    handler.onInformational(dispatch, 103, ['link', '</a>'])
    handler.onResponseStart(dispatch, 200, ['content-type', 'text/plain', 'via', '1.0 fred'], 'Fine')
    handler.onResponseData(dispatch, Buffer.from('a'))
    handler.onResponseData(dispatch, Buffer.from('b'))
    handler.onResponseEnd(dispatch, ['x-sum', '1'])
    expect(client.log).toEqual(['informational 103 link=</a>', 'start 200 Fine', 'data a', 'data b', 'end'])
    expect(client.responseHeaders).toEqual(['content-type', 'text/plain', 'via', '1.0 fred', 'via', VIA])
    expect(client.trailers).toEqual(['x-sum', '1'])
  })

  it('pauses the origin while the client is slow, and keeps what must outlive the call', () => {
    const { client, dispatch, handler } = forwarded()
    handler.onResponseStart(dispatch, 200, [], '')
    client.takesMore = false
    handler.onResponseData(dispatch, Buffer.from('a'))
    expect(dispatch.log).toEqual(['keep', 'pause'])
    client.takesMore = true
    client.events?.onDrain()
    expect(dispatch.log).toEqual(['keep', 'pause', 'resume'])
    handler.onResponseEnd(dispatch, [])
    client.events?.onDrain()
    expect(dispatch.log).toEqual(['keep', 'pause', 'resume'])
  })

  it('keeps through the exchange that a chunk belongs to when deliveries are nested', () => {
    const outer = forwarded()
    const inner = forwarded()
    outer.handler.onResponseStart(outer.dispatch, 200, [], '')
    inner.handler.onResponseStart(inner.dispatch, 200, [], '')
    outer.client.respondData = (chunk, keep) => {
      inner.client.takesMore = false
      inner.handler.onResponseData(inner.dispatch, Buffer.from('inner'))
      keep(chunk)
      return true
    }
    outer.handler.onResponseData(outer.dispatch, Buffer.from('outer'))
    expect(inner.dispatch.log).toEqual(['keep', 'pause'])
    expect(outer.dispatch.log).toEqual(['keep'])
  })
})

describe('a response whose client stalls', () => {
  /** The client has taken the first chunk and no more, for long enough. */
  function stalled(headers: string[] = [], changes: Partial<ServiceConfig> = {}) {
    const all = forwarded(new FakeIngressExchange(), changes)
    all.handler.onResponseStart(all.dispatch, 200, headers, '')
    all.client.takesMore = false
    all.handler.onResponseData(all.dispatch, Buffer.from('first'))
    all.clock.advance(200)
    return all
  }

  it('is read to its end, so that the origin is free, and delivered as the client reads it', () => {
    const { client, dispatch, handler, forwarder } = stalled()
    expect(dispatch.log).toEqual(['keep', 'pause', 'resume'])
    handler.onResponseData(dispatch, Buffer.from('second'))
    handler.onResponseData(dispatch, Buffer.from('third'))
    handler.onResponseEnd(dispatch, ['x-sum', '1'])
    expect(client.log).toEqual(['start 200', 'data first'])
    expect(forwarder.stallStats).toMatchObject({ bufferedResponses: 1, bufferedBytes: 16_384 })
    client.takesMore = true
    client.events?.onDrain()
    expect(client.log).toEqual(['start 200', 'data first', 'data secondthird', 'end'])
    expect(client.trailers).toEqual(['x-sum', '1'])
    expect(forwarder.stallStats.bufferedBytes).toBe(0)
    expect(dispatch.log, 'the origin was left alone').toEqual(['keep', 'pause', 'resume'])
  })

  it('is passed on at once again when the client has caught up', () => {
    const { client, dispatch, handler, forwarder } = stalled()
    handler.onResponseData(dispatch, Buffer.from('second'))
    client.takesMore = true
    client.events?.onDrain()
    handler.onResponseData(dispatch, Buffer.from('third'))
    expect(dataOf(client)).toBe('first|second|third')
    expect(forwarder.stallStats.bufferedBytes).toBe(0)
  })

  it('keeps its order when the client reads a piece and stalls again', () => {
    const { client, dispatch, handler } = stalled()
    handler.onResponseData(dispatch, Buffer.from('second'))
    client.events?.onDrain() // takes it, and no more
    handler.onResponseData(dispatch, Buffer.from('third'))
    expect(dataOf(client)).toBe('first|second')
    client.takesMore = true
    client.events?.onDrain()
    handler.onResponseData(dispatch, Buffer.from('fourth'))
    handler.onResponseEnd(dispatch, [])
    expect(dataOf(client)).toBe('first|second|third|fourth')
    expect(client.log.at(-1)).toBe('end')
  })

  it('of unknown length stops the origin at the bound of its buffer, and lets it go on when half of that was read', () => {
    const { client, dispatch, handler, forwarder } = stalled([], {
      forwarding: { buffering: { responseBufferBytes: 131_072 } },
    })
    handler.onResponseData(dispatch, Buffer.alloc(65_536))
    expect(dispatch.paused).toBe(false)
    handler.onResponseData(dispatch, Buffer.alloc(65_536))
    expect(dispatch.paused).toBe(true)
    expect(forwarder.stallStats).toMatchObject({ bufferedBytes: 131_072, stalledReaders: 1 })
    client.events?.onDrain()
    expect(dispatch.paused).toBe(false)
    expect(forwarder.stallStats).toMatchObject({ bufferedBytes: 65_536, stalledReaders: 0 })
  })

  it.each([
    ['is longer than its bound', ['content-length', '200000'], { responseBufferBytes: 150_000 }],
    ['is longer than all may have', ['content-length', '200000'], { maxBufferedBytes: 150_000 }],
    ['is not to be buffered', [], { responseBufferBytes: 0 }],
  ])('that %s stays with the origin', (_, headers, buffering) => {
    const { dispatch, forwarder } = stalled(headers, { forwarding: { buffering } })
    expect(dispatch.paused).toBe(true)
    expect(forwarder.stallStats).toMatchObject({ bufferedResponses: 0, bufferedBytes: 0, stalledReaders: 1 })
  })

  it('counts the bytes that came already, so that the rest has to fit', () => {
    const { dispatch } = stalled(['content-length', '105'], {
      forwarding: { buffering: { maxBufferedBytes: 100 } },
    })
    expect(dispatch.paused).toBe(false)
  })

  it.each(['h2', 'h3'] as const)(
    'over %s stays with the origin, where it holds a stream and no connection',
    protocol => {
      const { client, dispatch, handler, clock } = forwarded()
      dispatch.protocol = protocol
      handler.onResponseStart(dispatch, 200, [], '')
      client.takesMore = false
      handler.onResponseData(dispatch, Buffer.from('first'))
      clock.advance(1_000)
      expect(dispatch.paused).toBe(true)
    },
  )

  it('is dropped when the client goes, before and after the end of the origin', () => {
    for (const hasEnded of [false, true]) {
      const { client, dispatch, handler, forwarder } = stalled()
      handler.onResponseData(dispatch, Buffer.from('second'))
      if (hasEnded) handler.onResponseEnd(dispatch, [])
      client.events?.onAborted(gone)
      expect(forwarder.stallStats).toMatchObject({ bufferedBytes: 0, stalledReaders: 0 })
      expect(dispatch.abortedWith).toBe(hasEnded ? undefined : gone)
      client.takesMore = true
      client.events?.onDrain()
      expect(dataOf(client)).toBe('first')
    }
  })

  it('is cut off when the origin breaks it off', () => {
    const { client, dispatch, handler, forwarder } = stalled()
    handler.onResponseData(dispatch, Buffer.from('second'))
    handler.onResponseError(dispatch, reset)
    expect(client.abortedWith).toBe(reset)
    expect(forwarder.stallStats.bufferedBytes).toBe(0)
  })

  it('that ends while its client is behind without a buffer leaves nothing behind', () => {
    const { client, dispatch, handler, forwarder } = stalled([], {
      forwarding: { buffering: { responseBufferBytes: 0 } },
    })
    handler.onResponseEnd(dispatch, [])
    expect(client.log.at(-1)).toBe('end')
    expect(forwarder.stallStats.stalledReaders).toBe(0)
  })
})

describe('an origin that fails', () => {
  it('is reported without details of the network unless errors is detail', () => {
    const { client, dispatch, handler } = forwarded(undefined, { errors: 'detail' })
    handler.onResponseError(dispatch, reset)
    expect(JSON.parse(client.responseText)).toEqual({
      error: { code: 'MM_CONNECTION_RESET', message: 'the origin broke' },
    })
  })

  it('is counted as the answer that the client got: an own 5xx, an own answer without an origin, or nothing', () => {
    const failed = forwarded()
    failed.clock.advance(30)
    failed.handler.onResponseError(failed.dispatch, reset)
    expect(failed.answers).toEqual([
      { status: 502, originProtocol: undefined, clientProtocol: 'http/1.1', durationMs: 30 },
    ])
    const left = forwarded()
    left.client.events?.onAborted(gone)
    left.handler.onResponseError(left.dispatch, gone)
    expect(left.answers).toMatchObject([{ status: 0, originProtocol: undefined }])
    const done = forwarded()
    done.handler.onResponseStart(done.dispatch, 404, [], '')
    expect(done.answers).toEqual([])
    done.handler.onResponseEnd(done.dispatch, [])
    expect(done.answers).toMatchObject([{ status: 404, originProtocol: done.dispatch.protocol }])
    const { forwarder, answers } = setUp()
    forwarder.handler()(new FakeIngressExchange({ authority: 'nowhere.example' }))
    expect(answers).toMatchObject([{ status: 404, originProtocol: undefined, durationMs: 0 }])
  })

  it('before the head makes the client get an own response', () => {
    const { client, dispatch, handler } = forwarded()
    handler.onResponseError(dispatch, reset)
    expect(client.log[0]).toBe('start 502')
    expect(client.log.at(-1)).toBe('end')
    expect(JSON.parse(client.responseText)).toEqual({
      error: { code: 'MM_CONNECTION_RESET', message: 'connection terminated' },
    })
    expect(headerValue(client.responseHeaders, 'proxy-status')).toMatch(
      /^middlemile; error=connection_terminated/,
    )
  })

  it('before dispatch() returns makes the client get an own response', () => {
    const client = new FakeIngressExchange()
    const { forwarder } = setUp({}, ({ handler }) =>
      handler.onResponseError(undefined, new TransportError('MM_QUEUE_FULL', 'full')),
    )
    forwarder.handler()(client)
    expect(client.log[0]).toBe('start 503')
  })

  it('at a HEAD request makes an own response without a body', () => {
    const { client, dispatch, handler } = forwarded(new FakeIngressExchange({ method: 'HEAD' }))
    handler.onResponseError(dispatch, reset)
    expect(client.log).toEqual(['start 502', 'end'])
    expect(Number(headerValue(client.responseHeaders, 'content-length'))).toBeGreaterThan(0)
  })

  it('after the head makes the client get a truncated response', () => {
    const { client, dispatch, handler } = forwarded()
    handler.onResponseStart(dispatch, 200, [], '')
    handler.onResponseData(dispatch, Buffer.from('half'))
    handler.onResponseError(dispatch, reset)
    expect(client.log).toEqual(['start 200', 'data half', 'abort MM_CONNECTION_RESET'])
    client.events?.onAborted(gone)
    expect(dispatch.log, 'an exchange that has ended is left alone').toEqual([])
  })
})

describe('an origin that fails within its response', () => {
  it('becomes a 502 while nothing of it has left us', () => {
    const { client, dispatch, handler } = forwarded()
    client.isRetractable = true
    handler.onResponseStart(dispatch, 200, [], '')
    handler.onResponseError(dispatch, new TransportError('MM_PROTOCOL_ERROR', 'a chunk size'))
    expect(client.log.slice(0, 3)).toEqual(['start 200', 'retract', 'start 502'])
    expect(headerValue(client.responseHeaders, 'proxy-status')).toContain('error=http_protocol_error')
  })

  it('breaks the response off when some of it has left', () => {
    const { client, dispatch, handler } = forwarded()
    handler.onResponseStart(dispatch, 200, [], '')
    handler.onResponseError(dispatch, new TransportError('MM_PROTOCOL_ERROR', 'a chunk size'))
    expect(client.log).toEqual(['start 200', 'abort MM_PROTOCOL_ERROR'])
  })
})

describe('a client that goes away', () => {
  it('while the origin works has the origin aborted, and gets no answer', () => {
    const { client, dispatch } = forwarded()
    client.events?.onAborted(gone)
    expect(dispatch.abortedWith).toBe(gone)
    expect(client.log).toEqual([])
  })

  it('in the middle of the response has the origin aborted, and the rest is dropped', () => {
    const { client, dispatch, handler } = forwarded()
    handler.onResponseStart(dispatch, 200, [], '')
    client.events?.onAborted(gone)
    handler.onResponseData(dispatch, Buffer.from('late'))
    handler.onResponseEnd(dispatch, [])
    expect(dispatch.abortedWith).toBe(gone)
    expect(client.log).toEqual(['start 200'])
  })

  it('while dispatch() is still running has the origin aborted as soon as possible', () => {
    const client = new FakeIngressExchange()
    const { forwarder, dispatches } = setUp({}, () => client.events?.onAborted(gone))
    forwarder.handler()(client)
    expect(dispatches[0]?.abortedWith).toBe(gone)
    expect(client.log).toEqual([])
  })

  it('and is noticed through its request body first gets no answer', () => {
    const { client, dispatch, handler } = forwarded()
    handler.onResponseError(dispatch, gone)
    expect(client.log).toEqual(['abort MM_CLIENT_GONE'])
  })
})

describe('an upgrade', () => {
  function upgraded() {
    const { client, dispatch, handler } = forwarded(new FakeIngressExchange({ upgrade: 'websocket' }))
    expect(dispatch.request.upgrade).toBe('websocket')
    const origin = duplexPair()
    handler.onUpgrade(dispatch, 101, ['sec-websocket-accept', 'x'], origin.far)
    return { client, origin: origin.near, originEnd: origin.far }
  }

  it.each([
    ['GET', 'websocket', '1.1', false],
    ['GET', 'tls/1.2', '1.1', true],
    ['POST', 'tcp', '1.1', true],
    ['GET', 'connect-udp', '2', false], // an extended CONNECT is nothing else
  ])('with %s to %s from HTTP/%s may be ignored: %s', (method, upgrade, httpVersion, isOptional) => {
    const client = new FakeIngressExchange({ method, upgrade })
    client.httpVersion = httpVersion
    const { dispatch } = forwarded(client)
    expect(dispatch.request).toMatchObject({ upgrade, isUpgradeOptional: isOptional })
  })

  it('joins client and origin in both directions, and passes each end on', async () => {
    const { client, origin } = upgraded()
    expect(client.log).toEqual(['upgrade 101'])
    expect(client.responseHeaders).toEqual(['sec-websocket-accept', 'x', 'via', VIA])
    const { near } = client.tunnel
    near.write('ping')
    expect(String((await once(origin, 'data'))[0])).toBe('ping')
    origin.write('pong')
    expect(String((await once(near, 'data'))[0])).toBe('pong')
    near.end('last')
    await once(origin, 'end')
    origin.end()
    await once(near, 'end')
  })

  it('closes the side of the client when that of the origin breaks, and the other way round', async () => {
    for (const broken of ['client', 'origin'] as const) {
      const { client, originEnd } = upgraded()
      const ends = { client: client.tunnel.far, origin: originEnd }
      const other = broken === 'client' ? ends.origin : ends.client
      const closed = new Promise(resolve => other.once('close', resolve))
      ends[broken].destroy(new Error('reset'))
      await closed
      expect(other.destroyed).toBe(true)
    }
  })

  it('that comes after the client has gone is destroyed', () => {
    const { client, dispatch, handler } = forwarded(new FakeIngressExchange({ upgrade: 'websocket' }))
    client.events?.onAborted(gone)
    const { far } = duplexPair()
    handler.onUpgrade(dispatch, 101, [], far)
    expect(far.destroyed).toBe(true)
  })

  it('that the origin refuses is an ordinary response', () => {
    const { client, dispatch, handler } = forwarded(new FakeIngressExchange({ upgrade: 'websocket' }))
    handler.onResponseStart(dispatch, 426, [], '')
    handler.onResponseEnd(dispatch, [])
    expect(client.log).toEqual(['start 426', 'end'])
  })
})

describe('a request without a route', () => {
  it.each([
    ['no route', { authority: 'other.example' }, 404, 'MM_NO_ROUTE'],
    ['CONNECT', { method: 'CONNECT', path: '' }, 405, 'MM_METHOD_REFUSED'],
    ['a loop', { headers: ['via', VIA] }, 502, 'MM_LOOP_DETECTED'],
    ['TRACE that ends here', { method: 'TRACE', headers: ['max-forwards', '0'] }, 405, 'MM_METHOD_REFUSED'],
  ])('is refused: %s', (_what, changes, status, code) => {
    const { forwarder, dispatches, refused } = setUp()
    const client = new FakeIngressExchange(changes)
    forwarder.handler()(client)
    expect(client.log[0]).toBe(`start ${status}`)
    expect(JSON.parse(client.responseText)).toMatchObject({ error: { code } })
    expect(headerValue(client.responseHeaders, 'proxy-status')).toMatch(/^middlemile; error=/)
    expect(client.events, 'whoever answers listens').toBeDefined()
    expect(refused).toEqual([status])
    expect(dispatches).toEqual([])
  })

  it('is answered by the connector if it is an OPTIONS that ends here', () => {
    const { forwarder, dispatches } = setUp()
    const client = new FakeIngressExchange({ method: 'OPTIONS', headers: ['max-forwards', '0'] })
    forwarder.handler()(client)
    expect(client.log).toEqual(['start 204', 'end'])
    expect(headerValue(client.responseHeaders, 'allow')).toContain('OPTIONS')
    expect(dispatches).toEqual([])
  })
})
