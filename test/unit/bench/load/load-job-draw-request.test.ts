import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../../src/base/seeded-random.ts'
import { requestDraw } from '../../../../src/bench/load/load-job.ts'
import { REQUEST } from './fake-bench-client.ts'

describe('the choice of the next request', () => {
  it('follows the weights, and is the same for the same seed', () => {
    const kinds = [
      { ...REQUEST, label: 'often', weight: 9 },
      { ...REQUEST, label: 'seldom' },
    ]
    const labels = (seed: number): string[] => {
      const draw = requestDraw(kinds, 1, seededRandom(seed))
      return Array.from({ length: 10_000 }, () => draw().request.label)
    }
    const drawn = labels(1)
    const seldom = drawn.filter(label => label === 'seldom').length
    expect(seldom).toBeGreaterThan(880) // 1,000, four standard deviations of 30 below and above
    expect(seldom).toBeLessThan(1_120)
    expect(labels(1)).toEqual(drawn)
    expect(labels(2)).not.toEqual(drawn)
  })

  it('goes to the origins in turn, but for kinds that name theirs', () => {
    const turns = requestDraw([REQUEST], 3, () => 0)
    expect([turns(), turns(), turns(), turns()].map(({ origin }) => origin)).toEqual([0, 1, 2, 0])
    const named = requestDraw([{ ...REQUEST, origin: 2 }], 3, () => 0)
    expect([named(), named()].map(({ origin }) => origin)).toEqual([2, 2])
  })

  it('refuses a list without a kind, or without a weight', () => {
    expect(() => requestDraw([], 1, () => 0)).toThrow(RangeError)
    expect(() => requestDraw([{ ...REQUEST, weight: 0 }], 1, () => 0)).toThrow(RangeError)
  })
})
