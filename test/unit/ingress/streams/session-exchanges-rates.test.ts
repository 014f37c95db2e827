import { describe, expect, it } from 'vitest'
import type { BodySource } from '../../../../src/base/http/exchange.ts'
import type { IngressExchange } from '../../../../src/ingress/ingress-exchange.ts'
import { data, SETTING, windowUpdate } from '../../../support/http2-wire.ts'
import { own, tick } from '../fake-client.ts'
import { FakeHttp2Client } from '../fake-http2-client.ts'

const post = { method: 'POST', ends: false }
const RATES = {
  minRequestRate: 100,
  minResponseRate: 100,
  rateGraceMs: 2_000,
  requestTimeoutMs: 0,
  writeTimeoutMs: 0,
}

async function settle(): Promise<void> {
  await tick()
  await tick()
  await tick()
}

function read(exchange: IngressExchange): void {
  const source = exchange.body as BodySource // it did not come whole
  source.attach({ write: () => true, end: () => {}, fail: () => {} })
}

describe('request bodies of one connection', () => {
  it('that trickle are answered with 408, all that wait', async () => {
    const client = new FakeHttp2Client(RATES)
    client.send(client.ask(1, post), client.ask(3, post))
    for (const exchange of client.exchanges) read(exchange)
    for (let elapsedMs = 0; elapsedMs < 4_500; elapsedMs += 500) {
      client.send(data(1, '12345'))
      client.clock.advance(500)
      await settle()
    }
    for (const stream of [1, 3]) expect((await client.of(stream))[0]).toBe('HEADERS 408')
    expect(client.stats.defences).toEqual({ minRequestRate: 1 })
    expect(client.stats.badRequests).toEqual({ MM_CLIENT_TIMEOUT: 2 })
  })

  it('may share the path as they like: one that is fast enough is for all of them', async () => {
    const client = new FakeHttp2Client(RATES)
    client.send(client.ask(1, post), client.ask(3, post))
    for (const exchange of client.exchanges) read(exchange)
    for (let elapsedMs = 0; elapsedMs < 30_000; elapsedMs += 500) {
      client.send(data(1, '.'.repeat(60)))
      client.clock.advance(500)
      await settle()
    }
    expect(await client.of(3)).toEqual([])
  })

  it('owe nothing while we keep them from coming', async () => {
    const client = new FakeHttp2Client(RATES)
    client.send(client.ask(1, post), data(1, 'a'))
    client.clock.advance(60_000)
    await settle()
    expect(await client.of(1)).toEqual([])
    read(client.exchange)
    client.clock.advance(1_900)
    await settle()
    expect(await client.of(1)).toEqual([])
    client.clock.advance(200)
    await settle()
    expect((await client.of(1))[0]).toBe('HEADERS 408')
  })
})

describe('responses of one connection', () => {
  const begin = (): FakeHttp2Client => {
    const client = new FakeHttp2Client(RATES, undefined, { [SETTING.INITIAL_WINDOW_SIZE]: 10 })
    client.send(client.ask(1))
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.from('x'.repeat(5_000)), own)
    return client
  }

  it('whose windows open too slowly are reset', async () => {
    const client = begin()
    for (let elapsedMs = 0; elapsedMs < 4_500; elapsedMs += 500) {
      client.send(windowUpdate(1, 5))
      await settle()
      client.clock.advance(500)
      await settle()
    }
    expect((await client.of(1)).at(-1)).toBe('RST_STREAM 1 CANCEL')
    expect(client.aborted).toEqual([
      'MM_CLIENT_TOO_SLOW the client took responses at less than 100 bytes a second',
    ])
    expect(client.stats.defences).toEqual({ minResponseRate: 1 })
  })

  it('whose windows open fast enough go on, and so do those that wait for the origin', async () => {
    const client = begin()
    for (let elapsedMs = 0; elapsedMs < 20_000; elapsedMs += 500) {
      client.send(windowUpdate(1, 60))
      await settle()
      client.clock.advance(500)
      await settle()
    }
    client.send(windowUpdate(1, 100_000))
    await settle()
    client.clock.advance(60_000)
    await settle()
    client.exchange.respondData(Buffer.from('more'), own)
    await settle()
    expect(client.aborted).toEqual([])
    expect((await client.of(1)).at(-1)).toBe('DATA more')
  })

  it('that the socket does not get rid of end the connection', async () => {
    const client = new FakeHttp2Client(RATES)
    client.send(client.ask(1))
    await settle()
    client.socket.isStalled = true
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.alloc(1_000), own)
    await settle()
    client.clock.advance(11_000)
    await settle()
    expect(client.socket.destroyed).toBe(false)
    client.clock.advance(2_000)
    await settle()
    expect(client.socket.wasReset).toBe(true)
    expect(client.aborted.map(text => text.split(' ')[0])).toEqual(['MM_CLIENT_TOO_SLOW'])
  })
})
