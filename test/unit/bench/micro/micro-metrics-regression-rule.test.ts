import { describe, expect, it } from 'vitest'
import { judgeChange } from '../../../../bench/micro/micro-metrics.ts'
import { estimateMedian, type MedianEstimate } from '../../../../src/bench/results/statistics.ts'

const TOLERANCE = { margin: 0.1, slack: 2 }

function estimate(...values: number[]): MedianEstimate {
  return estimateMedian(values)!
}

describe('judgeChange', () => {
  const stored = estimate(95, 98, 100, 100, 102, 105)

  it('calls it a regression only where the whole interval lies beyond the stored one, its margin and the slack', () => {
    // 105 x 1.1 + 2 = 117.5
    expect(judgeChange(stored, estimate(117.6, 120, 121, 122, 123, 124), TOLERANCE)).toBe('regression')
    expect(judgeChange(stored, estimate(117.4, 120, 121, 122, 123, 124), TOLERANCE)).toBe('within noise')
  })

  it('calls it an improvement by the same rule reversed', () => {
    // 84.5 x 1.1 + 2 = 94.95
    expect(judgeChange(stored, estimate(70, 71, 72, 73, 74, 84.5), TOLERANCE)).toBe('improvement')
    expect(judgeChange(stored, estimate(70, 71, 72, 73, 74, 84.6), TOLERANCE)).toBe('within noise')
  })

  it('judges nothing without an interval on both sides, however far they are apart', () => {
    const few = estimate(1000, 1000, 1000, 1000, 1000)
    expect(judgeChange(stored, few, TOLERANCE)).toBe('too few rounds')
    expect(judgeChange(few, stored, TOLERANCE)).toBe('too few rounds')
  })

  it('ignores a large multiple of a tiny amount', () => {
    const nothing = estimate(0, 0, 0, 0, 0, 0)
    expect(judgeChange(nothing, estimate(2, 2, 2, 2, 2, 2), TOLERANCE)).toBe('within noise')
    expect(judgeChange(nothing, estimate(3, 3, 3, 3, 3, 3), TOLERANCE)).toBe('regression')
  })
})
