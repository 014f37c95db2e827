import { describe, expect, it } from 'vitest'
import { ConnectionBudget } from '../../../../src/pool/rules/connection-budget.ts'
import { STALL_MS } from '../../../../src/pool/rules/stalled.ts'
import { names, PoolScript } from '../../../support/pool-script.ts'

/** Two connections, and both lead to readers that stall from now on. */
function stalledPair(options: ConstructorParameters<typeof PoolScript>[0] = {}): PoolScript {
  const pool = new PoolScript({
    maxConnections: 2,
    maxStalledConnections: 2,
    expectedCapacity: 1,
    ...options,
  })
  pool.acquire('s1', 's2')
  pool.connected(1)
  pool.connected(2)
  pool.pause(1, 2)
  return pool
}

describe('connections whose readers stall', () => {
  it('give their places to waiters, one for each', () => {
    const pool = stalledPair()
    pool.advance(STALL_MS)
    expect(pool.acquire('a')).toEqual(['connect #3'])
    expect(pool.state.counts).toMatchObject({ stalled: 1, waiters: 1 })
    expect(pool.connected(3)).toEqual(['lease #3 to a'])
    expect(pool.acquire('b')).toEqual(['connect #4'])
    expect([pool.state.size, pool.state.counted, pool.state.aside]).toEqual([4, 2, 2])
  })

  it('keep their places while nobody waits', () => {
    const pool = stalledPair()
    expect(pool.advance(10 * STALL_MS)).toEqual([])
    expect(pool.state.counts.stalled).toBe(0)
  })

  it('keep their places where further ones are not allowed', () => {
    const pool = stalledPair({ maxStalledConnections: 0, queueTimeoutMs: 1_000 })
    pool.advance(STALL_MS)
    expect(pool.acquire('a')).toEqual([])
    expect(pool.advance(1_000)).toEqual(['reject a: MM_QUEUE_TIMEOUT'])
  })

  it('are searched again while a request waits', () => {
    const pool = stalledPair()
    expect(pool.acquire('a')).toEqual([])
    expect(pool.advance(STALL_MS - 1)).toEqual([])
    expect(pool.advance(1)).toEqual(['connect #3'])
  })

  it('do not include those that resume in time', () => {
    const pool = stalledPair({ queueTimeoutMs: 1_000 })
    pool.acquire('a')
    for (let pauses = 0; pauses < 30; pauses += 1) {
      pool.pause(1, 2)
      expect(pool.advance(STALL_MS / 4)).toEqual([])
    }
    expect(pool.state.counts.stalled).toBe(0)
  })

  it('count again once their exchange has ended, where a place is free', () => {
    const pool = stalledPair()
    pool.advance(STALL_MS)
    pool.acquire('a')
    pool.connected(3)
    pool.streamClosed(3)
    expect(pool.evict()).toEqual(['close #3: evicted'])
    pool.closed(3)
    expect(pool.streamClosed(1)).toEqual([])
    expect([pool.state.counted, pool.state.aside]).toEqual([2, 0])
    expect(pool.acquire('b')).toEqual(['lease #1 to b (reused)'])
  })

  it('are closed once their exchange has ended, where none is', () => {
    const pool = stalledPair()
    pool.advance(STALL_MS)
    pool.acquire('a')
    pool.connected(3)
    const [aside] = [1, 2].filter(id => pool.slot(id).isAside)
    expect(pool.streamClosed(aside ?? 0)).toEqual([`close #${aside}: surplus`])
    expect(pool.state.aside, 'it holds its place among them until it is gone').toBe(1)
    pool.closed(aside ?? 0)
    expect([pool.state.counted, pool.state.aside]).toEqual([2, 0])
  })

  it('stay set aside when their readers resume, since those stall again', () => {
    const pool = stalledPair()
    pool.advance(STALL_MS)
    pool.acquire('a', 'b')
    expect(pool.state.aside).toBe(2)
    pool.resume(1)
    pool.resume(2)
    pool.advance(10 * STALL_MS)
    expect(pool.state.aside).toBe(2)
    expect(pool.acquire('c')).toEqual([])
  })

  it('are set aside up to the limit, however many requests wait', () => {
    const pool = stalledPair({ maxStalledConnections: 3 })
    pool.advance(STALL_MS)
    expect(pool.acquire('a', 'b', 'c', 'd')).toEqual(['connect #3', 'connect #4'])
    pool.connected(3)
    pool.connected(4)
    pool.pause(3, 4)
    expect(pool.advance(2 * STALL_MS)).toEqual(['connect #5'])
    pool.connected(5)
    pool.pause(5)
    expect(pool.advance(10 * STALL_MS)).toEqual([])
    expect(pool.state.counts).toMatchObject({ stalled: 3, waiters: 1 })
  })

  it('are set aside up to what other pools of the origin leave', () => {
    const ofOrigin = new ConnectionBudget(0, 3)
    ofOrigin.addAside(1)
    ofOrigin.addAside(1)
    const pool = stalledPair({ maxStalledConnections: 9, budget: ofOrigin })
    pool.advance(STALL_MS)
    expect(pool.acquire('a', 'b')).toEqual(['connect #3'])
  })

  it('are set aside up to what the budget over all pools allows, and hold no place in it', () => {
    const budget = new ConnectionBudget(2, 1)
    const pool = stalledPair({ maxConnections: 9, maxStalledConnections: 9, budget })
    pool.advance(STALL_MS)
    expect(pool.acquire('a', 'b')).toEqual(['connect #3', 'starve'])
    expect([budget.inUse, budget.isFull, budget.hasStalledPlace]).toEqual([3, true, false])
  })

  it('free a place in the budget for another pool', () => {
    const budget = new ConnectionBudget(2, 1)
    const pool = stalledPair({ budget })
    const other = new PoolScript({ expectedCapacity: 1, budget })
    expect(other.acquire('a')).toEqual(['starve'])
    expect(pool.state.setStalledAside(pool.now), 'too early').toBe(false)
    pool.advance(2 * STALL_MS)
    expect(pool.state.setStalledAside(pool.now)).toBe(true)
    pool.state.assertConsistent()
    expect(other.budgetAvailable()).toEqual(['connect #1'])
  })

  it('make a pool that starves for the budget ask again', () => {
    const budget = new ConnectionBudget(2, 1)
    stalledPair({ budget })
    const other = new PoolScript({ expectedCapacity: 1, budget })
    other.acquire('a')
    expect(other.advance(STALL_MS)).toContain('starve')
  })

  it('keep their places when they multiplex, since other exchanges go on in parallel', () => {
    const pool = new PoolScript({ maxConnections: 1, maxStalledConnections: 9, expectedCapacity: 2 })
    pool.acquire('s1', 's2')
    pool.connected(1, 2)
    pool.pause(1)
    pool.advance(STALL_MS)
    expect(pool.acquire('a')).toEqual([])
    expect(pool.advance(10 * STALL_MS)).toEqual([])
  })

  it('keep their places when they multiplex in parallel with others that do not', () => {
    const pool = new PoolScript({ maxConnections: 2, maxStalledConnections: 9, expectedCapacity: 2 })
    pool.acquire('s1', 's2')
    pool.connected(1, 2)
    pool.acquire('a')
    pool.connected(2, 1)
    pool.pause(1)
    pool.advance(STALL_MS)
    expect(pool.acquire('b')).toEqual([])
    pool.pause(2)
    expect(pool.advance(2 * STALL_MS)).toEqual(['connect #3'])
    expect(pool.slot(1).isAside).toBe(false)
  })

  it('free no place in the budget by their end, so that no pool waits for it', () => {
    const budget = new ConnectionBudget(1, 1)
    const pool = new PoolScript({ maxStalledConnections: 1, expectedCapacity: 1, budget })
    pool.acquire('s')
    pool.connected(1)
    pool.pause(1)
    pool.advance(STALL_MS)
    pool.state.setStalledAside(pool.now)
    const starving = { onBudgetAvailable: () => undefined }
    budget.starve(starving)
    expect(budget.needsEviction, 'the place of the stalled one is free').toBe(false)
    expect(pool.acquire('a')).toEqual(['starve'])
    budget.forget(starving)
    expect(pool.budgetAvailable()).toEqual(['connect #2'])
    budget.starve(starving)
    pool.retire(1)
    expect(pool.streamClosed(1)).toContain('close #1: network-error')
    expect(budget.needsEviction).toBe(true)
  })

  it('are set aside for requests only, neither for a warm level nor for a preconnect', () => {
    const pool = stalledPair()
    pool.advance(STALL_MS)
    expect(pool.preconnect(3)).toEqual([])
    expect(pool.setWarm(3)).toEqual([])
  })

  it('stay set aside when they are to end', () => {
    const pool = stalledPair()
    pool.advance(STALL_MS)
    pool.acquire('a', 'b')
    expect(pool.retire(1)).toEqual(['drain #1: network-error'])
    expect(pool.state.aside).toBe(2)
    expect(pool.streamClosed(1)).toEqual(['close #1: network-error'])
    pool.closed(1)
    pool.closed(2)
    expect([pool.state.counted, pool.state.aside]).toEqual([2, 0])
  })

  it('are named in the refusal of a request that waited in vain', () => {
    const pool = stalledPair({ maxStalledConnections: 1, queueTimeoutMs: 1_000 })
    pool.advance(STALL_MS)
    pool.acquire('a', 'b')
    const messages: string[] = []
    for (const action of pool.state.onTimer(1_000_000))
      if (action.type === 'reject') messages.push(action.error.message)
    expect(messages[0]).toMatch(/1 of them aside since their readers stall; .*pool\.maxStalledConnections/)
  })
})

describe('a queue that drains as readers are set aside', () => {
  it('refuses no request, and serves the newest first', () => {
    const pool = stalledPair({ maxStalledConnections: 9, queueTargetMs: 50, queueIntervalMs: 0 })
    const early = names(5)
    pool.acquire(...early)
    pool.advance(STALL_MS) // two are dialed in place of the stalled ones
    pool.acquire('late')
    pool.advance(1)
    expect(pool.acquire('newest')).toEqual([])
    expect(pool.connected(3)).toEqual(['lease #3 to newest'])
    expect(pool.state.counts.shed).toBe(0)
  })

  it('makes room for newcomers where it is full', () => {
    const full = { maxStalledConnections: 9, queueTargetMs: 50, queueIntervalMs: 0, maxWaiters: 6 }
    const pool = stalledPair(full)
    pool.acquire(...names(5))
    pool.advance(STALL_MS)
    expect(pool.acquire('newer')).toEqual([])
    expect(pool.acquire('newest')).toEqual([
      'reject w1: MM_QUEUE_OVERLOADED',
      'reject w2: MM_QUEUE_OVERLOADED',
    ])
  })

  it('is overloaded again when none was set aside for a while', () => {
    const pool = stalledPair({ maxStalledConnections: 2, queueTargetMs: 50, queueIntervalMs: 0 })
    pool.acquire(...names(5))
    pool.advance(STALL_MS)
    pool.connected(3)
    pool.connected(4)
    pool.advance(999)
    expect(pool.acquire('newest')).toEqual([])
    pool.advance(1)
    expect(pool.acquire('more')).toEqual(['reject w3: MM_QUEUE_OVERLOADED', 'reject w4: MM_QUEUE_OVERLOADED'])
  })
})
