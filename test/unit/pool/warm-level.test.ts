import { describe, expect, it } from 'vitest'
import { PoolScript } from '../../support/pool-script.ts'

describe.each([1, 100])('a warm level that changes, with connections of capacity %i', capacity => {
  it('opens missing connections, checks them, and replaces lost ones', () => {
    const pool = new PoolScript({ warmCheckMs: 1000, idleTimeoutMs: 5000, verifyAfterIdleMs: 0 })
    expect(pool.setWarm(2)).toEqual(['connect #1', 'connect #2'])
    expect(pool.setWarm(2)).toEqual([])
    pool.connected(1, capacity)
    pool.connected(2, capacity)
    expect(pool.advance(1000)).toEqual(['ping #2', 'ping #1'])
    pool.pinged(1, true)
    expect(pool.pinged(2, false)).toEqual(['close #2: ping-failed', 'connect #3'])
  })

  it('lets connections age out when it is 0, and stops checking them', () => {
    const pool = new PoolScript({ warm: 2, warmCheckMs: 500, idleTimeoutMs: 1000, verifyAfterIdleMs: 0 })
    pool.start()
    pool.connected(1, capacity)
    pool.connected(2, capacity)
    pool.advance(400)
    expect(pool.setWarm(0)).toEqual([])
    expect(pool.advance(599)).toEqual([])
    expect(pool.advance(1)).toEqual(['close #1: idle-timeout', 'close #2: idle-timeout'])
    pool.closed(1)
    expect(pool.closed(2)).toEqual([])
    expect(pool.timerAt).toBe(Infinity)
  })

  it('closes at once connections that only the level before had kept', () => {
    const pool = new PoolScript({ warm: 3, warmCheckMs: 0, idleTimeoutMs: 1000, verifyAfterIdleMs: 0 })
    pool.start()
    for (const id of [1, 2, 3]) pool.connected(id, capacity)
    pool.advance(1500)
    pool.acquire('a')
    pool.streamClosed(3)
    expect(pool.setWarm(1)).toEqual(['close #1: idle-timeout', 'close #2: idle-timeout'])
    expect(pool.advance(1000)).toEqual([])
    expect(pool.setWarm(0)).toEqual(['close #3: idle-timeout'])
  })

  it('returns with a full period before the first check', () => {
    const pool = new PoolScript({ warmCheckMs: 1000, idleTimeoutMs: 0, verifyAfterIdleMs: 0, maxAgeMs: 0 })
    pool.setWarm(1)
    pool.connected(1, capacity)
    pool.setWarm(0)
    expect(pool.advance(5000)).toEqual([])
    expect(pool.setWarm(1)).toEqual([])
    expect(pool.advance(999)).toEqual([])
    expect(pool.advance(1)).toEqual(['ping #1'])
  })

  it('does nothing in a pool that drains or is closed', () => {
    const pool = new PoolScript({ warmCheckMs: 1000 })
    pool.drain()
    expect(pool.setWarm(1)).toEqual([])
    pool.close()
    expect(pool.setWarm(2)).toEqual([])
    expect(pool.timerAt).toBe(Infinity)
  })
})
