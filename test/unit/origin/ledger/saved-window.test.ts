import { describe, expect, it } from 'vitest'
import { SavedWindow } from '../../../../src/origin/ledger/saved-window.ts'

const HOUR = 3_600_000
const START = 5_000_000

describe('SavedWindow', () => {
  it('gives all that was saved while it is younger than a day, how long that is, and the rate', () => {
    const window = new SavedWindow(START)
    expect(window.read(START)).toEqual({ savedSeconds: 0, windowSeconds: 0, perDay: 0 })
    window.add(3, START + HOUR, START + HOUR)
    window.add(3, START + 5 * HOUR, START + 5 * HOUR)
    expect(window.read(START + 6 * HOUR)).toEqual({ savedSeconds: 6, windowSeconds: 6 * 3600, perDay: 24 })
  })

  it('forgets what is older than a day, hour by hour', () => {
    const window = new SavedWindow(START)
    window.add(10, START, START)
    window.add(1, START + 2 * HOUR, START + 2 * HOUR)
    expect(window.read(START + 24 * HOUR)).toMatchObject({ savedSeconds: 11, windowSeconds: 86_400 })
    // The first hour has left the window by half, then in full.
    expect(window.read(START + 24.5 * HOUR)).toEqual({ savedSeconds: 6, windowSeconds: 86_400, perDay: 6 })
    expect(window.read(START + 25 * HOUR).savedSeconds).toBe(1)
    expect(window.read(START + 27 * HOUR).savedSeconds).toBe(0)
  })

  it('uses its buckets again, and clears those that nobody looked at', () => {
    const window = new SavedWindow(START)
    for (let hour = 0; hour < 100; hour++) window.add(1, START + hour * HOUR, START + hour * HOUR)
    expect(window.read(START + 99 * HOUR)).toMatchObject({ savedSeconds: 25 })
    expect(window.read(START + 99.5 * HOUR)).toMatchObject({ savedSeconds: 24.5 })
    expect(window.read(START + 1000 * HOUR)).toEqual({ savedSeconds: 0, windowSeconds: 86_400, perDay: 0 })
    window.add(2, START + 1000 * HOUR, START + 1000 * HOUR)
    expect(window.read(START + 1000 * HOUR).savedSeconds).toBe(2)
  })

  it('spreads what was saved between two looks over the time between them', () => {
    const window = new SavedWindow(START)
    window.add(48, START, START + 48 * HOUR)
    const { savedSeconds, windowSeconds } = window.read(START + 48 * HOUR)
    expect(savedSeconds).toBeCloseTo(24)
    expect(windowSeconds).toBe(86_400)
    expect(window.read(START + 60 * HOUR).savedSeconds).toBeCloseTo(12)
  })

  it('spreads exactly over parts of hours', () => {
    const window = new SavedWindow(START)
    window.add(4, START + 0.5 * HOUR, START + 2.5 * HOUR) // 1, 2 and 1 by hour
    expect(window.read(START + 2.5 * HOUR).savedSeconds).toBeCloseTo(4)
    expect(window.read(START + 25 * HOUR).savedSeconds).toBeCloseTo(3)
    expect(window.read(START + 26 * HOUR).savedSeconds).toBeCloseTo(1)
  })
})
