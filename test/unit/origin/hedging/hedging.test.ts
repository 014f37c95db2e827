import { describe, expect, it } from 'vitest'
import { DEFAULT_HEDGE_OPTIONS, type HedgeOptions } from '../../../../src/base/options/hedge-options.ts'
import { Hedging } from '../../../../src/origin/hedging/hedging.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

function setUp(options: Partial<HedgeOptions> = {}) {
  const clock = new FakeClock()
  const hedging = Hedging.of({ ...DEFAULT_HEDGE_OPTIONS, quantile: 0.95, ...options }, clock)
  if (hedging === undefined) throw new Error('it is off')
  const answered = (count: number, ms: number): void => {
    for (let i = 0; i < count; i += 1) hedging.onAnswered(ms, clock.now())
  }
  return { clock, hedging, answered }
}

describe('hedging', () => {
  it('is off without a quantile', () => {
    expect(Hedging.of(DEFAULT_HEDGE_OPTIONS, new FakeClock())).toBeUndefined()
  })

  it('starts for a request that has waited longer than the quantile, and for none before that is known', () => {
    const { clock, hedging, answered } = setUp()
    const called: string[] = []
    const wait = (name: string, isAwaited = true): void =>
      hedging.watch({ isAwaited, onOverdue: () => void called.push(name) }, clock.now())
    wait('unknown')
    answered(95, 20)
    answered(5, 500)
    wait('slow')
    wait('answered', false)
    clock.advance(19)
    expect(called).toEqual([])
    clock.advance(3)
    expect(called).toEqual(['slow'])
    clock.advance(1_000)
    expect(called).toEqual(['slow'])
  })

  it('waits for the minimum delay where answers are faster', () => {
    const { hedging, answered, clock } = setUp({ minDelayMs: 50 })
    answered(100, 1)
    expect(hedging.figures(clock.now()).delayMs).toBe(50)
  })

  it('stays within its budget, and saves no more of it than a hundred copies', () => {
    const { clock, hedging } = setUp({ budgetRatio: 0.1 })
    expect([hedging.take(0), hedging.take(0)]).toEqual([true, false])
    for (let i = 0; i < 20; i += 1) hedging.onRequest()
    expect([hedging.take(0), hedging.take(0), hedging.take(0)]).toEqual([true, true, false])
    for (let i = 0; i < 100_000; i += 1) hedging.onRequest()
    let copies = 0
    while (hedging.take(clock.now())) copies += 1
    expect(copies).toBeLessThanOrEqual(101)
    expect(hedging.figures(0).refused).toBe(3)
  })

  it('counts how the copies ended', () => {
    const { hedging } = setUp()
    for (const outcome of ['won', 'lost', 'lost', 'failed'] as const) hedging.onEnded(outcome)
    expect(hedging.figures(0).outcomes).toEqual({ won: 1, lost: 2, failed: 1 })
  })
})
