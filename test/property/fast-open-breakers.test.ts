import { describe, expect, it } from 'vitest'
import { FastOpenBreakers, type FastOpenOutcome } from '../../src/connect/fast-open/fast-open-breakers.ts'
import { fc } from '../support/property.ts'

// A longer look: RUNS=100000 SEED=7 npx vitest run test/property/fast-open-breakers.test.ts
const RUNS = Number(process.env['RUNS'] ?? 1000)

const ADDRESSES = ['192.0.2.1', '192.0.2.2', '2001:db8::1']
const MINUTE = 60_000
const TRIAL = 30_000

/** What resets everything is rare, so that failures come in rows. */
const EVENTS = [
  ...Array<'connect'>(8).fill('connect'),
  ...Array<FastOpenOutcome>(4).fill('stuck'),
  ...Array<FastOpenOutcome>(4).fill('syn-resent'),
  ...Array<FastOpenOutcome>(6).fill('not-taken'),
  ...Array<FastOpenOutcome>(2).fill('no-cookie'),
  'used',
  'network',
] as const
const event = fc.record({
  afterMs: fc.oneof(
    fc.constantFrom(0, 1, TRIAL - 1, TRIAL, MINUTE - 1, MINUTE, 2 * MINUTE, 16 * MINUTE, 60 * MINUTE),
    fc.nat(40_000),
  ),
  address: fc.constantFrom(...ADDRESSES),
  what: fc.constantFrom(...EVENTS),
})

/** The rules of one address in the plainest words: no states, only what happened. */
class Rules {
  misses = 0
  failures = 0
  until = Number.NEGATIVE_INFINITY
  trialAt: number | undefined
  isTrialNext = false

  /** Whether a connect may use it; takes the trial. */
  connect(now: number): boolean {
    if (this.failures === 0) return true
    if (now < this.until) return false
    if (this.trialAt !== undefined && now - this.trialAt < TRIAL) return false
    this.trialAt = now
    this.isTrialNext = true
    return true
  }

  hear(outcome: FastOpenOutcome, now: number): void {
    if (outcome === 'used') {
      Object.assign(this, new Rules())
    } else if (outcome === 'no-cookie') {
      this.trialAt = undefined
    } else if (this.failures > 0 && !this.isTrialNext) {
      // It is left alone: one that began before.
    } else {
      this.misses = outcome === 'not-taken' ? this.misses + 1 : 3
      if (this.failures === 0 && this.misses < 3) return
      this.failures++
      this.until = now + Math.min(MINUTE * 2 ** (this.failures - 1), 60 * MINUTE)
      this.trialAt = undefined
      this.isTrialNext = false
    }
  }
}

describe('FastOpenBreakers', () => {
  it('holds its rules for each address, whatever happens in whatever order', () => {
    const seen = { used: 0, refused: 0, longest: 0 }
    fc.assert(
      fc.property(fc.array(event, { minLength: 5, maxLength: 80, size: 'max' }), events => {
        const book = new FastOpenBreakers()
        let rules = new Map(ADDRESSES.map(address => [address, new Rules()]))
        let now = 0
        for (const { afterMs, address, what } of events) {
          now += afterMs
          const rule = rules.get(address)!
          if (what === 'network') {
            book.onNetworkChanged()
            rules = new Map(ADDRESSES.map(each => [each, new Rules()]))
          } else if (what === 'connect') {
            const told = book.tell(address, now)
            const { use, because } = book.take(address, now)
            expect(use, because).toBe(rule.connect(now))
            if (told !== undefined) expect(told).toEqual({ isLeftAlone: !use, because })
            seen[use ? 'used' : 'refused']++
          } else {
            book.onOutcome(address, what, now)
            rule.hear(what, now)
            seen.longest = Math.max(seen.longest, rule.until - now)
          }
          expect(book.size).toBeLessThanOrEqual(ADDRESSES.length)
        }
      }),
      { numRuns: RUNS },
    )
    // It was worth the time.
    expect(seen.refused).toBeGreaterThan(RUNS / 2)
    expect(seen.used).toBeGreaterThan(RUNS / 2)
    expect(seen.longest).toBeGreaterThan(8 * MINUTE)
  })
})
