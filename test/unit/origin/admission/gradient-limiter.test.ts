import { describe, expect, it } from 'vitest'
import { DEFAULT_CONCURRENCY_OPTIONS } from '../../../../src/base/options/admission-options.ts'
import { GradientLimiter } from '../../../../src/origin/admission/gradient-limiter.ts'

/** Answers of an origin whose latency depends on how many requests are under way, over so many windows. */
function run(
  limiter: GradientLimiter,
  {
    windows,
    offered,
    latencyMs,
  }: { windows: number; offered: number; latencyMs: (inFlight: number) => number },
  from = 0,
): number {
  let now = from
  for (let window = 0; window < windows; window++) {
    let taken = 0
    while (taken < offered && limiter.take()) taken += 1
    now += 1_000
    for (let i = 0; i < taken; i++) limiter.give(latencyMs(taken), false, now)
  }
  return now
}

describe('GradientLimiter', () => {
  it('refuses what is above the limit', () => {
    const limiter = new GradientLimiter({ ...DEFAULT_CONCURRENCY_OPTIONS, initial: 3 }, 0)
    expect([1, 2, 3, 4].map(() => limiter.take())).toEqual([true, true, true, false])
    limiter.give(undefined, false, 0)
    expect(limiter.take()).toBe(true)
    expect(limiter.figures()).toMatchObject({ limit: 3, inFlight: 3, refused: 1 })
  })

  it('grows while answers take as long as before', () => {
    const limiter = new GradientLimiter(DEFAULT_CONCURRENCY_OPTIONS, 0)
    run(limiter, { windows: 100, offered: 500, latencyMs: () => 10 })
    expect(limiter.limit).toBeGreaterThan(150)
  })

  it('does not grow without load', () => {
    const limiter = new GradientLimiter({ ...DEFAULT_CONCURRENCY_OPTIONS, minSamples: 1 }, 0)
    run(limiter, { windows: 100, offered: 5, latencyMs: () => 10 })
    expect(limiter.limit).toBe(20)
  })

  it('settles near the concurrency that an origin of 40 places can serve', () => {
    const limiter = new GradientLimiter(DEFAULT_CONCURRENCY_OPTIONS, 0)
    run(limiter, { windows: 300, offered: 1_000, latencyMs: inFlight => 10 * Math.max(1, inFlight / 40) })
    expect(limiter.limit).toBeGreaterThan(36)
    expect(limiter.limit).toBeLessThan(120)
  })

  it('falls when answers become slower, and recovers with them', () => {
    const limiter = new GradientLimiter(DEFAULT_CONCURRENCY_OPTIONS, 0)
    let now = run(limiter, { windows: 60, offered: 200, latencyMs: () => 10 })
    const before = limiter.limit
    now = run(limiter, { windows: 20, offered: 200, latencyMs: () => 100 }, now)
    expect(limiter.limit).toBeLessThan(before / 2)
    run(limiter, { windows: 60, offered: 200, latencyMs: () => 10 }, now)
    expect(limiter.limit).toBeGreaterThan(before * 0.8)
  })

  it('falls with refusals, but not below the minimum', () => {
    const limiter = new GradientLimiter({ ...DEFAULT_CONCURRENCY_OPTIONS, minSamples: 1 }, 0)
    for (let window = 1; window <= 100; window++) {
      expect(limiter.take()).toBe(true)
      limiter.give(1, true, window * 1_000)
    }
    expect(limiter.limit).toBe(3)
  })

  it('begins between its minimum and its maximum', () => {
    const limiter = (initial: number) =>
      new GradientLimiter({ ...DEFAULT_CONCURRENCY_OPTIONS, initial, min: 5, max: 50 }, 0).limit
    expect([1, 20, 100].map(limiter)).toEqual([5, 20, 50])
  })

  it('detects who gives back more than it took', () => {
    expect(() => new GradientLimiter(DEFAULT_CONCURRENCY_OPTIONS, 0).give(1, false, 0)).toThrow(/more/)
  })
})
