import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { Connection } from '../../../../src/base/events/connection.ts'
import type { Resolution } from '../../../../src/base/http/endpoint.ts'
import {
  AddressDrain,
  type DrainedName,
  type DrainedPool,
  drainedNames,
} from '../../../../src/origin/paths/address-drain.ts'
import type { Alternative } from '../../../../src/select/evidence/alternative-sets.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { settled } from '../../../support/fake-connector.ts'
import { FakeLanes } from '../lanes/fake-lanes.ts'

const EVERY = 30_000

/** A pool whose connections end as soon as they are retired, and are made when the test says so. */
class FakePool {
  readonly open: Connection[] = []
  lastUsedAt = 0
  waiters = 0
  readonly retired: string[] = []
  readonly #clock: FakeClock
  readonly #preconnects: { done: () => void; fail: (error: Error) => void }[] = []

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  connect(...addresses: string[]): void {
    for (const address of addresses)
      this.open.push({ endpoint: { address, family: 4, port: 443, transport: 'tcp' } } as Connection) // what is looked at
  }

  connections(): Connection[] {
    return this.open
  }

  get live(): number {
    return this.open.length
  }

  get size(): number {
    return this.open.length
  }

  get counted(): number {
    return this.size
  }

  stats() {
    return { waiters: this.waiters }
  }

  retire(connection: Connection, reason: string): void {
    this.retired.push(`${connection.endpoint.address} ${reason} at ${this.#clock.now()}`)
    this.open.splice(this.open.indexOf(connection), 1)
  }

  preconnect(): Promise<void> {
    return new Promise((done, fail) => this.#preconnects.push({ done, fail }))
  }

  get asked(): number {
    return this.#preconnects.length
  }

  async succeed(...addresses: string[]): Promise<void> {
    this.connect(...addresses)
    for (const { done } of this.#preconnects.splice(0)) done()
    await settled()
  }

  async fail(): Promise<void> {
    for (const { fail } of this.#preconnects.splice(0))
      fail(new TransportError('MM_CONNECT_TIMEOUT', 'nobody'))
    await settled()
  }
}

function setUp({ refreshMs = EVERY, maxConnections = 0, pools = 1 } = {}) {
  const clock = new FakeClock()
  const all = Array.from({ length: pools }, () => new FakePool(clock))
  const [pool] = all as [FakePool]
  const world = {
    answer: { addresses: [], source: 'system' } as Resolution | TransportError,
    lookups: [] as number[],
  }
  const own: DrainedName = {
    name: 'shop.test',
    resolve: () => {
      world.lookups.push(clock.now())
      return world.answer instanceof TransportError
        ? Promise.reject(world.answer)
        : Promise.resolve(world.answer)
    },
    has: connection => connection.altUsed === undefined,
  }
  const names = [own]
  const drain = new AddressDrain({
    clock,
    refreshMs,
    names: () => names,
    pools: () => all as unknown as DrainedPool[], // what is asked of them
    maxConnections,
  })
  const answer = (addresses: string, source = 'system'): void => {
    world.answer = {
      addresses: addresses.split(' ').map(address => ({ address, family: 4 as const })),
      source,
    }
  }
  /** Time passes in which the first pool carries requests. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 500) {
      pool.lastUsedAt = clock.now()
      clock.advance(Math.min(left, 500))
      await settled()
    }
  }
  return { clock, drain, pool, pools: all, names, world, answer, pass }
}

describe('AddressDrain', () => {
  it('drains connections to an address that was missing in three answers, one a second, in favor of those that stay', async () => {
    const { drain, pool, answer, pass } = setUp()
    pool.connect('a', 'b', 'a', 'a')
    drain.onConnected()
    answer('a b')
    await pass(EVERY)
    answer('b')
    await pass(2 * EVERY + 29_500)
    expect(pool.retired).toEqual([])
    await pass(500)
    await pass(10_000)
    expect(pool.retired).toEqual([
      'a address-gone at 120000',
      'a address-gone at 121000',
      'a address-gone at 122000',
    ])
    expect(pool.open.map(({ endpoint }) => endpoint.address)).toEqual(['b'])
  })

  it('leaves connections alone that carry no further requests, such as tunnels', async () => {
    const { drain, pool, answer, pass } = setUp()
    pool.connect('a', 'a', 'b')
    pool.open[0] = { ...pool.open[0]!, endedBy: 'upgraded' }
    drain.onConnected()
    answer('a b')
    await pass(EVERY)
    answer('b')
    await pass(5 * EVERY)
    expect(pool.retired).toHaveLength(1)
    expect(pool.open.map(({ endpoint, endedBy }) => [endpoint.address, endedBy])).toEqual([
      ['a', 'upgraded'],
      ['b', undefined],
    ])
  })

  it('leaves connections of other origins alone whose ORIGIN frame named this one, and no others', async () => {
    const { drain, pool, answer, pass } = setUp()
    const guest = (address: string, isByOriginSet: boolean): Connection =>
      ({
        endpoint: { address, family: 4, port: 443, transport: 'tcp' },
        sharedBy: { isByOriginSet },
      }) as Connection // what is looked at
    pool.connect('b')
    pool.open.push(guest('a', true), guest('a', false))
    drain.onConnected()
    answer('a b')
    await pass(EVERY)
    answer('b')
    await pass(5 * EVERY)
    expect(pool.retired).toHaveLength(1)
    expect(pool.open.map(({ sharedBy }) => sharedBy?.isByOriginSet)).toEqual([undefined, true])
  })

  it('makes a connection to a current address first, where there is none', async () => {
    const { drain, pool, answer, pass } = setUp()
    pool.connect('a', 'a')
    drain.onConnected()
    answer('b')
    await pass(4 * EVERY)
    expect([pool.asked, pool.retired]).toEqual([1, []])
    await pass(5_000)
    expect([pool.asked, pool.retired], 'it is not asked twice').toEqual([1, []])
    await pool.succeed('b')
    await pass(5_000)
    expect(pool.retired.map(line => line.split(' ')[0])).toEqual(['a', 'a'])
  })

  it('stays where it is when nobody answers at the new address, and tries again with the next answer', async () => {
    const { drain, pool, answer, pass } = setUp()
    pool.connect('a')
    drain.onConnected()
    answer('b')
    await pass(4 * EVERY)
    await pool.fail()
    await pass(EVERY - 1_000)
    expect([pool.asked, pool.retired]).toEqual([0, []])
    await pass(1_000)
    expect(pool.asked).toBe(1)
    await pool.succeed('b')
    await pass(2_000)
    expect(pool.retired).toHaveLength(1)
  })

  it('drains a full pool to make room, but not the last connection while requests wait', async () => {
    const { drain, pool, answer, pass } = setUp({ maxConnections: 2 })
    pool.connect('a', 'a')
    pool.waiters = 1
    drain.onConnected()
    answer('b')
    await pass(4 * EVERY + 500)
    expect([pool.asked, pool.retired.length]).toEqual([0, 1])
    await pass(1_000)
    expect([pool.asked, pool.retired.length]).toEqual([1, 1])
    await pool.succeed('b')
    await pass(1_500)
    expect(pool.retired).toHaveLength(2)
  })

  it('drains a pool that is full of one connection when nobody waits', async () => {
    const { drain, pool, answer, pass } = setUp({ maxConnections: 1 })
    pool.connect('a')
    pool.waiters = 1
    drain.onConnected()
    answer('b')
    await pass(5 * EVERY)
    expect(pool.retired).toEqual([])
    pool.waiters = 0
    await pass(EVERY)
    expect(pool.retired).toHaveLength(1)
  })

  it('drains a pool that is not in use to the last connection, without another in its place', async () => {
    const { drain, pools, answer, pass } = setUp({ pools: 2 })
    const [used, idle] = pools
    used?.connect('b')
    idle?.connect('a')
    drain.onConnected()
    answer('b')
    await pass(5 * EVERY)
    expect([idle?.asked, idle?.retired.length, used?.retired.length]).toEqual([0, 1, 0])
  })

  it('learns nothing from failures, from the cache, and from hints', async () => {
    const { drain, pool, world, answer, pass } = setUp()
    pool.connect('a', 'b')
    drain.onConnected()
    answer('a b')
    await pass(EVERY)
    world.answer = new TransportError('MM_DNS_FAILED', 'no address')
    await pass(10 * EVERY)
    answer('b', 'cache')
    await pass(10 * EVERY)
    answer('b', 'hints')
    await pass(10 * EVERY)
    expect([pool.retired, world.lookups.length]).toEqual([[], 31])
  })

  it.each(['literal', 'endpoints', 'override'])(
    'asks once and never again for addresses that are fixed: %s',
    async source => {
      const { drain, pool, world, answer, pass } = setUp()
      pool.connect('a')
      drain.onConnected()
      answer('b', source)
      await pass(10 * EVERY)
      expect([pool.retired, world.lookups]).toEqual([[], [EVERY]])
    },
  )

  it('asks nothing for an origin without requests, and has no timer for one without connections', async () => {
    const { drain, pool, clock, world, answer, pass } = setUp()
    expect(clock.pendingTimers()).toBe(0)
    pool.connect('a')
    drain.onConnected()
    drain.onConnected()
    expect(clock.pendingTimers()).toBe(1)
    answer('a')
    await pass(EVERY)
    clock.advance(10 * EVERY)
    expect(world.lookups).toHaveLength(1)
    pool.open.splice(0)
    clock.advance(EVERY)
    expect(clock.pendingTimers()).toBe(0)
    pool.connect('a')
    drain.onConnected()
    await pass(EVERY)
    expect(world.lookups).toHaveLength(2)
  })

  it('is off with an interval of 0', () => {
    const { drain, pool, clock } = setUp({ refreshMs: 0 })
    pool.connect('a')
    drain.onConnected()
    expect(clock.pendingTimers()).toBe(0)
  })

  it('handles each name separately, and leaves connections alone that belong to none', async () => {
    const { drain, pool, names, answer, pass } = setUp()
    const connections = ['one.test', 'two.test'].map(altUsed => {
      const endpoint = { address: 'a', family: 4, port: 443, transport: 'udp' }
      return { altUsed, endpoint } as unknown as Connection // what is looked at
    })
    const one = connections[0]!
    pool.connect('b', 'b')
    pool.open.push(...connections)
    names.push({
      name: 'one.test',
      resolve: () => Promise.resolve({ addresses: [{ address: 'c', family: 4 }], source: 'system' }),
      has: connection => connection === one,
    })
    drain.onConnected()
    answer('b')
    await pass(6 * EVERY)
    expect(pool.retired).toHaveLength(1)
    expect(pool.open).not.toContain(one)
    expect(drain.facts(), 'that are still open').toEqual([])
  })

  it('begins anew when the network has changed', async () => {
    const { drain, pool, answer, pass } = setUp()
    pool.connect('a', 'b')
    drain.onConnected()
    answer('a b')
    await pass(EVERY)
    answer('b')
    await pass(2 * EVERY)
    drain.onNetworkChanged()
    await pass(3 * EVERY)
    expect(pool.retired).toEqual([])
    await pass(EVERY)
    expect(pool.retired).toHaveLength(1)
  })

  it('explains which connections it drains', async () => {
    const { drain, pool, answer, pass } = setUp()
    pool.connect('a', 'b')
    pool.retire = () => {} // it carries an exchange
    drain.onConnected()
    answer('b')
    await pass(5 * EVERY)
    expect(drain.facts()).toEqual([
      { fact: 'connections to a are drained', evidence: 'the address has left the DNS answers' },
    ])
  })

  it('does nothing once it is closed, not even with an answer that comes late', async () => {
    const { drain, pool, clock, answer, pass } = setUp()
    pool.connect('a', 'b')
    drain.onConnected()
    answer('b')
    await pass(3 * EVERY)
    pool.lastUsedAt = clock.now()
    clock.advance(EVERY)
    drain.close()
    await settled()
    drain.onConnected()
    expect([pool.retired, clock.pendingTimers()]).toEqual([[], 0])
  })
})

const OWN: Resolution = { addresses: [{ address: '192.0.2.1', family: 4 }], source: 'system' }
const ELSEWHERE: Resolution = { addresses: [{ address: '198.51.100.1', family: 4 }], source: 'system' }
const never = new AbortController().signal

function namesWith(place: Pick<Alternative, 'host' | 'port'> | undefined) {
  const alternative = place as Alternative | undefined // what is looked at
  const { lanes, origin, clock } = new FakeLanes(
    {},
    {
      connectorOf: name => ({
        offered: ['h2', 'http/1.1'],
        alternative: () => (name === 'h3' ? alternative : undefined),
        resolveAlternative: () => Promise.resolve(ELSEWHERE),
      }),
    },
  )
  lanes.named('h3')
  return drainedNames(origin, { resolve: () => Promise.resolve(OWN) }, lanes, clock)
}

const connection = (altUsed?: string) => ({ altUsed }) as Connection // what is looked at

describe('drainedNames', () => {
  it.each([undefined, { host: 'shop.test', port: 8443 }])(
    'are the name of the origin alone where the alternative is %j',
    async place => {
      const names = namesWith(place)
      expect(names.map(({ name }) => name)).toEqual(['shop.test'])
      const [own] = names
      expect(own?.has(connection())).toBe(true)
      expect(own?.has(connection('shop.test:8443')), 'another port').toBe(true)
      expect(own?.has(connection('alt.test:443'))).toBe(false)
      expect(await own?.resolve(never)).toBe(OWN)
    },
  )

  it('include that of an alternative elsewhere, each with its own connections', async () => {
    const names = namesWith({ host: 'alt.test', port: 443 })
    expect(names.map(({ name }) => name)).toEqual(['shop.test', 'alt.test:443'])
    const [own, elsewhere] = names
    expect([own, elsewhere].map(name => name?.has(connection('alt.test:443')))).toEqual([false, true])
    expect([own, elsewhere].map(name => name?.has(connection()))).toEqual([true, false])
    expect(await elsewhere?.resolve(never)).toBe(ELSEWHERE)
    const old = connection('old.test:443')
    expect(
      names.some(name => name.has(old)),
      'an alternative of before',
    ).toBe(false)
  })
})
