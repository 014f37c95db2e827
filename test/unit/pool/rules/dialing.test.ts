import { describe, expect, it } from 'vitest'
import { ConnectionBudget } from '../../../../src/pool/rules/connection-budget.ts'
import { names, PoolScript } from '../../../support/pool-script.ts'

const BACKOFF = { backoffBaseMs: 100, backoffMaxMs: 5000, random: () => 1 }

describe.each([1, 100])('failed dials, with connections of capacity %i', capacity => {
  it('refuse all who wait when nothing else is there or on its way', () => {
    const pool = new PoolScript(BACKOFF)
    pool.acquire('a', 'b')
    expect(pool.connectFailed(1)).toEqual(['reject a: MM_CONNECT_REFUSED', 'reject b: MM_CONNECT_REFUSED'])
    expect(pool.state.counts.connectFailures).toBe(1)
  })

  it('refuse nobody while another dial is under way, until that fails too', () => {
    const pool = new PoolScript({ ...BACKOFF, expectedCapacity: 1 })
    expect(pool.acquire('a', 'b')).toEqual(['connect #1', 'connect #2'])
    expect(pool.connectFailed(1)).toEqual([])
    expect(pool.connectFailed(2, 'MM_CONNECT_TIMEOUT')).toEqual([
      'reject a: MM_CONNECT_TIMEOUT',
      'reject b: MM_CONNECT_TIMEOUT',
    ])
  })

  it('refuse nobody while another connection lives', () => {
    const pool = new PoolScript({ ...BACKOFF, maxStreamsPerConnection: 1 }).open(1, capacity)
    pool.acquire('a', 'b')
    expect(pool.connectFailed(2)).toEqual([])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to b (reused)'])
  })

  it('hold back further dials, longer each time', () => {
    const pool = new PoolScript({ ...BACKOFF, maxStreamsPerConnection: 1, queueTimeoutMs: 0 }).open(
      1,
      capacity,
    )
    pool.acquire('a', 'b')
    pool.connectFailed(2)
    expect(pool.advance(99)).toEqual([])
    expect(pool.advance(1)).toEqual(['connect #3'])
    pool.connectFailed(3)
    expect(pool.advance(199)).toEqual([])
    expect(pool.advance(1)).toEqual(['connect #4'])
    expect(pool.connected(4, capacity)).toEqual(['lease #4 to b'])
    expect(pool.state.isBackingOff(pool.now)).toBe(false)
  })

  it('let a newcomer wait when the next attempt is near, and refuse it at once when not', () => {
    const pool = new PoolScript({ ...BACKOFF, backoffWaitMs: 50 })
    pool.acquire('a')
    pool.connectFailed(1)
    expect(pool.acquire('b')).toEqual(['reject b: MM_CONNECT_REFUSED']) // due in 100
    pool.advance(60)
    expect(pool.acquire('c')).toEqual([])
    expect(pool.advance(40)).toEqual(['connect #2'])
    expect(pool.connected(2, capacity)).toEqual(['lease #2 to c'])
  })

  it('let the request that comes after an outage try at once, however long that was', () => {
    const pool = new PoolScript(BACKOFF)
    pool.acquire('a')
    for (let id = 1; id <= 8; id += 1) {
      pool.connectFailed(id)
      pool.advance(100)
      expect(pool.acquire(`w${id}`)).toEqual([`connect #${id + 1}`])
    }
    expect(pool.state.isBackingOff(pool.now)).toBe(true)
    expect(pool.connected(9, capacity)).toEqual(['lease #9 to w8'])
    expect(pool.state.isBackingOff(pool.now)).toBe(false)
  })

  it('are no more than one for each first step of the pause, however many requests come', () => {
    const pool = new PoolScript(BACKOFF)
    const dials: string[] = pool.acquire('first')
    for (let ms = 0; ms < 1000; ms += 10) {
      const actions = [...pool.acquire(`at ${ms}`), ...pool.advance(10)]
      dials.push(...actions.filter(line => line.startsWith('connect')))
      if (actions.some(line => line.startsWith('connect'))) pool.connectFailed(dials.length)
      if (ms === 0) pool.connectFailed(1)
    }
    expect(dials.length).toBeGreaterThan(5)
    expect(dials.length).toBeLessThanOrEqual(11)
  })

  it('let nothing but requests try during the pause', () => {
    const pool = new PoolScript({ ...BACKOFF, warm: 1, warmCheckMs: 0 })
    pool.start()
    pool.connectFailed(1)
    expect(pool.advance(100)).toEqual(['connect #2'])
    pool.connectFailed(2)
    expect(pool.advance(150)).toEqual([])
    expect(pool.acquire('a')).toEqual(['connect #3'])
    pool.connectFailed(3)
    expect(pool.advance(399)).toEqual([])
    expect(pool.advance(1)).toEqual(['connect #4'])
  })

  it('refuse those that wait when the last connection ends and the next attempt is far', () => {
    const pool = new PoolScript({ ...BACKOFF, backoffWaitMs: 50, maxStreamsPerConnection: 1 }).open(
      1,
      capacity,
    )
    pool.acquire('a', 'b')
    pool.connectFailed(2)
    expect(pool.closed(1)).toEqual(['reject b: MM_CONNECT_REFUSED'])
  })

  it('are followed by one dial at a time until one succeeds', () => {
    const pool = new PoolScript({ ...BACKOFF, expectedCapacity: 1 })
    pool.acquire('a')
    pool.connectFailed(1)
    pool.acquire(...names(3))
    expect(pool.advance(100)).toEqual(['connect #2'])
    expect(pool.connected(2)).toEqual(['lease #2 to w1', 'connect #3', 'connect #4'])
  })

  it('count as one when they were started together', () => {
    const pool = new PoolScript({ ...BACKOFF, expectedCapacity: 1 })
    pool.acquire(...names(5))
    for (let id = 1; id <= 5; id += 1) pool.connectFailed(id)
    expect(pool.state.retryAt).toBe(100)
  })
})

describe('a connection that dies as it opened, unused', () => {
  it('counts as a failed dial, so that a warm level does not dial in a loop', () => {
    const pool = new PoolScript({ ...BACKOFF, warm: 1, warmCheckMs: 0 })
    pool.start()
    pool.connected(1)
    expect(pool.closed(1)).toEqual([])
    expect(pool.advance(100)).toEqual(['connect #2'])
    pool.connected(2)
    expect(pool.draining(2)).toEqual([])
    expect(pool.closed(2)).toEqual([])
    expect(pool.advance(199)).toEqual([])
    expect(pool.advance(1)).toEqual(['connect #3'])
    pool.connected(3)
    pool.advance(1000)
    expect(pool.closed(3)).toEqual(['connect #4']) // that one lived
  })
})

describe('connections that die together as they opened, unused', () => {
  it('are one failure: who comes then does not wait for longer than behind one', () => {
    const pool = new PoolScript({ ...BACKOFF, warm: 5, warmCheckMs: 0, expectedCapacity: 1 })
    pool.start()
    for (let id = 1; id <= 5; id += 1) pool.connected(id)
    for (let id = 1; id <= 5; id += 1) pool.draining(id) // a reload
    for (let id = 1; id <= 5; id += 1) pool.closed(id)
    expect(pool.acquire('a')).toEqual([])
    expect(pool.state.retryAt).toBe(100)
    expect(pool.advance(100)).toContain('connect #6')
  })
})

describe('a connection that dies young, after others were put to use', () => {
  it('starts the backoff from its beginning', () => {
    const pool = new PoolScript({ ...BACKOFF, warm: 1, warmCheckMs: 0 })
    pool.start()
    pool.connected(1)
    pool.closed(1)
    pool.advance(100)
    pool.connected(2)
    pool.acquire('a')
    pool.streamClosed(2)
    pool.closed(2)
    pool.connected(3)
    pool.closed(3)
    expect(pool.state.retryAt).toBe(pool.now + 100)
  })
})

describe('a connection that dies young, but was used', () => {
  it('is no failed dial', () => {
    const pool = new PoolScript(BACKOFF).open(1)
    pool.acquire('a')
    pool.streamClosed(1)
    pool.closed(1)
    expect(pool.acquire('b')).toEqual(['connect #2'])
  })
})

describe('preconnect', () => {
  it('dials what is missing, within the limit', () => {
    const pool = new PoolScript({ maxConnections: 3 })
    expect(pool.preconnect(2)).toEqual(['connect #1', 'connect #2'])
    expect(pool.preconnect(9)).toEqual(['connect #3'])
  })

  it('counts dials under way for waiters', () => {
    const pool = new PoolScript()
    pool.acquire('a')
    expect(pool.preconnect(2)).toEqual(['connect #2'])
  })

  it('stops wanting when a dial fails', () => {
    const pool = new PoolScript(BACKOFF)
    pool.preconnect(2)
    pool.connectFailed(1)
    pool.connectFailed(2)
    expect(pool.advance(1000)).toEqual([])
  })
})

describe('the budget over all pools', () => {
  it('bounds dials, and tells when a waiter starves', () => {
    const budget = new ConnectionBudget(1)
    const pool = new PoolScript({ budget, expectedCapacity: 1 })
    expect(pool.acquire('a', 'b')).toEqual(['connect #1', 'starve'])
    budget.limit = 2
    expect(pool.budgetAvailable()).toEqual(['connect #2'])
    pool.connected(1)
    expect(budget.inUse).toBe(2)
    pool.closed(1)
    pool.connectFailed(2)
    expect(budget.inUse).toBe(0)
  })

  it('does not starve for the warm level', () => {
    const pool = new PoolScript({ budget: new ConnectionBudget(1), warm: 2 })
    expect(pool.start()).toEqual(['connect #1'])
  })

  it('gets what becomes idle while another pool starves', () => {
    const budget = new ConnectionBudget(2)
    const pool = new PoolScript({ budget }).open(2)
    pool.acquire('a', 'b')
    budget.starve({ onBudgetAvailable: () => undefined })
    expect(pool.streamClosed(1)).toEqual(['close #1: evicted'])
    expect(pool.streamClosed(2)).toEqual([]) // one starves, one is closing
    pool.closed(1)
    expect(budget.tryTake()).toBe(false) // kept for the one that starves
  })
})
