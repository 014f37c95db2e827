import { describe, expect, it } from 'vitest'
import { median } from '../../../../src/bench/results/statistics.ts'

describe('median', () => {
  it('is the middle value, or the mean of the middle two, and leaves its input alone', () => {
    const values = [10, 9, 100]
    expect(median(values)).toBe(10)
    expect(values).toEqual([10, 9, 100])
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([])).toBeNaN()
  })
})
