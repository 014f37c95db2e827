import { describe, expect, it } from 'vitest'
import type { Connection } from '../../../src/base/events/connection.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS } from '../../../src/base/options/options.ts'
import type { Pool } from '../../../src/pool/pool.ts'
import { type OwnPoolConfig, Pools } from '../../../src/pool/pools.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { FakeConnector, settled } from '../../support/fake-connector.ts'

const NO_LIMITS = {
  maxTotalConnections: 0,
  maxStalledConnections: 0,
  maxOrigins: 0,
  dialShare: 0,
  maxPortShare: 0,
}

/** The pools of two lanes of one origin, which may have `maxConnections` together. */
function twoLanes(maxConnections: number) {
  const clock = new FakeClock()
  const pools = new Pools(NO_LIMITS, () => {})
  const origin = parseOrigin('https://shop.example')
  const lane = (add: (config: OwnPoolConfig) => Pool | undefined) => {
    const connector = new FakeConnector()
    const pool = add({
      connector,
      clock,
      random: () => 0,
      options: { ...DEFAULT_POOL_OPTIONS, maxConnections },
      observer: () => undefined,
      expectedCapacity: 1,
    })
    if (pool === undefined) throw new Error('no pool')
    const leases: Connection[] = []
    const acquire = () =>
      pool.acquire({
        onLease: connection => {
          connection.open(undefined as never, undefined as never) // the fake needs neither
          leases.push(connection)
        },
        onLeaseFailed: error => {
          throw error
        },
      })
    return { pool, connector, leases, acquire }
  }
  const first = lane(config => pools.add(origin, config))
  const second = lane(config => pools.addBeside(first.pool, origin, config))
  return { pools, clock, first, second }
}

describe('maxConnections of an origin', () => {
  it('is shared by all its lanes', async () => {
    const { pools, first, second } = twoLanes(3)
    for (let i = 0; i < 3; i += 1) first.acquire()
    for (let i = 0; i < 3; i += 1) second.acquire()
    for (let i = 0; i < 3; i += 1) await first.connector.succeed()
    expect([first.leases.length, second.pool.size, pools.totalConnections]).toEqual([3, 0, 3])
    pools.assertConsistent()
  })

  it('lets a lane use what another one leaves idle', async () => {
    const { pools, first, second } = twoLanes(1)
    first.acquire()
    const connection = await first.connector.succeed()
    connection.finish()
    second.acquire()
    expect([connection.closedFor, pools.totalConnections]).toEqual(['evicted', 1])
    await second.connector.succeed()
    expect(second.leases).toHaveLength(1)
    pools.assertConsistent()
  })

  it('gives a lane whose requests wait the next place that becomes free', async () => {
    const { pools, first, second } = twoLanes(1)
    first.acquire()
    const connection = await first.connector.succeed()
    second.acquire()
    expect(second.pool.size).toBe(0)
    connection.finish()
    expect([connection.closedFor, second.pool.size, pools.totalConnections]).toEqual(['evicted', 1, 1])
    await second.connector.succeed()
    expect(second.leases).toHaveLength(1)
  })

  it('leaves an idle connection of another lane to a lane that is to be made ready', async () => {
    const { first, second } = twoLanes(1)
    first.acquire()
    const connection = await first.connector.succeed()
    void second.pool.preconnect(1)
    expect([connection.closedFor, second.pool.size]).toEqual([undefined, 0])
    connection.finish()
    expect(connection.closedFor).toBeUndefined() // nobody waits
    void second.pool.preconnect(1)
    expect(connection.closedFor).toBe('evicted')
    await settled()
    void second.pool.preconnect(1)
    expect(second.pool.size).toBe(1)
  })
})
