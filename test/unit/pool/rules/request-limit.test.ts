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

describe('the number of requests that an origin takes on a connection', () => {
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

  it('sinks when the origin lowers it', () => {
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
