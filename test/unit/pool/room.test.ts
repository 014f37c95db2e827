import { describe, expect, it } from 'vitest'
import { names, PoolScript } from '../../support/pool-script.ts'

describe.each([1, 100])('room for one more, with connections of capacity %i', capacity => {
  it('is on an idle connection, and on a busy one that is not full', () => {
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

  it('is not where others wait', () => {
    const pool = new PoolScript({ maxConnections: 1, maxStreamsPerConnection: 1 }).open(1, capacity)
    pool.acquire('a', 'b')
    expect(pool.hasRoom()).toBe(false)
    pool.streamClosed(1)
    expect(pool.hasRoom()).toBe(false) // b has it now
    pool.streamClosed(1)
    expect(pool.hasRoom()).toBe(true)
  })

  it('is not on one that must be verified first, which is live all the same', () => {
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

  it('is not on one that is too old, though the timer is late', () => {
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

  it('is not on one that is on its way out, nor in a pool that is', () => {
    const pool = new PoolScript().open(2, capacity)
    pool.draining(2)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([true, 1])
    pool.acquire('a')
    pool.drain()
    expect(pool.hasRoom()).toBe(false)
  })

  it('is not where the peer allows no stream, and that is not live either', () => {
    const pool = new PoolScript().open(1, capacity)
    pool.capacity(1, 0)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([false, 0])
    pool.capacity(1, capacity)
    expect([pool.hasRoom(), pool.state.serving]).toEqual([true, 1])
  })
})
