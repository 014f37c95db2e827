import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../../src/base/seeded-random.ts'
import { judge, type Verdict } from '../../../../src/bench/report/compare.ts'
import { estimateMedian } from '../../../../src/bench/results/statistics.ts'

const verdict = (a: readonly number[], b: readonly number[], better?: 'less' | 'more'): Verdict => {
  const [one, other] = [estimateMedian(a), estimateMedian(b)]
  if (one === undefined || other === undefined) throw new Error('a figure without rounds')
  return judge(one, other, better)
}
const from = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start + i)

describe('judge', () => {
  it('calls it better or worse by the direction of the metric, and different without one', () => {
    expect(verdict(from(100, 6), from(1, 6), 'less')).toBe('better')
    expect(verdict(from(100, 6), from(1, 6), 'more')).toBe('worse')
    expect(verdict(from(1, 6), from(100, 6), 'more')).toBe('better')
    expect(verdict(from(1, 6), from(100, 6), 'less')).toBe('worse')
    expect(verdict(from(1, 6), from(100, 6))).toBe('different')
  })

  it('takes intervals that touch for no difference', () => {
    expect(verdict(from(1, 6), from(6, 6), 'less')).toBe('no difference shown')
    expect(verdict(from(1, 6), from(7, 6), 'less')).toBe('worse')
  })

  it('forgives an odd round where the interval does', () => {
    expect(verdict([...from(1, 9), 1000], from(100, 10), 'less')).toBe('worse')
  })

  it('needs all of a few rounds to lie apart, with little chance of luck: 2 in 70 for 4 and 4, 2 in 20 for 3 and 3', () => {
    const apart = (n: number, m: number): boolean =>
      verdict(from(1, n), from(100, m), 'less') !== 'no difference shown'
    expect([apart(4, 4), apart(3, 5), apart(5, 5), apart(20, 2)]).toEqual([true, true, true, true])
    expect([apart(3, 3), apart(3, 4), apart(1, 1), apart(2, 7), apart(1, 38)]).toEqual([
      false,
      false,
      false,
      false,
      false,
    ])
    expect(apart(1, 39)).toBe(true) // 2 in 40
    expect(verdict([1, 2, 3, 101], from(100, 4), 'less')).toBe('no difference shown')
  })

  it('finds a difference between runs that do not differ at most 5 times in 100', () => {
    const random = seededRandom(7)
    const draw = (count: number): number[] => Array.from({ length: count }, () => random())
    for (const [n, m] of [
      [4, 4],
      [3, 5],
      [7, 5],
      [7, 7],
      [15, 15],
    ] as const) {
      let found = 0
      for (let run = 0; run < 2000; run++) {
        if (verdict(draw(n), draw(m)) === 'different') found++
      }
      expect(found / 2000).toBeLessThanOrEqual(0.05)
    }
  })
})
