import { describe, expect, it } from 'vitest'
import type { BalancedEndpoint } from '../../../../src/balance/balancer.ts'
import { EndpointBreakers } from '../../../../src/balance/endpoint-breakers.ts'
import { TransportError } from '../../../../src/base/errors.ts'
import type { Connection, Connector } from '../../../../src/base/events/connection.ts'
import type { Observer } from '../../../../src/base/events/observer.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import {
  type BreakerOptions,
  DEFAULT_BREAKER_OPTIONS,
} from '../../../../src/base/options/admission-options.ts'
import { type BalanceOptions, DEFAULT_BALANCE_OPTIONS } from '../../../../src/base/options/balance-options.ts'
import { DEFAULT_POOL_OPTIONS } from '../../../../src/base/options/options.ts'
import type { EndpointUser } from '../../../../src/origin/endpoints/origin-endpoints.ts'
import { BalancedPool, shareOf } from '../../../../src/origin/lanes/balanced-pool.ts'
import { Pool } from '../../../../src/pool/pool.ts'
import type { Waiter } from '../../../../src/pool/pool-driver.ts'
import { ConnectionBudget } from '../../../../src/pool/rules/connection-budget.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { healthOf } from '../../../support/endpoint-health.ts'
import { type FakeConnection, FakeConnector, settled } from '../../../support/fake-connector.ts'
import { TestWaiter } from '../../../support/pool-driver.ts'

interface Bounds extends BreakerOptions {
  /** Of the pool of each endpoint. */
  readonly maxWaiters: number
}

function endpointAt(index: number): BalancedEndpoint {
  return { index, address: `192.0.2.${index}`, weight: 1, tier: 0, zone: '', name: undefined }
}

function setUp(count: number, options: Partial<BalanceOptions> = {}, bounds: Partial<Bounds> = {}) {
  const clock = new FakeClock()
  const log: string[] = []
  const health = healthOf(count)
  const breakers = EndpointBreakers.of({
    options: { ...DEFAULT_BREAKER_OPTIONS, ...bounds },
    onRefused: (by, limit) => log.push(`refused by ${by}: ${limit}`),
  })
  const connectors = Array.from({ length: count }, () => new FakeConnector())
  const poolOf = (
    connector: Connector = new FakeConnector(),
    observer: Observer = () => {},
    maxWaiters = () => DEFAULT_POOL_OPTIONS.maxWaiters,
  ): Pool =>
    new Pool({
      origin: parseOrigin('https://origin.example'),
      connector,
      clock,
      random: () => 0.5,
      options: DEFAULT_POOL_OPTIONS,
      maxWaiters,
      budget: new ConnectionBudget(0),
      observer,
      expectedCapacity: 1,
    })
  const users: EndpointUser[] = []
  const list: BalancedEndpoint[] = connectors.map((_, index) => endpointAt(index))
  let failLookup: (error: Error) => void = () => {}
  const unresolved = new Promise<void>((_resolve, reject) => {
    failLookup = reject
  })
  const pool = BalancedPool.make({
    endpoints: {
      list,
      health,
      breakers,
      homes: new WeakMap(),
      subsetSeed: 1,
      whenKnown: () => (list.length > 0 ? Promise.resolve() : unresolved),
      add: user => users.push(user),
    },
    options: { ...DEFAULT_BALANCE_OPTIONS, ...options, policy: 'round-robin' },
    random: () => 0.5,
    clock,
    pool: { ...DEFAULT_POOL_OPTIONS, maxWaiters: (bounds.maxWaiters ?? 1_000) * Math.max(1, count) },
    attemptDelayMs: 250,
    onPanic: () => {},
    endPool: ended => ended.drain(),
    makePool: ({ index }, { observer, maxWaiters }) => poolOf(connectors[index], observer, maxWaiters),
    makeUnresolved: whenKnown => poolOf({ connect: () => whenKnown().then(() => new Promise(() => {})) }),
  })
  if (pool === undefined) throw new Error('no pool')
  const acquire = (name: string, act?: (connection: Connection) => void): TestWaiter => {
    const waiter = new TestWaiter(name, log, act)
    pool.acquire(waiter)
    return waiter
  }
  /** The endpoints with these numbers are there from now on. */
  const become = (indexes: readonly number[]): void => {
    const before = list.splice(0)
    list.push(...indexes.map(index => before.find(one => one.index === index) ?? endpointAt(index)))
    const added = list.filter(({ index }) => !before.some(one => one.index === index))
    const removed = before.filter(({ index }) => !list.some(one => one.index === index))
    for (const { index } of added) {
      connectors[index] ??= new FakeConnector()
      health.add(index)
    }
    for (const user of users) user.setEndpoints({ endpoints: [...list], added, removed })
    for (const { index } of removed) health.remove(index)
  }
  return {
    clock,
    log,
    connectors,
    pool,
    health,
    acquire,
    become,
    failLookup: (error: Error) => failLookup(error),
  }
}

describe('a pool per endpoint', () => {
  it('moves a request whose endpoint cannot be connected to, and leaves that endpoint alone', async () => {
    const { connectors, log, pool, acquire } = setUp(2)
    acquire('a')
    await connectors[0]?.fail()
    await connectors[1]?.succeed()
    expect(log).toEqual(['a leased'])
    acquire('b')
    expect(connectors.map(({ started }) => started)).toEqual([1, 2])
    expect(pool.endpointStats('tcp').map(({ state, requests }) => [state, requests])).toEqual([
      ['down', 0],
      ['up', 1],
    ])
  })

  it('fails a request that no endpoint takes, with the last error', async () => {
    const { connectors, log, acquire } = setUp(2)
    acquire('a')
    await connectors[0]?.fail()
    await connectors[1]?.fail()
    expect(log).toEqual(['a failed: MM_CONNECT_REFUSED'])
  })

  it('moves a request that waits for a first connection to where one is open', async () => {
    const { clock, connectors, log, pool, acquire } = setUp(2)
    acquire('a')
    acquire('b')
    await connectors[1]?.succeed()
    expect(log).toEqual(['b leased'])
    clock.advance(250)
    expect(pool.endpointStats('tcp')[0]).toMatchObject({
      state: 'down',
      because: 'no connection after 250 ms',
    })
    await connectors[1]?.succeed()
    expect(log).toEqual(['b leased', 'a leased'])
    await connectors[0]?.succeed()
    expect(pool.endpointStats('tcp')[0]).toMatchObject({ state: 'up' })
  })

  it('leaves a request where it waits while no connection is open anywhere', async () => {
    const { clock, connectors, log, acquire } = setUp(2)
    acquire('a')
    clock.advance(1_000)
    expect(connectors.map(({ started }) => started)).toEqual([1, 0])
    await connectors[0]?.succeed()
    expect(log).toEqual(['a leased'])
  })

  it('forgets a request that is cancelled', async () => {
    const { clock, connectors, log, pool, acquire } = setUp(2)
    const waiter = acquire('a')
    pool.cancel(waiter)
    clock.advance(1_000)
    await connectors[0]?.succeed()
    expect(log).toEqual([])
    expect(pool.load.waiters).toBe(0)
  })

  it('connects to an endpoint that was down in parallel with the requests', async () => {
    const { clock, connectors, log, pool, acquire } = setUp(2)
    acquire('a')
    await connectors[0]?.fail()
    await connectors[1]?.succeed()
    clock.advance(DEFAULT_POOL_OPTIONS.backoffMaxMs)
    acquire('b')
    expect(connectors[0]?.started).toBe(2)
    await connectors[1]?.succeed()
    await connectors[0]?.succeed()
    expect(log).toEqual(['a leased', 'b leased'])
    expect(pool.endpointStats('tcp').map(({ state }) => state)).toEqual(['up', 'up'])
  })

  it('counts an answer and a failure for the endpoint that it came from, though its connection is gone', async () => {
    const { connectors, pool, health, acquire } = setUp(2)
    const connections: Connection[] = []
    acquire('a', connection => connections.push(connection))
    await connectors[0]!.succeed()
    for (let i = 0; i < 4; i += 1) pool.onAnswered(connections[0]!, 503, 1, 0)
    connections[0]!.close('network-error')
    expect(health.isHealthy(0)).toBe(true)
    pool.onFailed(connections[0]!, new TransportError('MM_CONNECTION_RESET', 'gone'), 0)
    expect(health.changes).toMatchObject([{ index: 0, standing: 'ejected' }])
  })

  it('sends a request away from the endpoint of the connection that it avoids, over any connection there', async () => {
    const { connectors, pool, acquire } = setUp(2)
    const connections: Connection[] = []
    acquire('a', connection => connections.push(connection))
    acquire('b', connection => connections.push(connection))
    for (const connector of connectors) await connector.succeed(10)
    const again: Waiter = {
      avoids: connections[0]!,
      onLease: connection => void connections.push(connection),
      onLeaseFailed: () => {},
    }
    pool.acquire(again, true, true)
    pool.acquire({ ...again }, true, true)
    expect(connections.slice(2)).toEqual([connections[1], connections[1]])
    expect([pool.hasBeside(connections[0]!, 0), connectors.map(({ started }) => started)]).toEqual([
      true,
      [1, 1],
    ])
  })

  it('counts the end of a connection once, however many requests it carried', async () => {
    const { connectors, pool, health, acquire } = setUp(2)
    const connections: Connection[] = []
    acquire('a', connection => connections.push(connection))
    await connectors[0]!.succeed()
    const error = new TransportError('MM_CONNECTION_RESET', 'gone')
    for (let i = 0; i < 20; i += 1) pool.onFailed(connections[0]!, error, 0)
    expect(health.changes).toEqual([])
  })

  it('passes over an endpoint that has as many requests as it may, and refuses those that no one takes', async () => {
    const { connectors, log, pool, acquire } = setUp(2, {}, { maxRequestsPerEndpoint: 1 })
    for (const name of ['a', 'b', 'c']) acquire(name)
    for (const connector of connectors) await connector.succeed()
    expect(log).toEqual(['refused by requests: 1', 'c failed: MM_BREAKER_OPEN', 'a leased', 'b leased'])
    expect(pool.endpointStats('tcp').map(({ breakers }) => breakers)).toEqual([
      { retries: 0, passedOver: 2 },
      { retries: 0, passedOver: 1 },
    ])
  })

  it('gives the failure of an endpoint to the request where the others are full', async () => {
    const { connectors, log, acquire } = setUp(2, {}, { maxRequestsPerEndpoint: 1 })
    acquire('a')
    acquire('b')
    await connectors[0]?.fail()
    expect(log).toEqual(['refused by requests: 1', 'a failed: MM_CONNECT_REFUSED'])
  })

  it('moves a request for which too many wait to an endpoint with room, and refuses it where there is none', () => {
    const { connectors, log, pool, acquire } = setUp(2, {}, { maxWaiters: 1 })
    const avoided = acquire('a')
    for (const name of ['b', 'c']) acquire(name)
    expect(log).toEqual(['c failed: MM_QUEUE_FULL'])
    pool.cancel(avoided)
    for (const name of ['d', 'e']) acquire(name)
    expect(log).toEqual(['c failed: MM_QUEUE_FULL', 'e failed: MM_QUEUE_FULL'])
    expect(connectors.map(({ started }) => started)).toEqual([1, 1])
  })

  it('sends a replay to an endpoint that has a place for one, as long as there is one', async () => {
    const { connectors, log, pool, acquire } = setUp(2, {}, { maxRetriesPerEndpoint: 1 })
    const connections: Connection[] = []
    for (const name of ['a', 'b']) acquire(name, connection => connections.push(connection))
    for (const connector of connectors) await connector.succeed(10)
    const ends = connections.map(connection => pool.beginRetry(connection))
    expect([pool.admitRetry(0), log.at(-1)]).toEqual([false, 'refused by retries: 1'])
    ends[1]?.()
    expect(pool.admitRetry(0)).toBe(true)
    const leased: Connection[] = []
    const replay: Waiter = {
      isRetry: true,
      onLease: connection => void leased.push(connection),
      onLeaseFailed: () => {},
    }
    for (let i = 0; i < 3; i += 1) pool.acquire({ ...replay }, false, true)
    expect(leased).toEqual([connections[1], connections[1], connections[1]])
  })

  it('moves a request that waits for an endpoint which is gone, and ends what is under way there', async () => {
    const { connectors, log, pool, acquire, become } = setUp(2)
    const connections: FakeConnection[] = []
    acquire('a', connection => connections.push(connection as FakeConnection))
    await connectors[0]!.succeed()
    acquire('b')
    acquire('c') // waits for the first endpoint
    become([1])
    expect(connections[0]!.isClosed).toBe(false)
    expect(pool.endpointStats('tcp').map(({ address, state }) => [address, state])).toEqual([
      ['192.0.2.1', 'up'],
      ['192.0.2.0', 'leaving'],
    ])
    await connectors[1]!.succeed()
    await connectors[1]!.succeed()
    expect(log).toEqual(['a leased', 'b leased', 'c leased'])
    const before = pool.counters
    connections[0]!.finish()
    expect([connections[0]!.isClosed, connections[0]!.closedFor]).toEqual([true, 'address-gone'])
    await settled()
    expect(pool.endpointStats('tcp')).toHaveLength(1)
    expect([pool.counters.requests, pool.counters.opened]).toEqual([before.requests, before.opened])
  })

  it('waits where no endpoint is known, and goes to the first that comes', async () => {
    const { connectors, log, acquire, become, pool } = setUp(0)
    acquire('a')
    const ready = pool.preconnect(1)
    expect([pool.load.waiters, pool.live, pool.hasProven]).toEqual([1, 0, false])
    become([0])
    await connectors[0]!.succeed()
    expect(log).toEqual(['a leased'])
    expect(pool.load.waiters).toBe(0)
    void ready
  })

  it('fails a request with the error of the lookup where no endpoint can be found', async () => {
    const { log, acquire, failLookup, become, connectors } = setUp(0)
    acquire('a')
    failLookup(new TransportError('MM_DNS_FAILED', 'it does not exist'))
    await settled()
    expect(log).toEqual(['a failed: MM_DNS_FAILED'])
    become([4])
    acquire('b')
    await connectors[4]!.succeed()
    expect(log).toEqual(['a failed: MM_DNS_FAILED', 'b leased'])
  })

  it('shares the places of those who wait among the endpoints that there are', () => {
    const { log, acquire, become } = setUp(2, {}, { maxWaiters: 2 })
    become([0])
    for (const name of ['a', 'b', 'c', 'd', 'e']) acquire(name)
    expect(log).toEqual(['e failed: MM_QUEUE_FULL'])
  })

  it('divides a number among takers without a remainder', () => {
    expect([0, 1, 2].map(position => shareOf(7, 3, position))).toEqual([3, 2, 2])
  })
})
