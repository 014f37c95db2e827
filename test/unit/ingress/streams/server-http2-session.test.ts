import { describe, expect, it } from 'vitest'
import type { BodySource } from '../../../../src/base/http/exchange.ts'
import { data, FLAG, goaway, ping, resetStream, SETTING, windowUpdate } from '../../../support/http2-wire.ts'
import { answerOk, own, tick } from '../fake-client.ts'
import { FakeHttp2Client } from '../fake-http2-client.ts'

describe('an HTTP/2 session of the ingress that receives requests', () => {
  it('passes a request on with the facts of its connection', () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1, { path: '/x?y', fields: [['x-a', '1']] }))
    const { method, path, authority, headers, scheme, httpVersion, body, upgrade, acceptsTrailers } =
      client.exchange
    expect([method, path, authority, headers, scheme]).toEqual([
      'GET',
      '/x?y',
      'origin.test',
      ['x-a', '1'],
      'http',
    ])
    expect([httpVersion, body, upgrade, acceptsTrailers]).toEqual(['2', null, undefined, true])
    const { remoteAddress, remotePort, localAddress, localPort } = client.exchange
    expect([remoteAddress, remotePort, localAddress, localPort]).toEqual([
      '192.0.2.1',
      4711,
      '192.0.2.2',
      8080,
    ])
    expect(client.stats.protocols.h2).toEqual({ connections: 1, requests: 1 })
  })

  it('answers many requests of one turn in one write', async () => {
    const client = new FakeHttp2Client({}, exchange => answerOk(exchange))
    await tick()
    const writes = client.socket.writes.length
    client.send(...Array.from({ length: 50 }, (_, i) => client.ask(2 * i + 1)))
    expect(client.exchanges.length).toBe(50)
    await tick()
    expect(client.socket.writes.length).toBe(writes + 1)
    expect(await client.of(99)).toEqual(['HEADERS 200', 'DATA ok END'])
  })

  it('answers in the order in which the handler does', async () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1), client.ask(3))
    answerOk(client.exchanges[1] as (typeof client.exchanges)[number])
    await tick()
    answerOk(client.exchanges[0] as (typeof client.exchanges)[number])
    const order = (await client.frames()).map(({ streamId }) => streamId).filter(id => id !== 0)
    expect(order).toEqual([3, 3, 1, 1])
  })

  it('never notifies the handler of a request that was reset within its read', () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1, { ends: false }), resetStream(1, 'CANCEL'), client.ask(3))
    expect(client.exchanges.length).toBe(1)
    expect(client.stats.requests).toBe(2)
  })

  it('answers 500 when the handler throws, and goes on', async () => {
    const client = new FakeHttp2Client({}, exchange => {
      if (exchange.path === '/bad') throw new Error('oops')
      answerOk(exchange)
    })
    client.send(client.ask(1, { path: '/bad' }), client.ask(3))
    expect((await client.of(1))[0]).toBe('HEADERS 500')
    expect(await client.of(3)).toEqual(['HEADERS 200', 'DATA ok END'])
    expect(client.stats.badRequests).toEqual({ MM_INTERNAL: 1 })
  })

  it.each([
    [0, 0],
    [5_000, 1],
  ])(
    'sets no timer and keeps no memory for a plain request, with liveness.intervalMs %i but for the first',
    async (intervalMs, expected) => {
      const client = new FakeHttp2Client({ liveness: { intervalMs } }, exchange => answerOk(exchange))
      await tick()
      let timers = 0
      const setTimer = client.clock.setTimer.bind(client.clock)
      client.clock.setTimer = (delayMs, callback) => {
        timers++
        return setTimer(delayMs, callback)
      }
      for (let i = 0; i < 100; i++) {
        client.send(client.ask(2 * i + 1))
        await tick()
      }
      expect(client.exchanges.length).toBe(100)
      expect(timers).toBe(expected)
    },
  )
})

describe('an HTTP/2 session of the ingress that writes', () => {
  it('has one write under way, and gathers the rest behind it', async () => {
    const client = new FakeHttp2Client({}, exchange => answerOk(exchange))
    await tick()
    client.socket.isStalled = true
    const writes = client.socket.writes.length
    for (let i = 0; i < 5; i++) {
      client.send(client.ask(2 * i + 1))
      await tick()
    }
    expect(client.socket.writes.length).toBe(writes + 1)
    client.socket.isStalled = false
    client.socket.release()
    expect(client.socket.writes.length).toBe(writes + 2)
    expect(await client.of(9)).toEqual(['HEADERS 200', 'DATA ok END'])
  })

  it('ends a connection whose client reads nothing of its answer', async () => {
    const client = new FakeHttp2Client({ writeTimeoutMs: 1000 }, undefined, {
      [SETTING.INITIAL_WINDOW_SIZE]: 1_000_000,
    })
    client.send(windowUpdate(0, 10_000_000), client.ask(1))
    client.socket.isStalled = true
    client.exchange.respondStart(200, ['content-length', '900000'])
    client.exchange.respondData(Buffer.alloc(500_000), own)
    await tick()
    client.clock.advance(999)
    expect(client.socket.destroyed).toBe(false)
    client.clock.advance(1)
    expect(client.socket.destroyed).toBe(true)
    expect(client.aborted).toEqual(['MM_CLIENT_GONE the client took nothing of the response for 1000 ms'])
    expect(client.clock.pendingTimers()).toBe(0)
  })

  it('tolerates a client that reads its answer slowly', async () => {
    const client = new FakeHttp2Client({ writeTimeoutMs: 1000 }, undefined, {
      [SETTING.INITIAL_WINDOW_SIZE]: 10_000_000,
    })
    client.send(windowUpdate(0, 100_000_000), client.ask(1))
    client.exchange.respondStart(200, [])
    client.socket.isStalled = true
    for (let i = 0; i < 5; i++) {
      client.exchange.respondData(Buffer.alloc(100_000), own)
      await tick()
      client.clock.advance(600)
      client.socket.release()
    }
    expect(client.socket.destroyed).toBe(false)
  })
})

describe('the life of an HTTP/2 session of the ingress', () => {
  it('ends with GOAWAY when it was idle too long, after what is on its way', async () => {
    const client = new FakeHttp2Client({ keepAliveTimeoutMs: 1000 }, exchange => answerOk(exchange))
    client.clock.advance(900)
    client.send(client.ask(1))
    await tick()
    client.clock.advance(999)
    expect(await client.control()).toEqual([])
    client.clock.advance(1)
    expect(await client.control()).toEqual(['GOAWAY 2147483647 NO_ERROR', 'PING 0'])
    // This one crossed the GOAWAY.
    client.send(client.ask(3))
    const asked = (await client.frames()).find(({ type }) => type === 6)
    client.send(ping(asked?.payload.toString('latin1'), FLAG.ACK))
    expect(await client.of(3)).toEqual(['HEADERS 200', 'DATA ok END'])
    expect((await client.control()).slice(2)).toContain('GOAWAY 3 NO_ERROR')
    expect(client.socket.writableEnded).toBe(true)
    client.clock.advance(1000)
    expect(client.socket.destroyed).toBe(true)
    expect(client.clock.pendingTimers()).toBe(0)
  })

  it('is not prolonged by PINGs', async () => {
    const client = new FakeHttp2Client({ keepAliveTimeoutMs: 1000 })
    for (let i = 0; i < 9; i++) {
      client.clock.advance(110)
      client.send(ping())
    }
    client.clock.advance(110)
    expect(await client.control()).toContain('GOAWAY 2147483647 NO_ERROR')
  })

  it('goes on while a request is under way, however long that takes', async () => {
    const client = new FakeHttp2Client({ keepAliveTimeoutMs: 1000, liveness: { intervalMs: 0 } })
    client.send(client.ask(1))
    client.clock.advance(100_000)
    expect(await client.control()).toEqual([])
    answerOk(client.exchange)
    expect(await client.of(1)).toEqual(['HEADERS 200', 'DATA ok END'])
  })

  it('ends a drain when the last request was answered, though the client never confirms it', async () => {
    const client = new FakeHttp2Client({ http2: { settingsTimeoutMs: 5000 } })
    client.send(client.ask(1))
    client.session.drain()
    answerOk(client.exchange)
    await tick()
    expect(client.socket.writableEnded).toBe(false)
    client.clock.advance(5000)
    await tick()
    expect(client.socket.writableEnded).toBe(true)
    expect(await client.of(1)).toEqual(['HEADERS 200', 'DATA ok END'])
  })

  it('ends with GOAWAY after its last request', async () => {
    const client = new FakeHttp2Client({ maxRequestsPerConnection: 2 }, exchange => answerOk(exchange))
    client.send(client.ask(1))
    expect(await client.control()).toEqual([])
    client.send(client.ask(3))
    expect(await client.control()).toEqual(['GOAWAY 2147483647 NO_ERROR', 'PING 0'])
    expect(await client.of(3)).toEqual(['HEADERS 200', 'DATA ok END'])
  })

  it('notifies the handlers once when the client goes', async () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1), client.ask(3))
    client.session.receiveEnd()
    await tick()
    expect(client.aborted).toEqual([
      expect.stringMatching(/^MM_CLIENT_GONE /),
      expect.stringMatching(/^MM_CLIENT_GONE /),
    ])
    answerOk(client.exchange)
    expect(await client.of(3)).toEqual([])
    expect(client.clock.pendingTimers()).toBe(0)
  })

  it('ends with the reason for the handlers when the connection breaks, and when the listener closes', async () => {
    const broken = new FakeHttp2Client()
    broken.send(broken.ask(1))
    broken.socket.destroy(new Error('ECONNRESET'))
    await tick()
    expect(broken.aborted).toEqual(['MM_CLIENT_GONE the connection to the client ended: ECONNRESET'])
    const closed = new FakeHttp2Client()
    closed.send(closed.ask(1))
    closed.session.destroy()
    expect(closed.aborted).toEqual(['MM_TRANSPORT_CLOSED the listener was closed'])
  })

  it('ends quietly when the client closes between requests, with or without a GOAWAY', async () => {
    for (const goodbye of [[], [goaway(0)]]) {
      const client = new FakeHttp2Client({}, exchange => answerOk(exchange))
      client.send(client.ask(1), ...goodbye)
      await tick()
      client.session.receiveEnd()
      await tick()
      expect(client.socket.writableEnded).toBe(true)
      expect([client.aborted, client.events]).toEqual([[], []])
    }
  })

  it('discards what comes while it closes, up to a bound', async () => {
    const client = new FakeHttp2Client({ maxDiscardBytes: 100 })
    client.send(Buffer.from('nonsense that is no frame'))
    await tick()
    expect(client.socket.writableEnded).toBe(true)
    client.send(Buffer.alloc(100))
    expect(client.socket.isPaused()).toBe(false)
    client.send(Buffer.alloc(1))
    expect(client.socket.isPaused()).toBe(true)
  })
})

describe('an HTTP/2 session of the ingress that refuses', () => {
  it('ends the connection of a client that breaks the protocol, and counts it', async () => {
    const client = new FakeHttp2Client()
    client.send(client.ask(1), data(0, 'x'))
    expect((await client.control()).at(-1)).toMatch(/^GOAWAY 1 PROTOCOL_ERROR$/)
    expect(client.stats.badRequests).toEqual({ MM_BAD_REQUEST: 1 })
    expect(client.events).toMatchObject([{ type: 'request-refused', remoteAddress: '192.0.2.1' }])
    // The request of the same read was never begun.
    expect(client.exchanges).toEqual([])
    expect(client.socket.writableEnded).toBe(true)
  })

  it('ends a flood, and counts its kind', async () => {
    const client = new FakeHttp2Client({ http2: { maxPingsPerSecond: 1 } })
    client.send(...Array.from({ length: 50 }, () => ping()))
    expect((await client.control()).at(-1)).toBe('GOAWAY 0 ENHANCE_YOUR_CALM')
    expect(client.stats.defences).toEqual({ maxPingsPerSecond: 1 })
    expect(client.stats.badRequests).toEqual({ MM_EXCESSIVE_LOAD: 1 })
  })

  const pings = (): Buffer[] => Array.from({ length: 50 }, () => ping())

  it('keeps its side open to a flooder until the lingering ends, reads little more, and sends the reason', async () => {
    const client = new FakeHttp2Client({
      http2: { maxPingsPerSecond: 1 },
      lingerTimeoutMs: 500,
      maxDiscardBytes: 100,
    })
    client.send(client.ask(1), ...pings())
    expect((await client.control()).at(-1)).toBe('GOAWAY 1 ENHANCE_YOUR_CALM')
    expect(client.exchanges).toEqual([])
    client.send(Buffer.alloc(101))
    expect(client.socket.isPaused()).toBe(true)
    client.clock.advance(499)
    expect([client.socket.writableEnded, client.socket.destroyed]).toEqual([false, false])
    client.clock.advance(1)
    expect(client.socket.destroyed).toBe(true)
  })

  it('closes at once when the client closes that was taken for a flooder', async () => {
    const client = new FakeHttp2Client({ http2: { maxPingsPerSecond: 1 } })
    client.send(...pings())
    await client.control()
    expect(client.socket.writableEnded).toBe(false)
    client.session.receiveEnd()
    expect(client.socket.writableEnded).toBe(true)
  })

  it('closes a flooder at once where lingering is off', async () => {
    const client = new FakeHttp2Client({ http2: { maxPingsPerSecond: 1 }, lingerTimeoutMs: 0 })
    client.send(...pings())
    await client.control()
    expect(client.socket.destroyed).toBe(true)
  })

  it('ends a connection whose field block is never completed', async () => {
    const client = new FakeHttp2Client({ http2: { fieldBlockTimeoutMs: 1000 } })
    const head = client.ask(1)
    head[4] = (head[4] as number) & ~FLAG.END_HEADERS // a frame has nine bytes of header
    client.send(head)
    client.clock.advance(999)
    expect(await client.control()).toEqual([])
    client.clock.advance(1)
    expect((await client.control()).at(-1)).toBe('GOAWAY 0 ENHANCE_YOUR_CALM')
    expect(client.stats.defences).toEqual({ fieldBlockTimeoutMs: 1 })
  })

  it('refuses more requests at once than it announced', async () => {
    const client = new FakeHttp2Client({ http2: { maxConcurrentStreams: 2 } })
    client.send(client.ask(1), client.ask(3), client.ask(5))
    expect(await client.of(5)).toEqual(['RST_STREAM 5 REFUSED_STREAM'])
    expect(client.exchanges.length).toBe(2)
    expect(client.stats.defences).toEqual({ maxConcurrentStreams: 1 })
  })

  it('answers a head that is too large with 431', async () => {
    const client = new FakeHttp2Client({ maxHeaderBytes: 200 })
    client.send(client.ask(1, { fields: [['x', 'y'.repeat(300)]] }))
    expect(await client.of(1)).toEqual(['HEADERS 431 END'])
    expect(client.exchanges).toEqual([])
  })

  it('gives no more credit to a body that nobody reads, and other requests go on', async () => {
    const client = new FakeHttp2Client({ http2: { streamWindowBytes: 65_536 } }, exchange => {
      if (exchange.method === 'GET') answerOk(exchange)
    })
    const piece = data(1, 'x'.repeat(16_384))
    client.send(client.ask(1, { method: 'POST', ends: false }))
    for (let i = 0; i < 4; i++) client.send(piece)
    client.send(client.ask(3))
    expect(await client.of(3)).toEqual(['HEADERS 200', 'DATA ok END'])
    const credit = (await client.frames()).filter(({ type, streamId }) => type === 8 && streamId === 1)
    expect(credit).toEqual([])
    let bytes = 0
    const source = client.exchanges[0]?.body as BodySource // it came in several reads
    source.attach({
      write: chunk => ((bytes += chunk.length), true),
      end() {},
      fail() {},
    })
    expect(bytes).toBe(65_536)
    expect((await client.frames()).some(({ type, streamId }) => type === 8 && streamId === 1)).toBe(true)
  })
})
