import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../../src/base/seeded-random.ts'
import { LatencyQuantile } from '../../../../src/origin/hedging/latency-quantile.ts'

const WINDOW_MS = 1_000

describe('a quantile of recent latencies', () => {
  it.each([0.9, 0.95, 0.99])('is within a twentieth of the true one: %d', quantile => {
    const random = seededRandom(7)
    const latencies = new LatencyQuantile(quantile, WINDOW_MS, 0)
    const all = Array.from({ length: 10_000 }, () => Math.exp(random() * 8))
    for (const ms of all) latencies.add(ms, 0)
    const exact = all.toSorted((a, b) => a - b)[Math.ceil(quantile * all.length) - 1] ?? 0
    const found = latencies.ms(100, 0) ?? 0
    expect(found).toBeGreaterThanOrEqual(exact * 0.999)
    expect(found).toBeLessThanOrEqual(exact * 1.06)
  })

  it('is not known before there are enough samples', () => {
    const latencies = new LatencyQuantile(0.9, WINDOW_MS, 0)
    for (let i = 0; i < 9; i += 1) latencies.add(5, 0)
    expect(latencies.ms(10, 0)).toBeUndefined()
    latencies.add(5, 0)
    expect(latencies.ms(10, 0)).toBeCloseTo(5, 0)
  })

  it('forgets what is older than two windows', () => {
    const latencies = new LatencyQuantile(0.9, WINDOW_MS, 0)
    for (let i = 0; i < 100; i += 1) latencies.add(1_000, 0)
    for (let i = 0; i < 100; i += 1) latencies.add(10, 1_500)
    expect(latencies.ms(10, 1_500)).toBeGreaterThan(900)
    for (let i = 0; i < 100; i += 1) latencies.add(10, 2_600)
    expect(latencies.ms(10, 2_600)).toBeLessThan(11)
    expect(latencies.ms(10, 60_000)).toBeUndefined()
  })

  it('follows while samples come, though it is not computed anew for each', () => {
    const latencies = new LatencyQuantile(0.9, 60_000, 0)
    for (let i = 0; i < 100; i += 1) latencies.add(10, 0)
    expect(latencies.ms(10, 0)).toBeLessThan(11)
    for (let i = 0; i < 20; i += 1) latencies.add(500, 0)
    expect(latencies.ms(10, 0)).toBeGreaterThan(400)
  })

  it('counts samples of no time and of infinite time, too', () => {
    const latencies = new LatencyQuantile(0.9, WINDOW_MS, 0)
    for (let i = 0; i < 10; i += 1) latencies.add(0, 0)
    expect(latencies.ms(10, 0)).toBeLessThan(0.2)
    for (let i = 0; i < 100; i += 1) latencies.add(Infinity, 0)
    expect(latencies.ms(10, 0)).toBeGreaterThan(500_000)
  })
})
