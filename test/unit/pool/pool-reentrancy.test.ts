import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { settled } from '../../support/fake-connector.ts'
import { drivenPool, openExchange, type TestWaiter } from '../../support/pool-driver.ts'

const CLOSED = new TransportError('MM_TRANSPORT_CLOSED', 'bye')

describe('while the actions of a pool are done,', () => {
  it('an exchange that ends at once frees its stream for the next in line', async () => {
    const { pool, connector, log, acquire } = drivenPool({ maxConnections: 1 })
    for (const name of ['a', 'b', 'c']) {
      acquire(name, connection => {
        openExchange(connection)
        connector.connections[0]?.finish()
      })
    }
    await connector.succeed(1)
    expect(log).toEqual(['a leased', 'b leased (reused)', 'c leased (reused)'])
    pool.assertConsistent()
  })

  it('a waiter that acquires from its lease comes after those that wait', async () => {
    const { pool, connector, log, acquire, waiter } = drivenPool({ maxConnections: 1 })
    acquire('a', connection => {
      openExchange(connection)
      pool.acquire(waiter('d'))
    })
    acquire('b')
    acquire('c')
    await connector.succeed(3)
    expect(log).toEqual(['a leased', 'b leased (reused)', 'c leased (reused)'])
    connector.connections[0]?.finish()
    expect(log.at(-1)).toBe('d leased (reused)')
  })

  it('a waiter that is cancelled before its lease is handed over never gets it', async () => {
    const { pool, connector, log, acquire } = drivenPool({ maxConnections: 1 })
    const others: TestWaiter[] = []
    acquire('a', connection => {
      openExchange(connection)
      for (const other of others) pool.cancel(other)
    })
    others.push(acquire('b'))
    acquire('c')
    const connection = await connector.succeed(100)
    expect(log).toEqual(['a leased', 'c leased (reused)'])
    expect(connection.streams).toBe(2)
    expect(pool.stats().streams).toBe(2)
    pool.assertConsistent()
  })

  it('a refusal that was decided is not reported to a waiter that cancelled', async () => {
    const { pool, connector, log, waiter } = drivenPool()
    const late = waiter('late')
    pool.acquire({ onLease: () => undefined, onLeaseFailed: () => pool.cancel(late) })
    pool.acquire(late)
    await connector.fail()
    expect(log).toEqual([])
  })

  it('the leases of a connection that dies go to another one, in order', async () => {
    const { pool, connector, log, acquire } = drivenPool()
    acquire('a', connection => {
      openExchange(connection)
      connector.connections[0]?.endClose('network-error')
    })
    for (const name of ['b', 'c', 'd']) acquire(name)
    await connector.succeed(100)
    expect(log).toEqual(['a leased'])
    pool.assertConsistent()
    await connector.succeed(100)
    expect(log).toEqual(['a leased', 'b leased', 'c leased (reused)', 'd leased (reused)'])
  })

  it('the leases of a connection that begins to drain go to another one, too', async () => {
    const { pool, connector, log, acquire } = drivenPool()
    acquire('a', connection => {
      openExchange(connection)
      connector.connections[0]?.announceDraining()
    })
    acquire('b')
    const first = await connector.succeed(100)
    expect(log).toEqual(['a leased'])
    expect(pool.stats().streams).toBe(1)
    await connector.succeed(100)
    expect(log).toEqual(['a leased', 'b leased'])
    first.finish()
    first.endClose()
    pool.assertConsistent()
  })

  it('leases that are still to come when the pool is closed become refusals', async () => {
    const { pool, connector, log, acquire } = drivenPool()
    acquire('a', connection => {
      openExchange(connection)
      void pool.close(CLOSED)
    })
    acquire('b')
    await connector.succeed(100)
    expect(log).toEqual(['a leased', 'b failed: MM_TRANSPORT_CLOSED'])
    pool.assertConsistent()
  })

  it('an observer may call the pool', async () => {
    const { pool, connector, log, waiter } = drivenPool(
      {},
      {
        observer: event => {
          if (event.type === 'connection-opened') pool.acquire(waiter('from the observer'))
        },
      },
    )
    pool.acquire(waiter('first'))
    await connector.succeed(100)
    expect(log).toEqual(['first leased', 'from the observer leased (reused)'])
  })
})

describe('among defects of callbacks,', () => {
  const warnings: string[] = []
  const onWarning = (warning: Error) => void warnings.push(warning.message)
  let emitWarning: { mockRestore(): void }

  beforeEach(() => {
    warnings.length = 0
    emitWarning = vi
      .spyOn(process, 'emitWarning')
      .mockImplementation(warning => onWarning(warning instanceof Error ? warning : new Error(warning)))
  })
  afterEach(() => emitWarning.mockRestore())

  it('an observer that throws changes nothing', async () => {
    const { pool, connector, log, acquire } = drivenPool(
      {},
      {
        observer: () => {
          throw new Error('observer')
        },
      },
    )
    acquire('a')
    await connector.succeed(1)
    expect(log).toEqual(['a leased'])
    expect(warnings).toEqual(['observer', 'observer'])
    pool.assertConsistent()
  })

  it('a waiter that throws loses its connection, and the others are served', async () => {
    const { pool, connector, log, acquire } = drivenPool()
    acquire('a', () => {
      throw new Error('waiter')
    })
    acquire('b')
    const first = await connector.succeed(1)
    expect(first.closedFor).toBe('exchange-aborted')
    await connector.succeed(1)
    expect(log).toEqual(['a leased', 'b leased'])
    expect(warnings).toEqual(['waiter'])
    pool.assertConsistent()
  })

  it('a waiter that throws at its refusal keeps no other from its own', async () => {
    const { pool, connector, log, acquire } = drivenPool()
    pool.acquire({
      onLease: () => undefined,
      onLeaseFailed: () => {
        throw new Error('refused')
      },
    })
    acquire('b')
    await connector.fail()
    expect(log).toEqual(['b failed: MM_CONNECT_REFUSED'])
    expect(warnings).toEqual(['refused'])
  })

  it('a connection that reports an event twice is counted once', async () => {
    const { pool, connector, events, acquire } = drivenPool()
    acquire('a')
    const connection = await connector.succeed(1)
    connection.announceDraining()
    connection.announceDraining()
    connection.endClose()
    connection.listener.onClosed(connection, 'peer-closed')
    connection.listener.onDraining(connection, 'peer-closed')
    connection.listener.onCapacityChanged(connection)
    expect(events.slice(2)).toEqual(['connection-draining', 'connection-closed'])
    expect(pool.stats().closed).toEqual({ 'peer-closed': 1 })
  })

  it('a connector that throws or rejects with any value counts as a failed connect', async () => {
    const { connector, log, acquire } = drivenPool({ backoffBaseMs: 0 })
    acquire('a')
    await connector.fail('a string')
    expect(log).toEqual(['a failed: MM_CONNECT_FAILED'])
    connector.connect = () => {
      throw new Error('at once')
    }
    acquire('b')
    await settled()
    expect(log.at(-1)).toBe('b failed: MM_CONNECT_FAILED')
  })
})
