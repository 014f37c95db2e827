import { describe, expect, it } from 'vitest'
import type { UdpAddress } from '../../src/quic/engine.ts'
import type { MigrationAction } from '../../src/quic/migration/migration-phase.ts'
import { PHASE_TRANSITIONS } from '../../src/quic/migration/migration-phase.ts'
import { MigrationState } from '../../src/quic/migration/migration-state.ts'
import type { PathFault } from '../../src/quic/migration/path-watch.ts'
import { fc } from '../support/property.ts'
import { volume } from '../support/volume.ts'

// A longer look: RUNS=100000 SEED=7 npx vitest run test/property/migration-state.test.ts
const RUNS = Number(process.env['RUNS'] ?? volume(500, 1500))

const MAX_MIGRATIONS = 5
const FIRST: UdpAddress = { host: '127.0.0.1', port: 1 }
const key = ({ host, port }: UdpAddress): string => `${host}:${port}`

/**
 * `which` picks a socket, open or gone, or a request. What a peer and a system would do is common, so that
 * moves get far.
 */
const input = fc.record({
  afterMs: fc.oneof(fc.constantFrom(0, 1, 40, 100, 300, 5000), fc.nat(400)),
  which: fc.nat(9),
  what: fc.constantFrom(
    ...'opened opened opened openFailed heardNew heardNew heardNew heardOld validated validated'.split(' '),
    ...'timer timer timer forced forced failed failed suspect suspect fine ask gone received'.split(' '),
    ...'invalid migrateFailed progress idle refusal late'.split(' '),
  ),
})

/** The world around the machine: does what it asks for, and holds it to its promises. */
class World {
  now = 0
  refusal: string | undefined
  readonly state: MigrationState
  readonly open = new Set([key(FIRST)])
  readonly known: UdpAddress[] = [FIRST]
  readonly tuples = new Set([key(FIRST)])
  inUse = FIRST
  newest = FIRST
  old = FIRST
  openings: { id: number; address: string | undefined; port: number | undefined }[] = []
  timerAt = Number.POSITIVE_INFINITY
  asked = new Set<number>()
  lastRequest = 0
  isEnded = false
  reports = new Map<string, number>()
  seen = new Set<string>()

  constructor() {
    this.state = new MigrationState({
      local: FIRST,
      ptoMs: () => 100,
      refusal: () => this.refusal,
      maxMigrations: MAX_MIGRATIONS,
    })
  }

  run(call: (state: MigrationState) => MigrationAction[]): void {
    const before = this.state.name
    for (const action of call(this.state)) this.#do(action)
    this.#check(before)
  }

  address(opening: { address: string | undefined; port: number | undefined }): UdpAddress | undefined {
    const host = opening.address ?? '127.0.0.1'
    const local = { host, port: opening.port ?? this.known.length + 1 }
    return this.open.has(key(local)) ? undefined : local
  }

  #do(action: MigrationAction): void {
    if (action.type === 'openSocket') {
      const { opening: id, address, port } = action
      this.openings.push({ id, address, port })
    } else if (action.type === 'closeSocket') {
      expect(this.open.delete(key(action.local))).toBe(true)
    } else if (action.type === 'validate') {
      expect(this.open.has(key(action.local))).toBe(true)
      expect(key(action.local)).not.toBe(key(this.inUse))
    } else if (action.type === 'migrate') {
      expect(this.open.has(key(action.local))).toBe(true)
      this.old = this.inUse
      this.inUse = action.local
    } else if (action.type === 'resend') {
      expect(key(action.to)).toBe(key(this.inUse))
      expect(key(action.from)).not.toBe(key(action.to))
    } else if (action.type === 'setTimer') {
      expect(action.delayMs).toBeGreaterThanOrEqual(0)
      this.timerAt = this.now + action.delayMs
    } else if (action.type === 'clearTimer') {
      expect(this.timerAt).not.toBe(Number.POSITIVE_INFINITY)
      this.timerAt = Number.POSITIVE_INFINITY
    } else if (action.type === 'report') {
      const { outcome, gapMs } = action.report
      this.reports.set(outcome, (this.reports.get(outcome) ?? 0) + 1)
      if (gapMs !== undefined) expect(gapMs).toBeGreaterThanOrEqual(0)
      for (const request of action.requests) expect(this.asked.delete(request)).toBe(true)
    }
  }

  #check(before: MigrationState['name']): void {
    const { name } = this.state
    this.seen.add(`${before}>${name}`)
    if (before === 'ended' || before === 'stuck')
      expect([before, ...PHASE_TRANSITIONS[before]]).toContain(name)
    expect(key(this.state.local)).toBe(key(this.inUse))
    expect(this.open.has(key(this.inUse))).toBe(true)
    expect(this.tuples.size - 1).toBeLessThanOrEqual(MAX_MIGRATIONS)
    const awaits = ['opening', 'validating', 'moved', 'arriving', 'waiting'].includes(name)
    if (awaits) expect(this.timerAt).not.toBe(Number.POSITIVE_INFINITY)
    // Who neither waits for anything nor keeps retiredPaths needs no timer.
    if (this.timerAt === Number.POSITIVE_INFINITY) expect(this.open.size).toBe(1)
    if (name === 'settled' || name === 'stuck') expect(this.asked.size).toBe(0)
  }
}

describe('MigrationState', () => {
  it('holds its rules, whatever happens in whatever order', () => {
    const reports = new Set<string>()
    const ways = new Set<string>()
    fc.assert(
      fc.property(fc.array(input, { minLength: 5, maxLength: 80, size: 'max' }), inputs => {
        const world = new World()
        for (const { afterMs, which, what } of inputs) {
          // Timers that were due have fired before: the clock never jumps over one but by a held-up loop.
          world.now = what === 'late' ? world.now + 10_000 : Math.min(world.now + afterMs, world.timerAt)
          if (world.now >= world.timerAt) fire(world)
          step(world, what, which)
        }
        for (let turns = 0; world.timerAt !== Number.POSITIVE_INFINITY; turns++) {
          expect(turns).toBeLessThan(200)
          world.now = Math.max(world.now, world.timerAt)
          fire(world)
        }
        expect(['settled', 'stuck']).toContain(world.state.name)
        world.run(state => state.onAbandoned(world.now))
        for (const opening of world.openings.splice(0)) {
          const local = world.address(opening)
          if (local === undefined) continue
          world.open.add(key(local))
          world.run(state => state.onOpened(opening.id, local, world.now))
        }
        expect([...world.open]).toEqual([key(world.inUse)])
        expect(world.asked.size).toBe(0)
        for (const outcome of world.reports.keys()) reports.add(outcome)
        for (const way of world.seen) ways.add(way)
      }),
      { numRuns: RUNS },
    )
    // The inputs were such that something happened.
    expect([...reports].toSorted()).toEqual(['moved', 'redial', 'refused', 'validation-failed'])
    for (const way of [
      'moved>arriving',
      'moved>waiting',
      'waiting>opening',
      'waiting>arriving',
      'opening>arriving',
    ]) {
      expect(ways).toContain(way)
    }
  })

  it('ends with one socket and every request answered, whenever it is abandoned', () => {
    let ended = 0
    fc.assert(
      fc.property(fc.array(input, { maxLength: 30, size: 'max' }), inputs => {
        const world = new World()
        for (const { afterMs, which, what } of inputs) {
          world.now = Math.min(world.now + afterMs, world.timerAt)
          step(world, what, which)
        }
        world.run(state => state.onAbandoned(world.now))
        expect([...world.open]).toEqual([key(world.inUse)])
        expect(world.asked.size).toBe(0)
        expect(world.timerAt).toBe(Number.POSITIVE_INFINITY)
        ended += world.reports.get('ended') ?? 0
      }),
      { numRuns: RUNS },
    )
    expect(ended).toBeGreaterThan(RUNS / 10)
  })
})

function fire(world: World): void {
  world.timerAt = Number.POSITIVE_INFINITY
  world.run(state => state.onTimer(world.now))
}

function step(world: World, what: string, which: number): void {
  const { now, known } = world
  const any = known[which % known.length] ?? FIRST
  const cause: PathFault = which % 3 === 0 ? 'slow' : which % 3 === 1 ? 'timeouts' : 'silent'
  if (what === 'opened') {
    const opening = world.openings.shift()
    if (opening === undefined) return
    const local = world.address(opening)
    if (local === undefined) return world.run(state => state.onOpenFailed(opening.id, 'in use', now))
    world.open.add(key(local))
    known.push(local)
    if (world.state.name === 'opening') world.newest = local
    world.run(state => state.onOpened(opening.id, local, now))
    if (world.open.has(key(local))) world.tuples.add(key(local))
    expect(world.tuples.size - 1).toBeLessThanOrEqual(MAX_MIGRATIONS)
  } else if (what === 'openFailed') {
    const opening = world.openings.shift()
    if (opening !== undefined) world.run(state => state.onOpenFailed(opening.id, 'no', now))
  } else if (what === 'heardNew') world.run(state => state.onReceived(world.newest, now))
  else if (what === 'heardOld') world.run(state => state.onReceived(world.old, now))
  else if (what === 'received') world.run(state => state.onReceived(any, now))
  else if (what === 'validated') world.run(state => state.onValidated(world.newest, now))
  else if (what === 'invalid') world.run(state => state.onValidationFailed(any, now))
  else if (what === 'gone') world.run(state => state.onLocalGone(any, 'socket-error', 'gone', now))
  else if (what === 'failed') world.run(state => state.onVerdict({ kind: 'failed', cause: 'silent' }, now))
  else if (what === 'fine') world.run(state => state.onVerdict({ kind: 'fine' }, now))
  else if (what === 'ask') world.run(state => state.onVerdict({ kind: 'ask' }, now))
  else if (what === 'suspect') {
    world.run(state => state.onVerdict({ kind: 'suspect', cause, asks: true, rttMs: 300 }, now))
  } else if (what === 'forced') {
    const request = ++world.lastRequest
    world.asked.add(request)
    const to = which === 0 ? { address: '127.0.0.2' } : which === 1 ? { port: 3 } : undefined
    world.run(state => state.onForced(request, to, now))
  } else if (what === 'migrateFailed') {
    // An engine refuses what was just asked for, nothing else.
    if (world.state.name !== 'moved') return
    world.inUse = world.open.has(key(world.old)) ? world.old : world.inUse
    const { local } = world.state
    if (key(world.inUse) !== key(local)) world.run(state => state.onMigrateFailed(local, 'no ids', now))
  } else if (what === 'progress') world.run(state => state.onProgress(now))
  else if (what === 'idle') world.run(state => state.onIdle(now))
  else if (what === 'refusal') world.refusal = which < 2 ? 'forbidden' : undefined
  else if (world.now >= world.timerAt) fire(world)
}
