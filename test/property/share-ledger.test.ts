import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { ShareLedger } from '../../src/state/shares/share-ledger.ts'
import { ShareMember } from '../../src/state/shares/share-member.ts'
import type { ShareAnswer, ShareRequest } from '../../src/state/shares/share-messages.ts'
import { fc } from '../support/property.ts'

// A longer look: RUNS=20000 SEED=random npx vitest run test/property/share-ledger.test.ts
const RUNS = Number(process.env['RUNS'] ?? 300)
const LEASE_MS = 1000
const TURN_MS = 300
const STEPS = 400

/** A process: what it may have, and the connections that it has. */
class Process {
  readonly name: string
  readonly member: ShareMember
  holds = 0
  wants = 0

  want(wants: number, now: number): void {
    this.wants = wants
    this.member.onWants(wants, now)
  }

  constructor(name: string, ceiling: number, number: number) {
    this.name = name
    const renewMs = LEASE_MS / 5
    this.member = new ShareMember({
      of: 'o',
      member: name,
      renewMs,
      leaseMs: LEASE_MS,
      firstNumber: number,
      takesFloor: false,
    })
    this.member.configure(ceiling, 0)
  }
}

/** Messages between processes and a ledger on a net that loses, doubles, delays and reorders them. */
class World {
  readonly ceiling: number
  ledger = new ShareLedger({ leaseMs: LEASE_MS, turnMs: TURN_MS })
  readonly processes: Process[] = []
  requests: ShareRequest[] = []
  answers: { to: Process; answer: ShareAnswer }[] = []
  now = 0
  readonly #below: (bound: number) => number
  #made = 0

  constructor(ceiling: number, seed: number) {
    this.ceiling = ceiling
    const random = seededRandom(seed)
    this.#below = bound => Math.floor(random() * bound)
  }

  get held(): number {
    return this.processes.reduce((sum, { holds }) => sum + holds, 0)
  }

  step(): void {
    const one = this.processes[this.#below(this.processes.length)]
    switch (this.#below(12)) {
      case 0:
        if (this.processes.length < 6) this.add()
        return
      case 1: // It dies, and its connections with it; what it sent is still under way.
        if (one !== undefined && this.#below(4) === 0) this.processes.splice(this.processes.indexOf(one), 1)
        return
      case 2:
      case 3:
        if (one !== undefined && one.holds < one.member.share) one.holds += 1
        return
      case 4:
        if (one !== undefined && one.holds > 0) one.holds -= 1
        return
      case 5:
        one?.want(this.#below(this.ceiling * 2), this.now)
        return
      case 6:
      case 7:
        if (one !== undefined) this.ask(one)
        return
      case 8:
      case 9:
        this.deliver(this.#below(8) === 0)
        return
      case 10:
        this.answer(this.#below(8) === 0)
        return
      case 11:
        this.pass(this.#below(LEASE_MS / 2))
    }
  }

  add(): void {
    this.#made += 1
    this.processes.push(new Process(`p${this.#made}`, this.ceiling, 0))
  }

  /** Asks again without an answer where the last one is lost. */
  ask(one: Process): void {
    if (one.member.nextAt(one.holds) === Infinity) one.member.onUnanswered()
    this.requests.push(one.member.ask(one.holds, this.now))
  }

  deliver(isDoubled: boolean): void {
    const at = this.#below(this.requests.length)
    const request = this.requests[at]
    if (request === undefined) return
    if (!isDoubled) this.requests.splice(at, 1)
    const answer = this.ledger.receive(request, this.now)
    const to = this.processes.find(({ name }) => name === request.member)
    if (to !== undefined) this.answers.push({ to, answer })
  }

  answer(isLost: boolean): void {
    const at = this.#below(this.answers.length)
    const [found] = this.answers.splice(at, 1)
    if (found !== undefined && !isLost) found.to.member.onAnswer(found.answer)
  }

  /** Time passes. Who has lost its lease ends what it has: a connection that carries nothing. */
  pass(ms: number): void {
    const { members } = this.ledger.snapshot
    this.now += ms
    for (const one of this.processes) {
      one.member.onTime(this.now)
      // What is busy is not ended, so that its process renews its lease in time.
      const until = members[one.name]?.until ?? Infinity
      if (until <= this.now) one.holds = Math.min(one.holds, one.member.share)
    }
  }

  /** Everybody asks in turn and is answered, and ends what it is to give back. */
  settle(): void {
    this.requests = []
    this.answers = []
    for (let round = 0; round < 12; round += 1) {
      for (const one of this.processes) {
        one.member.onUnanswered()
        one.holds = Math.min(one.holds, one.member.share)
        one.want(one.wants, this.now)
        one.member.onAnswer(this.ledger.receive(one.member.ask(one.holds, this.now), this.now))
        one.holds = Math.min(one.wants, one.member.share)
      }
    }
  }
}

const worlds = fc.record({ ceiling: fc.integer({ min: 1, max: 24 }), seed: fc.integer() })

describe('a ceiling over processes', () => {
  it('is exceeded under no order of messages, losses and deaths', () => {
    let mostHeld = 0
    fc.assert(
      fc.property(worlds, ({ ceiling, seed }) => {
        const world = new World(ceiling, seed)
        for (let step = 0; step < STEPS; step += 1) {
          world.step()
          expect(world.held).toBeLessThanOrEqual(ceiling)
          mostHeld = Math.max(mostHeld, world.held / ceiling)
        }
      }),
      { numRuns: RUNS },
    )
    expect(mostHeld).toBe(1) // it was reached, or all this would say nothing
  })

  it('gives each member its max-min fair share once messages arrive', () => {
    fc.assert(
      fc.property(worlds, ({ ceiling, seed }) => {
        const world = new World(ceiling, seed)
        for (let step = 0; step < STEPS; step += 1) world.step()
        if (world.processes.length === 0) world.add()
        world.now += LEASE_MS // the dead are gone
        world.pass(0)
        world.settle()
        const { processes } = world
        const held = processes.map(({ holds }) => holds)
        for (const { holds, wants } of processes) {
          if (holds < wants) expect(Math.max(...held) - holds).toBeLessThanOrEqual(1)
        }
        const wanted = processes.reduce((sum, { wants }) => sum + wants, 0)
        expect(world.held).toBe(Math.min(ceiling, wanted))
      }),
      { numRuns: RUNS },
    )
  })
})
