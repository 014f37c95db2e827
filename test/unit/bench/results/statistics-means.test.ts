import { describe, expect, it } from 'vitest'
import { estimateMean, estimateRatio, mean, quantile } from '../../../../src/bench/results/statistics.ts'

describe('mean and quantile', () => {
  it('are those of the textbook, and leave their input alone', () => {
    const values = [4, 1, 3, 2]
    expect([mean(values), quantile(values, 0.5), quantile(values, 0.95), quantile(values, 0)]).toEqual([
      2.5, 2, 4, 1,
    ])
    expect(values).toEqual([4, 1, 3, 2])
    expect([mean([]), quantile([], 0.5)]).toEqual([Number.NaN, Number.NaN])
  })

  it('takes the smallest value below which that share of all lies', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
    expect([0.01, 0.5, 0.95, 0.951, 1].map(share => quantile(hundred, share))).toEqual([1, 50, 95, 96, 100])
  })
})

describe('estimateMean', () => {
  it('uses the interval of Student', () => {
    // Standard deviation 1, so that the error of the mean is 1/sqrt(3); t for 2 degrees of freedom is 4.3.
    const { value, plusMinus } = estimateMean([1, 2, 3])
    expect(value).toBe(2)
    expect(plusMinus).toBeCloseTo(4.3 / Math.sqrt(3), 6)
  })

  it('has an infinite margin for a single value, and none when all are the same', () => {
    expect(estimateMean([5])).toEqual({ value: 5, plusMinus: Number.POSITIVE_INFINITY })
    expect(estimateMean([5, 5, 5])).toEqual({ value: 5, plusMinus: 0 })
  })

  it('narrows with more values, and has a quantile for any number of them', () => {
    const widths = [2, 4, 8, 16, 32, 64].map(
      count => estimateMean(Array.from({ length: count }, (_, i) => i % 2)).plusMinus,
    )
    expect(widths).toEqual(widths.toSorted((a, b) => b - a))
  })
})

describe('estimateRatio', () => {
  it('divides the means and adds the relative errors of both', () => {
    const { value, plusMinus } = estimateRatio([1, 2, 3], [10, 20, 30])
    expect(value).toBeCloseTo(0.1, 9)
    const relative = 1 / Math.sqrt(3) / 2
    expect(plusMinus).toBeCloseTo(4.3 * 0.1 * Math.hypot(relative, relative), 9)
  })

  it('contains the true ratio about 95 times in 100', () => {
    // Sums of four even draws are nearly normal; the draws are the same ones in every run (a Weyl sequence).
    let state = 0.5
    const draw = (): number => {
      let sum = 0
      for (let i = 0; i < 4; i++) {
        state = (state * 16807) % 2_147_483_647
        sum += state / 2_147_483_647
      }
      return sum
    }
    state = 12_345
    let held = 0
    for (let run = 0; run < 500; run++) {
      const a = Array.from({ length: 5 }, () => 10 + draw())
      const b = Array.from({ length: 5 }, () => 20 + draw())
      const { value, plusMinus } = estimateRatio(a, b)
      if (Math.abs(value - 12 / 22) <= plusMinus) held++
    }
    expect(held / 500).toBeGreaterThan(0.92)
    expect(held / 500).toBeLessThan(0.995)
  })
})
