import { describe, expect, it } from 'vitest'
import { PoolScript } from '../../../support/pool-script.ts'

const OPTIONS = { verifyAfterIdleMs: 1000, pingTimeoutMs: 200 }

describe.each([1, 100])('verifying before reuse, with connections of capacity %i', capacity => {
  it('sends a liveness probe to a connection that was idle for long, and leases it then', () => {
    const pool = new PoolScript(OPTIONS).open(1, capacity)
    pool.advance(1000)
    expect(pool.acquire('a')).toEqual(['ping #1'])
    expect(pool.pinged(1, true)).toEqual(['lease #1 to a'])
  })

  it('sends none to a connection that was used lately', () => {
    const pool = new PoolScript(OPTIONS).open(1, capacity)
    pool.advance(999)
    expect(pool.acquire('a')).toEqual(['lease #1 to a'])
  })

  it('sends none with verifyAfterIdleMs 0', () => {
    const pool = new PoolScript({ verifyAfterIdleMs: 0 }).open(1, capacity)
    pool.advance(80_000)
    expect(pool.acquire('a')).toEqual(['lease #1 to a'])
  })

  it('lets the waiter take another connection that frees up sooner', () => {
    const pool = new PoolScript({ ...OPTIONS, maxStreamsPerConnection: 1 }).open(2, capacity)
    pool.acquire('x')
    pool.advance(1000)
    expect(pool.acquire('a')).toEqual(['ping #1'])
    expect(pool.streamClosed(2)).toEqual(['lease #2 to a (reused)'])
    expect(pool.pinged(1, true)).toEqual([])
    expect(pool.acquire('b')).toEqual(['lease #1 to b'])
  })

  it('closes a connection that fails, and goes on to the next, then to a dial', () => {
    const pool = new PoolScript(OPTIONS).open(2, capacity)
    pool.advance(1000)
    expect(pool.acquire('a')).toEqual(['ping #2'])
    expect(pool.pinged(2, false)).toEqual(['close #2: ping-failed', 'ping #1'])
    expect(pool.pinged(1, false)).toEqual(['close #1: ping-failed', 'connect #3'])
    expect(pool.connected(3, capacity)).toEqual(['lease #3 to a'])
  })

  it('closes a connection that does not answer, and those that were silent for longer', () => {
    const pool = new PoolScript(OPTIONS).open(3, capacity)
    pool.advance(1000)
    pool.acquire('a')
    expect(pool.advance(200)).toEqual([
      'close #3: ping-failed',
      'close #1: ping-failed',
      'close #2: ping-failed',
      'connect #4',
    ])
    expect(pool.pinged(3, true)).toEqual([]) // too late
  })

  it('keeps connections that became idle meanwhile when there is no answer', () => {
    const pool = new PoolScript({ ...OPTIONS, maxStreamsPerConnection: 1 }).open(2, capacity)
    pool.acquire('x')
    pool.advance(1000)
    pool.acquire('a')
    pool.cancel('a')
    pool.streamClosed(2)
    expect(pool.advance(200)).toEqual(['close #1: ping-failed'])
  })

  it('verifies as many as the waiters need, and dials for the rest', () => {
    const pool = new PoolScript({ ...OPTIONS, maxStreamsPerConnection: 1 }).open(2, capacity)
    pool.advance(1000)
    expect(pool.acquire('a')).toEqual(['ping #2'])
    expect(pool.acquire('b')).toEqual(['ping #1'])
    expect(pool.acquire('c')).toEqual(['connect #3'])
  })

  it('loses nothing when the connection closes or drains meanwhile', () => {
    const pool = new PoolScript(OPTIONS).open(2, capacity)
    pool.advance(1000)
    pool.acquire('a')
    expect(pool.closed(2)).toEqual(['ping #1'])
    expect(pool.draining(1)).toEqual(['connect #3'])
    expect(pool.pinged(2, false)).toEqual([])
    expect(pool.pinged(1, true)).toEqual([])
  })
})

describe('the warm level', () => {
  const WARM = { warm: 2, warmCheckMs: 5000, idleTimeoutMs: 60_000 }

  it('is opened at once', () => {
    expect(new PoolScript(WARM).start()).toEqual(['connect #1', 'connect #2'])
  })

  it('is checked on connections that were silent since the last time', () => {
    const pool = new PoolScript(WARM)
    pool.start()
    pool.connected(1)
    pool.connected(2)
    pool.advance(4000)
    pool.acquire('a')
    pool.streamClosed(2)
    expect(pool.advance(1000)).toEqual(['ping #1'])
    pool.advance(10)
    pool.pinged(1, true)
    expect(pool.advance(4990)).toEqual(['ping #1', 'ping #2'])
  })

  it('is checked for its own number of connections only', () => {
    const pool = new PoolScript({ ...WARM, warm: 1 })
    pool.start()
    pool.connected(1)
    pool.preconnect(2)
    pool.connected(2)
    pool.state.onPreconnectSettled()
    expect(pool.advance(5000)).toEqual(['ping #2'])
  })

  it('is not checked where the origin is about to close', () => {
    const pool = new PoolScript({ ...WARM, warm: 1 })
    pool.start()
    pool.connected(1)
    pool.acquire('a')
    pool.streamClosed(1, { timeoutMs: 6000 }) // less the margin: 5000
    expect(pool.advance(5000)).toEqual(['connect #2', 'close #1: keep-alive-timeout'])
  })

  it('is restored when a connection is lost', () => {
    const pool = new PoolScript(WARM)
    pool.start()
    pool.connected(1)
    pool.connected(2)
    pool.advance(5000)
    expect(pool.pinged(2, false)).toEqual(['close #2: ping-failed', 'connect #3'])
    pool.connected(3)
    expect(pool.closed(1)).toEqual(['connect #4'])
  })

  it('does not age out, while connections above it do', () => {
    const pool = new PoolScript({ ...WARM, warmCheckMs: 0 })
    pool.start()
    pool.connected(1)
    pool.connected(2)
    pool.acquire('a', 'b', 'c')
    pool.connected(3)
    for (const id of [1, 2, 3]) pool.streamClosed(id)
    expect(pool.advance(60_000)).toEqual(['close #1: idle-timeout'])
    expect(pool.advance(200_000)).toEqual([])
  })

  it('waits for the backoff, and then tries one connect at a time', () => {
    const pool = new PoolScript({ ...WARM, backoffBaseMs: 100, random: () => 1 })
    pool.start()
    pool.connectFailed(1)
    expect(pool.connectFailed(2)).toEqual([])
    expect(pool.advance(99)).toEqual([])
    expect(pool.advance(1)).toEqual(['connect #3'])
    expect(pool.connected(3)).toEqual(['connect #4'])
  })
})
