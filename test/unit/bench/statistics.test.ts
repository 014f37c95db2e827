import { describe, expect, it } from 'vitest'
import { median, pairedRatio } from '../../../bench/lib/statistics.ts'

describe('median', () => {
  it('is the middle value, or the mean of the middle two, and leaves its input alone', () => {
    const values = [10, 9, 100]
    expect(median(values)).toBe(10)
    expect(values).toEqual([10, 9, 100])
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([])).toBeNaN()
  })
})

describe('pairedRatio', () => {
  it('divides round by round, so that a slow round of both counts for neither', () => {
    expect(pairedRatio([1, 20, 3], [2, 40, 6])).toEqual({ median: 0.5, min: 0.5, max: 0.5, pairs: 3 })
  })

  it('tells the spread', () => {
    expect(pairedRatio([1, 2, 9], [1, 1, 3])).toEqual({ median: 2, min: 1, max: 3, pairs: 3 })
  })

  it('leaves out rounds without a partner or with nothing to divide by', () => {
    expect(pairedRatio([1, undefined, 4, 5], [0, 1, 2])).toEqual({ median: 2, min: 2, max: 2, pairs: 1 })
    expect(pairedRatio([1], [])).toBeUndefined()
  })
})
