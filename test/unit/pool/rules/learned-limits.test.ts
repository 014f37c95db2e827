import { describe, expect, it } from 'vitest'
import { names, PoolScript } from '../../../support/pool-script.ts'

/**
 * An HTTP/2 origin ends a connection after 20 requests: it says so when the 20th came, and refuses what came
 * after.
 */
function connectionThatEnds(pool: PoolScript, id: number, taken = 20): void {
  pool.acquire(...names(30, id * 100))
  pool.connected(id, 100)
  pool.goaway(id, taken)
  for (let stream = 0; stream < 30; stream += 1) pool.streamClosed(id)
  pool.closed(id)
}

const leases = (actions: string[], id: number): number =>
  actions.filter(action => action.startsWith(`lease #${id} `)).length

describe('the number of requests that an origin accepts on a connection', () => {
  it('is learned when two in a row end after the same number', () => {
    const pool = new PoolScript()
    connectionThatEnds(pool, 1)
    connectionThatEnds(pool, 2)
    expect(pool.acquire(...names(50))).toEqual(['connect #3', 'connect #4', 'connect #5'])
    const actions = pool.connected(3, 100)
    expect(leases(actions, 3)).toBe(20)
    expect(actions).toContain('drain #3: max-requests')
    expect(leases(pool.connected(4, 100), 4)).toBe(20)
    expect(leases(pool.connected(5, 100), 5)).toBe(10)
  })

  it('is not learned from one, nor from two different ones, nor from so few that it may be chance', () => {
    for (const [first, second] of [
      [20, undefined],
      [20, 21],
      [7, 7],
      [0, 0],
    ] as const) {
      const pool = new PoolScript()
      connectionThatEnds(pool, 1, first)
      if (second !== undefined) connectionThatEnds(pool, 2, second)
      const next = second === undefined ? 2 : 3
      pool.acquire(...names(50))
      expect(leases(pool.connected(next, 100), next)).toBe(50)
    }
  })

  it('is not learned from connections that end for idleness', () => {
    const pool = new PoolScript()
    for (const id of [1, 2]) {
      pool.acquire(...names(20))
      pool.connected(id, 100)
      for (let stream = 0; stream < 20; stream += 1) pool.streamClosed(id)
      pool.goaway(id, 20)
      pool.closed(id)
    }
    pool.acquire(...names(50))
    expect(leases(pool.connected(3, 100), 3)).toBe(50)
  })

  it('stays when the peer confirms it, and is forgotten when it does not', () => {
    const pool = new PoolScript()
    connectionThatEnds(pool, 1)
    connectionThatEnds(pool, 2)
    const useUp = (id: number): void => {
      pool.acquire(...names(20))
      expect(leases(pool.connected(id, 100), id)).toBe(20)
    }
    useUp(3)
    pool.goaway(3, 20)
    for (let stream = 0; stream < 20; stream += 1) expect(pool.streamClosed(3)).toEqual([])
    pool.closed(3)
    useUp(4)
    for (let stream = 0; stream < 19; stream += 1) pool.streamClosed(4)
    expect(pool.streamClosed(4)).toEqual(['close #4: max-requests'])
    pool.closed(4)
    pool.acquire(...names(50))
    expect(leases(pool.connected(5, 100), 5)).toBe(50)
  })

  it('falls when the origin lowers it', () => {
    const pool = new PoolScript()
    connectionThatEnds(pool, 1)
    connectionThatEnds(pool, 2)
    for (const id of [3, 4]) {
      pool.acquire(...names(15))
      pool.connected(id, 100)
      pool.goaway(id, 10)
      for (let stream = 0; stream < 15; stream += 1) pool.streamClosed(id)
      pool.closed(id)
    }
    pool.acquire(...names(10))
    const actions = pool.connected(5, 100)
    expect([leases(actions, 5), actions.at(-1)]).toEqual([10, 'drain #5: max-requests'])
  })
})

/** HTTP/2 before the peer's SETTINGS: a connection takes a few streams, and nobody knows how many it will. */
describe('a connection whose peer has not announced its capacity', () => {
  it('is waited for by a cold burst with one dial, whatever the burst', () => {
    const pool = new PoolScript()
    expect(pool.acquire(...names(100))).toEqual(['connect #1'])
    expect(pool.connectedEarly(1, 4)).toEqual([
      'lease #1 to w1',
      ...names(3, 2).map(waiter => `lease #1 to ${waiter} (reused)`),
    ])
    expect(pool.acquire('late')).toEqual([])
    const actions = pool.capacity(1, 128)
    expect([actions.length, actions.at(-1)]).toEqual([97, 'connect #2']) // our own cap is 100, and 101 are under way
    expect(pool.streamClosed(1)).toEqual(['lease #1 to late (reused)'])
  })

  it('is followed by as many as the burst really needs once the peer has announced it', () => {
    const pool = new PoolScript()
    pool.acquire(...names(100))
    pool.connectedEarly(1, 4)
    const actions = pool.capacity(1, 30)
    expect(actions.slice(0, 26)).toEqual(names(26, 5).map(waiter => `lease #1 to ${waiter} (reused)`))
    expect(actions.slice(26)).toEqual(['connect #2', 'connect #3', 'connect #4'])
  })

  it('is expected to carry as much as others of the origin', () => {
    const pool = new PoolScript().open(1, 50)
    pool.acquire(...names(50))
    expect(pool.acquire(...names(60, 51))).toEqual(['connect #2', 'connect #3'])
    expect(pool.connectedEarly(2, 4)).toHaveLength(4)
    expect(pool.connectedEarly(3, 4)).toHaveLength(4)
    expect(pool.acquire(...names(40, 111))).toEqual([]) // 92 wait, and 2 x 46 are promised
    expect(pool.acquire('one more')).toEqual(['connect #4'])
  })

  it('is not counted on any more when it ends', () => {
    const pool = new PoolScript()
    pool.acquire(...names(10))
    pool.connectedEarly(1, 4)
    expect(pool.draining(1)).toEqual(['connect #2'])
    expect(pool.connectedEarly(2, 4)).toHaveLength(4)
    expect(pool.closed(2)).toEqual(['connect #3'])
  })

  it('does not settle the number: the next burst to a known origin dials by what was reported', () => {
    const pool = new PoolScript()
    pool.acquire('a')
    pool.connectedEarly(1, 4)
    expect(pool.state.expectedCapacity).toBeUndefined()
    pool.capacity(1, 20)
    expect(pool.state.expectedCapacity).toBe(20)
  })

  it('with no provisional capacity makes its requests wait for the announcement', () => {
    const pool = new PoolScript()
    pool.acquire('a', 'b')
    expect(pool.connectedEarly(1, 0)).toEqual([])
    expect(pool.capacity(1, 8)).toEqual(['lease #1 to a', 'lease #1 to b (reused)'])
  })

  it('replaces the learned capacity of an earlier one with another protocol', () => {
    const pool = new PoolScript({ expectedCapacity: 1 })
    pool.acquire('a', 'b', 'c', 'd', 'e', 'f')
    expect(pool.connectedEarly(1, 4)).toHaveLength(4)
    for (const id of [2, 3, 4, 5, 6]) pool.connectFailed(id)
    expect(pool.acquire(...names(30))).toEqual([])
    expect(pool.capacity(1, 100)).toHaveLength(32)
  })
})

describe('a cold burst to an origin that turns out to speak HTTP/1.1', () => {
  it('dials what it needs as soon as that is known', () => {
    const pool = new PoolScript({ maxConnections: 8 })
    expect(pool.acquire(...names(20))).toEqual(['connect #1'])
    expect(pool.connected(1, 1)).toEqual([
      'lease #1 to w1',
      ...[2, 3, 4, 5, 6, 7, 8].map(id => `connect #${id}`),
    ])
  })
})

describe('multiplexed connections', () => {
  it('get a second connection only when the first has no room', () => {
    const pool = new PoolScript({ maxStreamsPerConnection: 10 }).open(1, 100)
    expect(pool.acquire(...names(10))).toHaveLength(10)
    expect(pool.acquire('eleventh')).toEqual(['connect #2'])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to eleventh (reused)'])
    expect(pool.connected(2, 100)).toEqual([])
    expect(pool.state.counts.connections).toMatchObject({ idle: 1, leased: 1 })
    expect(pool.streamClosed(1)).toEqual([])
    expect(pool.acquire('twelfth')).toEqual(['lease #1 to twelfth (reused)'])
    expect(pool.acquire('thirteenth')).toEqual(['lease #2 to thirteenth'])
  })

  it('whose peer allows no stream any more are bypassed by a dial', () => {
    const pool = new PoolScript().open(1, 10)
    pool.acquire('a')
    pool.capacity(1, 0)
    expect(pool.acquire('b')).toEqual(['connect #2'])
  })

  it('that a GOAWAY ends share one new connection for all refused requests', () => {
    const pool = new PoolScript().open(1, 100)
    pool.acquire(...names(40))
    expect(pool.draining(1)).toEqual([])
    // Each is reported by the connection that its stream is free, and comes back.
    const actions = names(30, 11).flatMap(waiter => [...pool.streamClosed(1), ...pool.acquireAgain(waiter)])
    expect(actions).toEqual(['connect #2'])
    expect(pool.connectedEarly(2, 4)).toHaveLength(4)
    expect(pool.capacity(2, 100)).toHaveLength(26)
    for (let i = 0; i < 10; i += 1) expect(pool.streamClosed(1)).toEqual([])
  })

  it('of which a stale one died share a new one for its requests, though an older one is less loaded', () => {
    const pool = new PoolScript().open(1, 100)
    pool.acquire('other')
    pool.advance(5_000)
    expect(pool.acquireFresh(...names(50))).toEqual(['connect #2'])
    expect(pool.connected(2, 100)).toEqual([
      'lease #2 to w1',
      ...names(49, 2).map(waiter => `lease #2 to ${waiter} (reused)`),
    ])
  })

  it('accept during a drain requests that were served before, and no others', () => {
    const pool = new PoolScript().open(1, 100)
    pool.acquire('a', 'b')
    pool.drain()
    pool.draining(1)
    pool.streamClosed(1)
    expect(pool.acquireAgain('a')).toEqual(['connect #2'])
    expect(pool.acquire('new')).toEqual(['reject new: MM_TRANSPORT_CLOSED'])
    expect(pool.connected(2, 100)).toEqual(['lease #2 to a'])
  })
})

/** SETTINGS_MAX_CONCURRENT_STREAMS of 0: the peer wants to be left alone for now. */
describe('a connection that accepts no request at all', () => {
  it('is followed by one more, and then waited for', () => {
    const pool = new PoolScript()
    pool.acquire('a', 'b')
    pool.connectedEarly(1, 0)
    expect(pool.capacity(1, 0)).toEqual(['connect #2'])
    pool.connectedEarly(2, 0)
    expect(pool.capacity(2, 0)).toEqual([])
    expect(pool.acquire(...names(50))).toEqual([])
    expect(pool.capacity(1, 1)).toEqual(['lease #1 to a', 'connect #3'])
  })

  it('does not count once it has ended', () => {
    const pool = new PoolScript()
    pool.acquire('a')
    pool.connectedEarly(1, 4)
    pool.capacity(1, 0)
    expect(pool.acquire('b')).toEqual(['connect #2'])
    pool.connectedEarly(2, 0)
    expect(pool.capacity(2, 0)).toEqual([])
    expect(pool.closed(1)).toEqual(['connect #3'])
  })
})
