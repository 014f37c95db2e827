import { describe, expect, it } from 'vitest'
import { outliers } from '../../../src/health/outlier-comparison.ts'

const OPTIONS = { successRateFactor: 1.9, latencyFactor: 3, minRequests: 100, minEndpoints: 3 }

function counts(...of: (readonly [requests: number, successes: number, meanMs: number])[]) {
  return new Map(
    of.map(([requests, successes, meanMs], index) => [
      index,
      { requests, successes, answered: requests, latencyMs: requests * meanMs },
    ]),
  )
}

describe('the comparison of outliers', () => {
  it('lists the worst first', () => {
    const all = counts([100, 100, 1], [100, 60, 1], [100, 99, 1], [100, 50, 1], [100, 100, 1], [100, 100, 1])
    expect(outliers(all, { ...OPTIONS, successRateFactor: 1 }).map(({ index }) => index)).toEqual([3, 1])
  })

  it('takes no difference below a twentieth for more than chance', () => {
    expect(outliers(counts([100, 100, 1], [100, 100, 1], [100, 96, 1]), OPTIONS)).toEqual([])
  })

  it('leaves out endpoints with few requests, and compares nothing when too few are left', () => {
    expect(outliers(counts([100, 100, 1], [100, 100, 1], [99, 0, 1]), OPTIONS)).toEqual([])
  })

  it('compares latency with the median of the others, and ignores differences that nobody would notice', () => {
    const slow = outliers(counts([100, 100, 10], [100, 100, 12], [100, 100, 40]), OPTIONS)
    expect(slow).toEqual([
      { index: 2, reason: 'latency', because: "its answers began after 40.0 ms, the others' after 11.0 ms" },
    ])
    expect(outliers(counts([100, 100, 1], [100, 100, 1], [100, 100, 4]), OPTIONS)).toEqual([])
  })
})
