import { describe, expect, it } from 'vitest'
import { QueueOverload } from '../../../../src/pool/rules/queue-overload.ts'
import { names, PoolScript } from '../../../support/pool-script.ts'

const OPTIONS = { maxConnections: 1, queueTargetMs: 500, queueIntervalMs: 100 }

describe('an overload', () => {
  it.each([
    [599, false],
    [600, true],
  ])('begins when waits have been too long for the interval: after %d ms %s', (at, expected) => {
    const overload = new QueueOverload(500, 100)
    overload.onArrival(-1, true, 500)
    overload.onArrival(0, true, at)
    expect(overload.isOverloaded).toBe(expected)
  })

  it('does not begin while the wait is at the target', () => {
    const overload = new QueueOverload(500, 0)
    for (let now = 500; now < 2_000; now += 10) overload.onArrival(now - 500, true, now)
    expect(overload.isOverloaded).toBe(false)
    overload.onArrival(0, true, 501)
    expect(overload.isOverloaded).toBe(true)
  })

  it('counts the interval anew when a wait was short, or a further connection could help', () => {
    for (const isFull of [true, false]) {
      const overload = new QueueOverload(500, 100)
      overload.onArrival(0, true, 600)
      overload.onArrival(isFull ? 649 : 0, isFull, 650)
      overload.onArrival(0, true, 701)
      expect(overload.isOverloaded).toBe(false)
    }
  })

  it('lasts until nobody waits', () => {
    const overload = new QueueOverload(500, 0)
    overload.onArrival(0, true, 501)
    overload.onArrival(500, true, 502)
    expect(overload.isOverloaded).toBe(true)
    overload.onEmpty()
    expect(overload.isOverloaded).toBe(false)
  })

  it('never begins where the target is 0', () => {
    const overload = new QueueOverload(0, 0)
    overload.onArrival(0, true, 60_000)
    expect(overload.isOverloaded).toBe(false)
  })
})

/** A full pool in which `n1`, `n2` … have come every 100 ms: the last one makes it overloaded. */
function overloaded(options: Partial<typeof OPTIONS> = {}, capacity = 1): PoolScript {
  const pool = new PoolScript({ ...OPTIONS, ...options }).open(1, capacity)
  pool.acquire(...names(capacity))
  for (let i = 1; i <= 7; i++) {
    expect(pool.acquire(`n${i}`)).toEqual([])
    pool.advance(100)
  }
  return pool
}

describe.each([1, 100])('an overloaded pool, with connections of capacity %i', capacity => {
  it('ends the longest waits, two for each newcomer at the most, and serves the newest first', () => {
    const pool = overloaded({}, capacity) // n1 waits for 700 ms, n2 for 600, n3 for 500
    expect(pool.acquire('n8')).toEqual(['reject n1: MM_QUEUE_OVERLOADED', 'reject n2: MM_QUEUE_OVERLOADED'])
    expect(pool.state.counts).toMatchObject({ overloaded: true, shed: 2, waiters: 6 })
    expect(pool.acquire('n9')).toEqual([])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to n9 (reused)'])
    expect(pool.streamClosed(1)).toEqual(['lease #1 to n8 (reused)'])
  })

  it('refuses no waiter while none arrives, and recovers when none waits', () => {
    const pool = overloaded({}, capacity)
    pool.acquire('n8')
    const served: string[] = []
    for (let i = 0; i < 6; i++) served.push(...pool.streamClosed(1))
    expect(served).toEqual([8, 7, 6, 5, 4, 3].map(n => `lease #1 to n${n} (reused)`))
    expect(pool.state.counts.overloaded).toBe(false)
    pool.acquire('m1', 'm2')
    expect(pool.streamClosed(1)).toEqual(['lease #1 to m1 (reused)'])
  })

  it('still refuses a waiter after queueTimeoutMs', () => {
    const pool = overloaded({}, capacity)
    pool.acquire('n8')
    expect(pool.advance(10_000 - 500)).toEqual(['reject n3: MM_QUEUE_TIMEOUT'])
  })

  it('makes room for a newcomer first, and then applies maxWaiters', () => {
    const pool = new PoolScript({ ...OPTIONS, queueIntervalMs: 0, maxWaiters: 2 }).open(1, capacity)
    pool.acquire(...names(capacity))
    pool.acquire('a', 'b')
    expect(pool.acquire('c')).toEqual(['reject c: MM_QUEUE_FULL'])
    pool.advance(501)
    expect(pool.acquire('d')).toEqual(['reject a: MM_QUEUE_OVERLOADED', 'reject b: MM_QUEUE_OVERLOADED'])
  })
})

describe('a pool is not overloaded', () => {
  it('by default', () => {
    const pool = new PoolScript({ maxConnections: 1 }).open(1)
    pool.acquire('busy', 'a')
    for (let i = 0; i < 90; i++) {
      pool.advance(100)
      expect(pool.acquire(`n${i}`)).toEqual([])
    }
  })

  it('while its first connection is being made', () => {
    const pool = new PoolScript({ ...OPTIONS, queueIntervalMs: 0 })
    pool.acquire('a')
    pool.advance(2_000)
    expect(pool.acquire('b', 'c')).toEqual([])
  })

  it('while it may dial', () => {
    const pool = new PoolScript({ ...OPTIONS, queueIntervalMs: 0, maxConnections: 2 }).open(1)
    pool.acquire('busy', 'a')
    pool.advance(2_000)
    expect(pool.state.counts.connections.connecting).toBe(1)
    pool.connected(2)
    expect(pool.acquire('b', 'c')).toEqual([])
  })

  it('by waiters whose connection died', () => {
    const pool = overloaded()
    expect(pool.acquireFresh('f')).toEqual([
      'reject n1: MM_QUEUE_OVERLOADED',
      'reject n2: MM_QUEUE_OVERLOADED',
    ])
    pool.advance(5_000)
    pool.acquire('n9')
    expect(pool.state.counts.waiters).toBeGreaterThan(1)
    expect(pool.streamClosed(1)).toEqual(['lease #1 to f (reused)'])
  })
})
