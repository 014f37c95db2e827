import { describe, expect, it } from 'vitest'
import { type BudgetClient, ConnectionBudget } from '../../../../src/pool/rules/connection-budget.ts'

class Client implements BudgetClient {
  taken = 0
  readonly budget: ConnectionBudget
  readonly wants: number

  constructor(budget: ConnectionBudget, wants = 1) {
    this.budget = budget
    this.wants = wants
  }

  onBudgetAvailable(): void {
    for (let i = 0; i < this.wants; i += 1) if (this.budget.tryTake()) this.taken += 1
  }
}

describe('the budget', () => {
  it('has as many places as its limit', () => {
    const budget = new ConnectionBudget(2)
    expect([budget.tryTake(), budget.tryTake(), budget.tryTake()]).toEqual([true, true, false])
    budget.release()
    expect(budget.tryTake()).toBe(true)
    expect(budget.inUse).toBe(2)
  })

  it('has no limit when that is 0', () => {
    const budget = new ConnectionBudget(0)
    for (let i = 0; i < 5000; i += 1) expect(budget.tryTake()).toBe(true)
  })

  it('serves those who starve in order, one place each, and before anybody else', () => {
    const budget = new ConnectionBudget(2)
    const [greedy, modest] = [new Client(budget, 2), new Client(budget)]
    budget.tryTake()
    budget.tryTake()
    budget.starve(greedy)
    budget.starve(modest)
    budget.starve(greedy) // no second place in the queue
    expect(budget.starving).toBe(2)
    budget.release()
    expect(budget.tryTake()).toBe(false) // the free place belongs to the queue
    budget.serve()
    expect([greedy.taken, modest.taken]).toEqual([1, 0])
    budget.release()
    budget.serve()
    expect([greedy.taken, modest.taken]).toEqual([1, 1])
    expect(budget.starving).toBe(0)
  })

  it('passes on what a client does not take, and forgets one that asks it to', () => {
    const budget = new ConnectionBudget(1)
    const [sated, gone, hungry] = [new Client(budget, 0), new Client(budget), new Client(budget)]
    budget.tryTake()
    for (const client of [sated, gone, hungry]) budget.starve(client)
    budget.forget(gone)
    budget.release()
    budget.serve()
    expect([sated.taken, gone.taken, hungry.taken]).toEqual([0, 0, 1])
  })

  it('keeps the order though a client asks it to serve', () => {
    const budget = new ConnectionBudget(2)
    const order: string[] = []
    const client = (name: string): BudgetClient => ({
      onBudgetAvailable: () => {
        budget.serve()
        if (budget.tryTake()) order.push(name)
      },
    })
    for (const name of ['a', 'b', 'c']) budget.starve(client(name))
    budget.serve()
    expect(order).toEqual(['a', 'b'])
    expect(budget.inUse).toBe(2)
  })

  it('wants as many evictions as starve beyond what is free or closing', () => {
    const budget = new ConnectionBudget(1)
    budget.tryTake()
    let calls = 0
    budget.onStarving = () => {
      calls += 1
    }
    expect(budget.needsEviction).toBe(false)
    budget.starve(new Client(budget))
    expect([budget.needsEviction, calls]).toEqual([true, 1])
    budget.addLeaving(1)
    expect(budget.needsEviction).toBe(false)
    budget.addLeaving(-1)
    expect(budget.needsEviction).toBe(true)
    budget.release()
    expect(budget.needsEviction).toBe(false)
    budget.release()
    expect(budget.needsEviction).toBe(false)
  })
})
