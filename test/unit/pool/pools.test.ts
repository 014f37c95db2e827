import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { Connection } from '../../../src/base/events/connection.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from '../../../src/base/options/options.ts'
import type { GlobalLimits } from '../../../src/base/options/transport-options.ts'
import type { Pool } from '../../../src/pool/pool.ts'
import { type PoolPart, Pools } from '../../../src/pool/pools.ts'
import { STALL_MS } from '../../../src/pool/rules/stalled.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { FakeConnector, settled } from '../../support/fake-connector.ts'

const NO_LIMITS: GlobalLimits = {
  maxTotalConnections: 0,
  maxStalledConnections: 0,
  maxOrigins: 0,
  dialShare: 0,
  maxPortShare: 0,
}

function setUp(limits: Partial<GlobalLimits> = {}, options: Partial<PoolOptions> = {}) {
  const clock = new FakeClock()
  const connector = new FakeConnector()
  const log: string[] = []
  const known = new Map<string, Pool>()
  const pools = new Pools({ ...NO_LIMITS, ...limits }, key => {
    known.delete(key)
    log.push(`${key} evicted`)
  })
  const add = (name: string): Pool => {
    const origin = parseOrigin(`https://${name}.example`)
    const pool = pools.add(origin, {
      connector,
      clock,
      random: () => 0,
      options: { ...DEFAULT_POOL_OPTIONS, ...options },
      observer: () => undefined,
      expectedCapacity: 1,
    })
    known.set(origin.key, pool)
    return pool
  }
  const addBeside = (name: string, first = get(name), within?: PoolPart): Pool | undefined =>
    pools.addBeside(first, parseOrigin(`https://${name}.example`), {
      within,
      connector,
      clock,
      random: () => 0,
      options: { ...DEFAULT_POOL_OPTIONS, ...options },
      observer: () => undefined,
      expectedCapacity: 1,
    })
  const get = (name: string): Pool => known.get(`https://${name}.example`) ?? add(name)
  const acquire = (name: string) =>
    get(name).acquire({
      onLease: (connection: Connection) => {
        connection.open(undefined as never, undefined as never) // the fake needs neither
        log.push(`${name} leased`)
      },
      onLeaseFailed: error => log.push(`${name} failed: ${error.code}`),
    })
  return { pools, clock, connector, log, add, addBeside, get, acquire }
}

describe('the pools', () => {
  it('evict the longest idle connection of any origin for one that starves', async () => {
    const { pools, clock, connector, log, acquire } = setUp({ maxTotalConnections: 2 })
    acquire('a')
    acquire('b')
    const first = await connector.succeed()
    const second = await connector.succeed()
    second.finish()
    clock.advance(10)
    first.finish()
    acquire('c')
    expect([first.closedFor, second.closedFor]).toEqual([undefined, 'evicted'])
    expect(pools.totalConnections).toBe(2)
    await connector.succeed()
    expect(log).toEqual(['a leased', 'b leased', 'c leased'])
    pools.assertConsistent()
  })

  it('evict one connection for one that starves, not all', async () => {
    const { connector, log, acquire } = setUp({ maxTotalConnections: 3 })
    for (const name of ['a', 'a', 'a']) acquire(name)
    const idle = [await connector.succeed(), await connector.succeed(), await connector.succeed()]
    for (const connection of idle) connection.finish()
    acquire('b')
    await connector.succeed()
    expect(log.at(-1)).toBe('b leased')
    expect(idle.filter(({ isClosed }) => isClosed)).toHaveLength(1)
  })

  it('make room with the first connection that becomes idle when none is', async () => {
    const { connector, log, acquire } = setUp({ maxTotalConnections: 1 })
    acquire('a')
    const first = await connector.succeed()
    acquire('b')
    acquire('c')
    expect(connector.started).toBe(1)
    first.closesAtOnce = false
    first.finish()
    expect(first.closedFor).toBe('evicted')
    expect(connector.started).toBe(1) // it still holds its place
    first.endClose()
    const second = await connector.succeed()
    second.finish()
    await connector.succeed()
    expect(log).toEqual(['a leased', 'b leased', 'c leased'])
  })

  it('pass a free place on when the one that starved gave up', async () => {
    const { pools, connector, log, get, acquire } = setUp({ maxTotalConnections: 1 })
    acquire('a')
    const first = await connector.succeed()
    const gone = { onLease: () => undefined, onLeaseFailed: () => undefined }
    get('b').acquire(gone)
    acquire('c')
    get('b').cancel(gone)
    first.finish()
    await connector.succeed()
    expect(log).toEqual(['a leased', 'c leased'])
    expect(pools.totalConnections).toBe(1)
  })

  it('set aside what stalls in one pool for another, where no connection is idle', async () => {
    const { clock, pools, connector, log, acquire } = setUp(
      { maxTotalConnections: 1, maxStalledConnections: 1 },
      { maxStalledConnections: 1, maxConnections: 1 },
    )
    acquire('a')
    const stalled = await connector.succeed()
    stalled.pausedSince = clock.now()
    acquire('b')
    expect(connector.started).toBe(1)
    clock.advance(2 * STALL_MS)
    await connector.succeed()
    expect([log, stalled.isClosed, pools.totalConnections]).toEqual([['a leased', 'b leased'], false, 2])
    expect(pools.isFull).toBe(true)
    stalled.finish()
    expect(stalled.closedFor).toBe('surplus')
    expect(pools.totalConnections).toBe(1)
  })

  it('apply a new limit for those that are set aside', async () => {
    const { clock, pools, connector, acquire } = setUp(
      { maxTotalConnections: 1 },
      { maxStalledConnections: 1 },
    )
    acquire('a')
    const stalled = await connector.succeed()
    stalled.pausedSince = clock.now()
    acquire('b')
    clock.advance(2 * STALL_MS)
    expect(connector.started).toBe(1)
    pools.setLimits({ ...NO_LIMITS, maxTotalConnections: 1, maxStalledConnections: 1 })
    acquire('b')
    expect(connector.started).toBe(2)
  })

  it('do not evict for one that gave up', async () => {
    const { connector, get, acquire } = setUp({ maxTotalConnections: 1 })
    acquire('a')
    const first = await connector.succeed()
    const gone = { onLease: () => undefined, onLeaseFailed: () => undefined }
    get('b').acquire(gone)
    get('b').cancel(gone)
    first.finish()
    expect(first.isClosed).toBe(false)
  })

  it('replace the least recently used pool when maxOrigins is reached', async () => {
    const { clock, connector, log, get, acquire } = setUp({ maxOrigins: 2 })
    acquire('a')
    const first = await connector.succeed()
    clock.advance(1)
    acquire('b')
    const second = await connector.succeed()
    clock.advance(1)
    second.finish()
    get('c') // a was unused for longer, but is busy
    expect([first.isClosed, second.closedFor]).toEqual([false, 'drained'])
    expect(log).toEqual(['a leased', 'b leased', 'https://b.example evicted'])
  })

  it('refuse another origin when all are busy, and say which limit it was', () => {
    const { get, acquire } = setUp({ maxOrigins: 1 })
    acquire('a')
    expect(() => get('b')).toThrow(
      expect.objectContaining({
        code: 'MM_QUEUE_FULL',
        message:
          'https://b.example: every one of 1 origins is busy (limits.maxOrigins = 1); raise limits.maxOrigins',
      }),
    )
  })

  it('drain a pool that is removed, and make a new one on demand', async () => {
    const { pools, connector, add, get, acquire } = setUp()
    acquire('a')
    const old = get('a')
    const connection = await connector.succeed()
    const removed = pools.remove('https://a.example')
    expect(add('a')).not.toBe(old)
    expect(connection.isClosed).toBe(false)
    connection.finish()
    expect(connection.closedFor).toBe('drained')
    await removed
    await pools.remove('https://nobody.example')
  })

  it('apply new limits', async () => {
    const { pools, connector, log, acquire } = setUp({ maxTotalConnections: 1 })
    acquire('a')
    acquire('b')
    expect(connector.started).toBe(1)
    pools.setLimits({ ...NO_LIMITS, maxTotalConnections: 2 })
    expect(connector.started).toBe(2)
    await connector.succeed()
    await connector.succeed()
    expect(log).toEqual(['a leased', 'b leased'])
  })

  it('drain all of their connections', async () => {
    const { pools, connector, get, acquire } = setUp()
    acquire('a')
    get('b')
    const connection = await connector.succeed()
    const drained = pools.drain()
    expect(() => get('c')).toThrow(expect.objectContaining({ code: 'MM_TRANSPORT_CLOSED' }))
    connection.finish()
    await drained
    expect(pools.totalConnections).toBe(0)
  })

  it('close all of their connections, also those that were removed before', async () => {
    const { pools, connector, log, acquire } = setUp()
    acquire('a')
    acquire('b')
    const connection = await connector.succeed()
    const removed = pools.remove('https://a.example')
    await pools.close(new TransportError('MM_TRANSPORT_CLOSED', 'bye'))
    await removed
    await settled()
    expect(connection.closedFor).toBe('shutdown')
    expect(log).toEqual(['a leased', 'b failed: MM_TRANSPORT_CLOSED'])
    expect(pools.totalConnections).toBe(0)
  })
})

describe('a pool beside the first of an origin', () => {
  const lease = (pool: Pool | undefined, log: string[], name: string): void =>
    pool?.acquire({
      onLease: (connection: Connection) => {
        connection.open(undefined as never, undefined as never) // the fake needs neither
        log.push(`${name} leased`)
      },
      onLeaseFailed: error => log.push(`${name} failed: ${error.code}`),
    })

  it('shares the limit over all, and each gives way to the other', async () => {
    const { pools, connector, log, addBeside, acquire } = setUp({ maxTotalConnections: 1 })
    acquire('a')
    const first = await connector.succeed()
    first.finish()
    lease(addBeside('a'), log, 'second')
    expect(first.closedFor).toBe('evicted')
    const second = await connector.succeed()
    expect(pools.totalConnections).toBe(1)
    second.finish()
    acquire('a')
    expect(second.closedFor).toBe('evicted')
    await connector.succeed()
    expect(log).toEqual(['a leased', 'second leased', 'a leased'])
    pools.assertConsistent()
  })

  it('has a limit together with those of the same part, beside which others go on', async () => {
    const { pools, connector, log, add, addBeside } = setUp({})
    const main = add('a')
    const part = {
      key: 'one',
      maxConnections: 1,
      name: { option: 'the limit', whose: 'the connections to it' },
    }
    const [first, second] = [addBeside('a', main, part), addBeside('a', main, part)]
    const other = addBeside('a', main, { ...part, key: 'two' })
    lease(first, log, 'first')
    lease(second, log, 'second')
    lease(other, log, 'other')
    expect(pools.totalConnections).toBe(2)
    const connection = await connector.succeed()
    await connector.succeed()
    expect(log).toEqual(['first leased', 'other leased'])
    connection.finish()
    expect(connection.closedFor).toBe('evicted')
    await connector.succeed()
    expect(log.at(-1)).toBe('second leased')
    pools.assertConsistent()
  })

  it('keeps its origin in use, and is removed with it', async () => {
    const { pools, connector, log, add, addBeside } = setUp({ maxOrigins: 1 })
    const main = add('a')
    lease(addBeside('a', main), log, 'second')
    const connection = await connector.succeed()
    expect(() => add('b')).toThrow('every one of 1 origins is busy')
    connection.finish()
    add('b')
    expect(log).toEqual(['second leased', 'https://a.example evicted'])
    expect(connection.closedFor).toBe('drained')
    await settled()
    expect(pools.totalConnections).toBe(0)
  })

  it('is one of any number, all of which keep their origin in use and go with it', async () => {
    const { pools, clock, connector, log, add, addBeside } = setUp({ maxOrigins: 2 })
    const main = add('a')
    const third = [addBeside('a', main), addBeside('a', main), addBeside('a', main)][2]
    clock.advance(1)
    add('b')
    clock.advance(1)
    lease(third, log, 'third')
    const connection = await connector.succeed()
    add('c') // b goes: a is in use
    connection.finish()
    clock.advance(1)
    lease(third, log, 'third')
    connection.finish()
    add('d') // c goes: a was used after c was made
    expect(log).toEqual([
      'third leased',
      'https://b.example evicted',
      'third leased',
      'https://c.example evicted',
    ])
    expect(connection.isClosed).toBe(false)
    const removed = pools.remove('https://a.example')
    expect(connection.closedFor).toBe('drained')
    await removed
    expect(pools.totalConnections).toBe(0)
    pools.assertConsistent()
  })

  it('is drained and closed with all others', async () => {
    const { pools, connector, log, add, addBeside } = setUp()
    const main = add('a')
    for (const name of ['one', 'two', 'three']) lease(addBeside('a', main), log, name)
    const first = await connector.succeed()
    const drained = pools.drain()
    expect(addBeside('a', main)).toBeUndefined()
    first.finish()
    expect(first.closedFor).toBe('drained')
    await connector.succeed()
    const closed = pools.close(new TransportError('MM_TRANSPORT_CLOSED', 'bye'))
    await drained
    await closed
    expect(log).toEqual(['one leased', 'two leased', 'three failed: MM_TRANSPORT_CLOSED'])
  })

  it('is removed with it, and not made for one that is closing', async () => {
    const { pools, connector, log, add, addBeside } = setUp()
    const main = add('a')
    const second = addBeside('a', main)
    lease(second, log, 'second')
    const connection = await connector.succeed()
    const removed = pools.remove('https://a.example')
    expect(addBeside('a', main)).toBeUndefined()
    lease(second, log, 'late')
    connection.finish()
    await removed
    expect(log).toEqual(['second leased', 'late failed: MM_TRANSPORT_CLOSED'])
    const other = add('a')
    expect(addBeside('a', main), 'another pool has the name').toBeUndefined()
    await pools.close(new TransportError('MM_TRANSPORT_CLOSED', 'bye'))
    expect(addBeside('a', other)).toBeUndefined()
  })
})
