import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import type { Connection } from '../../src/base/events/connection.ts'
import type { TransportEvent } from '../../src/base/events/observer.ts'
import { parseOrigin } from '../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS } from '../../src/base/options/options.ts'
import type { Pool } from '../../src/pool/pool.ts'
import type { Waiter } from '../../src/pool/pool-driver.ts'
import { Pools } from '../../src/pool/pools.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { type FakeConnection, FakeConnector, settled } from '../support/fake-connector.ts'
import { fc } from '../support/property.ts'

/** What a waiter does within onLease. */
const manner = fc.constantFrom(
  'open',
  'open',
  'open',
  'open and end',
  'open and fail',
  'release',
  'acquire another',
  'cancel others',
  'kill the connection',
  'drain the connection',
  'evict',
)
type Manner = typeof manner extends fc.Arbitrary<infer What> ? What : never

const choice = fc.nat(20)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('acquire'), choice, manner, fresh: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel'), choice }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('succeed'), choice, capacity: fc.constantFrom(1, 1, 3, 100) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('fail', 'die young', 'drain young'), choice }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('end exchange'), choice, failed: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('die', 'begin draining', 'retire', 'end closing'), choice }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('capacity'), choice, capacity: fc.constantFrom(0, 1, 50) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pong', 'no pong'), choice }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.constantFrom(1, 50, 500, 3000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('preconnect', 'abandon dials', 'warm'), choice }) },
)
type Step = typeof step extends fc.Arbitrary<infer What> ? What : never

class World {
  readonly clock = new FakeClock()
  readonly connector = new FakeConnector()
  readonly pools: Pools
  readonly origins: Pool[]
  readonly waiting = new Map<Waiter, Pool>()
  /** Opened minus closed, by what the observer received. */
  readonly told = new Set<Connection>()
  served = 0

  constructor(totalLimit: number, spreadOver: number, options: object) {
    this.pools = new Pools(
      {
        maxTotalConnections: totalLimit,
        maxStalledConnections: 0,
        maxOrigins: 0,
        dialShare: 0,
        maxPortShare: 0,
      },
      () => undefined,
    )
    this.origins = ['a', 'b', 'c'].map(name =>
      this.pools.add(parseOrigin(`https://${name}.example`), {
        connector: this.connector,
        clock: this.clock,
        random: () => 0.5,
        options: { ...DEFAULT_POOL_OPTIONS, ...options },
        observer: event => this.#observe(event),
        expectedCapacity: undefined,
        spreadOver,
      }),
    )
  }

  #observe(event: TransportEvent): void {
    if (event.type === 'connection-opened') {
      expect(this.told.has(event.connection)).toBe(false)
      this.told.add(event.connection)
    } else if (event.type === 'connection-closed') expect(this.told.delete(event.connection)).toBe(true)
  }

  acquire(choice: number, manner: Manner, fresh: boolean): void {
    const pool = this.#any(this.origins, choice)
    if (pool === undefined) return
    const waiter: Waiter = {
      onLease: connection => {
        expect(this.waiting.delete(waiter)).toBe(true)
        this.served += 1
        const fake = this.connector.connections.find(({ id }) => id === connection.id)!
        if (manner === 'release') pool.release(connection)
        else {
          fake.open()
          this.#misbehave(pool, fake, manner, choice)
        }
      },
      onLeaseFailed: () => expect(this.waiting.delete(waiter)).toBe(true),
    }
    this.waiting.set(waiter, pool)
    pool.acquire(waiter, fresh)
  }

  #misbehave(pool: Pool, fake: FakeConnection, manner: Manner, choice: number): void {
    switch (manner) {
      case 'open and end':
        return fake.finish()
      case 'open and fail':
        return fake.finish(true)
      case 'acquire another':
        return this.acquire(choice + 1, 'open', false)
      case 'cancel others':
        for (let i = 0; i < 3; i += 1) this.cancel(choice + i)
        return
      case 'kill the connection':
        return fake.endClose('network-error', new TransportError('MM_CONNECTION_RESET', 'x'))
      case 'drain the connection':
        return fake.announceDraining()
      case 'evict':
        pool.evictIdle()
    }
  }

  cancel(choice: number): void {
    const waiter = this.#any([...this.waiting.keys()], choice)
    if (waiter === undefined) return
    const pool = this.waiting.get(waiter)
    this.waiting.delete(waiter)
    pool?.cancel(waiter)
  }

  async play(what: Step): Promise<void> {
    if ('choice' in what) await this.#playOn(what)
    else if ('ms' in what) this.clock.advance(what.ms)
    await settled()
    this.pools.assertConsistent()
  }

  async #playOn(what: Step & { choice: number }): Promise<void> {
    const { connector } = this
    const open = connector.connections.filter(
      ({ isClosed, closedFor }) => !isClosed && closedFor === undefined,
    )
    const pick = (test: (connection: FakeConnection) => boolean) => this.#any(open.filter(test), what.choice)
    if ('manner' in what) this.acquire(what.choice, what.manner, what.fresh)
    else if (what.do === 'cancel') this.cancel(what.choice)
    else if (what.do === 'preconnect') {
      this.#any(this.origins, what.choice)
        ?.preconnect(what.choice % 4)
        .catch(() => undefined)
    } else if (what.do === 'abandon dials') this.#any(this.origins, what.choice)?.abandonDials()
    else if (what.do === 'warm') this.#any(this.origins, what.choice)?.setWarm(what.choice % 3)
    else if (what.do === 'succeed' && 'capacity' in what) {
      if (connector.dials.length === 0) return
      const connection = connector.bear(what.capacity)
      connection.closesAtOnce = what.choice % 2 === 0
    } else if (what.do === 'fail') {
      if (connector.dials.length > 0) await connector.fail()
    } else if (what.do === 'die young' || what.do === 'drain young') {
      if (connector.dials.length === 0) return
      const connection = connector.bear(1)
      if (what.do === 'die young') connection.endClose()
      else connection.announceDraining()
    } else if (what.do === 'end exchange' && 'failed' in what) {
      pick(({ streams }) => streams > 0)?.finish(what.failed)
    } else if (what.do === 'die') pick(() => true)?.endClose('network-error')
    else if (what.do === 'begin draining') pick(() => true)?.announceDraining()
    else if (what.do === 'retire') {
      const connection = pick(() => true)
      // Whose it is, only its own pool knows.
      if (connection !== undefined) for (const pool of this.origins) pool.retire(connection, 'network-error')
    } else if (what.do === 'end closing') {
      const closing = connector.connections.filter(
        ({ isClosed, closedFor }) => !isClosed && closedFor !== undefined,
      )
      this.#any(closing, what.choice)?.endClose()
    } else if (what.do === 'capacity' && 'capacity' in what) pick(() => true)?.changeCapacity(what.capacity)
    else {
      const ping = pick(({ pings }) => pings.length > 0)?.pings.shift()
      if (what.do === 'pong') ping?.answer()
      else ping?.fail()
    }
  }

  async finish(): Promise<void> {
    const progress = { isDrained: false }
    const drained = this.pools.drain().then(() => {
      progress.isDrained = true
    })
    for (let round = 0; round < 5000 && !progress.isDrained; round += 1) {
      for (const connection of this.connector.connections) {
        if (connection.isClosed) continue
        connection.pings.shift()?.answer()
        if (connection.streams > 0) connection.finish()
        else if (connection.isDraining || connection.closedFor !== undefined) connection.endClose()
        else if (connection.capacity === 0) connection.changeCapacity(1)
      }
      if (this.connector.dials.length > 0) this.connector.bear(1)
      this.clock.advance(20)
      await settled()
      this.pools.assertConsistent()
    }
    expect(progress.isDrained).toBe(true)
    await drained
    expect(this.waiting.size).toBe(0)
    expect(this.told.size).toBe(0)
    expect(this.pools.totalConnections).toBe(0)
    expect(this.connector.connections.filter(({ isClosed }) => !isClosed)).toEqual([])
    expect(this.clock.pendingTimers()).toBe(0)
  }

  #any<T>(candidates: readonly T[], choice: number): T | undefined {
    return candidates[choice % candidates.length]
  }
}

describe('a random walk through pools that share a budget', () => {
  const warnings: unknown[] = []
  let spy: { mockRestore(): void }
  beforeEach(() => {
    warnings.length = 0
    spy = vi.spyOn(process, 'emitWarning').mockImplementation(warning => void warnings.push(warning))
  })
  afterEach(() => spy.mockRestore())

  it('serves or refuses each waiter once, whatever waiters do in the middle of it, and leaks nothing', async () => {
    const walk = fc.record({
      totalLimit: fc.constantFrom(0, 1, 2, 4),
      spreadOver: fc.constantFrom(1, 1, 3),
      options: fc.record({
        maxConnections: fc.constantFrom(1, 3),
        maxStreamsPerConnection: fc.constantFrom(1, 2, 100),
        maxRequests: fc.constantFrom(0, 3),
        warm: fc.constantFrom(0, 0, 1),
        idleTimeoutMs: fc.constantFrom(100, 10_000),
        verifyAfterIdleMs: fc.constantFrom(0, 40),
        backoffBaseMs: fc.constantFrom(0, 50),
      }),
      steps: fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }),
    })
    await fc.assert(
      fc.asyncProperty(walk, async ({ totalLimit, spreadOver, options, steps }) => {
        const world = new World(totalLimit, spreadOver, options)
        for (const what of steps) await world.play(what)
        await world.finish()
        expect(warnings).toEqual([]) // also what the checks in waiters and in the fake connection throw
      }),
      { numRuns: 150 },
    )
  })
})
