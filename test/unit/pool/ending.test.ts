import { describe, expect, it } from 'vitest'
import { names, PoolScript } from '../../support/pool-script.ts'

describe.each([1, 100])('the end of a pool, with connections of capacity %i', capacity => {
  it('drains: serves who waits, lets exchanges end, closes the rest, refuses newcomers', () => {
    const pool = new PoolScript({ maxConnections: 2, maxStreamsPerConnection: 1 }).open(2, capacity)
    pool.acquire('a', 'b', 'c')
    expect(pool.drain()).toEqual([])
    expect(pool.acquire('d')).toEqual(['reject d: MM_TRANSPORT_CLOSED'])
    expect(pool.streamClosed(2)).toEqual(['lease #2 to c (reused)'])
    expect(pool.streamClosed(1)).toEqual(['close #1: drained'])
    expect(pool.streamClosed(2)).toEqual(['close #2: drained'])
    pool.closed(1)
    expect(pool.state.isEmpty).toBe(false)
    pool.closed(2)
    expect(pool.state.isEmpty).toBe(true)
    expect(pool.timerAt).toBe(Infinity)
  })

  it('drains: closes idle connections and dials that nobody waits for', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.preconnect(2)
    expect(pool.drain()).toEqual(['close #1: drained', 'close #2: drained'])
    pool.connectFailed(2)
    expect(pool.state.counts.connectFailures).toBe(0) // we stopped it ourselves
  })

  it('drains: dials for those who wait', () => {
    const pool = new PoolScript()
    pool.acquire('a')
    expect(pool.drain()).toEqual([])
    expect(pool.connected(1, capacity)).toEqual(['lease #1 to a'])
    expect(pool.streamClosed(1)).toEqual(['close #1: drained'])
  })

  it('drains: serves an exchange that is sent again', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.acquire('a')
    pool.drain()
    pool.closed(1)
    expect(pool.acquireFresh('a')).toEqual(['connect #2'])
    expect(pool.connected(2, capacity)).toEqual(['lease #2 to a'])
  })

  it('drains: keeps no warm level', () => {
    const pool = new PoolScript({ warm: 1 })
    pool.start()
    pool.connected(1, capacity)
    pool.drain()
    expect(pool.closed(1)).toEqual([])
    expect(pool.timerAt).toBe(Infinity)
  })

  it('closes: refuses all, ends all, whatever it carries', () => {
    const pool = new PoolScript({ maxConnections: 3, maxStreamsPerConnection: 1 }).open(2, capacity)
    pool.acquire(...names(3))
    pool.draining(1)
    expect(pool.close()).toEqual([
      'reject w3: MM_TRANSPORT_CLOSED',
      'close #1: shutdown',
      'close #2: shutdown',
      'close #3: shutdown',
    ])
    expect(pool.acquire('x')).toEqual(['reject x: MM_TRANSPORT_CLOSED'])
    expect(pool.streamClosed(2)).toEqual([])
    for (const id of [1, 2]) pool.closed(id)
    pool.connectFailed(3)
    expect(pool.state.isEmpty).toBe(true)
    expect(pool.timerAt).toBe(Infinity)
  })

  it('stays closed though it is drained afterwards', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.close()
    expect(pool.drain()).toEqual([])
    expect(pool.state.mode).toBe('closed')
  })

  it('refuses whose lease was lost to the close', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.acquire('a')
    pool.close()
    expect(pool.leasesLost(1, 'a')).toEqual(['reject a: MM_TRANSPORT_CLOSED'])
  })
})

describe('the timer', () => {
  it('is not touched by leases and releases', () => {
    const pool = new PoolScript().open(2)
    const before = pool.timerActions
    for (let i = 0; i < 100; i += 1) {
      pool.acquire('a', 'b')
      pool.streamClosed(1)
      pool.streamClosed(2)
      pool.now += 1
    }
    expect(pool.timerActions).toBe(before)
  })

  it('moves only when something becomes due earlier', () => {
    const pool = new PoolScript({ queueTimeoutMs: 500, maxConnections: 1 }).open(1)
    expect(pool.timerAt).toBe(90_000)
    pool.acquire('a', 'b')
    expect(pool.timerAt).toBe(500)
    pool.now = 10
    pool.acquire('c')
    expect(pool.timerAt).toBe(500)
    pool.cancel('b')
    expect(pool.timerAt).toBe(500) // nobody waits that long any more: a look when it fires is cheaper
    pool.advance(490)
    expect(pool.timerAt).toBe(510)
  })

  it('is not cleared when it was not set', () => {
    const pool = new PoolScript({ queueTimeoutMs: 0 })
    pool.acquire('a')
    pool.connectFailed(1)
    expect(pool.timerActions).toBe(0)
  })

  it('is given up when a pool with a surplus is closed', () => {
    const pool = new PoolScript({ maxStreamsPerConnection: 2 }).open(2, 10)
    pool.acquire('a', 'b', 'c')
    pool.close()
    pool.closed(1)
    pool.closed(2)
    expect(pool.timerAt).toBe(Infinity)
  })

  it('is given up with the last connection', () => {
    const pool = new PoolScript().open(1)
    pool.closed(1)
    expect(pool.timerAt).toBe(Infinity)
  })
})

describe('a pool', () => {
  it('refuses the end of an exchange that there was not', () => {
    const pool = new PoolScript().open(1)
    expect(() => pool.streamClosed(1)).toThrow(
      'an exchange ended on #1 idle 0/1, 0 requests, which carried none',
    )
  })

  it('is unused while it has only idle connections', () => {
    const pool = new PoolScript()
    expect(pool.state.isUnused).toBe(true)
    pool.acquire('a')
    expect(pool.state.isUnused).toBe(false)
    pool.connected(1)
    expect(pool.state.isUnused).toBe(false)
    pool.streamClosed(1)
    expect(pool.state.isUnused).toBe(true)
  })
})
