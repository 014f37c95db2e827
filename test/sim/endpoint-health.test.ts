import { describe, expect, it } from 'vitest'
import type { OriginOptions } from '../../src/base/options/options.ts'
import { type Behavior, type Done, EndpointWorld } from './endpoint-world.ts'

const WARM_MS = 5_000
const FAULT_MS = 20_000

function failedShare(done: readonly Done[]): number {
  return done.filter(({ status }) => status !== 200).length / done.length
}

function quantile(done: readonly Done[], share: number): number {
  const sorted = done.map(({ ms }) => ms).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length * share)] ?? 0
}

/** One of eight endpoints becomes so after 5 s: what callers saw of the 20 s after that, and when it was left. */
async function fault(behavior: Behavior, options: OriginOptions = {}) {
  const world = new EndpointWorld(8, options)
  await world.run(WARM_MS)
  expect(failedShare(world.done), 'before').toBe(0)
  world.done.length = 0
  const startedAt = world.clock.now()
  world.endpoints[0]?.become(behavior)
  let outAfterMs: number | undefined
  await world.run(FAULT_MS, now => {
    if (outAfterMs === undefined && world.isOut(0)) outAfterMs = now - startedAt
  })
  return { world, outAfterMs: outAfterMs ?? Infinity, failed: failedShare(world.done), done: world.done }
}

const RETRIES: OriginOptions = { retry: { statuses: [503], perTryTimeoutMs: 500, maxRetries: 2 } }

describe('one of eight endpoints under 500 requests a second', () => {
  it.each<[Behavior, OriginOptions, { outMs: number; failed: number }]>([
    ['killed', {}, { outMs: 50, failed: 0 }],
    ['bad certificate', {}, { outMs: 50, failed: 0 }],
    ['answers 503', {}, { outMs: 300, failed: 0.001 }],
    ['answers 503', RETRIES, { outMs: 300, failed: 0 }],
    ['refuses streams', {}, { outMs: 300, failed: 0 }],
    ['hung', RETRIES, { outMs: 2_000, failed: 0.001 }],
  ])('that is %s (%o) is excluded in time: %o', async (behavior, options, most) => {
    const { outAfterMs, failed } = await fault(behavior, options)
    expect(outAfterMs).toBeLessThanOrEqual(most.outMs)
    expect(failed).toBeLessThanOrEqual(most.failed)
  })

  it('that is slow is excluded after an interval where latency counts, and has few requests before', async () => {
    const { outAfterMs, world, failed } = await fault('slow', {
      outlier: { latencyFactor: 3, intervalMs: 5_000, minRequests: 20 },
    })
    expect(outAfterMs).toBeLessThanOrEqual(10_100)
    expect(failed).toBe(0)
    expect(world.endpoints[0]?.requests).toBeLessThan((world.endpoints[1]?.requests ?? 0) * 0.6)
  })

  it.each<Behavior>(['slow', 'slow tail'])(
    'that is %s delays no request where requests are hedged',
    async behavior => {
      const plain = await fault(behavior)
      const hedged = await fault(behavior, { hedge: { quantile: 0.95, budgetRatio: 0.1 } })
      expect(hedged.failed).toBe(0)
      expect(quantile(hedged.done, 0.999)).toBeLessThan(quantile(plain.done, 0.999) / 2)
      const sent = hedged.world.endpoints.reduce((sum, { requests }) => sum + requests, 0)
      const asked = (WARM_MS + FAULT_MS) / 2
      expect(sent).toBeLessThanOrEqual(asked * 1.1 + 3)
    },
  )

  it('that flaps costs no request, and is back when it is healthy', async () => {
    const world = new EndpointWorld(8, { outlier: { ejectionMs: 2_000 } })
    await world.run(WARM_MS)
    for (let i = 0; i < 10; i += 1) {
      world.endpoints[0]?.become(i % 2 === 0 ? 'killed' : 'well')
      await world.run(1_000)
    }
    expect(failedShare(world.done)).toBe(0)
    world.endpoints[0]?.become('well')
    await world.run(15_000)
    expect(world.isOut(0)).toBe(false)
  })
})
