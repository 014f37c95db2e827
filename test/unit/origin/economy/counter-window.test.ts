import { describe, expect, it } from 'vitest'
import { CounterWindow } from '../../../../src/origin/economy/counter-window.ts'
import { fc } from '../../../support/property.ts'

describe('a window over counters', () => {
  it('returns the counters at its beginning, by the latest sample that is old enough', () => {
    const window = new CounterWindow<number>(5000, 12)
    for (let now = 0; now <= 60_000; now += 5000) window.add(now / 1000, now)
    expect(window.before(60_000, 60_000)).toEqual({ at: 0, counters: 0 })
    expect(window.before(60_000, 62_000)).toEqual({ at: 0, counters: 0 })
    expect(window.before(10_000, 62_000)).toEqual({ at: 50_000, counters: 50 })
    expect(window.before(60_000, 59_999)).toBeUndefined()
  })

  it('keeps no samples between two steps', () => {
    const window = new CounterWindow<number>(5000, 2)
    for (let now = 0; now < 5000; now += 100) window.add(now, now)
    expect(window.before(0, 4999)).toEqual({ at: 0, counters: 0 })
  })

  it('forgets what is older than its steps, however often it is read', () => {
    const times = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 100 })
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 60_000 }), (passes, windowMs) => {
        const window = new CounterWindow<number>(5000, 12)
        const kept: number[] = []
        let now = 0
        for (const ms of passes) {
          now += ms
          if (kept.length === 0 || now - kept.at(-1)! >= 5000) kept.push(now)
          window.add(now, now)
        }
        const expected = kept.slice(-13).findLast(at => at <= now - windowMs)
        expect(window.before(windowMs, now)?.at).toBe(expected)
      }),
    )
  })
})
