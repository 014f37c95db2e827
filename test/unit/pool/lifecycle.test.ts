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

  it('does not end by idleness with idleTimeoutMs 0', () => {
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

  it('does not lease one that is too old though the timer is late', () => {
    const pool = new PoolScript({ maxAgeMs: 1000, idleTimeoutMs: 0, verifyAfterIdleMs: 0 }).open(1, capacity)
    pool.now = 1001
    expect(pool.acquire('a')).toEqual(['close #1: max-age', 'connect #2'])
  })

  it('does not give a busy one more that is too old though the timer is late', () => {
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

  it('is recycled after maxErrors failures in a row', () => {
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

  it('is not recycled for errors when maxErrors is 0', () => {
    const pool = new PoolScript({ maxErrors: 0 }).open(1, capacity)
    for (let i = 0; i < 20; i += 1) {
      pool.acquire('x')
      expect(pool.streamFailed(1)).toEqual([])
    }
  })

  it('gives its place to another pool when it was idle for longest', () => {
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

describe('Keep-Alive of the origin', () => {
  it('ends idleness earlier than our own timeout, by the margin', () => {
    const pool = new PoolScript({ keepAliveMarginMs: 1000 }).open(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 5000 })
    expect(pool.advance(3999)).toEqual([])
    expect(pool.advance(1)).toEqual(['close #1: idle-timeout'])
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
    expect(pool.advance(1)).toEqual(['close #1: idle-timeout'])
  })

  it('keeps a connection from being leased in its last moment though the timer is late', () => {
    const pool = new PoolScript({ keepAliveMarginMs: 1000, verifyAfterIdleMs: 0 }).open(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 5000 })
    pool.now += 4000
    expect(pool.acquire('b')).toEqual(['close #1: idle-timeout', 'connect #2'])
  })

  it('holds for the warm level too: the origin closes that as well', () => {
    const pool = new PoolScript({ warm: 1 })
    pool.start()
    pool.connected(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 4000 })
    expect(pool.advance(3000)).toEqual(['close #1: idle-timeout', 'connect #2'])
  })

  it('is forgotten when the next answer says nothing', () => {
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
    expect(pool.streamClosed(1, { timeoutMs: 0 })).toEqual(['close #1: idle-timeout'])
  })

  it('caps the requests that remain', () => {
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

  it('is drained when a whole idle timeout did not need it, though it never was idle', () => {
    const pool = twoBusy(4)
    expect(pool.advance(1000)).toEqual([]) // the burst was in this period
    expect(pool.advance(999)).toEqual([])
    expect(pool.advance(1)).toEqual(['drain #1: surplus'])
    pool.streamClosed(1)
    expect(pool.streamClosed(1)).toEqual(['close #1: surplus'])
  })

  it('stays while the period had a peak that needs it, however short', () => {
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

  it('stays when the warm level asks for it', () => {
    const pool = new PoolScript({ idleTimeoutMs: 1000, warm: 2, warmCheckMs: 0 })
    pool.start()
    pool.connected(1, 10)
    pool.connected(2, 10)
    pool.acquire(...names(11)) // 10 on #2, 1 on #1
    for (let i = 0; i < 9; i += 1) pool.streamClosed(2)
    expect(pool.advance(5000)).toEqual([])
  })
})
