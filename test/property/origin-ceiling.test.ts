import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS } from '../../src/base/options/options.ts'
import type { Pool } from '../../src/pool/pool.ts'
import type { Waiter } from '../../src/pool/pool-driver.ts'
import { Pools } from '../../src/pool/pools.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { FakeConnector, settled } from '../support/fake-connector.ts'
import { fc } from '../support/property.ts'

const choice = fc.nat(20)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('acquire'), choice }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('succeed'), choice }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('finish'), choice }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('fail', 'die', 'end close', 'end socket', 'stall', 'cancel', 'warm'),
      choice,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('advance'), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reload'), choice }) },
)
type Step = typeof step extends fc.Arbitrary<infer What> ? What : never

/**
 * One origin of two lanes that is protected, reloaded, and met by everything that its peer and clients do.
 */
class World {
  readonly clock = new FakeClock()
  readonly connector = new FakeConnector()
  readonly pools: Pools
  readonly origin = parseOrigin('https://shop.example')
  readonly waiting = new Map<Waiter, Pool>()
  lanes: Pool[] = []
  ceiling: number
  readonly #options: object

  constructor(totalLimit: number, ceiling: number, options: object) {
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
    this.ceiling = ceiling
    this.#options = options
    this.#addLanes()
  }

  /** As the origin has them: everything that was begun and has not ended. */
  get connections(): number {
    const { dials, connections } = this.connector
    return dials.length + connections.filter(({ isClosed, lingers }) => !isClosed || lingers).length
  }

  async play({ do: action, choice }: Step): Promise<void> {
    const { connector } = this
    const pick = <T>(of: readonly T[]): T | undefined => of[choice % of.length]
    const open = connector.connections.filter(
      ({ isClosed, closedFor }) => !isClosed && closedFor === undefined,
    )
    if (action === 'acquire') this.#acquire(pick(this.lanes), `key ${choice % 3}`)
    else if (action === 'succeed') {
      if (connector.dials.length === 0) return
      const connection = connector.bear(choice % 4 === 0 ? 3 : 1)
      connection.closesAtOnce = choice % 2 === 0
      connection.lingers = choice % 3 === 0
    } else if (action === 'fail') {
      if (connector.dials.length > 0) await connector.fail()
    } else if (action === 'finish') pick(open.filter(({ streams }) => streams > 0))?.finish()
    else if (action === 'die') pick(open)?.endClose('network-error')
    else if (action === 'end close')
      pick(
        connector.connections.filter(({ isClosed, closedFor }) => !isClosed && closedFor !== undefined),
      )?.endClose()
    else if (action === 'end socket')
      pick(connector.connections.filter(({ isClosed, lingers }) => isClosed && lingers))?.endSocket()
    else if (action === 'stall') {
      const stalled = pick(open.filter(({ streams, capacity }) => streams > 0 && capacity === 1))
      if (stalled !== undefined) stalled.pausedSince = this.clock.now()
    } else if (action === 'cancel') {
      const waiter = pick([...this.waiting.keys()])
      if (waiter !== undefined) this.waiting.get(waiter)?.cancel(waiter)
      if (waiter !== undefined) this.waiting.delete(waiter)
    } else if (action === 'warm') pick(this.lanes)?.setWarm(choice % 4)
    else if (action === 'advance') {
      // No socket is there for longer than a pool believes.
      if (choice > 10)
        for (const connection of connector.connections) if (connection.isClosed) connection.endSocket()
      this.clock.advance(choice * 20)
    } else {
      void this.pools.remove(this.origin.key)
      this.ceiling = 1 + (choice % 4)
      this.#addLanes()
    }
    await settled()
    this.pools.assertConsistent()
  }

  async finish(): Promise<void> {
    const progress = { isDrained: false }
    const drained = this.pools.drain().then(() => {
      progress.isDrained = true
    })
    for (let round = 0; round < 2000 && !progress.isDrained; round += 1) {
      for (const connection of this.connector.connections) {
        if (connection.isClosed) {
          connection.endSocket()
          continue
        }
        connection.pings.shift()?.answer()
        if (connection.streams > 0) connection.finish()
        else if (connection.closedFor !== undefined) connection.endClose()
      }
      if (this.connector.dials.length > 0) this.connector.bear(1)
      this.clock.advance(20)
      await settled()
    }
    expect(progress.isDrained).toBe(true)
    await drained
    for (const connection of this.connector.connections) connection.endSocket()
    await settled()
    expect(this.pools.ceilingOf(this.origin.key)?.holds ?? 0).toBe(0)
    expect([this.waiting.size, this.connections, this.pools.totalConnections]).toEqual([0, 0, 0])
  }

  #addLanes(): void {
    const config = {
      connector: this.connector,
      clock: this.clock,
      random: () => 0.5,
      options: { ...DEFAULT_POOL_OPTIONS, ...this.#options },
      observer: () => undefined,
      expectedCapacity: 1,
      isFair: true,
      protection: { maxConnections: this.ceiling, floor: 1 },
    }
    const first = this.pools.add(this.origin, config)
    const second = this.pools.addBeside(first, this.origin, config)
    this.lanes = second === undefined ? [first] : [first, second]
  }

  #acquire(pool: Pool | undefined, fairKey: string): void {
    if (pool === undefined) return
    const waiter: Waiter = {
      fairKey,
      onLease: connection => {
        expect(this.waiting.delete(waiter)).toBe(true)
        this.connector.connections.find(({ id }) => id === connection.id)?.open()
      },
      onLeaseFailed: () => expect(this.waiting.delete(waiter)).toBe(true),
    }
    this.waiting.set(waiter, pool)
    pool.acquire(waiter)
  }
}

describe('a random walk through the pools of a protected origin', () => {
  it('makes no connection beyond the ceiling, whatever is reloaded, stalls or fails, and loses no waiter', async () => {
    const walk = fc.record({
      totalLimit: fc.constantFrom(0, 0, 2, 4),
      ceiling: fc.constantFrom(1, 2, 4),
      options: fc.record({
        maxConnections: fc.constantFrom(2, 64),
        maxStalledConnections: fc.constantFrom(0, 2),
        maxWaiters: fc.constantFrom(3, 1024),
        queueTimeoutMs: fc.constantFrom(200, 10_000),
        queueTargetMs: fc.constantFrom(0, 50),
      }),
      steps: fc.array(step, { minLength: 10, maxLength: 100, size: 'max' }),
    })
    await fc.assert(
      fc.asyncProperty(walk, async ({ totalLimit, ceiling, options, steps }) => {
        const world = new World(totalLimit, ceiling, options)
        for (const what of steps) {
          const before = world.connections
          await world.play(what)
          // Where a reload has lowered it, there are those of before, and none comes to them.
          expect(world.connections).toBeLessThanOrEqual(Math.max(world.ceiling, before))
        }
        await world.finish()
      }),
      { numRuns: 300 },
    )
  })
})
