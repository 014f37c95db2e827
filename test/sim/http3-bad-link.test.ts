import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/seeded-random.ts'
import type { LinkConditions } from '../../src/testing/simulated-network.ts'
import { Http3Rig } from './http3-rig.ts'
import { TrailedBody } from './trailed-body.ts'

/** Bytes that tell which body they are of, and where they stand in it. */
function pattern(id: number, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => (id * 37 + i * 7 + (i >> 8) * 13) & 0xff))
}

interface Plan {
  id: number
  requestBytes: number
  responseBytes: number
  hasRequestTrailers: boolean
  hasResponseTrailers: boolean
  hasHints: boolean
}

function plans(random: () => number, count: number): Plan[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    requestBytes: random() < 0.5 ? 0 : Math.floor(random() ** 3 * 40_000),
    responseBytes: Math.floor(random() ** 3 * 50_000),
    hasRequestTrailers: random() < 0.3,
    hasResponseTrailers: random() < 0.3,
    hasHints: random() < 0.3,
  }))
}

/** Runs `count` exchanges at once, and holds each to its plan at both sides. */
async function run(seed: number, conditions: LinkConditions, count: number): Promise<Http3Rig> {
  const rig = await Http3Rig.start({ seed, conditions })
  const planned = plans(seededRandom(seed), count)
  rig.server.onRequest = request => {
    const plan = planned[Number(request.head.path.slice(1))]!
    expect(request.body.equals(pattern(plan.id, plan.requestBytes))).toBe(true)
    expect(request.trailers).toEqual(plan.hasRequestTrailers ? ['x-request-sum', `${plan.id}`] : [])
    request.answer({
      headers: ['x-id', `${plan.id}`, 'x-same', 'the same every time'],
      body: pattern(plan.id + 1, plan.responseBytes),
      trailers: plan.hasResponseTrailers ? ['x-sum', `${plan.id}`] : [],
      hints: plan.hasHints ? ['link', '</style.css>; rel=preload'] : [],
    })
  }
  const exchanges = planned.map(({ id, requestBytes, hasRequestTrailers }) => {
    const hasBody = requestBytes > 0 || hasRequestTrailers
    const trailers = hasRequestTrailers ? ['x-request-sum', `${id}`] : []
    return rig.fetch(`/${id}`, {
      method: hasBody ? 'POST' : 'GET',
      headers: ['x-id', `${id}`, 'accept', '*/*'],
      body: hasBody ? new TrailedBody(pattern(id, requestBytes), trailers) : null,
    })
  })
  await rig.finish(exchanges)
  exchanges.forEach((exchange, i) => {
    const { id, responseBytes, hasResponseTrailers, hasHints } = planned[i]!
    expect(exchange.error, `seed ${seed}, exchange ${id}`).toBeUndefined()
    expect(exchange.status).toBe(200)
    expect(exchange.headers).toEqual(['x-id', `${id}`, 'x-same', 'the same every time'])
    expect(exchange.body.equals(pattern(id + 1, responseBytes)), `body ${id} of seed ${seed}`).toBe(true)
    expect(exchange.trailers).toEqual(hasResponseTrailers ? ['x-sum', `${id}`] : [])
    expect(exchange.informational).toEqual(hasHints ? [[103, ['link', '</style.css>; rel=preload']]] : [])
  })
  expect(rig.server.requests).toHaveLength(count)
  expect(rig.log).toEqual(planned.map(() => 'stream-closed'))
  return rig
}

describe('HTTP/3 over a link that loses, duplicates and reorders', () => {
  for (const lossRate of [0, 0.01, 0.03, 0.1]) {
    it(`completes every exchange with the right bytes at ${lossRate * 100} % loss, for 15 seeds`, async () => {
      let lost = 0
      for (let seed = 1; seed <= 15; seed++) {
        const conditions = {
          latencyMs: 20,
          lossRate,
          duplicateRate: 0.05,
          reorderRate: 0.1,
          reorderDelayMs: 8,
          maxDatagramBytes: 1200,
        }
        const rig = await run(seed, conditions, 20)
        const { client, server } = rig.pair
        lost += client.connection.stats().lostPackets + server.connection.stats().lostPackets
        expect(rig.server.defences).toEqual([])
      }
      expect(lost).toBeGreaterThan(lossRate * 1000)
    })
  }

  it('completes every exchange with heavy reordering, which alone loses nothing', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      await run(seed, { latencyMs: 20, reorderRate: 0.5, reorderDelayMs: 15, maxDatagramBytes: 1200 }, 20)
    }
  })

  it('does the same for the same seed, datagram by datagram', async () => {
    const conditions = { latencyMs: 20, lossRate: 0.05, duplicateRate: 0.05, reorderRate: 0.1 }
    const [one, other] = [await run(3, conditions, 20), await run(3, conditions, 20)]
    expect(one.pair.trace).toEqual(other.pair.trace)
  })

  it('carries 1,000 requests at once over one connection', async () => {
    const rig = await Http3Rig.start({
      conditions: { latencyMs: 20, lossRate: 0.01, maxDatagramBytes: 1200 },
      server: { quic: { maxConcurrentStreams: 1000 } },
    })
    rig.server.onRequest = request =>
      request.answer({ body: pattern(Number(request.head.path.slice(1)), 500) })
    await rig.settle()
    const exchanges = Array.from({ length: 1000 }, (_, i) => rig.fetch(`/${i}`))
    await rig.finish(exchanges)
    exchanges.forEach((exchange, i) => {
      expect(exchange.status).toBe(200)
      expect(exchange.body.equals(pattern(i, 500))).toBe(true)
    })
  })
})
