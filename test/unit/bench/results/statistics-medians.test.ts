import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../../src/base/seeded-random.ts'
import {
  CONFIDENCE,
  estimateMedian,
  isShown,
  MIN_ROUNDS_FOR_INTERVAL,
  pairedRatio,
} from '../../../../src/bench/results/statistics.ts'

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

describe('estimateMedian', () => {
  it('uses the order statistics that tables of the sign test give', () => {
    // Ranks and coverage as in Hollander & Wolfe, Nonparametric Statistical Methods: 2 and 9 of 10, 4 and 12
    // of 15, 6 and 15 of 20.
    const intervals = [6, 10, 15, 20].map(count => estimateMedian(upTo(count))?.interval)
    expect(intervals.map(interval => [interval?.low, interval?.high])).toEqual([
      [1, 6],
      [2, 9],
      [4, 12],
      [6, 15],
    ])
    const coverages = [0.96875, 0.978516, 0.964844, 0.958611]
    for (const [i, coverage] of coverages.entries()) expect(intervals[i]?.coverage).toBeCloseTo(coverage, 6)
  })

  it('has no interval for fewer rounds than the stated number: the least and the most of five hold the median 93.75 times in 100', () => {
    expect(estimateMedian(upTo(MIN_ROUNDS_FOR_INTERVAL - 1))).toEqual({
      median: 3,
      min: 1,
      max: 5,
      rounds: 5,
    })
    expect(estimateMedian(upTo(MIN_ROUNDS_FOR_INTERVAL))?.interval).toBeDefined()
  })

  it('handles more rounds than 2^-n can be written for', () => {
    const interval = estimateMedian(upTo(5000))?.interval
    // The normal approximation: 2,500 give or take 1.96 x sqrt(5000) / 2.
    expect(interval?.low).toBeGreaterThan(2425)
    expect(interval?.low).toBeLessThan(2435)
    expect(interval?.coverage).toBeCloseTo(CONFIDENCE, 2)
  })

  it('leaves out rounds without a figure, and is undefined without any', () => {
    expect(estimateMedian([undefined, 2, Number.NaN, Number.POSITIVE_INFINITY])).toEqual({
      median: 2,
      min: 2,
      max: 2,
      rounds: 1,
    })
    expect(estimateMedian([undefined, Number.NaN])).toBeUndefined()
  })

  it('contains the true median as often as it says, whatever the distribution', () => {
    const random = seededRandom(1)
    let held = 0
    let coverage = 0
    const runs = 4000
    for (let run = 0; run < runs; run++) {
      // Exponential: its median is ln 2, its mean is not.
      const interval = estimateMedian(upTo(11).map(() => -Math.log(1 - random())))?.interval
      coverage = interval?.coverage ?? Number.NaN
      if (interval !== undefined && interval.low <= Math.LN2 && Math.LN2 <= interval.high) held++
    }
    // Four standard errors of a share of 4,000.
    expect(Math.abs(held / runs - coverage)).toBeLessThan(4 * Math.sqrt((coverage * (1 - coverage)) / runs))
  })
})

describe('pairedRatio', () => {
  it('divides round by round, so that a slow round of both counts for neither', () => {
    expect(pairedRatio([1, 20, 3], [2, 40, 6])).toEqual({ median: 0.5, min: 0.5, max: 0.5, pairs: 3 })
  })

  it('reports the spread', () => {
    expect(pairedRatio([1, 2, 9], [1, 1, 3])).toEqual({ median: 2, min: 1, max: 3, pairs: 3 })
  })

  it('leaves out rounds without a partner, or with nothing to divide or to divide by', () => {
    expect(pairedRatio([1, undefined, 4, 0, 5], [0, 1, 2, 3])).toEqual({
      median: 2,
      min: 2,
      max: 2,
      pairs: 1,
    })
    expect(pairedRatio([1], [])).toBeUndefined()
  })
})

describe('isShown', () => {
  const ratio = (values: readonly number[]): boolean => {
    const paired = pairedRatio(
      values,
      values.map(() => 1),
    )
    return paired !== undefined && isShown(paired)
  }

  it('needs an interval that leaves 1 out, above or below', () => {
    expect(ratio([1.1, 1.2, 1.3, 1.1, 1.2, 1.4])).toBe(true)
    expect(ratio([0.7, 0.8, 0.9, 0.6, 0.8, 0.7])).toBe(true)
    expect(ratio([0.99, 1.2, 1.3, 1.1, 1.2, 1.4])).toBe(false)
    expect(ratio([1, 1.2, 1.3, 1.1, 1.2, 1.4])).toBe(false)
  })

  it('shows nothing with five pairs, however clear they look', () => {
    expect(ratio([2, 2, 2, 2, 2])).toBe(false)
  })

  it('tolerates a single odd round once there are enough', () => {
    expect(ratio([0.5, 1.2, 1.3, 1.1, 1.2, 1.4, 1.2, 1.3, 1.1])).toBe(true)
  })
})
