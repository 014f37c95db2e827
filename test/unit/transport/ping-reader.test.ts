import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import type { Lane } from '../../../src/transport/lane.ts'
import { PingReader } from '../../../src/transport/ping-reader.ts'

function setUp(protocol: 'h2' | 'http/1.1' = 'h2') {
  const clock = new FakeClock()
  const roundTrips: number[] = []
  const pings: { answer: () => void; fail: () => void }[] = []
  const ping = () =>
    new Promise<void>((resolve, reject) => {
      pings.push({ answer: resolve, fail: () => reject(new Error('gone')) })
    })
  const lane = { pool: { connections: () => [{ protocol, ping }] } } as unknown as Lane
  const reader = new PingReader(clock, ms => roundTrips.push(ms))
  const exchanges = (count: number) => {
    for (let index = 0; index < count; index += 1) reader.onExchange(lane, clock.now())
  }
  return { clock, pings, roundTrips, exchanges }
}

describe('the round trip of an HTTP/2 connection', () => {
  it('is measured once in 4 exchanges, one at a time', async () => {
    const { clock, pings, roundTrips, exchanges } = setUp()
    exchanges(3)
    expect(pings).toHaveLength(0)
    exchanges(1)
    expect(pings).toHaveLength(1)
    clock.advance(1_000)
    exchanges(8)
    expect(pings, 'the first is not answered yet').toHaveLength(1)
    pings[0]?.answer()
    await Promise.resolve()
    expect(roundTrips).toEqual([1_000])
    exchanges(4)
    expect(pings).toHaveLength(2)
  })

  it('is not asked for more often than a peer may like', async () => {
    const { clock, pings, exchanges } = setUp()
    exchanges(4)
    pings[0]?.answer()
    await Promise.resolve()
    clock.advance(249)
    exchanges(4)
    expect(pings).toHaveLength(1)
    clock.advance(1)
    exchanges(4)
    expect(pings).toHaveLength(2)
  })

  it('says nothing where the connection has died, and is asked for again', async () => {
    const { clock, pings, roundTrips, exchanges } = setUp()
    exchanges(4)
    pings[0]?.fail()
    await new Promise(resolve => setImmediate(resolve))
    clock.advance(300)
    exchanges(4)
    expect([roundTrips, pings.length]).toEqual([[], 2])
  })

  it('is nothing that HTTP/1.1 could tell', () => {
    const { pings, exchanges } = setUp('http/1.1')
    exchanges(64)
    expect(pings).toHaveLength(0)
  })
})
