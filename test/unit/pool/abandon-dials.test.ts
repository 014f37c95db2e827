import { describe, expect, it } from 'vitest'
import { PoolScript } from '../../support/pool-script.ts'

describe.each([1, 100])('dials that are abandoned, with connections of capacity %i', capacity => {
  it('are those that nobody needs', () => {
    const pool = new PoolScript({ expectedCapacity: capacity })
    pool.acquire('a')
    pool.cancel('a')
    expect(pool.abandonDials()).toEqual(['close #1: surplus'])
    expect(pool.abandonDials()).toEqual([])
    expect(pool.connectFailed(1)).toEqual([])
    expect(pool.state.isEmpty).toBe(true)
    expect(pool.state.counts.connectFailures).toBe(0)
    expect(pool.state.isBackingOff(pool.now)).toBe(false)
  })

  it('hold their place until they have ended', () => {
    const pool = new PoolScript({ maxConnections: 1 })
    pool.acquire('a')
    pool.cancel('a')
    pool.abandonDials()
    expect(pool.acquire('b')).toEqual([])
    expect(pool.closed(1)).toEqual(['connect #2'])
  })

  it('are never those of waiters, also of those that want a new one', () => {
    const pool = new PoolScript({ expectedCapacity: capacity })
    pool.acquire('a')
    expect(pool.abandonDials()).toEqual([])
    pool.connected(1, capacity)
    pool.advance(1000)
    expect(pool.acquireFresh('b')).toEqual(['connect #2'])
    expect(pool.abandonDials()).toEqual([])
    expect(pool.connected(2, capacity)).toEqual(['lease #2 to b'])
  })

  it('are never those of the warm level or of a preconnect', () => {
    const pool = new PoolScript({ warm: 1 })
    pool.start()
    expect(pool.preconnect(2)).toEqual(['connect #2'])
    expect(pool.abandonDials()).toEqual([])
    pool.state.onPreconnectSettled()
    expect(pool.abandonDials()).toEqual(['close #2: surplus'])
    expect(pool.setWarm(0)).toEqual([])
    expect(pool.abandonDials()).toEqual(['close #1: surplus'])
  })

  it('are none of a pool that drains or is closed, whose dials end anyway', () => {
    const pool = new PoolScript()
    pool.acquire('a')
    pool.drain()
    expect(pool.abandonDials()).toEqual([]) // a is still served
    pool.close()
    expect(pool.abandonDials()).toEqual([])
  })
})

describe('dials that are abandoned', () => {
  it('are the youngest of too many', () => {
    const pool = new PoolScript({ expectedCapacity: 1 })
    pool.acquire('a', 'b', 'c')
    pool.connectFailed(1)
    pool.cancel('a')
    expect(pool.abandonDials()).toEqual([]) // two are needed and under way
    pool.cancel('b')
    expect(pool.abandonDials()).toEqual(['close #3: surplus'])
    expect(pool.connected(2, 1)).toEqual(['lease #2 to c'])
  })

  it('are not those that exchanges under way are to be spread over', () => {
    const pool = new PoolScript({ spreadOver: 3 }).open(1, 100)
    expect(pool.acquire('a', 'b', 'c')).toContain('connect #3')
    expect(pool.abandonDials()).toEqual([])
    pool.streamClosed(1)
    expect(pool.abandonDials()).toEqual(['close #3: surplus'])
    pool.streamClosed(1)
    expect(pool.abandonDials()).toEqual(['close #2: surplus'])
  })
})
