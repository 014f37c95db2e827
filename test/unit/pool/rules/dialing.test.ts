import { describe, expect, it } from 'vitest'
import { ConnectionBudget } from '../../../../src/pool/rules/connection-budget.ts'
import { names, PoolScript } from '../../../support/pool-script.ts'

const BACKOFF = { backoffBaseMs: 100, backoffMaxMs: 5000, random: () => 1 }

describe.each([1, 100])('failed dials, with connections of capacity %i', capacity => {
  it('refuse all waiters when no connection is open or on its way', () => {
    const pool = new PoolScript(BACKOFF)
    pool.acquire('a', 'b')
    expect(pool.connectFailed(1)).toEqual(['reject a: MM_CONNECT_REFUSED', 'reject b: MM_CONNECT_REFUSED'])
    expect(pool.state.counts.connectFailures).toBe(1)
  })

  it('refuse no waiter while another dial is under way, until that fails too', () => {
    const pool = new PoolScript({ ...BACKOFF, expectedCapacity: 1 })
    expect(pool.acquire('a', 'b')).toEqual(['connect #1', 'connect #2'])
    expect(pool.connectFailed(1)).toEqual([])
    expect(pool.connectFailed(2, 'MM_CONNECT_TIMEOUT')).toEqual([
      'reject a: MM_CONNECT_TIMEOUT',
      'reject b: MM_CONNECT_TIMEOUT',
    ])
  })

  it('refuse no waiter while another connection lives', () => {
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

  it('let a newcomer wait when the next attempt is near, and refuse it at once otherwise', () => {
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

  it('let only requests try during the pause', () => {
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
  it('are one failure, so that the next request waits no longer than behind one', () => {
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

describe('a connection that dies young after it was used', () => {
  it('is no failed dial', () => {
    const pool = new PoolScript(BACKOFF).open(1)
    pool.acquire('a')
    pool.streamClosed(1)
    pool.closed(1)
    expect(pool.acquire('b')).toEqual(['connect #2'])
  })
})

describe('preconnect()', () => {
  it('dials the missing connections, within the limit', () => {
    const pool = new PoolScript({ maxConnections: 3 })
    expect(pool.preconnect(2)).toEqual(['connect #1', 'connect #2'])
    expect(pool.preconnect(9)).toEqual(['connect #3'])
  })

  it('counts dials under way for waiters', () => {
    const pool = new PoolScript()
    pool.acquire('a')
    expect(pool.preconnect(2)).toEqual(['connect #2'])
  })

  it('gives up when a dial fails', () => {
    const pool = new PoolScript(BACKOFF)
    pool.preconnect(2)
    pool.connectFailed(1)
    pool.connectFailed(2)
    expect(pool.advance(1000)).toEqual([])
  })
})

describe('the budget over all pools', () => {
  it('bounds dials, and reports when a waiter starves', () => {
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

  it('does not let the warm level starve', () => {
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

describe('a pool that spreads exchanges over 3 connections', () => {
  it('dials in parallel with the requests, which leave on open connections', () => {
    const pool = new PoolScript({ spreadOver: 3 })
    expect(pool.acquire('a')).toEqual(['connect #1'])
    expect(pool.connected(1, 100)).toEqual(['lease #1 to a'])
    expect(pool.acquire('b')).toEqual(['lease #1 to b (reused)', 'connect #2'])
    expect(pool.acquire('c')).toEqual(['lease #1 to c (reused)', 'connect #3'])
    expect(pool.acquire('d')).toEqual(['lease #1 to d (reused)'])
    expect(pool.connected(2, 100)).toEqual([])
    expect(pool.acquire('e')).toEqual(['lease #2 to e'])
    expect(pool.acquire('f')).toEqual(['lease #2 to f (reused)'])
    expect(pool.connected(3, 100)).toEqual([])
    expect(pool.acquire('g')).toEqual(['lease #3 to g'])
  })

  it('dials for a burst at once, no more than there are requests', () => {
    expect(new PoolScript({ spreadOver: 3 }).acquire('a', 'b')).toEqual(['connect #1', 'connect #2'])
    const pool = new PoolScript({ spreadOver: 3 })
    expect(pool.acquire(...names(20))).toEqual(['connect #1', 'connect #2', 'connect #3'])
    expect(pool.connected(2, 100)).toHaveLength(20) // nobody waits for the others
  })

  it('needs one connection for requests one after the other', () => {
    const pool = new PoolScript({ spreadOver: 3 }).open(1, 100)
    for (const name of names(5)) {
      expect(pool.acquire(name)[0]).toMatch(/^lease #1 /)
      expect(pool.streamClosed(1)).toEqual([])
    }
    expect(pool.state.counts.connections).toMatchObject({ connecting: 0, idle: 1 })
  })

  it('prefers an idle connection while fewer are busy, then the least loaded', () => {
    const pool = new PoolScript({ spreadOver: 3 }).open(4, 100)
    expect(pool.acquire(...names(5))).toEqual([
      'lease #4 to w1',
      'lease #3 to w2',
      'lease #2 to w3',
      'lease #2 to w4 (reused)', // #1 is one more than the spread
      'lease #3 to w5 (reused)',
    ])
    pool.streamClosed(4)
    expect(pool.acquire('x')).toEqual(['lease #4 to x (reused)'])
  })

  it('goes beyond the spread when all are full', () => {
    const pool = new PoolScript({ spreadOver: 2, maxStreamsPerConnection: 2 }).open(3, 100)
    expect(pool.acquire(...names(5)).at(-1)).toBe('lease #1 to w5')
    expect(pool.acquire('x', 'y')).toEqual(['lease #1 to x (reused)', 'connect #4'])
  })

  it('lets connections that the concurrency does not need age out, and dials them again when it does', () => {
    const pool = new PoolScript({ spreadOver: 3, idleTimeoutMs: 1000, verifyAfterIdleMs: 0 }).open(3, 100)
    const lines: string[] = []
    for (let turn = 0; turn < 30; turn += 1) {
      lines.push(...pool.acquire('a', 'b').filter(line => !line.startsWith('lease')))
      lines.push(...pool.advance(50), ...pool.streamClosed(2), ...pool.streamClosed(3))
    }
    expect(lines).toEqual(['close #1: idle-timeout'])
    pool.closed(1)
    expect(pool.acquire('a', 'b')).toHaveLength(2)
    expect(pool.acquire('c')).toEqual(['lease #2 to c (reused)', 'connect #4'])
  })

  it('drains as surplus only what is beyond the spread', () => {
    const keepBusy = (pool: PoolScript, turns: number): string[] => {
      const lines: string[] = []
      for (let turn = 0; turn < turns; turn += 1) {
        lines.push(...pool.advance(100))
        const leased = pool.acquire('x').find(line => line.startsWith('lease'))
        lines.push(...pool.streamClosed(Number(/#(\d)/.exec(leased ?? '')?.[1])))
      }
      return lines
    }
    const few = new PoolScript({ spreadOver: 3, idleTimeoutMs: 1000 }).open(3, 100)
    few.acquire('a', 'b', 'c')
    expect(keepBusy(few, 50)).toEqual([])
    const many = new PoolScript({ spreadOver: 2, idleTimeoutMs: 1000, maxStreamsPerConnection: 10 })
    many.open(3, 100)
    many.acquire(...names(21))
    for (let ended = 0; ended < 9; ended += 1) {
      many.streamClosed(2)
      many.streamClosed(3)
    }
    expect(keepBusy(many, 50)).toEqual(['drain #1: surplus'])
  })

  it('replaces a connection that is retired', () => {
    const pool = new PoolScript({ spreadOver: 2 }).open(2, 100)
    pool.acquire('a', 'b', 'c', 'd')
    expect(pool.retire(1)).toEqual(['drain #1: network-error', 'connect #3'])
    expect(pool.retire(1)).toEqual([])
    expect(pool.streamClosed(1)).toEqual([])
    expect(pool.streamClosed(1)).toEqual(['close #1: network-error'])
  })

  it('replaces a connection that is lost, draining or closing', () => {
    const pool = new PoolScript({ spreadOver: 2 }).open(2, 100)
    pool.acquire('a', 'b', 'c', 'd')
    expect(pool.closed(1)).toEqual(['connect #3']) // two are left on #2
    expect(pool.connected(3, 100)).toEqual([])
    expect(pool.acquire('e')).toEqual(['lease #3 to e'])
    // What a draining one carries is no reason for another connection.
    expect(pool.draining(2)).toEqual([])
    expect(pool.acquire('f')).toEqual(['lease #3 to f (reused)', 'connect #4'])
  })

  it('stays within maxConnections', () => {
    const pool = new PoolScript({ spreadOver: 3, maxConnections: 2 })
    expect(pool.acquire(...names(5))).toEqual(['connect #1', 'connect #2'])
    pool.connected(1, 100)
    pool.connected(2, 100)
    pool.advance(1000)
    pool.draining(2)
    expect(pool.acquire('x')).toEqual(['lease #1 to x (reused)'])
    expect(pool.closed(2)).toEqual(['connect #3'])
  })

  it('evicts nothing for the spread, and takes only a free place', () => {
    const budget = new ConnectionBudget(2)
    const pool = new PoolScript({ spreadOver: 3, budget }).open(1, 100)
    expect(budget.tryTake()).toBe(true) // another pool's
    expect(pool.acquire('a', 'b')).toEqual(['lease #1 to a', 'lease #1 to b (reused)'])
    budget.release()
    expect(pool.acquire('c')).toEqual(['lease #1 to c (reused)', 'connect #2'])
    const other = new ConnectionBudget(1)
    expect(new PoolScript({ spreadOver: 3, budget: other }).acquire('a', 'b')).toEqual(['connect #1'])
  })

  it('counts one that waits for a new connection when another is served', () => {
    const pool = new PoolScript({ spreadOver: 2 })
    pool.acquire('a')
    pool.connectedEarly(1, 1)
    pool.streamClosed(1)
    expect(pool.acquireFresh('b')).toEqual([]) // #1 is used, and may carry any number once it is reported
    expect(pool.acquire('c')).toEqual(['lease #1 to c (reused)', 'connect #2'])
  })

  it('starves when a waiter finds no place', () => {
    const budget = new ConnectionBudget(1)
    expect(budget.tryTake()).toBe(true)
    expect(new PoolScript({ spreadOver: 3, budget }).acquire('a')).toEqual(['starve'])
  })

  it('takes no idle connection from itself to make room for the spread', () => {
    const pool = new PoolScript({ spreadOver: 3, maxConnections: 3 }).open(2, 100)
    pool.advance(1000)
    pool.acquire('a')
    pool.draining(2) // with a, for a while
    expect(pool.acquireFresh('b')).toEqual(['connect #3'])
    expect(pool.connectedEarly(3, 1)).toEqual(['lease #3 to b'])
    expect(pool.acquireFresh('c', 'd')).toEqual([]) // #3 will carry them soon
    expect(pool.closed(2)).toEqual(['connect #4'])
  })

  it('backs off as for any dial, and recovers by itself', () => {
    const pool = new PoolScript({ spreadOver: 3, backoffBaseMs: 100, random: () => 1 }).open(1, 100)
    expect(pool.acquire('a', 'b', 'c')).toContain('connect #3')
    expect(pool.connectFailed(2)).toEqual([])
    expect(pool.connectFailed(3)).toEqual([])
    expect(pool.acquire('d')).toEqual(['lease #1 to d (reused)'])
    expect(pool.advance(99)).toEqual([])
    expect(pool.advance(1)).toEqual(['connect #4']) // one at a time
    expect(pool.connected(4, 100)).toEqual(['connect #5'])
  })

  it('leaves an origin alone that allows no streams', () => {
    const pool = new PoolScript({ spreadOver: 3 }).open(1, 100)
    pool.capacity(1, 0)
    expect(pool.acquire('a', 'b', 'c')).toEqual(['connect #2'])
    expect(pool.connected(2, 0)).toEqual([])
    expect(pool.acquire('d')).toEqual([])
    expect(pool.capacity(1, 100)).toHaveLength(4) // and no dial
    expect(pool.acquire('e')).toEqual(['lease #1 to e (reused)'])
    expect(pool.capacity(2, 100)).toEqual(['connect #3'])
    expect(pool.acquire('f')).toEqual(['lease #2 to f'])
  })

  it('sends stale idle ones a liveness probe in parallel with the requests', () => {
    const pool = new PoolScript({ spreadOver: 3, verifyAfterIdleMs: 1000, idleTimeoutMs: 0 }).open(3, 100)
    pool.advance(1000)
    expect(pool.acquire('a')).toEqual(['ping #3']) // nothing else is there to leave on
    expect(pool.pinged(3, true)).toEqual(['lease #3 to a'])
    expect(pool.acquire('b')).toEqual(['lease #3 to b (reused)', 'ping #2'])
    expect(pool.preconnect(1)).toEqual([]) // one is enough for two exchanges
    expect(pool.acquire('c')).toEqual(['lease #3 to c (reused)', 'ping #1'])
    expect(pool.pinged(2, true)).toEqual([])
    expect(pool.acquire('d')).toEqual(['lease #2 to d'])
    expect(pool.pinged(1, false)).toEqual(['close #1: ping-failed', 'connect #4'])
  })

  it('sends no liveness probe when fresh idle ones are enough', () => {
    const pool = new PoolScript({ spreadOver: 2, verifyAfterIdleMs: 1000, idleTimeoutMs: 0 }).open(2, 100)
    pool.advance(500)
    pool.acquire('x')
    pool.streamClosed(2)
    pool.advance(500) // #1 is stale, #2 is not
    expect(pool.acquire('a', 'b')).toEqual(['lease #2 to a (reused)', 'lease #2 to b (reused)', 'ping #1'])
    pool.pinged(1, true)
    expect(pool.streamClosed(2)).toEqual([])
    expect(pool.acquire('c')).toEqual(['lease #1 to c'])
  })

  it('closes connections that turn out to be too old when it needs more, and dials instead', () => {
    const pool = new PoolScript({ spreadOver: 2, maxAgeMs: 1000, idleTimeoutMs: 0, verifyAfterIdleMs: 0 })
    pool.acquire('a')
    pool.connected(1, 100)
    pool.advance(500)
    pool.acquire('b')
    pool.connected(2, 100)
    pool.now = 1000 // the timer is late
    expect(pool.acquire('c')).toEqual(['lease #2 to c'])
    pool.now = 1500
    expect(pool.acquire('d')).toEqual(['drain #2: max-age', 'drain #1: max-age', 'connect #3'])
  })

  it('drains like any other, and dials nothing for the spread any more', () => {
    const pool = new PoolScript({ spreadOver: 3 }).open(1, 100)
    pool.acquire('a')
    pool.drain()
    expect(pool.acquireAgain('b', 'c')).toEqual(['lease #1 to b (reused)', 'lease #1 to c (reused)'])
  })
})

describe('connections of capacity 1', () => {
  it.each([1, 3])('are dialed as always with a spread over %i', spreadOver => {
    const pool = new PoolScript({ spreadOver, expectedCapacity: 1 })
    expect(pool.acquire('a', 'b', 'c', 'd')).toHaveLength(4)
    for (const id of [1, 2, 3, 4]) pool.connected(id, 1)
    for (const id of [1, 2, 3, 4]) expect(pool.streamClosed(id)).toEqual([])
    expect(pool.acquire('e')).toEqual(['lease #4 to e (reused)'])
    expect(pool.acquire('f')).toEqual(['lease #3 to f (reused)'])
  })
})
