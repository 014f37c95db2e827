import { describe, expect, it } from 'vitest'
import { outliers } from '../../../src/health/outlier-comparison.ts'

const OPTIONS = { successRateFactor: 1.9, latencyFactor: 3, minRequests: 100, minEndpoints: 3 }

function counts(
  of: Readonly<Record<string, readonly [requests: number, successes: number, meanMs: number]>>,
) {
  return new Map(
    Object.entries(of).map(([key, [requests, successes, meanMs]]) => [
      key,
      { requests, successes, answered: requests, latencyMs: requests * meanMs },
    ]),
  )
}

describe('outliers', () => {
  it('finds the worst first', () => {
    const all = counts({
      a: [100, 100, 1],
      b: [100, 60, 1],
      c: [100, 99, 1],
      d: [100, 50, 1],
      e: [100, 100, 1],
      f: [100, 100, 1],
    })
    expect(outliers(all, { ...OPTIONS, successRateFactor: 1 }).map(({ key }) => key)).toEqual(['d', 'b'])
  })

  it('takes no difference below a twentieth for more than chance', () => {
    expect(outliers(counts({ a: [100, 100, 1], b: [100, 100, 1], c: [100, 96, 1] }), OPTIONS)).toEqual([])
  })

  it('compares nobody who had few requests, and too few not at all', () => {
    expect(outliers(counts({ a: [100, 100, 1], b: [100, 100, 1], c: [99, 0, 1] }), OPTIONS)).toEqual([])
  })

  it('holds latency against the median of the others, and not where nobody would notice', () => {
    const slow = outliers(counts({ a: [100, 100, 10], b: [100, 100, 12], c: [100, 100, 40] }), OPTIONS)
    expect(slow).toEqual([
      { key: 'c', reason: 'latency', because: "its answers began after 40.0 ms, the others' after 11.0 ms" },
    ])
    expect(outliers(counts({ a: [100, 100, 1], b: [100, 100, 1], c: [100, 100, 4] }), OPTIONS)).toEqual([])
  })
})
