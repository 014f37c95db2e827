import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from '../../src/base/options/options.ts'
import type { PoolAction } from '../../src/pool/pool-action.ts'
import { PoolState } from '../../src/pool/pool-state.ts'
import { ConnectionBudget } from '../../src/pool/rules/connection-budget.ts'
import type { Slot } from '../../src/pool/slot.ts'
import { fc } from '../support/property.ts'
import { volume } from '../support/volume.ts'

type WaiterFate = 'waiting' | 'leased' | 'rejected' | 'cancelled'

interface ModelConnection {
  readonly slot: Slot<undefined>
  phase: 'dialing' | 'open' | 'draining' | 'closing'
  capacity: number
  streams: number
  isPinging: boolean
  /** Its reader has paused the response. */
  pausedAt: number | undefined
}

/**
 * The world around a PoolState: it obeys the actions, remembers what it received, and holds every action
 * against that.
 */
class World {
  readonly state: PoolState<undefined, number>
  readonly budget: ConnectionBudget
  readonly connections = new Map<number, ModelConnection>()
  readonly waiters = new Map<number, WaiterFate>()
  readonly options: PoolOptions
  readonly spreadOver: number
  warm: number
  now = 0
  timerAt = Infinity
  isStarving = false
  #lastWaiter = 0

  constructor(
    options: Partial<PoolOptions>,
    spreadOver: number,
    [totalLimit, stalledLimit]: readonly [number, number],
    random: () => number,
  ) {
    this.options = { ...DEFAULT_POOL_OPTIONS, ...options }
    this.spreadOver = spreadOver
    this.warm = this.options.warm
    this.budget = new ConnectionBudget(totalLimit, stalledLimit)
    this.state = new PoolState({
      name: 'o',
      options: this.options,
      budget: this.budget,
      random,
      expectedCapacity: undefined,
      spreadOver,
      pausedSince: slot => this.connections.get(slot.id)?.pausedAt,
    })
    this.obey(this.state.onStart(0))
  }

  obey(actions: readonly PoolAction<undefined, number>[]): void {
    this.state.assertConsistent()
    for (const action of actions) this.#obeyOne(action)
    const { counts } = this.state
    expect(counts.waiters).toBe([...this.waiters.values()].filter(fate => fate === 'waiting').length)
    expect(counts.streams).toBe([...this.connections.values()].reduce((sum, { streams }) => sum + streams, 0))
    expect(counts.stalled).toBeLessThanOrEqual(
      Math.min(this.options.maxStalledConnections, this.budget.stalledLimit),
    )
    expect(this.connections.size).toBeLessThanOrEqual(this.options.maxConnections + counts.stalled)
    expect(this.budget.inUse).toBe(this.connections.size)
    if (this.budget.limit > 0)
      expect(this.connections.size).toBeLessThanOrEqual(this.budget.limit + counts.stalled)
    expect(counts.waiters).toBeLessThanOrEqual(this.options.maxWaiters)
    const { level } = this.state.demandAt(this.now)
    expect(level).toBeLessThanOrEqual(Math.max(this.warm, this.options.maxConnections))
    if (this.options.headroom === 0) expect(level).toBe(this.warm)
    const { confidence, keptMs } = counts.idleHorizon
    expect(confidence >= 0 && confidence < 1 && confidence > 0 === (keptMs !== undefined)).toBe(true)
  }

  #obeyOne(action: PoolAction<undefined, number>): void {
    if (action.type === 'setTimer') this.timerAt = action.at
    else if (action.type === 'clearTimer') this.timerAt = Infinity
    else if (action.type === 'starve') this.isStarving = true
    else if (action.type === 'reject') this.#settle(action.waiter, 'rejected')
    else if (action.type === 'connect') {
      const { slot } = action
      expect(this.connections.has(slot.id)).toBe(false)
      this.connections.set(slot.id, {
        slot,
        phase: 'dialing',
        capacity: 0,
        streams: 0,
        isPinging: false,
        pausedAt: undefined,
      })
    } else {
      const connection = this.connections.get(action.slot.id)!
      if (action.type === 'lease') {
        this.#settle(action.waiter, 'leased')
        expect(connection.phase).toBe('open')
        expect(connection.isPinging).toBe(false)
        connection.streams += 1
        const limit = Math.min(connection.capacity, this.options.maxStreamsPerConnection)
        expect(connection.streams).toBeLessThanOrEqual(limit)
      } else if (action.type === 'ping') {
        expect([connection.phase, connection.streams, connection.isPinging]).toEqual(['open', 0, false])
        connection.isPinging = true
      } else if (action.type === 'drain') {
        expect(connection.phase).toBe('open')
        connection.phase = 'draining'
      } else {
        expect(connection.phase).not.toBe('closing')
        const isGraceful = action.reason !== 'shutdown'
        if (isGraceful) expect(connection.streams).toBe(0)
        connection.phase = 'closing'
        connection.streams = 0
      }
    }
  }

  #settle(waiter: number, fate: WaiterFate): void {
    expect(this.waiters.get(waiter)).toBe('waiting')
    this.waiters.set(waiter, fate)
  }

  acquire(fresh: boolean): void {
    this.#lastWaiter += 1
    this.waiters.set(this.#lastWaiter, 'waiting')
    const hadRoom = this.state.hasRoom(this.now)
    const actions = this.state.onAcquire(this.#lastWaiter, fresh, this.now)
    this.obey(actions)
    if (fresh) return
    // A yes is sure; a no is wrong at most behind a connection that was retired in passing.
    if (hadRoom) expect(this.waiters.get(this.#lastWaiter)).toBe('leased')
    else expect(actions[0]?.type).not.toBe('lease')
  }

  cancel(choice: number): void {
    const waiting = [...this.waiters].filter(([, fate]) => fate === 'waiting')
    const chosen = waiting[choice % waiting.length]?.[0]
    if (chosen === undefined) return
    this.waiters.set(chosen, 'cancelled')
    this.obey(this.state.onCancel(chosen, this.now))
  }

  /** A connection that passes the test, if there is one. */
  pick(choice: number, test: (connection: ModelConnection) => boolean): ModelConnection | undefined {
    const candidates = [...this.connections.values()].filter(test)
    return candidates[choice % candidates.length]
  }

  endDial(choice: number, capacity: number | undefined, isProvisional = false): void {
    const connection = this.pick(
      choice,
      ({ phase, slot }) => phase === 'dialing' || slot.state.kind === 'closing',
    )
    if (connection === undefined) return
    const { slot } = connection
    if (connection.phase === 'dialing' && capacity !== undefined) {
      connection.phase = 'open'
      connection.capacity = capacity
      this.obey(this.state.onConnected(slot, capacity, this.now, isProvisional))
      return
    }
    this.connections.delete(slot.id)
    if (connection.phase === 'dialing') {
      const error = new TransportError('MM_CONNECT_REFUSED', 'x')
      this.obey(this.state.onConnectFailed(slot, error, this.now))
    } else this.obey(this.state.onClosed(slot, 'shutdown', undefined, this.now))
  }

  endStream(choice: number, failed: boolean, hintMs: number): void {
    const connection = this.pick(choice, ({ streams, phase }) => streams > 0 && phase !== 'closing')
    if (connection === undefined) return
    connection.streams -= 1
    connection.pausedAt = undefined
    const hint = hintMs > 0 && connection.capacity === 1 ? { timeoutMs: hintMs, maxRequests: 5 } : undefined
    this.obey(this.state.onStreamClosed(connection.slot, failed, hint, this.now))
  }

  pause(choice: number): void {
    const connection = this.pick(choice, ({ streams, phase }) => streams > 0 && phase !== 'closing')
    if (connection !== undefined) connection.pausedAt ??= this.now
  }

  resume(choice: number): void {
    const connection = this.pick(choice, ({ pausedAt }) => pausedAt !== undefined)
    if (connection !== undefined) connection.pausedAt = undefined
  }

  /** Another pool wants the place of a stalled one. */
  setStalledAside(): void {
    const before = this.state.counts.stalled
    const isFound = this.state.setStalledAside(this.now)
    expect(this.state.counts.stalled - before).toBe(isFound ? 1 : 0)
    this.obey([])
  }

  changeCapacity(choice: number, capacity: number): void {
    const connection = this.pick(choice, ({ phase }) => phase === 'open')
    if (connection === undefined) return
    connection.capacity = capacity
    this.obey(this.state.onCapacityChanged(connection.slot, capacity, this.now))
  }

  drainConnection(choice: number): void {
    const connection = this.pick(choice, ({ phase }) => phase === 'open' || phase === 'draining')
    if (connection === undefined) return
    connection.phase = 'draining'
    this.obey(this.state.onDraining(connection.slot, 'peer-closed', this.now))
  }

  closeConnection(choice: number): void {
    const connection = this.pick(choice, ({ phase }) => phase !== 'dialing')
    if (connection === undefined) return
    this.connections.delete(connection.slot.id)
    this.obey(this.state.onClosed(connection.slot, 'peer-closed', undefined, this.now))
  }

  answerPing(choice: number, isAlive: boolean): void {
    const connection = this.pick(choice, ({ isPinging }) => isPinging)
    if (connection === undefined) return
    connection.isPinging = false
    this.obey(this.state.onPinged(connection.slot, isAlive, this.now))
  }

  /** What is stopped is not started again, and what is left is needed. */
  abandonDials(): void {
    const actions = this.state.onAbandonDials('surplus', this.now)
    this.obey(actions)
    if (actions.some(({ type }) => type === 'close')) {
      expect(actions.filter(({ type }) => type === 'connect')).toEqual([])
    }
    expect(this.state.onAbandonDials('surplus', this.now)).toEqual([])
    const { waiters, streams } = this.state.counts
    const isToBeSpread = this.spreadOver > 1 && streams > 0
    const isSized = this.options.headroom > 0
    if (waiters === 0 && this.warm === 0 && !isSized && !isToBeSpread) expect(this.state.starting).toBe(0)
  }

  retire(choice: number): void {
    const connection = this.pick(choice, ({ phase }) => phase !== 'dialing')
    if (connection === undefined) return
    this.obey(this.state.onRetire(connection.slot, 'network-error', this.now))
    expect(connection.phase).not.toBe('open')
  }

  setWarm(count: number): void {
    this.warm = count
    this.obey(this.state.onWarm(count, this.now))
  }

  advance(ms: number): void {
    const until = this.now + ms
    for (let fires = 0; this.timerAt <= until; fires += 1) {
      expect(fires).toBeLessThan(1000)
      this.now = Math.max(this.now, this.timerAt)
      this.timerAt = Infinity
      this.obey(this.state.onTimer(this.now))
    }
    this.now = until
  }

  /** Another pool queues for a place, and gets it later. */
  starveOther(): void {
    this.budget.starve({ onBudgetAvailable: () => undefined })
    this.obey(this.state.onBudgetAvailable(this.now))
  }

  serveBudget(): void {
    this.budget.serve()
    this.obey(this.state.onBudgetAvailable(this.now))
  }

  /** Drains or closes, and lets everything that is under way end. */
  finish(how: 'drain' | 'close'): void {
    if (how === 'drain') this.obey(this.state.onDrain(this.now))
    else this.obey(this.state.onClose(new TransportError('MM_TRANSPORT_CLOSED', 'x'), this.now))
    for (let round = 0; !this.state.isEmpty; round += 1) {
      expect(round).toBeLessThan(10_000)
      this.serveBudget()
      this.answerPing(round, round % 2 === 0)
      this.endDial(0, round % 3 === 0 ? undefined : 1)
      this.endStream(round, false, 0)
      if (round % 5 === 0) this.closeConnection(round)
      this.advance(50)
    }
    expect(this.connections.size).toBe(0)
    expect(this.budget.inUse).toBe(0)
    expect(this.state.counts.stalled).toBe(0)
    expect([...this.waiters.values()]).not.toContain('waiting')
    expect(this.timerAt).toBe(Infinity)
  }
}

const small = fc.nat(20)
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('acquire' as const), fresh: fc.constant(false) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('acquire' as const), fresh: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), choice: small }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('endDial' as const),
      choice: small,
      capacity: fc.constantFrom(1, 1, 1, 3, 100, 0, undefined),
      isProvisional: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('endStream' as const),
      choice: small,
      failed: fc.boolean(),
      hintMs: fc.constantFrom(0, 0, 0, 1, 300, 5000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('capacity' as const),
      choice: small,
      capacity: fc.constantFrom(0, 1, 2, 100),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pause' as const), choice: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resume' as const), choice: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('setStalledAside' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drainConnection' as const), choice: small }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('closeConnection' as const), choice: small }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('ping' as const), choice: small, isAlive: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(1, 20, 150, 1000, 5000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('evict' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('preconnect' as const), count: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abandonDials' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retire' as const), choice: small }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('setWarm' as const), count: fc.constantFrom(0, 0, 1, 3) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('starveOther' as const, 'serveBudget' as const) }),
  },
)

const setting = fc.record({
  maxConnections: fc.constantFrom(1, 2, 5),
  maxStalledConnections: fc.constantFrom(0, 1, 3, 50),
  maxStreamsPerConnection: fc.constantFrom(1, 2, 100),
  maxWaiters: fc.constantFrom(0, 3, 50),
  queueTimeoutMs: fc.constantFrom(100, 2000),
  warm: fc.constantFrom(0, 0, 1, 2),
  headroom: fc.constantFrom(0, 0, 1.5, 4),
  warmCheckMs: fc.constantFrom(0, 500),
  idleTimeoutMs: fc.constantFrom(0, 200, 3000),
  maxAgeMs: fc.constantFrom(0, 4000),
  maxRequests: fc.constantFrom(0, 1, 4),
  maxErrors: fc.constantFrom(0, 2),
  verifyAfterIdleMs: fc.constantFrom(0, 100),
  pingTimeoutMs: fc.constantFrom(0, 60),
  backoffBaseMs: fc.constantFrom(0, 50),
  backoffWaitMs: fc.constantFrom(0, 60),
})

type Step = typeof step extends fc.Arbitrary<infer What> ? What : never

function play(world: World, what: Step): void {
  switch (what.do) {
    case 'acquire':
      return world.acquire(what.fresh)
    case 'cancel':
      return world.cancel(what.choice)
    case 'endDial':
      return world.endDial(what.choice, what.capacity, what.isProvisional)
    case 'endStream':
      return world.endStream(what.choice, what.failed, what.hintMs)
    case 'pause':
      return world.pause(what.choice)
    case 'resume':
      return world.resume(what.choice)
    case 'setStalledAside':
      return world.setStalledAside()
    case 'capacity':
      return world.changeCapacity(what.choice, what.capacity)
    case 'drainConnection':
      return world.drainConnection(what.choice)
    case 'closeConnection':
      return world.closeConnection(what.choice)
    case 'ping':
      return world.answerPing(what.choice, what.isAlive)
    case 'advance':
      return world.advance(what.ms)
    case 'evict':
      return world.obey(world.state.onEvict(world.now))
    case 'preconnect':
      world.obey(world.state.onPreconnect(what.count, world.now))
      return world.state.onPreconnectSettled()
    case 'abandonDials':
      return world.abandonDials()
    case 'retire':
      return world.retire(what.choice)
    case 'setWarm':
      return world.setWarm(what.count)
    case 'starveOther':
      return world.starveOther()
    case 'serveBudget':
      return world.serveBudget()
  }
}

describe('a random walk through the state of a pool', () => {
  it('loses no waiter, serves none twice, keeps every limit, and leaks no connection', () => {
    const walk = fc.record({
      setting,
      spreadOver: fc.constantFrom(1, 1, 2, 4),
      totalLimit: fc.constantFrom(0, 0, 0, 1, 3),
      stalledLimit: fc.constantFrom(0, 2, 100),
      end: fc.constantFrom('drain' as const, 'close' as const),
      share: fc.constantFrom(0, 0.3, 0.99),
      steps: fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }),
    })
    fc.assert(
      fc.property(walk, ({ setting, spreadOver, totalLimit, stalledLimit, share, steps, end }) => {
        const world = new World(setting, spreadOver, [totalLimit, stalledLimit], () => share)
        for (const what of steps) play(world, what)
        world.finish(end)
      }),
      { numRuns: volume(200, 400) },
    )
  })
})
