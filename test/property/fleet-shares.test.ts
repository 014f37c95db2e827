import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/seeded-random.ts'
import {
  claimStep,
  type FleetHost,
  type FleetStep,
  type FleetView,
  fleetAnswer,
  planShare,
  reportStep,
} from '../../src/state/shares/fleet-step.ts'
import { ShareMember } from '../../src/state/shares/share-member.ts'
import type { ShareRequest } from '../../src/state/shares/share-messages.ts'
import { FleetStore } from '../support/fleet-store.ts'
import { fc } from '../support/property.ts'

// A longer look: RUNS=20000 SEED=random npx vitest run test/property/fleet-shares.test.ts
const RUNS = Number(process.env['RUNS'] ?? 150)
const LEASE_MS = 3_000
const TIMING = { leaseMs: LEASE_MS, turnMs: 1_000 }
const STEPS = 400

/** What a host has asked and is not answered yet. */
interface Question {
  readonly request: ShareRequest
  readonly askedAt: number
  claims: number | undefined
}

/** A host, with a clock of its own, and the connections that it has. */
class Host {
  readonly name: string
  readonly member: ShareMember
  /** Its clock differs from that of the store by so much. */
  readonly skewMs: number
  holds = 0
  wants = 0
  question: Question | undefined
  isPaused = false
  /** By then it has ended what nobody granted it since. */
  endsAt = -Infinity

  constructor(name: string, ceiling: number, skewMs: number) {
    this.name = name
    this.skewMs = skewMs
    this.member = new ShareMember({
      of: 'o',
      member: name,
      renewMs: LEASE_MS / 10,
      leaseMs: (LEASE_MS * 2) / 3,
      firstNumber: 0,
      takesFloor: true,
    })
    this.member.configure(ceiling, 0)
  }

  want(wants: number, now: number): void {
    this.wants = wants
    this.member.onWants(wants, now + this.skewMs)
  }

  ask(now: number): FleetStep {
    if (this.question !== undefined) this.giveUp()
    const request = this.member.ask(this.holds, now + this.skewMs)
    this.question = { request, askedAt: now, claims: undefined }
    return reportStep(request)
  }

  giveUp(): void {
    this.question = undefined
    this.member.onUnanswered()
  }

  /** The second step, where there is one. */
  onView(request: ShareRequest, view: FleetView): FleetStep | undefined {
    const { question } = this
    if (question?.request !== request) return undefined
    const { claims, askedAt } = question
    const planned = planShare(request, view, TIMING)
    if (claims === undefined && planned > request.keeps) {
      question.claims = planned
      return claimStep(request, planned)
    }
    const granted = view.hosts.get(this.name)?.granted ?? request.keeps
    const share = claims === undefined ? planned : Math.min(claims, granted)
    this.question = undefined
    if (this.member.onAnswer(fleetAnswer(request, view, share))) this.endsAt = -Infinity
    this.endsAt = askedAt + LEASE_MS
    return undefined
  }

  onTime(now: number): void {
    this.member.onTime(now + this.skewMs)
    if (now >= this.endsAt) this.holds = Math.min(this.holds, this.member.share)
  }
}

interface Message {
  readonly to: Host
  readonly request: ShareRequest
}

/**
 * Hosts that come, go, and pause, on a net that loses, delays and reorders, and a store that forgets all, or
 * finds an old copy.
 */
class World {
  readonly ceiling: number
  readonly store = new FleetStore(LEASE_MS)
  hosts: Host[] = []
  #steps: (Message & { readonly step: FleetStep })[] = []
  #views: (Message & { readonly view: FleetView })[] = []
  #copy: ReadonlyMap<string, FleetHost> = new Map()
  now = 1e6
  readonly #below: (bound: number) => number
  #made = 0

  constructor(ceiling: number, seed: number) {
    this.ceiling = ceiling
    const random = seededRandom(seed)
    this.#below = bound => Math.floor(random() * bound)
  }

  /** But for hosts that stood still for longer than their lease: nobody can end what these have. */
  get held(): number {
    return this.hosts
      .filter(({ isPaused, endsAt }) => !isPaused || this.now < endsAt)
      .reduce((sum, { holds }) => sum + holds, 0)
  }

  get granted(): number {
    return [...this.store.hosts.values()].reduce((sum, { granted }) => sum + granted, 0)
  }

  move(): void {
    const one = this.hosts[this.#below(this.hosts.length)]
    const isAwake = one !== undefined && !one.isPaused
    switch (this.#below(18)) {
      case 0:
        if (this.hosts.length < 6) this.add()
        return
      case 1: // It dies, and its connections with it; what it sent is still under way.
        if (this.#below(4) === 0) this.hosts = this.hosts.filter(host => host !== one)
        return
      case 2:
        if (one !== undefined) one.isPaused = !one.isPaused && this.#below(3) === 0
        if (one?.isPaused === false) one.onTime(this.now)
        return
      case 3:
      case 4:
        if (isAwake && one.holds < one.member.share) one.holds += 1
        return
      case 5:
        if (isAwake && one.holds > 0) one.holds -= 1
        return
      case 6:
        one?.want(this.#below(this.ceiling * 2), this.now)
        return
      case 7:
      case 8:
        if (isAwake && (one.question === undefined || this.#below(6) === 0))
          this.#steps.push({ to: one, step: one.ask(this.now), ...this.#requestOf(one) })
        return
      case 9:
      case 10:
        return this.#deliver()
      case 11:
        return this.#answer()
      case 12:
        return this.pass(this.#below(10) === 0 ? this.#below(LEASE_MS) : this.#below(LEASE_MS / 20))
      case 13:
        if (this.#below(20) === 0) this.#disturbStore()
        return
      default: // most messages arrive
        this.#deliver()
        this.#answer()
    }
  }

  add(): void {
    this.#made += 1
    this.hosts.push(new Host(`h${this.#made}`, this.ceiling, this.#below(1e7) - 5e6))
  }

  pass(ms: number): void {
    this.now += ms
    for (const one of this.hosts) if (!one.isPaused) one.onTime(this.now)
  }

  /** Everybody asks in turn and is answered, and ends what it is to give back. */
  settle(): void {
    for (const one of this.hosts) one.isPaused = false
    this.pass(0)
    for (let round = 0; round < 12; round += 1) {
      for (const one of this.hosts) {
        one.holds = Math.min(one.holds, one.member.share)
        one.want(one.wants, this.now)
        let step: FleetStep | undefined = one.ask(this.now)
        const { request } = this.#requestOf(one)
        while (step !== undefined) step = one.onView(request, this.store.step(step, this.now))
        one.holds = Math.min(one.wants, one.member.share)
      }
    }
  }

  #requestOf({ question }: Host): { readonly request: ShareRequest } {
    if (question === undefined) throw new Error('it has asked nothing')
    return { request: question.request }
  }

  #deliver(): void {
    const at = this.#below(this.#steps.length)
    const [found] = this.#steps.splice(at, 1)
    if (found === undefined || this.#below(12) === 0) return
    const view = this.store.step(found.step, this.now)
    if (this.#below(12) > 0) this.#views.push({ to: found.to, request: found.request, view })
  }

  #answer(): void {
    const at = this.#below(this.#views.length)
    const found = this.#views[at]
    if (found === undefined || found.to.isPaused) return
    this.#views.splice(at, 1)
    const step = found.to.onView(found.request, found.view)
    if (step !== undefined) this.#steps.push({ to: found.to, request: found.request, step })
  }

  #disturbStore(): void {
    if (this.#below(2) === 0) this.#copy = this.store.hosts
    else this.store.restart(this.#below(2) === 0 ? this.#copy : new Map())
  }
}

const worlds = fc.record({ ceiling: fc.integer({ min: 1, max: 24 }), seed: fc.integer() })

describe('a ceiling over hosts', () => {
  it('is exceeded under no order of messages, losses, pauses, deaths and restarts of the store', () => {
    let mostHeld = 0
    fc.assert(
      fc.property(worlds, ({ ceiling, seed }) => {
        const world = new World(ceiling, seed)
        for (let step = 0; step < STEPS; step += 1) {
          world.move()
          expect(world.held).toBeLessThanOrEqual(ceiling)
          expect(world.granted).toBeLessThanOrEqual(ceiling)
          mostHeld = Math.max(mostHeld, world.held / ceiling)
        }
      }),
      { numRuns: RUNS },
    )
    expect(mostHeld).toBe(1) // it was reached, or all this would say nothing
  })

  it('gives every host its max-min fair share within a lease and twelve rounds of questions', () => {
    fc.assert(
      fc.property(worlds, ({ ceiling, seed }) => {
        const world = new World(ceiling, seed)
        for (let step = 0; step < STEPS; step += 1) world.move()
        if (world.hosts.length === 0) world.add()
        world.settle() // a store that was started anew knows its hosts a lease after the first of them
        world.pass(LEASE_MS)
        world.settle()
        const held = world.hosts.map(({ holds }) => holds)
        for (const { holds, wants } of world.hosts)
          if (holds < wants) expect(Math.max(...held) - holds).toBeLessThanOrEqual(1)
        const wanted = world.hosts.reduce((sum, { wants }) => sum + wants, 0)
        expect(world.held).toBe(Math.min(ceiling, wanted))
      }),
      { numRuns: RUNS },
    )
  })
})
