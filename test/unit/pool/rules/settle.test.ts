import { describe, expect, it } from 'vitest'
import { ConnectionBudget } from '../../../../src/pool/rules/connection-budget.ts'
import { PoolScript } from '../../../support/pool-script.ts'

describe('the next wake-up of a pool', () => {
  it('is not repeated at once where a dial that is due waits for a place in the budget', () => {
    const budget = new ConnectionBudget(1)
    const pool = new PoolScript({ budget, backoffBaseMs: 100, backoffMaxMs: 10_000, random: () => 1 })
    pool.acquire('a')
    for (let dial = 1; dial <= 10; dial += 1) {
      pool.connectFailed(dial)
      pool.acquire('a')
      expect(pool.advance(100)).toEqual([`connect #${dial + 1}`])
    }
    pool.connectFailed(11)
    pool.acquire('a')
    expect(budget.tryTake()).toBe(true) // another pool's, for as long as it likes
    // A request may dial again in 100 ms, and everything else in 10 s: PoolScript refuses a timer that spins.
    expect(pool.advance(1_000)).toEqual(['starve'])
    expect(pool.timerAt).toBeGreaterThan(pool.now)
    budget.release()
    expect(pool.budgetAvailable()).toEqual(['connect #12'])
    expect(pool.connected(12)).toEqual(['lease #12 to a'])
  })
})
