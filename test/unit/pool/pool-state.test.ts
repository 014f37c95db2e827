import { describe, expect, it } from 'vitest'
import { names, PoolScript } from '../../support/pool-script.ts'

describe.each([1, 100])('the life of connections of capacity %i', capacity => {
  it('ends with the idle timeout, the longest idle first', () => {
    const pool = new PoolScript({ idleTimeoutMs: 1000 }).open(3, capacity)
    pool.advance(400)
    pool.acquire('a')
    pool.streamClosed(3)
    expect(pool.advance(599)).toEqual([])
    expect(pool.advance(1)).toEqual(['close #1: idle-timeout', 'close #2: idle-timeout'])
    expect(pool.advance(400)).toEqual(['close #3: idle-timeout'])
  })

  it('does not end for idleness with idleTimeoutMs 0', () => {
    const pool = new PoolScript({ idleTimeoutMs: 0, maxAgeMs: 0 }).open(1, capacity)
    expect(pool.timerAt).toBe(Infinity)
  })

  it('ends at the maximum age, shortened by a random share', () => {
    let share = 0
    const pool = new PoolScript({
      maxAgeMs: 1000,
      maxAgeJitter: 0.5,
      random: () => {
        share += 0.4
        return share
      },
    }).open(2, capacity)
    expect(pool.advance(600)).toEqual(['close #2: max-age']) // 1 - 0.5 x 0.8
    expect(pool.advance(199)).toEqual([])
    expect(pool.advance(1)).toEqual(['close #1: max-age']) // 1 - 0.5 x 0.4
  })

  it('lets exchanges end before a connection that is too old closes', () => {
    const pool = new PoolScript({ maxAgeMs: 1000 }).open(1, capacity)
    pool.acquire('a')
    expect(pool.advance(1000)).toEqual(['drain #1: max-age'])
    expect(pool.acquire('b')).toEqual(['connect #2'])
    expect(pool.streamClosed(1)).toEqual(['close #1: max-age'])
  })

  it('does not go on with a lease at its maximum age though the timer is late', () => {
    const pool = new PoolScript({ maxAgeMs: 1000, idleTimeoutMs: 0, verifyAfterIdleMs: 0 }).open(1, capacity)
    pool.now = 1001
    expect(pool.acquire('a')).toEqual(['close #1: max-age', 'connect #2'])
  })

  it('does not go on with one more stream beyond the maximum age though the timer is late', () => {
    const pool = new PoolScript({ maxAgeMs: 1000 }).open(1, capacity)
    pool.acquire('a')
    pool.now = 1000
    const drained = capacity === 1 ? [] : ['drain #1: max-age']
    expect(pool.acquire('b')).toEqual([...drained, 'connect #2'])
  })

  it('ends after maxRequests', () => {
    const pool = new PoolScript({ maxRequests: 2 }).open(1, capacity)
    expect(pool.acquire('a')).toEqual(['lease #1 to a'])
    pool.streamClosed(1)
    expect(pool.acquire('b')).toEqual(['lease #1 to b (reused)', 'drain #1: max-requests'])
    expect(pool.acquire('c')).toEqual(['connect #2'])
    expect(pool.streamClosed(1)).toEqual(['close #1: max-requests'])
  })

  it('ends after maxErrors failures in a row', () => {
    const pool = new PoolScript({ maxErrors: 2 }).open(1, capacity)
    const fail = () => {
      pool.acquire('x')
      return pool.streamFailed(1)
    }
    expect(fail()).toEqual([])
    pool.acquire('good')
    expect(pool.streamClosed(1)).toEqual([])
    expect(fail()).toEqual([])
    expect(fail()).toEqual(['close #1: errors'])
  })

  it('is not ended for errors when maxErrors is 0', () => {
    const pool = new PoolScript({ maxErrors: 0 }).open(1, capacity)
    for (let i = 0; i < 20; i += 1) {
      pool.acquire('x')
      expect(pool.streamFailed(1)).toEqual([])
    }
  })

  it('ends for another pool when it was idle for longest', () => {
    const pool = new PoolScript({ maxStreamsPerConnection: 1 }).open(2, capacity)
    pool.acquire('a', 'b')
    pool.advance(10)
    pool.streamClosed(2)
    pool.advance(10)
    pool.streamClosed(1)
    expect(pool.state.idleSince).toBe(10)
    expect(pool.evict()).toEqual(['close #2: evicted'])
    expect(pool.evict()).toEqual(['close #1: evicted'])
    expect(pool.evict()).toEqual([])
    expect(pool.state.idleSince).toBe(Infinity)
  })
})

describe('a connection that fails often while others run on it', () => {
  it('takes no more exchanges and closes after the last', () => {
    const pool = new PoolScript({ maxErrors: 1 }).open(1, 100)
    pool.acquire('a', 'b')
    expect(pool.streamFailed(1)).toEqual(['drain #1: errors'])
    expect(pool.streamClosed(1)).toEqual(['close #1: errors'])
  })
})

describe('the Keep-Alive of an origin', () => {
  it('ends idle connections earlier than our own timeout, by the margin', () => {
    const pool = new PoolScript({ keepAliveMarginMs: 1000 }).open(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 5000 })
    expect(pool.advance(3999)).toEqual([])
    expect(pool.advance(1)).toEqual(['close #1: keep-alive-timeout'])
  })

  it('does not prolong our own timeout', () => {
    const pool = new PoolScript({ idleTimeoutMs: 2000 }).open(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 60_000 })
    expect(pool.advance(2000)).toEqual(['close #1: idle-timeout'])
  })

  it('loses half of a short timeout to the margin, not more', () => {
    const pool = new PoolScript({ keepAliveMarginMs: 1000 }).open(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 1000 })
    expect(pool.advance(499)).toEqual([])
    expect(pool.advance(1)).toEqual(['close #1: keep-alive-timeout'])
  })

  it('keeps a connection from being leased in its last moment though the timer is late', () => {
    const pool = new PoolScript({ keepAliveMarginMs: 1000, verifyAfterIdleMs: 0 }).open(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 5000 })
    pool.now += 4000
    expect(pool.acquire('b')).toEqual(['close #1: keep-alive-timeout', 'connect #2'])
  })

  it('counts for the warm level too, whose next connection is there before', () => {
    const pool = new PoolScript({ warm: 1 })
    pool.start()
    pool.connected(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 4000 })
    expect(pool.advance(2250)).toEqual(['connect #2'])
    pool.connected(2)
    expect(pool.advance(750)).toEqual(['close #1: keep-alive-timeout'])
  })

  it('is forgotten when the next answer has none', () => {
    const pool = new PoolScript({ verifyAfterIdleMs: 0 }).open(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 5000 })
    pool.acquire('b')
    pool.streamClosed(1)
    expect(pool.advance(10_000)).toEqual([])
  })

  it('closes at once when nothing is left of it', () => {
    const pool = new PoolScript().open(1)
    pool.acquire('a')
    expect(pool.streamClosed(1, { timeoutMs: 0 })).toEqual(['close #1: keep-alive-timeout'])
  })

  it('limits the requests that remain', () => {
    const pool = new PoolScript().open(1)
    pool.acquire('a')
    expect(pool.streamClosed(1, { maxRequests: 1 })).toEqual([])
    expect(pool.acquire('b')).toEqual(['lease #1 to b (reused)', 'drain #1: max-requests'])
    expect(pool.streamClosed(1, { maxRequests: 0 })).toEqual(['close #1: max-requests'])
  })

  it('closes when no request remains', () => {
    const pool = new PoolScript().open(1)
    pool.acquire('a')
    expect(pool.streamClosed(1, { maxRequests: 0 })).toEqual(['close #1: max-requests'])
  })

  it('does not raise our own limit', () => {
    const pool = new PoolScript({ maxRequests: 2 }).open(1)
    pool.acquire('a')
    pool.streamClosed(1, { maxRequests: 1000 })
    expect(pool.acquire('b')).toContain('drain #1: max-requests')
  })
})

describe('surplus of multiplexed connections', () => {
  /** Two connections of 10 streams, `busy` exchanges under way that never pause. */
  function twoBusy(busy: number): PoolScript {
    const pool = new PoolScript({ idleTimeoutMs: 1000, maxStreamsPerConnection: 10 }).open(2, 10)
    pool.advance(500)
    pool.acquire(...Array.from({ length: 12 }, (_, i) => `w${i}`)) // 10 on #2, 2 on #1
    for (let extra = 12; extra > busy; extra -= 1) pool.streamClosed(2)
    return pool
  }

  it('is drained when a whole idle timeout did not need it, though it was never idle', () => {
    const pool = twoBusy(4)
    expect(pool.advance(1000)).toEqual([]) // the burst was in this period
    expect(pool.advance(999)).toEqual([])
    expect(pool.advance(1)).toEqual(['drain #1: surplus'])
    pool.streamClosed(1)
    expect(pool.streamClosed(1)).toEqual(['close #1: surplus'])
  })

  it('stays while the period had a peak that needed it, however short', () => {
    const pool = twoBusy(4)
    pool.advance(1000)
    pool.acquire('x', 'y')
    pool.streamClosed(2)
    pool.streamClosed(1)
    expect(pool.advance(1000)).toEqual([])
    expect(pool.advance(1000)).toEqual(['drain #1: surplus'])
  })

  it('stays while its absence would leave little room', () => {
    const pool = twoBusy(6)
    expect(pool.advance(5000)).toEqual([])
  })

  it('stays when the warm level needs it', () => {
    const pool = new PoolScript({ idleTimeoutMs: 1000, warm: 2, warmCheckMs: 0 })
    pool.start()
    pool.connected(1, 10)
    pool.connected(2, 10)
    pool.acquire(...names(11)) // 10 on #2, 1 on #1
    for (let i = 0; i < 9; i += 1) pool.streamClosed(2)
    expect(pool.advance(5000)).toEqual([])
  })
})

describe.each([1, 100])('the end of a pool, with connections of capacity %i', capacity => {
  it('drains: serves those who wait, lets exchanges end, closes the rest, and refuses newcomers', () => {
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

  it('refuses a waiter whose lease was lost to the close', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.acquire('a')
    pool.close()
    expect(pool.leasesLost(1, 'a')).toEqual(['reject a: MM_TRANSPORT_CLOSED'])
  })
})

describe('the timer of a pool', () => {
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

  it('is cleared when a pool with a surplus is closed', () => {
    const pool = new PoolScript({ maxStreamsPerConnection: 2 }).open(2, 10)
    pool.acquire('a', 'b', 'c')
    pool.close()
    pool.closed(1)
    pool.closed(2)
    expect(pool.timerAt).toBe(Infinity)
  })

  it('is cleared with the last connection', () => {
    const pool = new PoolScript().open(1)
    pool.closed(1)
    expect(pool.timerAt).toBe(Infinity)
  })
})

describe('a pool', () => {
  it('refuses the end of an exchange that does not exist', () => {
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

describe.each([1, 100])('dials that are abandoned, with connections of capacity %i', capacity => {
  it('are those that nothing needs', () => {
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

  it('are never those of waiters, not even of waiters that want a new one', () => {
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

  it('never exist in a pool that drains or is closed, whose dials end anyway', () => {
    const pool = new PoolScript()
    pool.acquire('a')
    pool.drain()
    expect(pool.abandonDials()).toEqual([]) // a is still served
    pool.close()
    expect(pool.abandonDials()).toEqual([])
  })
})

describe('dials that are abandoned', () => {
  it('are the youngest ones beyond what is needed', () => {
    const pool = new PoolScript({ expectedCapacity: 1 })
    pool.acquire('a', 'b', 'c')
    pool.connectFailed(1)
    pool.cancel('a')
    expect(pool.abandonDials()).toEqual([]) // two are needed and under way
    pool.cancel('b')
    expect(pool.abandonDials()).toEqual(['close #3: surplus'])
    expect(pool.connected(2, 1)).toEqual(['lease #2 to c'])
  })

  it('never include those that exchanges under way are to be spread over', () => {
    const pool = new PoolScript({ spreadOver: 3 }).open(1, 100)
    expect(pool.acquire('a', 'b', 'c')).toContain('connect #3')
    expect(pool.abandonDials()).toEqual([])
    pool.streamClosed(1)
    expect(pool.abandonDials()).toEqual(['close #3: surplus'])
    pool.streamClosed(1)
    expect(pool.abandonDials()).toEqual(['close #2: surplus'])
  })
})
