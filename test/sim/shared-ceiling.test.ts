import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { HostShares } from '../../src/service/workers/host-shares.ts'
import { type ShareHolder, ShareKeeper } from '../../src/state/shares/share-keeper.ts'
import type { SharePort } from '../../src/state/shares/share-messages.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { settled } from '../support/fake-connector.ts'

const SHOP = 'https://shop.example'
const ANSWER_MS = 2_000

/**
 * A worker whose requests take `serviceMs` each: it has as many connections as it may have and wants, and
 * ends those that are too many when their requests end.
 */
class Worker implements ShareHolder {
  readonly id: number
  readonly keeper: ShareKeeper
  readonly #clock: FakeClock
  readonly #serviceMs: number
  waiting: number
  served = 0
  /** When each connection is done with its request. */
  #busyUntil: number[] = []
  #share = 0
  isHung = false

  constructor(
    id: number,
    ceiling: number,
    waiting: number,
    serviceMs: number,
    clock: FakeClock,
    port: SharePort,
  ) {
    this.id = id
    this.waiting = waiting
    this.#serviceMs = serviceMs
    this.#clock = clock
    const member = String(id)
    this.keeper = new ShareKeeper({
      of: SHOP,
      member,
      holder: this,
      port,
      clock,
      firstNumber: 0,
      renewMs: 1_000,
      leaseMs: Infinity,
      takesFloor: false,
    })
    port.onNews?.(() => this.keeper.onNews())
    this.keeper.configure(ceiling, 0)
  }

  get holds(): number {
    return this.#busyUntil.length
  }

  get wants(): number {
    return this.holds + this.waiting
  }

  set(share: number): void {
    this.#share = share
    this.run()
  }

  run(): void {
    if (this.isHung) return
    const now = this.#clock.now()
    const done = this.#busyUntil.filter(until => until <= now).length
    this.served += done
    this.#busyUntil = this.#busyUntil.filter(until => until > now)
    while (this.waiting > 0 && this.holds < this.#share) {
      this.waiting -= 1
      this.#busyUntil.push(now + this.#serviceMs)
    }
    this.keeper.look()
  }
}

/** A host whose channels lose, double and delay messages, in both directions. */
class Host {
  readonly clock = new FakeClock()
  readonly workers = new Map<number, Worker>()
  readonly #news = new Map<number, (of: string) => void>()
  readonly #random: () => number
  readonly #loss: number
  readonly shares = new HostShares({
    tell: (worker, of) =>
      this.#carry(() => {
        for (const each of of) this.#news.get(worker)?.(each)
      }),
    clock: this.clock,
    fleet: undefined,
  })
  mostHeld = 0

  constructor(seed: number, loss: number) {
    this.#random = seededRandom(seed)
    this.#loss = loss
  }

  add(id: number, ceiling: number, waiting: number, serviceMs: number): Worker {
    const port: SharePort = {
      ask: request =>
        new Promise((resolve, reject) => {
          this.clock.setTimer(ANSWER_MS, () => reject(new Error('no answer')))
          this.#carry(() => {
            if (!this.workers.has(id)) return // it has ended: a supervisor does not answer it
            const [answer] = this.shares.answer(id, [request])
            if (answer !== undefined) this.#carry(() => resolve(answer))
          })
        }),
      onNews: listener => this.#news.set(id, listener),
    }
    const worker = new Worker(id, ceiling, waiting, serviceMs, this.clock, port)
    this.workers.set(id, worker)
    return worker
  }

  end(id: number): void {
    this.workers.delete(id)
    this.#news.delete(id)
    this.shares.onEnded(id)
  }

  async run(ms: number): Promise<void> {
    const end = this.clock.now() + ms
    while (this.clock.now() < end) {
      this.clock.advance(5)
      await settled()
      for (const worker of this.workers.values()) worker.run()
      if (this.clock.now() % 100 === 0) this.shares.announce()
      const held = [...this.workers.values()].reduce((sum, { holds }) => sum + holds, 0)
      this.mostHeld = Math.max(this.mostHeld, held)
    }
  }

  #carry(deliver: () => void): void {
    for (const copy of [1, this.#loss]) {
      if (copy < 1 && this.#random() >= copy) continue
      if (this.#random() < this.#loss) continue
      this.clock.setTimer(this.#random() * 20, deliver)
    }
  }
}

describe('workers that share a ceiling', () => {
  it.for([0, 0.1, 0.3])('never exceed it together, and none starves, at a loss of %d', async loss => {
    const host = new Host(7, loss)
    const workers = [1, 2, 3].map(id => host.add(id, 4, 1e6, 40))
    await host.run(20_000)
    expect(host.mostHeld).toBe(4)
    const served = workers.map(worker => worker.served)
    // 4 connections of 25 requests a second: 2,000.
    expect(served.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(1_000)
    expect(Math.min(...served)).toBeGreaterThan(300)
  })

  it('take turns where there are fewer connections than workers', async () => {
    const host = new Host(8, 0.05)
    const workers = [1, 2, 3].map(id => host.add(id, 1, 1e6, 40))
    await host.run(30_000)
    expect(host.mostHeld).toBe(1)
    for (const { served } of workers) expect(served).toBeGreaterThan(100) // of 250 at best
  })

  it('use what another one does not, and give it back when that needs it', async () => {
    const host = new Host(9, 0)
    const [idle, busy] = [host.add(1, 4, 0, 40), host.add(2, 4, 1e6, 40)]
    await host.run(2_000)
    expect(busy.holds).toBe(4)
    idle.waiting = 1e6
    await host.run(500)
    expect([idle.holds, busy.holds, host.mostHeld]).toEqual([2, 2, 4])
  })

  it('get the share of a dead one at once, and nothing of one that hangs', async () => {
    const host = new Host(10, 0)
    const [first, second] = [host.add(1, 4, 1e6, 40), host.add(2, 4, 1e6, 40)]
    await host.run(2_000)
    first.isHung = true
    await host.run(10_000)
    expect([second.holds, host.mostHeld]).toEqual([2, 4])
    host.end(1)
    await host.run(200)
    expect([second.holds, host.mostHeld]).toEqual([4, 4])
  })
})
