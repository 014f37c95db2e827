import { describe, expect, it } from 'vitest'
import { names, PoolScript } from '../../../support/pool-script.ts'

/** w1, w2, … on a new connection: all but the first share it. */
function firstLeases(id: number, count: number): string[] {
  return names(count).map((name, index) => `lease #${id} to ${name}${index > 0 ? ' (reused)' : ''}`)
}

describe.each([1, 100])('the assignment with connections of capacity %i', capacity => {
  it('dials for the first request and leases the connection that opens', () => {
    const pool = new PoolScript()
    expect(pool.acquire('a')).toEqual(['connect #1'])
    expect(pool.connected(1, capacity)).toEqual(['lease #1 to a'])
    expect(pool.state.toString()).toBe(
      'https://origin.example open: 0 connecting, 0 idle, 1 leased (1 streams), 0 draining, 0 waiting',
    )
  })

  it('leases an idle connection at once, and says that it is reused', () => {
    const pool = new PoolScript().open(1, capacity)
    expect(pool.acquire('a')).toEqual(['lease #1 to a'])
    expect(pool.streamClosed(1)).toEqual([])
    expect(pool.acquire('b')).toEqual(['lease #1 to b (reused)'])
    expect(pool.state.counts).toMatchObject({ requests: 2, reused: 1, streams: 1 })
  })

  it('dials one connection for a burst to an unknown origin, then as many as needed', () => {
    const pool = new PoolScript()
    expect(pool.acquire(...names(150))).toEqual(['connect #1'])
    const actions = pool.connected(1, capacity)
    const leases = actions.filter(line => line.startsWith('lease'))
    const dials = actions.filter(line => line.startsWith('connect'))
    expect(leases).toEqual(firstLeases(1, capacity))
    expect(dials).toHaveLength(capacity === 1 ? 63 : 1) // maxConnections 64; 50 of 150 are left over from 100
  })

  it('dials as many as needed at once when the capacity is known before', () => {
    const pool = new PoolScript({ expectedCapacity: capacity, maxConnections: 8 })
    expect(pool.acquire(...names(6))).toHaveLength(capacity === 1 ? 6 : 1)
  })

  it('counts a dial against the waiters that it can serve', () => {
    const pool = new PoolScript({ expectedCapacity: capacity })
    pool.acquire(...names(capacity))
    expect(pool.state.counts.connections.connecting).toBe(1)
    expect(pool.acquire('one more')).toEqual(['connect #2'])
    expect(pool.acquire('another')).toEqual(capacity === 1 ? ['connect #3'] : [])
  })

  it('serves waiters first come first served', () => {
    const pool = new PoolScript({ maxConnections: 1 }).open(1, capacity)
    pool.acquire(...names(capacity))
    expect(pool.acquire('x', 'y')).toEqual([])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to x (reused)'])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to y (reused)'])
  })

  it('starts no dial when waiters went away, lets those under way finish, and keeps what they bring', () => {
    const pool = new PoolScript({ expectedCapacity: capacity })
    expect(pool.acquire('a')).toEqual(['connect #1'])
    expect(pool.cancel('a')).toEqual([])
    expect(pool.cancel('a')).toEqual([])
    expect(pool.connected(1, capacity)).toEqual([])
    expect(pool.acquire('b')).toEqual(['lease #1 to b'])
  })

  it('gives a connection that arrives late to the next in line, never to one that cancelled', () => {
    const pool = new PoolScript()
    pool.acquire('a', 'b')
    pool.cancel('a')
    expect(pool.connected(1, capacity)).toEqual(['lease #1 to b'])
  })

  it('takes a connection that drains out of the assignment at once', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.acquire('a')
    expect(pool.draining(1)).toEqual([])
    expect(pool.acquire('b')).toEqual(['connect #2'])
    expect(pool.streamClosed(1)).toEqual([]) // it ends by itself
    expect(pool.closed(1)).toEqual([])
    expect(pool.connected(2, capacity)).toEqual(['lease #2 to b'])
  })

  it('takes a connection that closes under its exchanges out of the assignment at once', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.acquire('a')
    expect(pool.closed(1)).toEqual([])
    expect(pool.state.counts.streams).toBe(0)
    expect(pool.streamClosed(1)).toEqual([]) // late news of a dead connection
    expect(pool.acquire('b')).toEqual(['connect #2'])
  })

  it('never has more connections than maxConnections, including those that open or close', () => {
    const pool = new PoolScript({ maxConnections: 2, expectedCapacity: capacity })
    pool.acquire(...names(2 * capacity))
    expect(pool.state.counts.connections.connecting).toBe(2)
    expect(pool.acquire('x')).toEqual([])
    pool.connected(1, capacity)
    pool.draining(1)
    expect(pool.acquire('y')).toEqual([])
    expect(pool.closed(1)).toEqual(['connect #3'])
  })

  it('takes a lease back that was not used', () => {
    const pool = new PoolScript({ maxConnections: 1 }).open(1, capacity)
    pool.acquire('a')
    expect(pool.released(1)).toEqual([])
    expect(pool.acquire('b')).toEqual(['lease #1 to b']) // still nobody used it
  })

  it('puts waiters whose lease was lost back at the head, in order', () => {
    const pool = new PoolScript({ maxConnections: 1, expectedCapacity: capacity })
    pool.acquire(...names(capacity), 'next')
    pool.connected(1, capacity)
    pool.closed(1)
    expect(pool.leasesLost(1, ...names(capacity))).toEqual([])
    expect(pool.state.counts).toMatchObject({ waiters: capacity + 1, requests: 0, reused: 0 })
    const again = pool.connected(2, capacity)
    expect(again).toEqual(firstLeases(2, capacity))
  })
})

describe('the assignment with connections of capacity 1', () => {
  it('reuses the connection that was used last', () => {
    const pool = new PoolScript().open(3)
    pool.acquire('a', 'b', 'c')
    for (const id of [2, 3, 1]) pool.streamClosed(id)
    expect(pool.acquire('d', 'e')).toEqual(['lease #1 to d (reused)', 'lease #3 to e (reused)'])
  })
})

describe('the assignment with multiplexed connections', () => {
  it('leases the least loaded connection', () => {
    const pool = new PoolScript({ maxStreamsPerConnection: 4 }).open(2, 100)
    expect(pool.acquire(...names(5)).at(-1)).toBe('lease #1 to w5') // #2 was the newest and is full
    pool.streamClosed(2)
    pool.streamClosed(2)
    pool.streamClosed(2) // 1 on each
    expect(pool.acquire('x', 'y', 'z')).toEqual([
      'lease #1 to x (reused)', // the elder of equals
      'lease #2 to y (reused)',
      'lease #1 to z (reused)',
    ])
  })

  it('leaves an idle connection alone while a busy one has room, so that it ages out', () => {
    const pool = new PoolScript({ maxStreamsPerConnection: 2, idleTimeoutMs: 1000 }).open(2, 100)
    pool.acquire('a', 'b', 'c')
    pool.streamClosed(1) // #1 idle, #2 full
    pool.streamClosed(2) // room on #2
    expect(pool.acquire('d')).toEqual(['lease #2 to d (reused)'])
    expect(pool.advance(1000)).toEqual(['close #1: idle-timeout'])
  })

  it('dials a second connection when the first is full', () => {
    const pool = new PoolScript().open(1, 2)
    expect(pool.acquire('a', 'b', 'c')).toEqual(['lease #1 to a', 'lease #1 to b (reused)', 'connect #2'])
  })

  it('is bounded by our own cap as well as by the peer’s', () => {
    const pool = new PoolScript({ maxStreamsPerConnection: 2, maxConnections: 1 }).open(1, 100)
    expect(pool.acquire(...names(3))).toHaveLength(2)
  })

  it('uses capacity that the peer adds, and waits while the peer allows less than is in use', () => {
    const pool = new PoolScript({ maxConnections: 1 }).open(1, 2)
    pool.acquire(...names(4))
    expect(pool.capacity(1, 3)).toEqual(['lease #1 to w3 (reused)'])
    expect(pool.capacity(1, 1)).toEqual([])
    expect(pool.streamClosed(1)).toEqual([])
    expect(pool.streamClosed(1)).toEqual([])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to w4 (reused)'])
  })

  it('does not lease an idle connection whose peer allows nothing at present', () => {
    const pool = new PoolScript({ maxConnections: 1 }).open(1, 100)
    pool.capacity(1, 0)
    expect(pool.acquire('a')).toEqual([])
    expect(pool.capacity(1, 5)).toEqual(['lease #1 to a'])
  })

  it('treats a connection whose peer allows streams again as the newest', () => {
    const pool = new PoolScript().open(2, 100)
    pool.capacity(1, 0)
    pool.advance(10)
    pool.acquire('a')
    pool.streamClosed(2)
    pool.advance(10)
    expect(pool.capacity(1, 100)).toEqual([])
    expect(pool.acquire('b')).toEqual(['lease #1 to b'])
    pool.capacity(2, 0)
    expect(pool.evict()).toEqual(['close #2: evicted']) // of no use, but it holds a place
  })

  it('learns from a change of capacity what a dial is worth', () => {
    const pool = new PoolScript().open(1, 100)
    pool.capacity(1, 2)
    pool.acquire('a', 'b')
    expect(pool.acquire(...names(4))).toEqual(['connect #2', 'connect #3'])
    expect(pool.state.expectedCapacity).toBe(2)
    pool.capacity(1, 0)
    expect(pool.state.expectedCapacity).toBe(2) // a mood, not a fact
  })
})

describe('a waiter whose reused connection died', () => {
  it('gets a new connection though others are idle', () => {
    const pool = new PoolScript().open(2)
    pool.acquire('a')
    pool.streamClosed(2)
    pool.advance(1000)
    expect(pool.acquireFresh('b')).toEqual(['connect #3'])
    expect(pool.acquire('c')).toEqual(['lease #2 to c (reused)']) // nobody else waits for that
    expect(pool.connected(3)).toEqual(['lease #3 to b'])
  })

  it('does not get one that was used already, however young', () => {
    const pool = new PoolScript().open(1)
    pool.acquire('a')
    pool.streamClosed(1)
    expect(pool.acquireFresh('b')).toEqual(['connect #2'])
  })

  it('gets one that has just opened and was not used', () => {
    const pool = new PoolScript().open(1)
    expect(pool.acquireFresh('a')).toEqual(['lease #1 to a'])
  })

  it('is served before the others', () => {
    const pool = new PoolScript({ maxConnections: 2 }).open(1)
    pool.advance(1000)
    pool.acquire('a', 'b')
    expect(pool.acquireFresh('c')).toEqual([])
    expect(pool.connected(2)).toEqual(['lease #2 to c'])
  })

  it('shares a new multiplexed connection with the others of its kind', () => {
    const pool = new PoolScript({ expectedCapacity: 100 })
    expect(pool.acquireFresh('a', 'b')).toEqual(['connect #1'])
    expect(pool.connected(1, 100)).toEqual(['lease #1 to a', 'lease #1 to b (reused)'])
    expect(pool.acquireFresh('c')).toEqual(['lease #1 to c (reused)'])
    pool.advance(1000)
    expect(pool.acquireFresh('d')).toEqual(['connect #2'])
  })

  it('gets the place of an idle connection when the pool is full', () => {
    const pool = new PoolScript({ maxConnections: 2 }).open(2)
    pool.acquire('a')
    pool.advance(1000)
    expect(pool.acquireFresh('b')).toEqual(['close #1: evicted'])
    expect(pool.closed(1)).toEqual(['connect #3'])
  })

  it('makes room for itself, but no more than it needs', () => {
    const pool = new PoolScript({ maxConnections: 4 }).open(4)
    pool.advance(1000)
    expect(pool.acquireFresh('a')).toEqual(['close #1: evicted'])
    expect(pool.acquireFresh('b')).toEqual(['close #2: evicted'])
    expect(pool.closed(1)).toEqual(['connect #5'])
    expect(pool.closed(2)).toEqual(['connect #6'])
  })

  it('gets one that was just released when the pool is full of busy ones', () => {
    const pool = new PoolScript({ maxConnections: 1 }).open(1)
    pool.acquire('a', 'b')
    expect(pool.acquireFresh('c')).toEqual([])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to c (reused)'])
  })

  it('gets any connection when dialing fails', () => {
    const pool = new PoolScript().open(1)
    pool.acquire('x')
    pool.streamClosed(1)
    pool.advance(1000)
    pool.acquireFresh('a')
    pool.acquireFresh('b')
    expect(pool.connectFailed(2)).toEqual(['lease #1 to a (reused)'])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to b (reused)'])
  })

  it('can be cancelled, and times out', () => {
    const pool = new PoolScript({ queueTimeoutMs: 50 })
    pool.acquireFresh('a', 'b')
    pool.cancel('a')
    expect(pool.advance(50)).toEqual(['reject b: MM_QUEUE_TIMEOUT'])
  })
})

describe.each([1, 100])('room for one more, with connections of capacity %i', capacity => {
  it('is found on an idle connection, and on a busy one that is not full', () => {
    const pool = new PoolScript({ maxConnections: 1 })
    expect(pool.hasRoom()).toBe(false)
    pool.acquire('a')
    expect([pool.hasRoom(), pool.state.serving]).toEqual([false, 0]) // being dialed
    pool.connected(1, capacity)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([capacity > 1, 1])
    pool.acquire(...names(capacity - 1))
    expect([pool.hasRoom(), pool.state.serving]).toEqual([false, 1])
    pool.streamClosed(1)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([true, 1])
  })

  it('is not found where others wait', () => {
    const pool = new PoolScript({ maxConnections: 1, maxStreamsPerConnection: 1 }).open(1, capacity)
    pool.acquire('a', 'b')
    expect(pool.hasRoom()).toBe(false)
    pool.streamClosed(1)
    expect(pool.hasRoom()).toBe(false) // b has it now
    pool.streamClosed(1)
    expect(pool.hasRoom()).toBe(true)
  })

  it('is not found on one that must be verified first, which is live all the same', () => {
    const pool = new PoolScript({ verifyAfterIdleMs: 1000 }).open(1, capacity)
    pool.advance(999)
    expect(pool.hasRoom()).toBe(true)
    pool.advance(1)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([false, 1])
    expect(pool.acquire('a')).toEqual(['ping #1'])
    expect([pool.hasRoom(), pool.state.serving]).toEqual([false, 1])
    pool.cancel('a')
    pool.pinged(1, true)
    expect(pool.hasRoom()).toBe(true)
  })

  it('is not found on one that is too old, though the timer is late', () => {
    const pool = new PoolScript({ maxAgeMs: 1000, verifyAfterIdleMs: 0, maxAgeJitter: 0 }).open(1, capacity)
    pool.now = 1000
    expect(pool.hasRoom()).toBe(false)
    const busy = new PoolScript({ maxAgeMs: 1000, maxAgeJitter: 0 }).open(1, capacity)
    busy.acquire('a')
    busy.now = 1000
    expect(busy.hasRoom()).toBe(false)
    const idle = new PoolScript({ idleTimeoutMs: 1000, verifyAfterIdleMs: 0 }).open(1, capacity)
    idle.now = 1000
    expect(idle.hasRoom()).toBe(false)
  })

  it('is not found on one that drains or closes, nor in a pool that does', () => {
    const pool = new PoolScript().open(2, capacity)
    pool.draining(2)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([true, 1])
    pool.acquire('a')
    pool.drain()
    expect(pool.hasRoom()).toBe(false)
  })

  it('is not found where the peer allows no stream, and that is not live either', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.capacity(1, 0)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([false, 0])
    pool.capacity(1, capacity)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([true, 1])
  })
})
