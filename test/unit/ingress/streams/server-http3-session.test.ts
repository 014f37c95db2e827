import { describe, expect, it } from 'vitest'
import type { IngressExchange } from '../../../../src/ingress/ingress-exchange.ts'
import { answerOk, own, tick } from '../fake-client.ts'
import { type Asked, FakeHttp3Client } from '../fake-http3-client.ts'

const answer = (exchange: IngressExchange): void => answerOk(exchange)
const isOver = (asked: Asked) => (): boolean => asked.isOver

describe('an HTTP/3 session of the ingress that receives requests', () => {
  it('passes a request on with the facts of its connection', async () => {
    const client = FakeHttp3Client.established({ handler: answer })
    const asked = client.ask({ path: '/x?y', headers: ['x-a', '1'] })
    await client.until(isOver(asked))
    expect(String(asked)).toBe('200 "ok"')
    const { method, path, authority, headers, scheme, httpVersion, body, upgrade, acceptsTrailers } =
      client.exchange
    expect([method, path, authority, headers, scheme]).toEqual([
      'GET',
      '/x?y',
      'origin.test',
      ['x-a', '1'],
      'https',
    ])
    expect([httpVersion, body, upgrade, acceptsTrailers]).toEqual(['3', null, undefined, true])
    const { remoteAddress, remotePort, localAddress, localPort } = client.exchange
    expect([remoteAddress, remotePort, localAddress, localPort]).toEqual([
      '192.0.2.1',
      40_000,
      '192.0.2.2',
      443,
    ])
    expect(client.stats.protocols.h3).toEqual({ connections: 1, requests: 1 })
    expect([client.stats.requests, client.handshakes]).toEqual([1, 1])
  })

  it('passes on a small body that came with its head in memory', async () => {
    const client = FakeHttp3Client.established({ handler: answer })
    const asked = client.ask({ method: 'POST', ends: false })
    asked.stream.write(Buffer.from('abcd'), own)
    asked.stream.end([])
    await client.until(isOver(asked))
    expect(Buffer.from(client.exchange.body as Uint8Array).toString()).toBe('abcd')
  })

  it('never notifies the handler of a request that was reset before it came', async () => {
    const client = FakeHttp3Client.established({ handler: answer })
    client.ask({ method: 'POST', ends: false }).stream.reset('CANCEL')
    const asked = client.ask()
    await client.until(isOver(asked))
    expect(client.exchanges.length).toBe(1)
  })

  it('answers 500 when the handler throws, and goes on', async () => {
    const client = FakeHttp3Client.established({
      handler: exchange => {
        if (exchange.path === '/bad') throw new Error('oops')
        answerOk(exchange)
      },
    })
    const bad = client.ask({ path: '/bad' })
    const good = client.ask()
    await client.until(() => bad.isOver && good.isOver)
    expect([bad.statuses, String(good)]).toEqual([[500], '200 "ok"'])
    expect(client.stats.badRequests).toEqual({ MM_INTERNAL: 1 })
  })

  it('answers a request whose head is too large with 431, counts it, and goes on', async () => {
    const client = FakeHttp3Client.established({ limits: { maxHeaderBytes: 200 }, handler: answer })
    const large = client.ask({ headers: ['x', 'y'.repeat(300)] })
    const small = client.ask()
    await client.until(() => large.isOver && small.isOver)
    expect([large.statuses, String(small)]).toEqual([[431], '200 "ok"'])
    expect([client.exchanges.length, client.stats.defences]).toEqual([1, { maxHeaderBytes: 1 }])
  })
})

describe('an HTTP/3 session of the ingress with early data', () => {
  const ticketFrom = async (): Promise<{ ticket: Buffer; engine: FakeHttp3Client['pair']['engine'] }> => {
    const first = FakeHttp3Client.established({ handler: answer })
    await first.until(() => first.tickets.length > 0)
    return { ticket: first.tickets[0]!, engine: first.pair.engine }
  }

  it('marks requests before the handshake was complete, once, and nothing else', async () => {
    const { ticket, engine } = await ticketFrom()
    const client = new FakeHttp3Client({
      engine,
      seed: 2,
      client: { ticket, earlyData: true },
      handler: answer,
    })
    const early = client.ask({ path: '/early', headers: ['x-a', '1'] })
    const marked = client.ask({ path: '/marked', headers: ['early-data', '1'] })
    await client.until(() => early.isOver && marked.isOver)
    const late = client.ask({ path: '/late' })
    await client.until(isOver(late))
    expect(client.exchanges.map(({ path, headers }) => [path, ...headers])).toEqual([
      ['/early', 'x-a', '1', 'early-data', '1'],
      ['/marked', 'early-data', '1'],
      ['/late'],
    ])
    expect([client.stats.protocols.h3.connections, client.handshakes]).toEqual([1, 1])
  })

  it('keeps a request that is not safe, or has a body, until the handshake proves that it is no replay', async () => {
    const { ticket, engine } = await ticketFrom()
    const client = new FakeHttp3Client({
      engine,
      seed: 2,
      client: { ticket, earlyData: true },
      handler: answer,
    })
    let completesHandshake = false
    client.pair.drop((from, _packet, index) => from === 'client' && index > 1 && !completesHandshake)
    const posted = client.ask({ method: 'POST', path: '/post', ends: false })
    posted.stream.write(Buffer.from('abcd'), own)
    posted.stream.end([])
    const deleted = client.ask({ method: 'DELETE', path: '/delete' })
    const got = client.ask({ path: '/get' })
    await client.until(() => client.exchanges.length === 1)
    await client.pass(200)
    expect(client.exchanges.map(({ path }) => path)).toEqual(['/get'])
    completesHandshake = true
    await client.until(() => posted.isOver && deleted.isOver && got.isOver)
    expect(client.exchanges.map(({ path, headers }) => [path, ...headers])).toEqual([
      ['/get', 'early-data', '1'],
      ['/post'],
      ['/delete'],
    ])
    expect(Buffer.from(client.exchanges[1]?.body as Uint8Array).toString()).toBe('abcd')
  })

  it('gives up a connection that never completes its handshake, and counts it', async () => {
    const { ticket, engine } = await ticketFrom()
    const client = new FakeHttp3Client({
      engine,
      seed: 2,
      client: { ticket, earlyData: true },
      limits: { tlsHandshakeTimeoutMs: 1000 },
    })
    // A replay: the packets of somebody who cannot go on.
    client.pair.drop((from, _packet, index) => from === 'client' && index > 1)
    const asked = client.ask()
    await client.until(() => client.exchanges.length === 1)
    await client.pass(900)
    expect(client.aborted).toEqual([])
    await client.pass(100)
    expect(client.aborted).toEqual(['MM_CLIENT_GONE the handshake took longer than 1000 ms'])
    expect(client.failedHandshakes).toBe(1)
    expect(client.events).toMatchObject([{ type: 'handshake-failed', remoteAddress: '192.0.2.1' }])
    await client.until(() => asked.isOver && client.isGone)
    expect(asked.statuses).toEqual([])
  })
})

describe('the life of an HTTP/3 session of the ingress', () => {
  it('ends a drain after it has answered what is under way, and accepts nothing meanwhile', async () => {
    const client = FakeHttp3Client.established()
    const asked = client.ask()
    await client.until(() => client.exchanges.length === 1)
    client.session.drain()
    await client.until(() => client.goaways > 0)
    await client.pass(500)
    expect([client.end, client.client.capacity]).toEqual([undefined, 0])
    answerOk(client.exchange)
    await client.until(isOver(asked))
    expect(String(asked)).toBe('200 "ok"')
    await client.until(() => client.isGone)
    expect(client.end).toMatchObject({ code: 'H3_NO_ERROR', isError: false })
    expect([client.stats.badRequests, client.events]).toEqual([{}, []])
  })

  it('is drained when it has received too much that nobody read, and answers what is under way', async () => {
    const client = FakeHttp3Client.established({})
    const asked = client.ask()
    await client.until(() => client.exchanges.length === 1)
    client.session.onExhausted()
    await client.until(() => client.goaways > 0)
    answerOk(client.exchange)
    await client.until(() => client.isGone)
    expect(String(asked)).toBe('200 "ok"')
  })

  it('is drained when it was idle for too long, though the client sends proofs of liveness', async () => {
    const client = FakeHttp3Client.established({ limits: { keepAliveTimeoutMs: 1000 }, handler: answer })
    await client.pass(700)
    const asked = client.ask()
    await client.until(isOver(asked))
    for (let i = 0; i < 9; i++) {
      await client.pass(100)
      client.client.ping()
    }
    expect(client.goaways).toBe(0)
    await client.pass(200)
    expect(client.goaways).toBeGreaterThan(0)
    await client.until(() => client.isGone)
    expect(client.end?.isError).toBe(false)
  })

  it('goes on while a request is under way, however long that takes', async () => {
    const client = FakeHttp3Client.established({ limits: { keepAliveTimeoutMs: 1000 } })
    const asked = client.ask()
    await client.pass(20_000)
    expect(client.goaways).toBe(0)
    answerOk(client.exchange)
    await client.until(isOver(asked))
  })

  it('ends with GOAWAY after its last request: that of the listener, or that of QUIC', async () => {
    for (const limits of [
      { maxRequestsPerConnection: 2 },
      { quic: { maxRequestsPerConnection: 2 } },
      { maxRequestsPerConnection: 2, quic: { maxRequestsPerConnection: 9 } },
    ]) {
      const client = FakeHttp3Client.established({ limits, handler: answer })
      const first = client.ask()
      await client.until(isOver(first))
      await client.pass(100)
      expect(client.goaways).toBe(0)
      const second = client.ask()
      await client.until(isOver(second))
      await client.until(() => client.goaways > 0)
      expect(String(second)).toBe('200 "ok"')
    }
  })

  it('ends with the reason for the handlers when the listener closes, and without error for the client', async () => {
    const client = FakeHttp3Client.established()
    client.ask()
    await client.until(() => client.exchanges.length === 1)
    client.session.destroy()
    client.session.destroy()
    expect(client.aborted).toEqual(['MM_TRANSPORT_CLOSED the listener was closed'])
    await client.until(() => client.isGone)
    expect(client.end?.code).toBe('H3_NO_ERROR')
    expect(client.events).toEqual([])
    expect(client.pair.server.isOver).toBe(true)
  })

  it('notifies the handlers, once, when the client closes, and counts nothing', async () => {
    const client = FakeHttp3Client.established()
    client.ask()
    client.ask()
    await client.until(() => client.exchanges.length === 2)
    client.client.close('NO_ERROR', 'bye')
    await client.until(() => client.isGone)
    expect(client.aborted).toEqual([
      expect.stringMatching(/^MM_CLIENT_GONE the connection to the client ended: .*bye/),
      expect.stringMatching(/^MM_CLIENT_GONE /),
    ])
    answerOk(client.exchange)
    await tick()
    expect([client.stats.badRequests, client.events]).toEqual([{}, []])
  })

  it('ends when the client is gone', async () => {
    const client = FakeHttp3Client.established()
    client.ask()
    await client.until(() => client.exchanges.length === 1)
    client.pair.drop(() => true)
    await client.until(() => client.isGone, 120_000)
    expect(client.aborted).toEqual([expect.stringMatching(/^MM_CLIENT_GONE /)])
    expect(client.pair.now).toBeLessThan(40_000)
  })

  it('ends when a client breaks the protocol, and counts it', async () => {
    const client = FakeHttp3Client.established()
    client.ask()
    await client.until(() => client.exchanges.length === 1)
    const { connection } = client.pair.client
    const stream = connection.openStream('bidirectional')!
    connection.write(stream, Buffer.from([0x00, 0x01, 0x61]), true) // DATA before HEADERS
    client.pair.client.schedule()
    await client.until(() => client.isGone)
    expect(client.end?.code).toBe('H3_FRAME_UNEXPECTED')
    expect(client.stats.badRequests).toEqual({ MM_BAD_REQUEST: 1 })
    expect(client.events).toMatchObject([{ type: 'request-refused', remoteAddress: '192.0.2.1' }])
    expect(client.aborted).toEqual([expect.stringMatching(/^MM_CLIENT_GONE /)])
  })

  it('ends with a flood of resets, and counts its kind', async () => {
    const client = FakeHttp3Client.established({ limits: { http3: { maxResetsPerSecond: 1 } } })
    for (let i = 0; i < 40 && client.end === undefined; i++) {
      const asked = client.ask()
      await client.until(() => client.exchanges.length > i)
      asked.stream.reset('CANCEL')
      await client.pass(50)
    }
    expect(client.end?.code).toBe('H3_EXCESSIVE_LOAD')
    expect(client.stats.defences).toEqual({ maxResetsPerSecond: 1 })
    expect(client.stats.badRequests).toEqual({ MM_EXCESSIVE_LOAD: 1 })
  })

  it('leaves no timer behind', async () => {
    const client = FakeHttp3Client.established({ handler: answer })
    const asked = client.ask()
    await client.until(isOver(asked))
    client.session.drain()
    await client.until(() => client.isGone)
    await client.until(() => client.pair.client.isOver)
    expect(client.pair.clock.pendingTimers()).toBe(0)
  })

  it('needs no timer of its own for a plain request', async () => {
    const client = FakeHttp3Client.established({ handler: answer })
    const first = client.ask()
    await client.until(isOver(first))
    const exchanges = client.exchanges.length
    let far = 0
    const setTimer = client.pair.clock.setTimer.bind(client.pair.clock)
    client.pair.clock.setTimer = (delayMs, callback) => {
      // Those of the links and of the network are for now, or for what QUIC waits for.
      if (delayMs >= 60_000) far++
      return setTimer(delayMs, callback)
    }
    for (let i = 0; i < 50; i++) {
      const asked = client.ask()
      await client.until(isOver(asked))
    }
    expect([client.exchanges.length - exchanges, far]).toEqual([50, 0])
  })
})
