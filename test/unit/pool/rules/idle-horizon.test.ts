import { describe, expect, it } from 'vitest'
import { IdleHorizon } from '../../../../src/pool/rules/idle-horizon.ts'
import { fc } from '../../../support/property.ts'

/** One that saw these ends, each on its own. */
function after(...closes: number[]): IdleHorizon {
  const horizon = new IdleHorizon(1000)
  closes.forEach((ms, index) => horizon.onClosed(ms, index * 10_000))
  return horizon
}

describe('the learned idle horizon', () => {
  it('is not known before two ends agree', () => {
    expect(after().usableMs).toBe(Infinity)
    expect(after(5000).usableMs).toBe(Infinity)
    expect(after(5000, 9000).keptMs).toBe(Infinity)
    expect(after(5004, 5000)).toMatchObject({ keptMs: 5000, confidence: 2 / 3, closes: 2 })
  })

  it('may be used up to the margin before it, half of it at the most', () => {
    expect(after(5000, 5000).usableMs).toBe(4000)
    expect(after(1000, 1000).usableMs).toBe(500)
  })

  it('becomes more certain with each end', () => {
    const confidences = [2, 3, 4, 8].map(count => after(...Array<number>(count).fill(5000)).confidence)
    expect(confidences).toEqual([2 / 3, 3 / 4, 4 / 5, 8 / 9])
  })

  it('learns nothing from ends right behind an exchange', () => {
    expect(after(3, 150, 199).closes).toBe(0)
    expect(after(200, 200).keptMs).toBe(200)
  })

  it('learns nothing from a peer that ends connections of all ages at once', () => {
    const horizon = new IdleHorizon(1000)
    for (const ms of [300, 4000, 12_000, 12_300]) horizon.onClosed(ms, 50_000)
    expect(horizon.closes).toBe(0)
    expect(horizon.keptMs).toBe(Infinity)
  })

  it('counts many ends of one age at the same time as one', () => {
    const horizon = new IdleHorizon(1000)
    for (let end = 0; end < 20; end += 1) horizon.onClosed(5000 + end, 50_000 + end)
    expect(horizon.closes).toBe(1)
  })

  it('follows the lowest time that is likely where backends differ', () => {
    expect(after(75_000, 5000, 75_010, 5001, 75_020, 5002).keptMs).toBe(5000)
    // One backend in five: most connections last.
    expect(after(5000, 75_000, 75_000, 75_000, 5001, 75_000, 75_000, 75_000).keptMs).toBe(75_000)
  })

  it('is shorter at once when the origin ends them sooner', () => {
    expect(after(75_000, 75_000, 75_000, 2000, 2000).keptMs).toBe(2000)
  })

  it('forgets ends that connections outlive', () => {
    const horizon = after(5000, 5000)
    for (let use = 0; use < 4; use += 1) {
      horizon.onLasted(4000) // says nothing
      expect(horizon.closes).toBe(2)
    }
    for (let use = 0; use < 4; use += 1) horizon.onLasted(9000)
    expect(horizon).toMatchObject({ closes: 0, keptMs: Infinity, confidence: 0 })
  })

  it('lets one in sixteen stay idle for twice as long, one at a time', () => {
    const horizon = after(5000, 5000)
    const trials = Array.from({ length: 48 }, (_, index) => horizon.onRetiring(4000, 100_000 + index))
    expect(trials.filter(trial => trial !== undefined)).toEqual([10_000])
    expect(trials.indexOf(10_000)).toBe(15)
    const later = Array.from({ length: 16 }, () => horizon.onRetiring(4000, 200_000))
    expect(later.filter(trial => trial !== undefined)).toEqual([10_000])
  })

  it('is tried again and again once a connection has outlived it, until it is forgotten', () => {
    const horizon = after(5000, 5000, 5000)
    horizon.onLasted(10_000)
    expect(horizon.onRetiring(4000, 0)).toBe(10_000)
    horizon.onLasted(10_000)
    expect(horizon.onRetiring(4000, 20_000)).toBe(10_000)
    horizon.onLasted(10_000)
    expect(horizon.keptMs).toBe(Infinity)
  })

  it('begins with what an earlier process knew, if that was certain enough', () => {
    const horizon = new IdleHorizon(1000)
    horizon.restore(Number.NaN, 1)
    horizon.restore(-1, 1)
    horizon.restore(5000, 0.2)
    expect(horizon.keptMs).toBe(Infinity)
    horizon.restore(5000, 0.8)
    expect(horizon).toMatchObject({ keptMs: 5000, confidence: 2 / 3 })
  })

  it('finds the timer of a server, however late its ends are noticed', () => {
    const lateness = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 3, maxLength: 30 })
    fc.assert(
      fc.property(fc.integer({ min: 500, max: 300_000 }), lateness, (timerMs, late) => {
        const { keptMs, usableMs } = after(...late.map(ms => timerMs + ms))
        expect(keptMs).toBeGreaterThanOrEqual(timerMs)
        expect(keptMs).toBeLessThanOrEqual(timerMs + 100)
        expect(usableMs).toBeLessThan(timerMs)
      }),
    )
  })

  it('stays within its bounds whatever happens', () => {
    const step = fc.record({
      does: fc.constantFrom('closed', 'lasted', 'retiring'),
      ms: fc.integer({ min: 0, max: 200_000 }),
      passes: fc.constantFrom(0, 1, 99, 5000),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const horizon = new IdleHorizon(1000)
        let now = 0
        for (const { does, ms, passes } of steps) {
          now += passes
          if (does === 'closed') horizon.onClosed(ms, now)
          else if (does === 'lasted') horizon.onLasted(ms)
          else if (horizon.keptMs < Infinity) horizon.onRetiring(ms, now)
          expect(horizon.closes).toBeLessThanOrEqual(8)
          expect(horizon.confidence).toBeGreaterThanOrEqual(0)
          expect(horizon.confidence).toBeLessThan(1)
          expect(horizon.confidence > 0).toBe(horizon.keptMs < Infinity)
          expect(horizon.usableMs).toBeGreaterThan(0)
        }
      }),
    )
  })
})
