import type { ErrorCode } from '../../src/base/error-codes.ts'
import { TransportError } from '../../src/base/errors.ts'
import type { CloseReason, KeepAliveHint } from '../../src/base/events/connection.ts'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from '../../src/base/options/options.ts'
import type { PoolAction } from '../../src/pool/pool-action.ts'
import { PoolState } from '../../src/pool/pool-state.ts'
import { ConnectionBudget } from '../../src/pool/rules/connection-budget.ts'
import type { Slot } from '../../src/pool/slot.ts'

interface ScriptOptions extends Partial<PoolOptions> {
  expectedCapacity?: number | undefined
  spreadOver?: number
  budget?: ConnectionBudget
  random?: () => number
}

/**
 * Plays events to a PoolState and shows its answers as lines (`connect #1`, `lease #1 to a`, …), so that a
 * test reads as a script. Time is `now`; the timer fires while advance() passes it. After every event the
 * state is checked for consistency.
 */
export class PoolScript {
  readonly state: PoolState<string, string>
  now = 0
  timerAt = Infinity
  /** How often the timer was set or cleared. */
  timerActions = 0
  readonly #slots = new Map<number, Slot<string>>()
  readonly #pausedAt = new Map<number, number>()

  constructor(options: ScriptOptions = {}) {
    const {
      expectedCapacity,
      spreadOver = 1,
      budget = new ConnectionBudget(0),
      random = () => 0,
      ...rest
    } = options
    this.state = new PoolState({
      name: 'https://origin.example',
      options: { ...DEFAULT_POOL_OPTIONS, ...rest },
      budget,
      random,
      expectedCapacity,
      spreadOver,
      pausedSince: slot => this.#pausedAt.get(slot.id),
    })
  }

  start = (): string[] => this.#note(this.state.onStart(this.now))
  acquire = (...waiters: string[]): string[] =>
    waiters.flatMap(waiter => this.#note(this.state.onAcquire(waiter, false, this.now)))
  /** Those that were served before and come back. */
  acquireAgain = (...waiters: string[]): string[] =>
    waiters.flatMap(waiter => this.#note(this.state.onAcquire(waiter, false, this.now, true)))
  acquireFresh = (...waiters: string[]): string[] =>
    waiters.flatMap(waiter => this.#note(this.state.onAcquire(waiter, true, this.now)))
  cancel = (waiter: string): string[] => this.#note(this.state.onCancel(waiter, this.now))
  connected = (id: number, capacity = 1): string[] =>
    this.#note(this.state.onConnected(this.slot(id), capacity, this.now))
  /** The same before the peer has told its capacity. */
  connectedEarly = (id: number, capacity: number): string[] =>
    this.#note(this.state.onConnected(this.slot(id), capacity, this.now, true))
  connectFailed = (id: number, code: ErrorCode = 'MM_CONNECT_REFUSED'): string[] =>
    this.#note(this.state.onConnectFailed(this.slot(id), new TransportError(code, `dial #${id}`), this.now))
  streamClosed = (id: number, hint?: KeepAliveHint): string[] =>
    this.#note(this.state.onStreamClosed(this.slot(id), false, hint, this.now))
  streamFailed = (id: number): string[] =>
    this.#note(this.state.onStreamClosed(this.slot(id), true, undefined, this.now))
  released = (id: number): string[] => this.#note(this.state.onReleased(this.slot(id), this.now))
  leasesLost = (id: number, ...waiters: string[]): string[] =>
    this.#note(this.state.onLeasesLost(this.slot(id), waiters, this.now))
  capacity = (id: number, capacity: number): string[] =>
    this.#note(this.state.onCapacityChanged(this.slot(id), capacity, this.now))
  draining = (id: number, reason: CloseReason = 'peer-closed'): string[] =>
    this.#note(this.state.onDraining(this.slot(id), reason, this.now))
  /** The peer takes no more than these. */
  goaway = (id: number, taken: number): string[] =>
    this.#note(this.state.onDraining(this.slot(id), 'peer-closed', this.now, taken))
  closed = (id: number, reason: CloseReason = 'network-error', error?: TransportError): string[] =>
    this.#note(this.state.onClosed(this.slot(id), reason, error, this.now))
  pinged = (id: number, isAlive: boolean): string[] =>
    this.#note(this.state.onPinged(this.slot(id), isAlive, this.now))
  preconnect = (count: number): string[] => this.#note(this.state.onPreconnect(count, this.now))
  retire = (id: number, reason: CloseReason = 'network-error'): string[] =>
    this.#note(this.state.onRetire(this.slot(id), reason, this.now))
  setWarm = (count: number): string[] => this.#note(this.state.onWarm(count, this.now))
  restoreDemand = (streams: number, rps: number): string[] =>
    this.#note(this.state.onDemandRestored(streams, rps, this.now))
  abandonDials = (): string[] => this.#note(this.state.onAbandonDials('surplus', this.now))
  evict = (): string[] => this.#note(this.state.onEvict(this.now))
  budgetAvailable = (): string[] => this.#note(this.state.onBudgetAvailable(this.now))
  drain = (): string[] => this.#note(this.state.onDrain(this.now))
  close = (): string[] =>
    this.#note(this.state.onClose(new TransportError('MM_TRANSPORT_CLOSED', 'bye'), this.now))

  /** The readers of these pause their responses. */
  pause = (...ids: number[]): void => ids.forEach(id => this.#pausedAt.set(id, this.now))
  resume = (id: number): void => void this.#pausedAt.delete(id)

  /** Lets time pass; the timer fires on its path. */
  advance(ms: number): string[] {
    const until = this.now + ms
    const lines: string[] = []
    for (let fires = 0; this.timerAt <= until; fires += 1) {
      if (fires > 1000) throw new Error('the timer spins')
      this.now = Math.max(this.now, this.timerAt)
      this.timerAt = Infinity
      lines.push(...this.#note(this.state.onTimer(this.now)))
    }
    this.now = until
    return lines
  }

  hasRoom = (): boolean => this.state.hasRoom(this.now)

  /** Opens connections 1 to `count`, each with `capacity`, all idle. */
  open(count: number, capacity = 1): this {
    this.preconnect(count)
    for (let id = 1; id <= count; id += 1) this.connected(id, capacity)
    this.state.onPreconnectSettled()
    return this
  }

  slot(id: number): Slot<string> {
    const slot = this.#slots.get(id)
    if (slot === undefined) throw new Error(`no connection #${id} was dialed`)
    return slot
  }

  #note(actions: readonly PoolAction<string, string>[]): string[] {
    this.state.assertConsistent()
    const lines: string[] = []
    for (const action of actions) {
      if ('slot' in action) this.#slots.set(action.slot.id, action.slot)
      if (action.type === 'setTimer') {
        this.timerAt = action.at
        this.timerActions += 1
      } else if (action.type === 'clearTimer') {
        this.timerAt = Infinity
        this.timerActions += 1
      } else lines.push(showAction(action))
    }
    return lines
  }
}

/** One line for an action. */
function showAction(action: PoolAction<string, string>): string {
  switch (action.type) {
    case 'lease':
      return `lease #${action.slot.id} to ${action.waiter}${action.reused ? ' (reused)' : ''}`
    case 'reject':
      return `reject ${action.waiter}: ${action.error.code}`
    case 'connect':
    case 'ping':
      return `${action.type} #${action.slot.id}`
    case 'close':
    case 'drain':
      return `${action.type} #${action.slot.id}: ${action.reason}`
    case 'setTimer':
      return `setTimer ${action.at}`
    default:
      return action.type
  }
}

/** `w1`, `w2`, … */
export function names(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, index) => `w${from + index}`)
}
