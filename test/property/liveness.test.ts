import { expect, it } from 'vitest'
import { Liveness, type LivenessRules } from '../../src/http/multiplex/liveness.ts'
import { fc } from '../support/property.ts'

// A longer look: RUNS=100000 SEED=7 npx vitest run test/property/liveness.test.ts
const RUNS = Number(process.env['RUNS'] ?? 1_500)

const rules: fc.Arbitrary<LivenessRules> = fc.record({
  intervalMs: fc.constantFrom(0, 7, 50, 100),
  timeoutMs: fc.constantFrom(0, 5, 100, 250),
  idleIntervalMs: fc.constantFrom(0, 0, 60, 400),
  quietIntervalMs: fc.constantFrom(0, 100, 1_000),
  isLossy: fc.boolean(),
})
const event = fc.record({
  afterMs: fc.oneof(fc.nat(30), fc.nat(300), fc.constantFrom(0, 50, 100, 250)),
  what: fc.constantFrom('begin', 'end', 'answer', 'spoken', 'nothing'),
})

/** What the rules come to, told from the history alone. */
class Judge {
  readonly #rules: LivenessRules
  heardAt = 0
  /** Of the asks since the last byte, the first one and the last one. */
  firstAskAt: number | undefined
  lastAskAt = 0
  /** The last ask of a peer that owed, if it has not spoken since. */
  quietSince: number | undefined
  /** Since when it owes, with nothing heard since. */
  owedSince: number | undefined
  deadAt: number | undefined
  asks = 0

  constructor(given: LivenessRules) {
    this.#rules = given
  }

  onHeard(now: number, isSpoken: boolean): void {
    this.heardAt = now
    this.firstAskAt = this.owedSince = undefined
    if (isSpoken) this.quietSince = undefined
  }

  onAsk(isBusy: boolean, now: number): void {
    const { intervalMs, idleIntervalMs, quietIntervalMs, isLossy } = this.#rules
    this.asks += 1
    if (this.firstAskAt === undefined) {
      const owesFor = now - (this.owedSince ?? this.heardAt)
      const isOwed = intervalMs > 0 && (isBusy || this.owedSince !== undefined)
      const isQuiet =
        this.quietSince !== undefined && (quietIntervalMs === 0 || now - this.quietSince < quietIntervalMs)
      const isByRule1 = isOwed && owesFor >= intervalMs && !isQuiet
      const isByRule3 = idleIntervalMs > 0 && now - this.heardAt >= idleIntervalMs
      expect(isByRule1 || isByRule3, 'an ask has its reason, and never comes while bytes do').toBe(true)
    } else {
      expect(isLossy, 'one ask at a time').toBe(true)
      expect(now - this.lastAskAt).toBe(intervalMs)
    }
    if (intervalMs > 0 && (isBusy || this.owedSince !== undefined)) this.quietSince = now
    this.firstAskAt ??= now
    this.lastAskAt = now
  }

  onDead(now: number): void {
    expect(now, 'exactly when the time of the first ask is up').toBe(this.firstAskAt! + this.#rules.timeoutMs)
    this.deadAt = now
  }

  /** What must have happened by now. */
  check(isBusy: boolean, now: number): void {
    const { intervalMs, timeoutMs, idleIntervalMs } = this.#rules
    if (this.deadAt !== undefined) return
    if (this.firstAskAt !== undefined) {
      if (timeoutMs > 0) expect(now).toBeLessThan(this.firstAskAt + timeoutMs)
      return
    }
    if (idleIntervalMs > 0) expect(now).toBeLessThan(this.heardAt + idleIntervalMs)
    const isOwed = intervalMs > 0 && (isBusy || this.owedSince !== undefined)
    if (isOwed && this.quietSince === undefined)
      expect(now).toBeLessThan((this.owedSince ?? this.heardAt) + intervalMs)
  }
}

it('liveness asks and gives up when its rules say so, and at no other time, whatever happens in whatever order', () => {
  const seen = { asks: 0, dead: 0 }
  fc.assert(
    fc.property(rules, fc.array(event, { minLength: 5, maxLength: 60, size: 'max' }), (given, events) => {
      const liveness = new Liveness(given)
      const judge = new Judge(given)
      let now = 0
      let isBusy = false
      liveness.start(now)
      for (const { afterMs, what } of events) {
        const end = now + afterMs
        while (liveness.nextAt <= end) {
          now = liveness.nextAt
          const verdict = liveness.onTimer(isBusy, now)
          expect(liveness.nextAt).toBeGreaterThan(now)
          if (verdict === 'ask') judge.onAsk(isBusy, now)
          if (verdict === 'dead') judge.onDead(now)
          if (judge.deadAt !== undefined) break
        }
        seen.asks += judge.asks
        judge.asks = 0
        if (judge.deadAt !== undefined) {
          seen.dead += 1
          return
        }
        now = end
        judge.check(isBusy, now)
        if (what === 'begin' && !isBusy) {
          liveness.onBusy(now)
          judge.owedSince ??= now
          isBusy = true
        } else if (what === 'end') isBusy = false
        else if (what === 'answer' || what === 'spoken') {
          liveness.onHeard(now)
          if (what === 'spoken') liveness.onSpoken(now)
          judge.onHeard(now, what === 'spoken')
        }
      }
    }),
    { numRuns: RUNS },
  )
  expect(seen.asks).toBeGreaterThan(RUNS / 4)
  expect(seen.dead).toBeGreaterThan(RUNS / 10)
})
