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

describe('the budget of connections', () => {
  it('has as many places as its limit', () => {
    const budget = new ConnectionBudget(2)
    expect([budget.tryTake(), budget.tryTake(), budget.tryTake()]).toEqual([true, true, false])
    budget.release()
    expect(budget.tryTake()).toBe(true)
    expect(budget.inUse).toBe(2)
  })

  it('has no more places than its ceiling, even when some were set aside', () => {
    const budget = new ConnectionBudget(0)
    budget.ceiling = 2
    budget.tryTake()
    budget.tryTake()
    budget.addAside(1)
    expect([budget.tryTake(), budget.isFull, budget.reachedCeiling?.ceiling]).toEqual([false, true, 2])
    const within = new ConnectionBudget(8, Infinity, budget)
    expect([within.tryTake(), within.reachedCeiling?.ceiling]).toEqual([false, 2])
    budget.ceiling = 3
    expect([within.tryTake(), budget.inUse]).toEqual([true, 3])
  })

  it('asks for an eviction where there are more than the ceiling allows, until enough are closing', () => {
    const budget = new ConnectionBudget(0)
    budget.tryTake()
    budget.tryTake()
    budget.ceiling = 1
    expect([budget.isOver, budget.mustEvict]).toEqual([true, true])
    budget.addLeaving(1)
    expect([budget.isOver, budget.mustEvict]).toEqual([false, false])
  })

  it('has no limit when that is 0', () => {
    const budget = new ConnectionBudget(0)
    for (let i = 0; i < 5000; i += 1) expect(budget.tryTake()).toBe(true)
  })

  it('serves pools that starve in order, one place each, and before any other', () => {
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

  it('passes on a place that a pool refuses, and forgets one that asks for that', () => {
    const budget = new ConnectionBudget(1)
    const [sated, gone, hungry] = [new Client(budget, 0), new Client(budget), new Client(budget)]
    budget.tryTake()
    for (const client of [sated, gone, hungry]) budget.starve(client)
    budget.forget(gone)
    budget.release()
    budget.serve()
    expect([sated.taken, gone.taken, hungry.taken]).toEqual([0, 0, 1])
  })

  it('keeps the order even when a pool calls it from within', () => {
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

  it('asks for as many evictions as pools starve beyond what is free or closing', () => {
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

describe('the budget of an origin within that of all origins', () => {
  const nested = (ofOrigin: number, ofAll: number) => {
    const all = new ConnectionBudget(ofAll, 1)
    return { all, origin: new ConnectionBudget(ofOrigin, 5, all) }
  }

  it('gives a place where both have one, and takes it from both', () => {
    const { all, origin } = nested(2, 3)
    expect([origin.tryTake(), origin.tryTake(), origin.tryTake()]).toEqual([true, true, false])
    expect([all.inUse, origin.isReached, all.isFull]).toEqual([2, true, false])
    all.tryTake()
    origin.release()
    expect([origin.isReached, origin.isFull, all.inUse]).toEqual([false, false, 2])
    all.tryTake()
    expect([origin.isReached, origin.isFull, origin.tryTake()]).toEqual([false, true, false])
    expect([all.inUse, origin.inUse]).toEqual([3, 1])
  })

  it('lets a pool starve at the budget that has no place', () => {
    const { all, origin } = nested(1, 2)
    const starving: string[] = []
    all.onStarving = () => starving.push('all')
    origin.onStarving = () => starving.push('origin')
    origin.tryTake()
    origin.starve(new Client(origin))
    expect([starving, origin.mustEvict, all.mustEvict, origin.needsEviction]).toEqual([
      ['origin'],
      true,
      false,
      true,
    ])
    const other = new ConnectionBudget(9, 9, all)
    other.tryTake()
    other.starve(new Client(other))
    expect([starving, other.mustEvict, all.mustEvict, other.needsEviction]).toEqual([
      ['origin', 'all'],
      false,
      true,
      true,
    ])
  })

  it('serves pools that starve for the origin, and then those that starve for all', () => {
    const { all, origin } = nested(1, 2)
    const other = new ConnectionBudget(9, 9, all)
    const [sibling, stranger] = [new Client(origin), new Client(other)]
    origin.tryTake()
    all.tryTake()
    origin.starve(sibling)
    other.starve(stranger)
    origin.release()
    origin.serve()
    // The origin has room, but others have waited for the place in all.
    expect([sibling.taken, stranger.taken, all.inUse]).toEqual([0, 1, 2])
  })

  it('counts connections that are closing and those set aside in both', () => {
    const { all, origin } = nested(1, 1)
    origin.tryTake()
    expect([origin.hasStalledPlace, origin.stalledPlaces]).toEqual([true, 5])
    origin.addAside(1)
    expect([origin.isFull, all.isFull, origin.hasStalledPlace, origin.stalledPlaces]).toEqual([
      false,
      false,
      false,
      4,
    ])
    origin.addAside(-1)
    origin.starve(new Client(origin))
    origin.addLeaving(1)
    expect([origin.needsEviction, all.needsEviction]).toEqual([false, false])
  })
})
