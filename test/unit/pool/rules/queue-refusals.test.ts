import { describe, expect, it } from 'vitest'
import { ConnectionBudget } from '../../../../src/pool/rules/connection-budget.ts'
import { names, PoolScript } from '../../../support/pool-script.ts'

/** The message of the rejection that `act` causes for the waiter. */
function messageOf(pool: PoolScript, act: () => void): string {
  const messages: string[] = []
  const { onAcquire, onTimer } = pool.state
  pool.state.onAcquire = (...given) => note(onAcquire.apply(pool.state, given))
  pool.state.onTimer = (...given) => note(onTimer.apply(pool.state, given))
  const note = (actions: ReturnType<typeof onTimer>) => {
    for (const action of actions) if (action.type === 'reject') messages.push(action.error.message)
    return actions
  }
  act()
  return messages.join('\n')
}

describe.each([1, 100])('the queue, with connections of capacity %i', capacity => {
  it('refuses one more than maxWaiters', () => {
    const pool = new PoolScript({ maxWaiters: 2, maxConnections: 1 }).open(1, capacity)
    pool.acquire(...names(capacity))
    expect(pool.acquire('x', 'y', 'z')).toEqual(['reject z: MM_QUEUE_FULL'])
    pool.cancel('x')
    expect(pool.acquire('z')).toEqual([])
  })

  it('lets no request wait when maxWaiters is 0, but leases an open connection', () => {
    const pool = new PoolScript({ maxWaiters: 0 }).open(1, capacity)
    pool.advance(20_000) // long enough to be verified otherwise
    expect(pool.acquire('a')).toEqual(['lease #1 to a'])
    const empty = new PoolScript({ maxWaiters: 0 })
    expect(empty.acquire('a')).toEqual(['reject a: MM_QUEUE_FULL'])
  })

  it('refuses each waiter at its deadline', () => {
    const pool = new PoolScript({ queueTimeoutMs: 100, maxConnections: 1 }).open(1, capacity)
    pool.acquire(...names(capacity), 'x')
    pool.advance(50)
    pool.acquire('y')
    expect(pool.advance(49)).toEqual([])
    expect(pool.advance(1)).toEqual(['reject x: MM_QUEUE_TIMEOUT'])
    expect(pool.advance(50)).toEqual(['reject y: MM_QUEUE_TIMEOUT'])
    expect(pool.cancel('x')).toEqual([])
  })

  it('lets requests wait without limit when queueTimeoutMs is 0', () => {
    const pool = new PoolScript({ queueTimeoutMs: 0, maxConnections: 1 })
    pool.acquire('a')
    expect(pool.timerAt).toBe(Infinity)
  })
})

describe('the refusal of a request', () => {
  it('names the full queue', () => {
    const pool = new PoolScript({ maxWaiters: 1, maxConnections: 1 })
    const message = messageOf(pool, () => pool.acquire('a', 'b'))
    expect(message).toBe(
      'https://origin.example: the queue is full (pool.maxWaiters = 1), with 1 connections (pool.maxConnections = 1), ' +
        '0 of them busy and 1 still connecting; raise pool.maxWaiters or pool.maxConnections, or send less',
    )
  })

  it('names the limit that was in the way of a connection', () => {
    const pool = new PoolScript({ queueTimeoutMs: 10, maxConnections: 1 }).open(1)
    const message = messageOf(pool, () => {
      pool.acquire('a', 'b')
      pool.advance(10)
    })
    expect(message).toContain(
      'no connection within pool.queueTimeoutMs = 10, with 1 connections (pool.maxConnections = 1)',
    )
    expect(message).toContain('raise pool.maxConnections')
  })

  it('counts a tunnel as busy, which takes no requests and keeps its place until it ends', () => {
    const pool = new PoolScript({ queueTimeoutMs: 10, maxConnections: 1 }).open(1)
    const message = messageOf(pool, () => {
      pool.acquire('a')
      pool.draining(1, 'upgraded')
      expect(pool.acquire('b')).toEqual([])
      pool.advance(10)
    })
    expect(message).toContain('(pool.maxConnections = 1), 1 of them busy')
    pool.acquire('c')
    pool.streamClosed(1)
    expect(pool.closed(1)).toEqual(['connect #2'])
  })

  it('reports an origin that is slow to connect', () => {
    const pool = new PoolScript({ queueTimeoutMs: 10, maxConnections: 1 })
    const message = messageOf(pool, () => {
      pool.acquire('a')
      pool.advance(10)
    })
    expect(message).toContain('the origin is slow to connect')
  })

  it('reports the limit over all origins', () => {
    const budget = new ConnectionBudget(1)
    budget.tryTake()
    const pool = new PoolScript({ queueTimeoutMs: 10, budget })
    const message = messageOf(pool, () => {
      pool.acquire('a')
      pool.advance(10)
    })
    expect(message).toContain('raise limits.maxTotalConnections = 1')
  })
})
