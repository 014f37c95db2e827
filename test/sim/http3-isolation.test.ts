import { describe, expect, it } from 'vitest'
import { dropByte } from '../support/simulated-quic/drop-rules.ts'
import { SimulatedEngine } from '../support/simulated-quic/simulated-engine.ts'
import { Http3Rig, type Http3RigOptions } from './http3-rig.ts'

/**
 * One stream a packet, as quiche does it, and a window that does not move: nothing but the loss makes a
 * difference.
 */
const quicheLike = () => new SimulatedEngine({ streamsPerPacket: 1, congestionWindowBytes: 2_000_000 })

/**
 * 20 objects at once over a link with a round trip of 40 ms. `hurt`: the request whose answer loses the
 * packet with this byte.
 */
async function objects(bytes: number, options: Http3RigOptions, hurt?: { index: number; byte: number }) {
  const rig = await Http3Rig.start({ conditions: { latencyMs: 20, maxDatagramBytes: 1200 }, ...options })
  rig.server.onRequest = request => request.answer({ body: Buffer.alloc(bytes, 7) })
  await rig.settle()
  const first = rig.pair.client.connection
  // A request before them all, so that nothing happens for the first time.
  await rig.finish([rig.fetch('/warm')])
  await rig.settle()
  if (hurt !== undefined) rig.pair.drop(dropByte('server', 4 * (hurt.index + 1), hurt.byte))
  const exchanges = Array.from({ length: 20 }, (_, i) => rig.fetch(`/${i}`))
  await rig.finish(exchanges)
  for (const exchange of exchanges) expect([exchange.status, exchange.bytes]).toEqual([200, bytes])
  return { rig, exchanges, times: exchanges.map(({ tookMs }) => tookMs), connection: first }
}

describe('a packet of one stream that is lost', () => {
  for (const bytes of [2000, 40_000]) {
    it(`leaves 19 of 20 objects of ${bytes} bytes as they were at 40 ms round trip`, async () => {
      const clean = await objects(bytes, { engine: quicheLike() })
      const lossy = await objects(bytes, { engine: quicheLike() }, { index: 7, byte: 500 })
      expect(lossy.rig.pair.trace.filter(line => line.endsWith('(dropped)'))).toHaveLength(1)
      lossy.times.forEach((tookMs, i) => {
        if (i === 7) expect(tookMs).toBeGreaterThanOrEqual(80)
        else expect(tookMs, `object ${i}`).toBeLessThanOrEqual(clean.times[i]! * 1.1)
      })
      expect(Math.max(...clean.times)).toBeLessThan(80)
    })
  }

  it('leaves the others as they were with the congestion window of NewReno too', async () => {
    const engine = () => new SimulatedEngine({ streamsPerPacket: 1 })
    const clean = await objects(500, { engine: engine() })
    const lossy = await objects(500, { engine: engine() }, { index: 3, byte: 100 })
    lossy.times.forEach((tookMs, i) => {
      if (i === 3) expect(tookMs).toBeGreaterThan(clean.times[i]!)
      else expect(tookMs, `object ${i}`).toBeLessThanOrEqual(clean.times[i]! * 1.1)
    })
  })
})

describe('the stall measure', () => {
  it('counts the stream that stalled, and no other', async () => {
    const { rig, exchanges, connection } = await objects(
      40_000,
      { engine: quicheLike() },
      { index: 7, byte: 500 },
    )
    exchanges.forEach((exchange, i) => {
      const truth = rig.pair.client.connection.stalledMs(4 * (i + 1), rig.pair.now)
      if (i === 7) {
        expect(truth).toBe(40)
        expect(exchange.stallMs).toBeGreaterThan(30)
        expect(exchange.stallMs).toBeLessThanOrEqual(truth)
      } else expect([truth, exchange.stallMs]).toEqual([0, 0])
    })
    expect(connection.isEstablished).toBe(true)
  })

  it('is a lower bound for each stream on a bad link, and misses what arrives in bursts', async () => {
    let [truth, measured] = [0, 0]
    for (let seed = 1; seed <= 20; seed++) {
      const { rig, exchanges } = await objects(20_000, {
        seed,
        engine: quicheLike(),
        conditions: { latencyMs: 20, lossRate: 0.02, maxDatagramBytes: 1200 },
      })
      exchanges.forEach((exchange, i) => {
        const ofStream = rig.pair.client.connection.stalledMs(4 * (i + 1), rig.pair.now)
        expect(exchange.stallMs).toBeLessThanOrEqual(ofStream)
        truth += ofStream
        measured += exchange.stallMs!
      })
    }
    expect(truth).toBeGreaterThan(1000)
    // 41 % of the truth here, where 20 answers come in a few bursts and several streams have gaps at once.
    expect(measured).toBeGreaterThan(truth * 0.35)
  })
})

describe('a slow reader', () => {
  it('stalls its own stream only, and its origin holds no more than is allowed', async () => {
    const big = 2_000_000
    const rig = await Http3Rig.start({
      conditions: { latencyMs: 20, maxDatagramBytes: 1200 },
      engine: quicheLike(),
    })
    rig.server.onRequest = request => {
      request.answer({ body: Buffer.alloc(request.head.path === '/big' ? big : 20_000, 1) })
    }
    await rig.settle()
    const stalled = rig.fetch('/big', {}, true)
    await rig.pass(5000)
    const held = rig.pair.client.connection.stats().receivedBytes
    // Its window of 256 KiB, and what a megabyte of packets carries around it.
    expect(held).toBeLessThan(262_144 * 1.2)
    expect(rig.server.requests[0]!.unsentBytes).toBeGreaterThan(big - 262_144 - 131_072 - 14_000)
    const others = Array.from({ length: 20 }, (_, i) => rig.fetch(`/${i}`))
    await rig.finish(others)
    for (const { tookMs, bytes } of others) {
      expect(bytes).toBe(20_000)
      expect(tookMs).toBeLessThanOrEqual(60)
    }
    expect(stalled.isDone).toBe(false)
    stalled.controller!.resume()
    await rig.finish([stalled])
    expect(stalled.bytes).toBe(big)
    // Sleeping is not a stall.
    expect(stalled.stallMs).toBe(0)
  })
})
