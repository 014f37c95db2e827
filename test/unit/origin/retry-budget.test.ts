import { describe, expect, it } from 'vitest'
import { RetryBudget } from '../../../src/origin/retry-budget.ts'

const drain = (budget: RetryBudget, now: number): number => {
  let count = 0
  while (budget.withdraw(now)) count++
  return count
}

describe('RetryBudget', () => {
  it('starts with the minimum', () => {
    expect(drain(new RetryBudget({ budgetRatio: 0.2, budgetMin: 10 }, 0), 0)).toBe(10)
  })

  it('earns a share of each request, up to a bound', () => {
    const budget = new RetryBudget({ budgetRatio: 0.25, budgetMin: 0 }, 0)
    for (let i = 0; i < 20; i++) budget.deposit()
    expect(drain(budget, 0)).toBe(5)
    for (let i = 0; i < 100_000; i++) budget.deposit()
    expect(drain(budget, 0)).toBe(1_000)
  })

  it('gets its minimum back over ten seconds, not more', () => {
    const budget = new RetryBudget({ budgetRatio: 0, budgetMin: 10 }, 0)
    drain(budget, 0)
    expect(drain(budget, 5_000)).toBe(5)
    expect(drain(budget, 60_000)).toBe(10)
  })

  it('allows none when both shares are 0', () => {
    const budget = new RetryBudget({ budgetRatio: 0, budgetMin: 0 }, 0)
    budget.deposit()
    expect(drain(budget, 1e9)).toBe(0)
  })
})
