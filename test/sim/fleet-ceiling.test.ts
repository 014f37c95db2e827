import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { FleetShares } from '../../src/service/fleet/fleet-shares.ts'
import type { ShareHolder } from '../../src/state/shares/share-keeper.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { settled } from '../support/fake-connector.ts'
import { SimulatedRedis } from '../support/simulated-redis.ts'

const SHOP = 'https://shop.example'
const LEASE_MS = 3_000
const SERVICE_MS = 40

/** A host whose requests take 40 ms each; it ends what it has too much when its requests end. */
class Host implements ShareHolder {
  readonly fleet: FleetShares
  waiting: number
  served = 0
  readonly log: string[] = []
  #share = 0
  #busyUntil: number[] = []
  isDead = false
  /** It takes no more requests. */
  isEnding = false
  readonly #clock: FakeClock

  constructor(world: World, waiting: number) {
    this.waiting = waiting
    this.#clock = world.clock
    this.fleet = new FleetShares({
      settings: {
        url: 'redis://redis.example',
        prefix: '',
        tls: undefined,
        connectTimeoutMs: 500,
        answerTimeoutMs: 200,
        leaseMs: LEASE_MS,
      },
      logger: { info: (line: string) => this.log.push(line), warn: (line: string) => this.log.push(line) },
      clock: world.clock,
      random: world.random,
      open: onEnded => {
        const client = world.redis.open(onEnded)
        return {
          opened: client.opened,
          send: words => (this.isDead ? new Promise(() => {}) : client.send(words)),
          end: () => client.end(),
        }
      },
    })
    this.fleet.start()
  }

  join({ ceiling, floor }: World): this {
    this.fleet.configure(SHOP, ceiling, floor, this)
    return this
  }

  get holds(): number {
    return this.#busyUntil.length
  }

  get wants(): number {
    return this.holds + Math.min(this.waiting, 1_000)
  }

  get state(): string | undefined {
    return this.fleet.status.ceilings[0]?.state
  }

  set(share: number): void {
    this.#share = share
    this.run()
  }

  run(): void {
    if (this.isDead) return
    const now = this.#clock.now()
    this.served += this.#busyUntil.filter(until => until <= now).length
    this.#busyUntil = this.#busyUntil.filter(until => until > now)
    while (!this.isEnding && this.waiting > 0 && this.holds < this.#share) {
      this.waiting -= 1
      this.#busyUntil.push(now + SERVICE_MS)
    }
    this.fleet.look(SHOP)
  }
}

class World {
  readonly clock = new FakeClock()
  readonly random: () => number
  readonly redis: SimulatedRedis
  readonly ceiling: number
  readonly floor: number
  hosts: Host[] = []
  mostHeld = 0

  constructor(seed: number, ceiling: number, { loss = 0, floor = 1 } = {}) {
    this.random = seededRandom(seed)
    this.ceiling = ceiling
    this.floor = floor
    this.redis = new SimulatedRedis({
      clock: this.clock,
      random: this.random,
      leaseMs: LEASE_MS,
      delayMs: 20,
      loss,
    })
  }

  add(waiting = 1e6): Host {
    const host = new Host(this, waiting)
    this.hosts.push(host)
    return host.join(this)
  }

  get held(): number {
    return this.hosts.reduce((sum, { holds, isDead }) => sum + (isDead ? 0 : holds), 0)
  }

  async run(ms: number): Promise<void> {
    const end = this.clock.now() + ms
    while (this.clock.now() < end) {
      this.clock.advance(10)
      await settled()
      for (const host of this.hosts) host.run()
      this.mostHeld = Math.max(this.mostHeld, this.held)
    }
  }
}

describe('hosts that share a ceiling over a network', () => {
  it.for([0, 0.02, 0.1])('never exceed it together, and none starves, at a loss of %d', async loss => {
    const world = new World(5, 9, { loss, floor: 0 })
    const hosts = [1, 2, 3].map(() => world.add())
    await world.run(LEASE_MS + 30_000)
    expect(world.mostHeld).toBe(9)
    const served = hosts.map(host => host.served)
    expect(Math.min(...served)).toBeGreaterThan(0.4 * Math.max(...served))
  })

  it('each have their fair share within two renewals and a half', async () => {
    const world = new World(6, 12)
    const first = world.add()
    await world.run(LEASE_MS + 2_000)
    expect(first.holds).toBe(12)
    const second = world.add()
    await world.run(750)
    expect([first.holds, second.holds, world.mostHeld]).toEqual([6, 6, 12])
    first.waiting = 0
    await world.run(1_750)
    expect([second.holds > 6, world.mostHeld]).toEqual([true, 12])
  })

  it('get the share of a dead one after its lease, and not before', async () => {
    const world = new World(7, 12)
    const [first, second] = [world.add(), world.add()]
    await world.run(LEASE_MS + 2_000)
    expect([first.holds, second.holds]).toEqual([6, 6])
    first.isDead = true
    await world.run(LEASE_MS - 1_000)
    expect(second.holds).toBe(6)
    await world.run(2_000)
    expect([second.holds, world.mostHeld]).toEqual([12, 12])
  })

  it('get at once the share of one that announces its end', async () => {
    const world = new World(9, 12)
    const [first, second] = [world.add(), world.add()]
    await world.run(LEASE_MS + 2_000)
    first.isEnding = true
    await world.run(100)
    const left = first.fleet.close()
    await world.run(500)
    await left
    expect([second.holds, world.mostHeld]).toEqual([12, 12])
  })

  it('go on with the floor while Redis is away, and share again when it is back, empty and with another clock', async () => {
    const world = new World(8, 9)
    const hosts = [1, 2, 3].map(() => world.add())
    await world.run(LEASE_MS + 2_000)
    expect(hosts.map(host => host.holds)).toEqual([3, 3, 3])
    world.redis.kill()
    await world.run((LEASE_MS * 2) / 3 - 400)
    expect(hosts.map(host => host.holds)).toEqual([3, 3, 3]) // its share is sure for so long
    await world.run(600)
    expect(hosts.map(host => [host.holds, host.state])).toEqual([1, 2, 3].map(() => [1, 'cut-off']))
    const served = hosts.map(host => host.served)
    await world.run(20_000)
    for (const [index, host] of hosts.entries()) expect(host.served - served[index]!).toBeGreaterThan(400)
    world.redis.start()
    await world.run(LEASE_MS + 8_000)
    expect(hosts.map(host => host.holds)).toEqual([3, 3, 3])
    expect(world.mostHeld).toBe(9)
    for (const { log } of hosts)
      expect(log).toEqual([
        'fleet: Redis at redis.example:6379 answers: ceilings of protected origins are shared there',
        'fleet: Redis at redis.example:6379 does not answer: ECONNREFUSED. This host goes on with what it may have for 2.0s, and with protection.floor then',
        'fleet: Redis at redis.example:6379 answers: ceilings of protected origins are shared there',
      ])
  })
})
