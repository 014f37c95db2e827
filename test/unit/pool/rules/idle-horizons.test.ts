import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { PoolScript } from '../../../support/pool-script.ts'

/** A pool whose origin ends idle connections after 5 s, which it has seen `times` times. Nothing is open. */
function taught(times = 2, options: ConstructorParameters<typeof PoolScript>[0] = {}): PoolScript {
  const pool = new PoolScript({ verifyAfterIdleMs: 0, ...options })
  for (let id = 1; id <= times; id += 1) {
    pool.acquire('x')
    pool.connected(id)
    pool.streamClosed(id)
    pool.advance(5000)
    pool.closed(id, 'peer-closed')
  }
  return pool
}

const gone = (processed: 'no' | 'unknown' | 'yes') =>
  new TransportError('MM_CONNECTION_CLOSED', 'gone', { processed })

describe('a pool that knows how long its origin keeps idle connections', () => {
  it('closes its own a margin before', () => {
    const pool = taught()
    pool.acquire('a')
    pool.connected(3)
    pool.streamClosed(3)
    expect(pool.advance(3999)).toEqual([])
    expect(pool.advance(1)).toEqual(['close #3: keep-alive-timeout'])
    expect(pool.state.counts.idleHorizon).toEqual({
      keptMs: 5000,
      confidence: 2 / 3,
      closes: 2,
      idleEnds: 2,
      retired: 1,
      racesAvoided: 0,
      racesLost: 0,
    })
  })

  it('gives no request to a connection that is about to end though the timer is late', () => {
    const pool = taught()
    pool.acquire('a')
    pool.connected(3)
    pool.streamClosed(3)
    pool.now += 4500
    expect(pool.acquire('b')).toEqual(['close #3: keep-alive-timeout', 'connect #4'])
    expect(pool.state.counts.idleHorizon).toMatchObject({ retired: 1, racesAvoided: 1 })
  })

  it('checks those that are idle already when it learns', () => {
    const pool = new PoolScript({ verifyAfterIdleMs: 0 })
    pool.acquire('a', 'b')
    pool.connected(1)
    pool.acquire('c', 'd')
    for (const id of [2, 3, 4]) pool.connected(id)
    for (const id of [1, 2, 3, 4]) {
      pool.streamClosed(id)
      pool.advance(id * 1000)
    }
    // #1 was idle for 10 s, #2 for 9 s, #3 for 7 s, #4 for 4 s
    pool.closed(1, 'peer-closed')
    pool.advance(1000)
    expect(pool.closed(2, 'peer-closed')).toEqual([])
    expect(pool.advance(0)).toEqual([])
    expect(pool.advance(1000)).toEqual(['close #3: keep-alive-timeout'])
  })

  it('opens the next warm one before', () => {
    const pool = taught(2, { warm: 0 })
    pool.setWarm(1)
    pool.connected(3)
    pool.acquire('a')
    pool.streamClosed(3)
    expect(pool.advance(3000)).toEqual(['connect #4'])
    pool.connected(4)
    expect(pool.advance(1000)).toEqual(['close #3: keep-alive-timeout'])
  })

  it('leaves one in sixteen idle, unused, and learns that the origin keeps them for longer now', () => {
    const pool = taught()
    let id = 2
    const retire = () => {
      id += 1
      pool.acquire('a')
      pool.connected(id)
      pool.streamClosed(id)
      const lines = pool.advance(4000)
      if (lines.length > 0) pool.closed(id)
      return lines
    }
    const kept: number[] = []
    for (let use = 0; use < 40 && kept.length < 2; use += 1) {
      if (retire().length > 0) continue
      kept.push(use)
      // Not used, though it is the only one: the request comes at a moment at which the origin may end it.
      expect(pool.state.live).toBe(1)
      expect(pool.advance(6000)).toEqual([`close #${id}: keep-alive-timeout`])
      pool.closed(id)
    }
    expect(kept).toEqual([15, 16])
    expect(pool.state.counts.idleHorizon.keptMs).toBeUndefined()
    expect(retire()).toEqual([])
  })

  it('distinguishes the time before a first request from that between requests', () => {
    const pool = taught()
    pool.preconnect(1)
    pool.connected(3)
    pool.state.onPreconnectSettled()
    expect(pool.advance(60_000)).toEqual([])
  })
})

describe('evidence for the idle horizon', () => {
  it('does not include our own closes, a failed ping or a lost address', () => {
    for (const reason of ['idle-timeout', 'ping-failed', 'address-gone', 'shutdown'] as const) {
      const pool = taught(1)
      pool.acquire('a')
      pool.connected(2)
      pool.streamClosed(2)
      pool.advance(5000)
      pool.closed(2, reason)
      expect(pool.state.counts.idleHorizon.closes).toBe(1)
    }
  })

  it('does not include the end of a connection that answered a ping of HTTP/2, since some origins restart their timer there', () => {
    const pool = new PoolScript({ verifyAfterIdleMs: 1000 })
    for (const id of [1, 2]) {
      pool.acquire('x')
      pool.connected(id, 100)
      pool.streamClosed(id)
      pool.advance(4000)
      pool.acquire('y')
      pool.cancel('y')
      pool.pinged(id, true)
      pool.advance(1000)
      pool.draining(id, 'peer-closed')
      pool.closed(id, 'peer-closed')
    }
    expect(pool.state.counts.idleHorizon.closes).toBe(0)
  })

  it('includes a request that met the end of its connection, which counts as a lost race', () => {
    const pool = taught(1)
    pool.acquire('a')
    pool.connected(2)
    pool.streamClosed(2)
    pool.advance(4999)
    pool.acquire('b')
    pool.advance(2)
    pool.draining(2, 'network-error')
    pool.streamFailed(2)
    pool.closed(2, 'network-error', gone('unknown'))
    expect(pool.state.counts.idleHorizon).toMatchObject({ racesLost: 1, keptMs: 4999 })
  })

  it('does not include an end in the middle of an answer, nor long after the request', () => {
    for (const [passes, processed] of [
      [2, 'yes'],
      [2000, 'unknown'],
    ] as const) {
      const pool = taught(1)
      pool.acquire('a')
      pool.connected(2)
      pool.streamClosed(2)
      pool.advance(4999)
      pool.acquire('b')
      pool.advance(passes)
      pool.draining(2, 'network-error')
      pool.streamFailed(2)
      pool.closed(2, 'network-error', gone(processed))
      expect(pool.state.counts.idleHorizon).toMatchObject({ racesLost: 0, closes: 1 })
    }
  })
})
