import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { parseOrigin, throughEgress } from '../../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from '../../../src/base/options/options.ts'
import type { CeilingShare, OriginCeiling } from '../../../src/pool/origin-ceiling.ts'
import type { Pool } from '../../../src/pool/pool.ts'
import { Pools } from '../../../src/pool/pools.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { FakeConnector, settled } from '../../support/fake-connector.ts'

const NO_LIMITS = {
  maxTotalConnections: 0,
  maxStalledConnections: 0,
  maxOrigins: 0,
  dialShare: 0,
  maxPortShare: 0,
}

/**
 * One origin that is protected; `seen` has what became of its waiters, which are called by their fair key and
 * a number.
 */
function protectedOrigin(
  ceiling: number,
  options: Partial<PoolOptions> = {},
  isFair = true,
  shareOf?: (key: string, ceiling: OriginCeiling) => CeilingShare,
) {
  const clock = new FakeClock()
  const connector = new FakeConnector()
  const pools = new Pools(NO_LIMITS, () => {}, shareOf)
  const origin = parseOrigin('https://shop.example')
  const config = {
    connector,
    clock,
    random: () => 0,
    options: { ...DEFAULT_POOL_OPTIONS, ...options },
    observer: () => undefined,
    expectedCapacity: 1,
    isFair,
  }
  const seen: string[] = []
  const add = (limit = ceiling, of = origin): Pool =>
    pools.add(of, { ...config, protection: { maxConnections: limit, floor: 1 } })
  const beside = (first: Pool): Pool => {
    const pool = pools.addBeside(first, origin, config)
    if (pool === undefined) throw new Error('no pool')
    return pool
  }
  const acquire = (pool: Pool, ...names: string[]): void => {
    for (const name of names)
      pool.acquire({
        fairKey: name.charAt(0),
        onLease: connection => {
          connection.open(undefined as never, undefined as never) // the fake needs neither
          seen.push(name)
        },
        onLeaseFailed: ({ code, message }) => seen.push(`${name}: ${code}: ${message}`),
      })
  }
  const holds = (): number => pools.ceilingOf(origin.key)?.holds ?? 0
  return { clock, connector, pools, origin, seen, add, beside, acquire, holds }
}

describe('the ceiling of an origin', () => {
  it('is one, however the origin is reached', async () => {
    const { connector, pools, origin, add, acquire, holds } = protectedOrigin(2)
    const first = add()
    const other = throughEgress(origin, 'bulk')
    const second = add(2, other)
    acquire(first, 'a1')
    acquire(second, 'a2', 'a3')
    expect([connector.dials.length, holds(), pools.ceilingOf(other.key)?.holds]).toEqual([2, 2, 2])
    const removed = pools.remove(other.key)
    await connector.succeed()
    await connector.succeed()
    expect(pools.ceilingOf(origin.key)).toBeDefined()
    await pools.close(new TransportError('MM_TRANSPORT_CLOSED', 'over'))
    await removed
    expect(holds()).toBe(0)
  })

  it('is shared by all its lanes, below what each pool may have', async () => {
    const { connector, add, beside, acquire, holds, seen, pools } = protectedOrigin(2)
    const first = add()
    const second = beside(first)
    acquire(first, 'a1', 'a2')
    acquire(second, 'a3')
    expect([connector.dials.length, second.size, holds()]).toEqual([2, 0, 2])
    const connection = await connector.succeed()
    await connector.succeed()
    connection.finish()
    expect([connection.closedFor, second.size, holds()]).toEqual(['evicted', 1, 2])
    await connector.succeed()
    expect(seen).toEqual(['a1', 'a2', 'a3'])
    pools.assertConsistent()
  })

  it('counts connections of pools that a new configuration has replaced', async () => {
    const { connector, pools, origin, add, acquire, holds, seen } = protectedOrigin(1)
    acquire(add(), 'a1')
    const old = await connector.succeed()
    void pools.remove(origin.key)
    acquire(add(), 'a2')
    expect([connector.dials.length, holds()]).toEqual([0, 1])
    old.finish()
    await connector.succeed()
    expect([seen, holds()]).toEqual([['a1', 'a2'], 1])
  })

  it('has no place for connections whose readers stall', async () => {
    const { clock, connector, add, acquire, holds } = protectedOrigin(1, { maxStalledConnections: 8 })
    const pool = add()
    acquire(pool, 'a1')
    const connection = await connector.succeed()
    connection.pausedSince = clock.now()
    acquire(pool, 'a2')
    clock.advance(1_000)
    expect([connector.dials.length, holds(), pool.aside]).toEqual([0, 1, 0])
  })

  it('ends idle connections when it is lowered, and busy ones when their exchanges end', async () => {
    const { connector, pools, origin, add, acquire, holds } = protectedOrigin(3)
    acquire(add(), 'a1', 'a2', 'a3')
    const [idle, busy] = [await connector.succeed(), await connector.succeed(), await connector.succeed()]
    idle.finish()
    void pools.remove(origin.key)
    acquire(add(1), 'a4')
    expect([idle.isClosed, busy.isClosed, holds()]).toEqual([true, false, 2])
    busy.finish()
    expect([busy.isClosed, holds(), connector.dials.length]).toEqual([true, 1, 0])
  })

  it('counts a connection until its socket is closed, or for 5 seconds without a report of that', async () => {
    const { clock, connector, pools, origin, add, acquire, holds } = protectedOrigin(2)
    acquire(add(), 'a1', 'a2')
    const [first, second] = [await connector.succeed(), await connector.succeed()]
    first.lingers = true
    second.lingers = true
    first.endClose()
    second.endClose()
    acquire(add(), 'a3', 'a4')
    expect([connector.dials.length, pools.totalConnections, holds()]).toEqual([0, 0, 2])
    first.endSocket()
    await settled()
    expect([connector.dials.length, holds()]).toEqual([1, 2])
    clock.advance(4_999)
    expect(connector.dials.length).toBe(1)
    clock.advance(1)
    expect([connector.dials.length, holds()]).toEqual([2, 2])
    second.endSocket()
    await settled()
    expect([pools.ceilingOf(origin.key)?.holds, connector.dials.length]).toEqual([2, 2])
  })

  it('evicts one idle connection for one waiter, while the socket of another is about to close', async () => {
    const { connector, add, beside, acquire, holds } = protectedOrigin(3)
    const first = add()
    acquire(first, 'a1', 'a2', 'a3')
    const all = [await connector.succeed(), await connector.succeed(), await connector.succeed()]
    for (const connection of all) {
      connection.lingers = true
      connection.finish()
    }
    acquire(beside(first), 'b1')
    expect([all.filter(({ isClosed }) => isClosed).length, connector.dials.length, holds()]).toEqual([
      1, 0, 3,
    ])
    all.find(({ isClosed }) => isClosed)?.endSocket()
    await settled()
    expect([connector.dials.length, holds()]).toEqual([1, 3])
  })

  it('ends with the last pool', async () => {
    const { connector, pools, origin, add, acquire } = protectedOrigin(1)
    acquire(add(), 'a1')
    const connection = await connector.succeed()
    const removed = pools.remove(origin.key)
    connection.finish()
    await removed
    expect(pools.ceilingOf(origin.key)).toBeUndefined()
    acquire(add(0), 'a2', 'a3')
    expect([connector.dials.length, pools.ceilingOf(origin.key)]).toEqual([2, undefined])
  })

  it('lasts for as long as a socket of it is open', async () => {
    const { connector, pools, origin, add, acquire } = protectedOrigin(1)
    acquire(add(), 'a1')
    const connection = await connector.succeed()
    connection.lingers = true
    connection.finish()
    await pools.remove(origin.key)
    acquire(add(), 'a2')
    expect(connector.dials.length).toBe(0)
    connection.endSocket()
    await settled()
    expect(connector.dials.length).toBe(1)
  })
})

describe('a share of the ceiling of an origin', () => {
  function shared(ceiling: number) {
    const calls: string[] = []
    const found: OriginCeiling[] = []
    const origin = protectedOrigin(ceiling, { queueTimeoutMs: 100 }, true, (key, made) => {
      calls.push(`join ${key}`)
      found.push(made)
      return {
        configure: limit => calls.push(`configure ${limit}`),
        look: () => calls.push(`look ${made.holds} ${made.wants}`),
        leave: () => calls.push('leave'),
      }
    })
    return { ...origin, calls, share: () => found[0] }
  }

  it('is zero before it is granted, and then no more than granted', async () => {
    const { connector, add, acquire, calls, share, holds } = shared(4)
    acquire(add(), 'a1', 'a2', 'a3')
    expect(connector.dials.length).toBe(0)
    expect(calls.slice(0, 2)).toEqual(['join https://shop.example', 'configure 4'])
    expect(calls.at(-1)).toBe('look 0 3')
    share()?.set(2)
    expect([connector.dials.length, holds()]).toEqual([2, 2])
    expect(calls.at(-1)).toBe('look 2 3')
  })

  it('gives up idle connections when it is lowered, and asks for what carries requests or is missing', async () => {
    const { connector, add, acquire, share, holds } = shared(4)
    const pool = add()
    acquire(pool, 'a1', 'a2')
    share()?.set(4)
    const [idle] = [await connector.succeed(), await connector.succeed()]
    idle.finish()
    expect([share()?.wants, holds()]).toEqual([1, 2])
    share()?.set(1)
    expect([idle.closedFor, share()?.wants, holds()]).toEqual(['evicted', 1, 1])
    acquire(pool, 'a3')
    expect([connector.dials.length, share()?.wants]).toEqual([0, 2])
  })

  it('is named in the refusal of a request', () => {
    const { clock, add, acquire, seen } = shared(4)
    acquire(add(), 'a1')
    clock.advance(100)
    expect(seen[0]).toContain(
      'a1: MM_ORIGIN_PROTECTED: https://shop.example: no connection within pool.queueTimeoutMs = 100, and the ' +
        'origin is protected (protection.maxConnections = 4, of which this process may have 0 now)',
    )
  })

  it('is given up with the last connection of the last pool', async () => {
    const { connector, pools, origin, add, acquire, share, calls } = shared(4)
    acquire(add(), 'a1')
    share()?.set(1)
    const connection = await connector.succeed()
    const removed = pools.remove(origin.key)
    expect(calls).not.toContain('leave')
    connection.finish()
    await removed
    expect(calls.at(-1)).toBe('leave')
    acquire(add(), 'a2')
    expect(calls.slice(-3)).toEqual(['join https://shop.example', 'configure 4', 'look 0 1'])
  })
})

describe('requests beyond the ceiling', () => {
  it('are served in turns, so that a client that sends many waits for its own', async () => {
    const { connector, add, acquire, seen } = protectedOrigin(1)
    acquire(add(), 'a1', 'a2', 'a3', 'a4', 'b1', 'c1')
    const connection = await connector.succeed()
    for (let ends = 0; ends < 5; ends += 1) connection.finish()
    expect(seen).toEqual(['a1', 'b1', 'c1', 'a2', 'a3', 'a4'])
  })

  it('are served in their order where fairness is off', async () => {
    const { connector, add, acquire, seen } = protectedOrigin(1, {}, false)
    acquire(add(), 'a1', 'a2', 'b1')
    const connection = await connector.succeed()
    for (let ends = 0; ends < 2; ends += 1) connection.finish()
    expect(seen).toEqual(['a1', 'a2', 'b1'])
  })

  it('are refused by name when they wait for too long', async () => {
    const { clock, connector, add, acquire, seen } = protectedOrigin(1, { queueTimeoutMs: 100 })
    const pool = add()
    acquire(pool, 'a1')
    await connector.succeed()
    acquire(pool, 'a2')
    clock.advance(100)
    expect(seen).toEqual([
      'a1',
      'a2: MM_ORIGIN_PROTECTED: https://shop.example: no connection within pool.queueTimeoutMs = 100, and the ' +
        'origin is protected (protection.maxConnections = 1), with 1 connections (pool.maxConnections = 64), 1 of ' +
        'them busy and 0 still connecting; send it less, or raise protection.maxConnections if it can carry more',
    ])
    expect(pool.stats().protectedRefusals).toBe(1)
  })

  it('take room in a full queue from the client that has most, and are refused where that is their own', async () => {
    const { connector, add, acquire, seen } = protectedOrigin(1, { maxWaiters: 3 })
    const pool = add()
    acquire(pool, 'a0')
    await connector.succeed()
    acquire(pool, 'a1', 'a2', 'a3', 'b1', 'a4')
    const refused = seen.slice(1).map(line => line.slice(0, 'a3: MM_ORIGIN_PROTECTED'.length))
    expect(refused).toEqual(['a3: MM_ORIGIN_PROTECTED', 'a4: MM_ORIGIN_PROTECTED'])
  })

  it('are refused for pool.maxConnections where that is less', async () => {
    const { connector, add, acquire, seen } = protectedOrigin(2, { maxConnections: 1, maxWaiters: 1 })
    const pool = add()
    acquire(pool, 'a1')
    await connector.succeed()
    acquire(pool, 'a2', 'a3')
    expect(seen[1]).toContain('a3: MM_QUEUE_FULL')
  })
})
