import { describe, expect, it } from 'vitest'
import type { BodySource } from '../../../../src/base/http/exchange.ts'
import { FakeClient, own, tick } from '../fake-client.ts'

const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n'
/** A byte is ten milliseconds. */
const RATES = { minRequestRate: 100, minResponseRate: 100, rateGraceMs: 2_000 }

/** A confirmation comes two turns later. */
async function settle(): Promise<void> {
  await tick()
  await tick()
  await tick()
}

/** Reads the request body for as long as it `takes`. */
function read(client: FakeClient, takes: () => boolean = () => true): BodySource {
  const source = client.exchange.body as BodySource // it did not come whole
  source.attach({ write: takes, end: () => {}, fail: () => {} })
  return source
}

describe('a request body that trickles', () => {
  it('is answered with 408 once the grace is used up, though bytes come all the time', async () => {
    const client = new FakeClient(RATES)
    client.send(`${POST}\r\n`)
    read(client)
    let elapsedMs = 0
    while (client.output === '' && elapsedMs < 60_000) {
      client.send('.....')
      client.clock.advance(100)
      elapsedMs += 100
      await settle()
    }
    // Half as fast as it has to be: 100 ms cost 50 of the grace.
    expect(elapsedMs).toBeGreaterThanOrEqual(3_500)
    expect(elapsedMs).toBeLessThanOrEqual(4_500)
    expect(client.output).toMatch(/^HTTP\/1\.1 408 /)
    expect(client.aborted.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'MM_CLIENT_TIMEOUT the request body came at less than 100 bytes a second',
    ])
    expect(client.stats.defences).toEqual({ minRequestRate: 1 })
  })

  it('ends its connection where the answer has begun', async () => {
    const client = new FakeClient(RATES)
    client.send(`${POST}\r\n`)
    read(client)
    client.exchange.respondStart(200, [])
    client.exchange.respondData(Buffer.from('begun'), own)
    await settle()
    client.clock.advance(2_000)
    await settle()
    expect(client.output).not.toContain('408')
    expect(client.socket.destroyed).toBe(true)
  })

  it('owes nothing while we keep it, or it waits for a 100', async () => {
    const held = new FakeClient(RATES)
    held.send(`${POST}\r\n`)
    const source = read(held, () => false)
    held.send('x')
    held.clock.advance(30_000)
    await settle()
    expect(held.output).toBe('')
    source.resume()
    held.clock.advance(1_900)
    await settle()
    expect(held.output).toBe('')
    held.clock.advance(200)
    await settle()
    expect(held.output).toMatch(/ 408 /)
    const asking = new FakeClient(RATES)
    asking.send(`${POST}Expect: 100-continue\r\n\r\n`)
    read(asking)
    asking.clock.advance(30_000)
    await settle()
    expect(asking.output).toBe('')
  })

  it('may be as slow as it likes where nothing else is said', async () => {
    const client = new FakeClient()
    client.send(`${POST}\r\n`)
    read(client)
    for (let minute = 0; minute < 5; minute += 1) {
      client.send('x')
      client.clock.advance(49_000)
      await settle()
    }
    expect(client.output).toBe('')
  })
})

describe('a response that is taken slowly', () => {
  const begin = (): FakeClient => {
    const client = new FakeClient({ ...RATES, writeTimeoutMs: 0 })
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    client.socket.isStalled = true
    client.exchange.respondStart(200, [])
    return client
  }

  it('ends with a reset, after the time for what waits and the grace', async () => {
    const client = begin()
    client.exchange.respondData(Buffer.alloc(100_000), own)
    client.clock.advance(1_001_000)
    await settle()
    expect(client.socket.destroyed).toBe(false)
    client.clock.advance(2_000)
    await settle()
    expect(client.socket.wasReset).toBe(true)
    expect(client.aborted.map(({ code }) => code)).toEqual(['MM_CLIENT_TOO_SLOW'])
    expect(client.stats.defences).toEqual({ minResponseRate: 1 })
  })

  it('goes on where each piece is taken in its time, and while the origin has nothing', async () => {
    const client = begin()
    for (let piece = 0; piece < 5; piece += 1) {
      client.exchange.respondData(Buffer.alloc(100_000), own)
      await settle()
      client.clock.advance(900_000)
      client.socket.release()
      await settle()
      client.clock.advance(500_000)
      await settle()
    }
    expect(client.socket.destroyed).toBe(false)
  })
})
