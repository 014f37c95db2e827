import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { TransportEvent } from '../../../src/base/events/observer.ts'
import { settled } from '../../support/fake-connector.ts'
import { NO_HORIZON } from '../../support/idle-horizon-figures.ts'
import { drivenPool } from '../../support/pool-driver.ts'

const CLOSED = new TransportError('MM_TRANSPORT_CLOSED', 'bye')

describe.each([1, 100])('the pool driver, with connections of capacity %i', capacity => {
  it('dials once for a burst, then as many as needed, and serves in order', async () => {
    const { connector, log, acquire } = drivenPool()
    for (const name of ['a', 'b', 'c']) acquire(name)
    expect(connector.started).toBe(1)
    await connector.succeed(capacity)
    expect(connector.started).toBe(capacity === 1 ? 3 : 1)
    if (capacity === 1) {
      await connector.succeed(1)
      await connector.succeed(1)
      expect(log).toEqual(['a leased', 'b leased', 'c leased'])
    } else expect(log).toEqual(['a leased', 'b leased (reused)', 'c leased (reused)'])
  })

  it('leases an idle connection before acquire() returns', async () => {
    const { pool, connector, log, acquire } = drivenPool()
    acquire('a')
    const connection = await connector.succeed(capacity)
    connection.finish()
    acquire('b')
    expect(log).toEqual(['a leased', 'b leased (reused)'])
    expect(pool.stats()).toMatchObject({ requests: 2, reused: 1, streams: 1 })
  })

  it('closes idle connections in time', async () => {
    const { pool, clock, connector, acquire } = drivenPool({ idleTimeoutMs: 1000 })
    acquire('a')
    const connection = await connector.succeed(capacity)
    connection.finish()
    clock.advance(999)
    expect(connection.isClosed).toBe(false)
    clock.advance(1)
    expect(connection.closedFor).toBe('idle-timeout')
    expect(pool.stats().closed).toEqual({ 'idle-timeout': 1 })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('verifies a stale connection, and uses another when that fails', async () => {
    const { clock, connector, log, acquire } = drivenPool({ verifyAfterIdleMs: 1000 })
    acquire('a')
    const connection = await connector.succeed(capacity)
    connection.finish()
    clock.advance(1000)
    acquire('b')
    connection.pings[0]?.answer()
    await settled()
    expect(log).toEqual(['a leased', 'b leased (reused)'])
    connection.finish()
    clock.advance(1000)
    acquire('c')
    connection.pings[1]?.fail()
    await settled()
    expect(connection.closedFor).toBe('ping-failed')
    await connector.succeed(capacity)
    expect(log.at(-1)).toBe('c leased')
  })

  it('honours what the connection says of keep-alive', async () => {
    const { clock, connector, acquire } = drivenPool()
    acquire('a')
    const connection = await connector.succeed(capacity)
    connection.keepAlive = { timeoutMs: 5000 }
    connection.finish()
    clock.advance(4000)
    expect(connection.closedFor).toBe('keep-alive-timeout')
  })

  it('takes a lease back that the waiter refuses', async () => {
    const { pool, connector, log, acquire } = drivenPool({ maxConnections: 1 })
    acquire('a', connection => pool.release(connection))
    acquire('b')
    await connector.succeed(capacity)
    expect(log).toEqual(['a leased', capacity === 1 ? 'b leased' : 'b leased (reused)'])
    pool.assertConsistent()
  })

  it('gives a connection that arrives late to the next waiter, or keeps it', async () => {
    const { pool, connector, log, acquire } = drivenPool()
    const a = acquire('a')
    pool.cancel(a)
    pool.cancel(a)
    const connection = await connector.succeed(capacity)
    expect(log).toEqual([])
    expect(pool.stats().connections.idle).toBe(1)
    acquire('b')
    expect(log).toEqual(['b leased'])
    expect(connection.streams).toBe(1)
  })

  it('reports no failure when it stops a dial itself', async () => {
    const { pool, connector, events, acquire } = drivenPool()
    pool.cancel(acquire('a'))
    await pool.drain()
    expect(connector.dials).toEqual([])
    expect(events).toEqual(['connect-started'])
    expect(pool.stats()).toMatchObject({ connectFailures: 0, backingOff: false })
  })

  it('stops dials when it is closed, and closes what arrives all the same', async () => {
    const { pool, connector, log, events, acquire } = drivenPool()
    acquire('a')
    const late = connector.bear(capacity) // resolved, but the pool was not notified of it yet
    const closed = pool.close(CLOSED)
    await closed
    expect(late.closedFor).toBe('shutdown')
    expect(log).toEqual(['a failed: MM_TRANSPORT_CLOSED'])
    expect(events).toEqual(['connect-started'])
    acquire('b')
    expect(log.at(-1)).toBe('b failed: MM_TRANSPORT_CLOSED')
  })

  it('treats a connection that ended as it opened as a failed dial', async () => {
    const { pool, connector, log, events, acquire } = drivenPool()
    acquire('a')
    connector.bear(capacity).endClose('network-error', new TransportError('MM_CONNECTION_RESET', 'reset'))
    await settled()
    expect(log).toEqual(['a failed: MM_CONNECTION_RESET'])
    expect(events).toEqual(['connect-started', 'connect-failed'])
    expect(pool.stats().backingOff).toBe(true)
  })

  it('treats a connection that drained as it opened as a failed dial', async () => {
    const { connector, log, acquire } = drivenPool()
    acquire('a')
    const connection = connector.bear(capacity)
    connection.announceDraining()
    await settled()
    expect(log).toEqual(['a failed: MM_CONNECTION_CLOSED'])
    expect(connection.closedFor).toBe('peer-closed')
  })

  it('drains: resolves when the last exchange has ended and all is closed', async () => {
    const { pool, connector, acquire } = drivenPool()
    acquire('a')
    const connection = await connector.succeed(capacity)
    let isDrained = false
    const drained = pool.drain().then(() => {
      isDrained = true
    })
    await settled()
    expect(isDrained).toBe(false)
    connection.closesAtOnce = false
    connection.finish()
    expect(connection.closedFor).toBe('drained')
    await settled()
    expect(isDrained).toBe(false)
    connection.endClose()
    await drained
    await expect(pool.drain()).resolves.toBeUndefined()
  })

  it('closes everything at once', async () => {
    const { pool, clock, connector, log, acquire } = drivenPool({
      maxConnections: 1,
      maxStreamsPerConnection: 1,
    })
    acquire('a')
    const connection = await connector.succeed(capacity)
    acquire('b')
    await pool.close(CLOSED)
    expect(log).toEqual(['a leased', 'b failed: MM_TRANSPORT_CLOSED'])
    expect(connection.closedFor).toBe('shutdown')
    expect(clock.pendingTimers()).toBe(0)
  })
})

describe('the events of a pool', () => {
  it('report the life of a connection', async () => {
    const seen: TransportEvent[] = []
    const { clock, connector, acquire } = drivenPool({}, { observer: event => seen.push(event) })
    acquire('a')
    clock.advance(5)
    const connection = await connector.succeed(100)
    clock.advance(10)
    connection.announceDraining('peer-closed')
    connection.finish()
    connection.endClose('peer-closed')
    expect(seen.map(event => event.type)).toEqual([
      'connect-started',
      'connection-opened',
      'connection-draining',
      'connection-closed',
    ])
    expect(seen.at(-1)).toMatchObject({
      connection,
      reason: 'peer-closed',
      error: undefined,
      ageMs: 10,
      requests: 1,
    })
  })

  it('report a failed connect, how long it took and when the next may start', async () => {
    const seen: TransportEvent[] = []
    const { clock, connector, acquire } = drivenPool(
      { backoffBaseMs: 100 },
      { observer: event => seen.push(event) },
    )
    acquire('a')
    clock.advance(30)
    await connector.fail()
    expect(seen.at(-1)).toMatchObject({ type: 'connect-failed', durationMs: 30, retryAfterMs: 50 })
  })

  it('report when the pool itself drains a connection', async () => {
    const { connector, events, log, acquire } = drivenPool({ maxRequests: 1 })
    acquire('a')
    const connection = await connector.succeed(1)
    expect([log, events.at(-1)]).toEqual([['a leased'], 'connection-draining'])
    expect(connection.isClosed).toBe(false)
    connection.finish()
    expect(connection.closedFor).toBe('max-requests')
  })
})

describe('preconnect()', () => {
  it('resolves when as many connections are open', async () => {
    const { pool, connector } = drivenPool()
    let isReady = false
    const ready = pool.preconnect(2).then(() => {
      isReady = true
    })
    await connector.succeed()
    expect(isReady).toBe(false)
    await connector.succeed()
    await ready
    expect(pool.stats().connections.idle).toBe(2)
    await expect(pool.preconnect(1)).resolves.toBeUndefined()
  })

  it('resolves when the limit is reached', async () => {
    const { pool, connector } = drivenPool({ maxConnections: 1 })
    const ready = pool.preconnect(5)
    await connector.succeed()
    await ready
  })

  it('rejects when a dial fails, and while the pool backs off', async () => {
    const { pool, connector } = drivenPool()
    const ready = pool.preconnect(2)
    const outcome = expect(ready).rejects.toMatchObject({ code: 'MM_CONNECT_REFUSED' })
    await connector.fail()
    await outcome
    await connector.fail()
    await expect(pool.preconnect(1)).rejects.toMatchObject({ code: 'MM_CONNECT_REFUSED' })
  })

  it('rejects when the pool is closed', async () => {
    const { pool } = drivenPool()
    const outcome = expect(pool.preconnect(1)).rejects.toBe(CLOSED)
    await pool.close(CLOSED)
    await outcome
    await expect(pool.preconnect(1)).rejects.toMatchObject({ code: 'MM_TRANSPORT_CLOSED' })
  })
})

describe('a pool among others of its origin', () => {
  it('shows whether a request would have to wait', async () => {
    const { pool, clock, connector, acquire } = drivenPool({ maxConnections: 1, verifyAfterIdleMs: 1000 })
    expect([pool.live, pool.hasRoom()]).toEqual([0, false])
    acquire('a')
    expect([pool.live, pool.hasRoom()]).toEqual([0, false])
    const connection = await connector.succeed(2)
    expect([pool.live, pool.hasRoom()]).toEqual([1, true])
    acquire('b')
    expect([pool.live, pool.hasRoom()]).toEqual([1, false])
    connection.finish()
    connection.finish()
    const before = clock.now()
    clock.advance(1000)
    expect([pool.live, pool.hasRoom(), pool.hasRoom(before)]).toEqual([1, false, true])
    connection.announceDraining()
    expect([pool.live, pool.hasRoom()]).toEqual([0, false])
  })

  it('closes its connections when it need not be warm any more', async () => {
    const { pool, clock, connector } = drivenPool({ idleTimeoutMs: 1000, verifyAfterIdleMs: 0 })
    pool.setWarm(1)
    const connection = await connector.succeed(100)
    clock.advance(5000)
    expect(connection.isClosed).toBe(false)
    pool.setWarm(0)
    expect(connection.closedFor).toBe('idle-timeout')
    expect(clock.pendingTimers()).toBe(0)
  })

  it('stops the dial of a request that went to another pool, and reports no failure', async () => {
    const { pool, connector, events, acquire } = drivenPool()
    pool.cancel(acquire('a'))
    expect(connector.dials).toHaveLength(1) // as long as nobody says otherwise
    pool.abandonDials()
    expect(connector.dials).toEqual([])
    await settled()
    expect(events).toEqual(['connect-started'])
    expect(pool.stats()).toMatchObject({ connectFailures: 0, backingOff: false })
    expect(pool.isUnused).toBe(true)
  })

  it('closes what a stopped dial brings all the same', async () => {
    const { pool, connector, events, acquire } = drivenPool()
    pool.cancel(acquire('a'))
    const late = connector.bear(100) // resolved, but the pool was not notified of it yet
    pool.abandonDials('drained')
    await settled()
    expect(late.closedFor).toBe('drained')
    expect(events).toEqual(['connect-started'])
  })

  it('lets the dials go on that a waiter needs', async () => {
    const { pool, connector, log, waiter, acquire } = drivenPool()
    const loser = waiter('loser')
    pool.acquire(loser)
    acquire('other')
    pool.cancel(loser)
    pool.abandonDials()
    await connector.succeed(100)
    expect(log).toEqual(['other leased'])
    const ready = pool.preconnect(2)
    pool.abandonDials()
    await connector.succeed(100)
    await ready
  })

  it('retires a connection, whose exchanges end while it gets no more', async () => {
    const { pool, connector, events, log, acquire } = drivenPool()
    acquire('a')
    const connection = await connector.succeed(100)
    pool.retire(connection, 'network-error')
    pool.retire(connection, 'network-error')
    expect(events.filter(type => type === 'connection-draining')).toHaveLength(1)
    expect([pool.live, connection.isClosed]).toEqual([0, false])
    acquire('b')
    connection.finish()
    expect(connection.closedFor).toBe('network-error')
    const next = await connector.succeed(100)
    expect(log).toEqual(['a leased', 'b leased'])
    next.finish()
    pool.retire(connection, 'network-error') // gone
    drivenPool().pool.retire(next, 'network-error') // not its own
    expect(next.isClosed).toBe(false)
    pool.retire(next, 'network-error')
    expect(next.closedFor).toBe('network-error')
    expect(pool.stats().closed).toEqual({ 'network-error': 2 })
  })

  it('spreads exchanges, and dials in parallel with them', async () => {
    const { connector, log, acquire } = drivenPool({}, { spreadOver: 2 })
    acquire('a')
    const first = await connector.succeed(100)
    acquire('b')
    expect(log).toEqual(['a leased', 'b leased (reused)'])
    const second = await connector.succeed(100)
    acquire('c')
    expect([first.streams, second.streams]).toEqual([2, 1])
    acquire('d')
    expect(connector.started).toBe(2)
    expect([first.streams, second.streams]).toEqual([2, 2])
  })

  it('preconnects what is missing of its spread', async () => {
    const { pool, connector, acquire } = drivenPool({}, { spreadOver: 3 })
    acquire('a')
    await connector.succeed(100)
    acquire('b')
    expect(connector.started).toBe(2) // one for the spread
    let isReady = false
    const ready = pool.preconnect(3).then(() => {
      isReady = true
    })
    expect(connector.started).toBe(3)
    await connector.succeed(100)
    expect(isReady).toBe(false)
    await connector.succeed(100)
    await ready
    await expect(pool.preconnect(2)).resolves.toBeUndefined()
    const more = pool.preconnect(4)
    const outcome = expect(more).rejects.toMatchObject({ code: 'MM_CONNECT_REFUSED' })
    await connector.fail()
    await outcome
  })
})

describe('the snapshot of a pool', () => {
  it('counts by state, by handshake and by reason', async () => {
    const { pool, connector, acquire } = drivenPool({ maxStreamsPerConnection: 1 }, { expectedCapacity: 1 })
    for (const name of ['a', 'b', 'c', 'd', 'e']) acquire(name)
    const first = await connector.succeed(1, 'full')
    const second = await connector.succeed(1, 'resumed')
    await connector.succeed(1, 'none')
    await connector.succeed(1, 'early_data')
    first.finish() // e
    second.announceDraining()
    await connector.fail()
    expect(pool.stats()).toEqual({
      connections: { connecting: 0, idle: 0, leased: 3, draining: 1 },
      byProtocol: { h2: { idle: 0, leased: 3, draining: 1, streams: 4, capacity: 3 } },
      coalesced: 0,
      backingOff: true,
      waiters: 0,
      overloaded: false,
      shed: 0,
      protectedRefusals: 0,
      streams: 4,
      stalled: 0,
      opened: { full: 1, resumed: 1, earlyData: 1, cleartext: 1 },
      closed: {},
      connectFailures: 1,
      requests: 5,
      reused: 1,
      idleHorizon: NO_HORIZON,
      list: [
        `fake#${first.id}: leased 1/1, 2 requests`,
        `fake#${second.id}: draining 1/1, 1 requests`,
        `fake#${second.id + 1}: leased 1/1, 1 requests`,
        `fake#${second.id + 2}: leased 1/1, 1 requests`,
      ],
    })
    expect(pool.toString()).toBe(
      'https://origin.example open: 0 connecting, 0 idle, 3 leased (4 streams), 1 draining, 0 waiting',
    )
  })
})
