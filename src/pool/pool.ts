import type { Clock, Timer } from '../base/clock.ts'
import { asTransportError, TransportError } from '../base/errors.ts'
import type { CloseReason, Connection, Connector, StreamShare } from '../base/events/connection.ts'
import type { Observer, TransportEvent } from '../base/events/observer.ts'
import { guardedMicrotask, guardedPromise } from '../base/guard.ts'
import type { Origin } from '../base/http/origin.ts'
import type { PoolOptions } from '../base/options/options.ts'
import { DrainWaiters, Preconnects } from './driver-promises.ts'
import { ActionList, type PoolAction } from './pool-action.ts'
import { countByProtocol, type PoolCounts, PoolTally } from './pool-counts.ts'
import { type PoolLoad, PoolState } from './pool-state.ts'
import type { BudgetClient, ConnectionBudget } from './rules/connection-budget.ts'
import type { Slot } from './slot.ts'
import { describeSlot, isSilence, type SlotEvents, SlotListener } from './slot-listener.ts'

export type { PoolCounts } from './pool-counts.ts'

/**
 * Who wants a stream. The transport's exchange is its own waiter, so that a request costs no closure. Must
 * not throw.
 */
export interface Waiter {
  /**
   * The stream is the waiter's: it opens one exchange on the connection, or gives the lease back with
   * release(). The lease ends when the connection reports the end of the exchange. May be called before
   * acquire() returns. `reused`: it was leased before.
   */
  onLease(connection: Connection, reused: boolean): void
  /** There will be no lease. May be called before acquire() returns. */
  onLeaseFailed(error: TransportError): void
}

export interface PoolConfig {
  readonly origin: Origin
  readonly connector: Connector
  readonly clock: Clock
  readonly random: () => number
  readonly options: PoolOptions
  readonly budget: ConnectionBudget
  readonly observer: Observer
  /** What a connection will carry, if that is known before the first one: 1 for HTTP/1.1 without a choice. */
  readonly expectedCapacity: number | undefined
  /**
   * Multiplexed exchanges are spread over up to so many connections: the next ones are dialed as soon as
   * there are more exchanges than connections, beside exchanges that leave on what is open. Default 1: as few
   * connections as carry them.
   */
  readonly spreadOver?: number
  /** Called when a peer has said what it allows, and when it changed that. */
  readonly onCapacity?: (connection: Connection) => void
}

type Link = SlotListener

const ENDING = 'the end of a pool'

/** Ends of a connection that its guests have no time left for: everything ends, or its peer is gone. */
const ENDS_ALL: ReadonlySet<CloseReason> = new Set(['shutdown', 'ping-failed', 'unresponsive'])

/**
 * The connections to one origin: does what PoolState decides, and decides nothing itself.
 *
 * Actions are done one after the other. What happens meanwhile (a waiter that opens an exchange which ends at
 * once, an observer that acquires) changes the state at once and has its actions queued behind, so that the
 * policy always sees the whole truth and the order of leases is the order of decisions.
 */
export class Pool implements BudgetClient, SlotEvents {
  readonly #origin: Origin
  readonly #connector: Connector
  readonly #clock: Clock
  readonly #budget: ConnectionBudget
  readonly #observer: Observer
  readonly #onCapacity: ((connection: Connection) => void) | undefined
  readonly #state: PoolState<Link, Waiter>
  readonly #tally = new PoolTally()
  readonly #preconnects = new Preconnects()
  readonly #links = new Map<Connection, Link>()
  readonly #list = new ActionList<Link, Waiter>()
  #timer: Timer | undefined
  readonly #drainWaiters = new DrainWaiters(
    () => this.isEmpty,
    settle => guardedMicrotask(ENDING, settle),
  )
  #lastUsedAt: number

  constructor(config: PoolConfig) {
    this.#origin = config.origin
    this.#connector = config.connector
    this.#clock = config.clock
    this.#budget = config.budget
    this.#observer = config.observer
    this.#onCapacity = config.onCapacity
    this.#timer = undefined
    this.#state = new PoolState({
      name: config.origin.key,
      options: config.options,
      budget: config.budget,
      random: config.random,
      expectedCapacity: config.expectedCapacity,
      spreadOver: config.spreadOver ?? 1,
      pausedSince: slot => slot.link?.connection?.pausedSince,
    })
    this.#lastUsedAt = config.clock.now()
    this.#run(this.#state.onStart(this.#lastUsedAt))
  }

  /**
   * Asks for a stream; `fresh`: of a new connection, since a reused one died under the last try. `isReplay`:
   * the waiter was served before, so that a drain lets it in once more. `now`: the time, for who has just
   * looked (a look costs as much as the rest).
   */
  acquire(waiter: Waiter, fresh = false, isReplay = fresh, now: number = this.#clock.now()): void {
    this.#lastUsedAt = now
    this.#run(this.#state.onAcquire(waiter, fresh, now, isReplay))
  }

  /** Takes the request for a stream back, before the lease. Does nothing afterwards. */
  cancel(waiter: Waiter): void {
    const fate = this.#list.removeFate(waiter) // decided, but not told: what it would have got goes on
    if (fate === undefined) this.#run(this.#state.onCancel(waiter, this.#clock.now()))
    else if (fate.type === 'lease') this.#run(this.#state.onReleased(fate.slot, this.#clock.now()))
  }

  /** Gives back the lease that a waiter was just given and has opened no exchange with. */
  release(connection: Connection): void {
    const link = this.#links.get(connection)
    if (link !== undefined) this.#run(this.#state.onReleased(link.slot, this.#clock.now()))
  }

  /**
   * Resolves when that many connections are open, or as many as the limits allow; rejects when a dial fails.
   */
  preconnect(connections: number): Promise<void> {
    const now = this.#clock.now()
    this.#lastUsedAt = now
    const { lastConnectError } = this.#state
    if (this.#state.mode !== 'open') return Promise.reject(this.#state.closedError)
    if (this.#state.live >= connections) return Promise.resolve()
    if (lastConnectError !== undefined && this.#state.isBackingOff(now))
      return Promise.reject(lastConnectError)
    const promise = this.#preconnects.add(connections)
    this.#run(this.#state.onPreconnect(connections, now))
    return promise
  }

  /**
   * Keeps that many connections ready from now on, in place of `options.warm`. 0: none; those that are there
   * age out.
   */
  setWarm(connections: number): void {
    this.#run(this.#state.onWarm(connections, this.#clock.now()))
  }

  /**
   * Stops the dials that neither a waiter nor a preconnect, the warm level or the spread needs: those of who
   * gave up waiting, which would else go on and leave an idle connection behind.
   */
  abandonDials(reason: CloseReason = 'surplus'): void {
    this.#run(this.#state.onAbandonDials(reason, this.#clock.now()))
  }

  /**
   * Gives the connection no more exchanges, for a reason that the pool cannot know; it closes when those that
   * it carries have ended. Does nothing when it is on its way out already, or not of this pool.
   */
  retire(connection: Connection, reason: CloseReason): void {
    const link = this.#links.get(connection)
    if (link !== undefined) this.#run(this.#state.onRetire(link.slot, reason, this.#clock.now()))
  }

  /**
   * Lets others take streams of the connection: the share of one of them. Undefined: it is not of this pool, or
   * takes no more.
   */
  lend(connection: Connection): StreamShare | undefined {
    const link = this.#links.get(connection)
    if (link === undefined) return undefined
    const { slot } = link
    const share = this.#state.lend(slot)
    if (share !== undefined && slot.share !== undefined) slot.share.onFree ??= () => this.#onStreamsFree(slot)
    return share
  }

  /** No new leases; those that wait are still served. Resolves when every connection is closed. */
  drain(): Promise<void> {
    const actions = this.#state.onDrain(this.#clock.now())
    this.#preconnects.reject(this.#state.closedError)
    this.#run(actions)
    return this.#drainWaiters.wait()
  }

  /** Ends everything now: waiters are refused with the error. Resolves when every connection is closed. */
  close(error: TransportError): Promise<void> {
    this.#preconnects.reject(error)
    this.#run(this.#state.onClose(error, this.#clock.now()))
    return this.#drainWaiters.wait()
  }

  stats(): PoolCounts {
    return {
      ...this.#state.counts,
      ...this.#tally.counts,
      byProtocol: countByProtocol(this.#state.slots),
      backingOff: this.#state.isBackingOff(this.#clock.now()),
      list: this.#state.slots.map(slot => describeSlot(slot)),
    }
  }

  /** How its requests stand: of stats(), what costs nothing. */
  get load(): PoolLoad {
    return this.#state.load
  }

  /** Those that are open now, on the way out or not. */
  connections(): Iterable<Connection> {
    return this.#links.keys()
  }

  /** It is open, and of this pool. */
  has(connection: Connection): boolean {
    return this.#links.has(connection)
  }

  /**
   * How many requests found the connection there, of those that it was leased to so far. 0 for one that is
   * not open.
   */
  reusesOf(connection: Connection): number {
    const link = this.#links.get(connection)
    return link === undefined ? 0 : Math.max(0, link.slot.leases - 1)
  }

  /**
   * Open connections that take requests, whatever their load: above 0, a request that comes now has a stream,
   * or waits for an answer to a ping or for the end of another exchange, but not for a handshake (unless all
   * of these are lost or go on being full). Not counted are those on the way out and those whose peer allows
   * no stream at all just now. O(1).
   */
  get live(): number {
    return this.#state.serving
  }

  /**
   * Whether a request that comes now gets a stream at once: without a handshake, without waiting for others
   * and without a ping first. A yes is sure. A no is wrong only for the moment in which a connection has
   * become too old and the timer that says so is late. O(1). `now`: the time, for who has just looked.
   */
  hasRoom(now: number = this.#clock.now()): boolean {
    return this.#state.hasRoom(now)
  }

  /** All connections, those that are being made or ended included. O(1). */
  get size(): number {
    return this.#state.size
  }

  /** Those of them that count against `maxConnections`. O(1). */
  get counted(): number {
    return this.#state.counted
  }

  /** The others: those whose readers stall. O(1). */
  get aside(): number {
    return this.#state.aside
  }

  /** Nobody waits, and there is no connection. */
  get isEmpty(): boolean {
    return this.#state.isEmpty
  }

  /** Nobody waits, and there are at most idle connections. */
  get isUnused(): boolean {
    return this.#state.isUnused
  }

  get lastUsedAt(): number {
    return this.#lastUsedAt
  }

  /** Since when its longest idle connection is idle; Infinity when none is. */
  get idleSince(): number {
    return this.#state.idleSince
  }

  /** Closes the connection that was idle for longest, if any is. */
  evictIdle(): boolean {
    const actions = this.#state.onEvict(this.#clock.now())
    this.#run(actions)
    return actions.length > 0
  }

  /**
   * Takes the place of a connection whose reader stalls, for another pool; see stalled.ts. False: there is
   * none.
   */
  setStalledAside(): boolean {
    return this.#state.setStalledAside(this.#clock.now())
  }

  /** See PoolState.toString. */
  toString(): string {
    return this.#state.toString()
  }

  assertConsistent(): void {
    this.#state.assertConsistent()
  }

  // What connections and the budget report; for them only.

  onSlotStreamClosed(link: Link, failed: boolean): void {
    this.#run(this.#state.onStreamClosed(link.slot, failed, link.connection?.keepAlive, this.#clock.now()))
  }

  onSlotCapacityChanged(link: Link): void {
    const { connection, slot } = link
    if (connection === undefined) return
    const { capacity, isCapacityProvisional = false } = connection
    if (!isCapacityProvisional && !slot.isGuest) this.#onCapacity?.(connection)
    this.#run(this.#state.onCapacityChanged(slot, capacity, this.#clock.now(), isCapacityProvisional))
  }

  onSlotDraining(link: Link, reason: CloseReason): void {
    const { slot } = link
    const isNews = slot.isUsable && slot.state.kind !== 'draining'
    this.#run(this.#state.onDraining(slot, reason, this.#clock.now(), link.connection?.requestsTaken))
    if (isNews) this.#announceDraining(slot, reason)
  }

  onSlotClosed(link: Link, reason: CloseReason, error: TransportError | undefined): void {
    const { connection, slot } = link
    if (connection === undefined || slot.state.kind === 'closed') return
    const now = this.#clock.now()
    const wasSilent = slot.state.kind !== 'closing' && isSilence(reason, error)
    const actions = this.#state.onClosed(slot, error, now, wasSilent)
    this.#links.delete(connection)
    const { sharedBy } = connection
    if (sharedBy === undefined) this.#tally.onClosed(reason)
    this.#run(actions, {
      type: sharedBy === undefined ? 'connection-closed' : 'connection-left',
      origin: this.#origin,
      connection,
      reason,
      error,
      ageMs: now - slot.openedAt,
      requests: slot.leases,
    })
  }

  onBudgetAvailable(): void {
    this.#run(this.#state.onBudgetAvailable(this.#clock.now()))
  }

  // The driver

  /**
   * Does the actions, or queues them when it is called from within one. The event is told before the first of
   * them.
   */
  #run(actions: readonly PoolAction<Link, Waiter>[], event?: TransportEvent): void {
    const isOutermost = this.#list.isIdle
    this.#list.add(actions)
    if (event !== undefined) this.#tell(event)
    if (!isOutermost) return
    for (let action = this.#list.take(); action !== undefined; action = this.#list.take()) {
      try {
        this.#perform(action)
      } catch (error) {
        warn(error) // a connection or a waiter broke its word; the others are served none the less
      }
    }
    this.#afterRun()
  }

  #perform(action: PoolAction<Link, Waiter>): void {
    switch (action.type) {
      case 'lease':
        return this.#lease(action.slot, action.waiter, action.reused)
      case 'reject':
        return action.waiter.onLeaseFailed(action.error)
      case 'connect':
        return this.#connect(action.slot)
      case 'close':
        return this.#close(action.slot, action.reason)
      case 'drain':
        return this.#announceDraining(action.slot, action.reason)
      case 'ping':
        return this.#ping(action.slot)
      case 'setTimer':
        return this.#setTimer(action.at)
      case 'clearTimer':
        return this.#timer?.cancel()
      case 'starve':
        return this.#budget.starve(this)
    }
  }

  #lease(slot: Slot<Link>, waiter: Waiter, reused: boolean): void {
    const connection = slot.link?.connection
    if (connection === undefined || !slot.isUsable) {
      // Something earlier in the list ended the connection or made it drain. Its other leases that are still
      // to come are as void.
      const waiters = [waiter, ...this.#list.removeLeases(slot)]
      this.#run(this.#state.onLeasesLost(slot, waiters, this.#clock.now()))
      return
    }
    try {
      waiter.onLease(connection, reused)
    } catch (error) {
      connection.close('exchange-aborted') // nobody knows whether an exchange is open: only so are the books surely right
      throw error
    }
  }

  #connect(slot: Slot<Link>): void {
    const link = new SlotListener(slot, this.#clock.now(), this)
    slot.link = link
    this.#tell({ type: 'connect-started', origin: this.#origin })
    let dial: Promise<Connection>
    try {
      dial = this.#connector.connect(link, link.abort.signal)
    } catch (error) {
      dial = Promise.reject(asTransportError(error, 'MM_CONNECT_FAILED', 'no'))
    }
    const settled = dial.then(
      connection => this.#onConnected(link, connection),
      error => this.#onConnectFailed(link, asTransportError(error, 'MM_CONNECT_FAILED', 'no')),
    )
    guardedPromise('the end of a connect', settled)
  }

  #onConnected(link: Link, connection: Connection): void {
    const { slot } = link
    const now = this.#clock.now()
    if (slot.state.kind === 'closing') {
      connection.close(slot.state.reason) // the dial was stopped, and this came late
      this.#run(this.#state.onClosed(slot, undefined, now))
      return
    }
    if (link.earlyClose !== undefined || link.earlyDraining !== undefined) {
      connection.close(link.earlyDraining ?? 'peer-closed')
      const message = `${this.#origin.key}: the origin ended the connection as it opened`
      this.#onConnectFailed(
        link,
        link.earlyClose?.error ?? new TransportError('MM_CONNECTION_CLOSED', message),
      )
      return
    }
    link.connection = connection
    this.#links.set(connection, link)
    const { capacity, isCapacityProvisional = false, sharedBy, share } = connection
    if (share === undefined) this.#tally.onOpened(connection.handshake.kind)
    else share.onFree = () => this.#onStreamsFree(slot)
    const actions = this.#state.onConnected(slot, capacity, now, isCapacityProvisional, share)
    if (!isCapacityProvisional && share === undefined) this.#onCapacity?.(connection)
    const type = sharedBy === undefined ? 'connection-opened' : 'connection-joined'
    this.#run(actions, { type, origin: this.#origin, connection })
  }

  #onConnectFailed(link: Link, error: TransportError): void {
    const now = this.#clock.now()
    const wasWanted = link.slot.state.kind === 'starting'
    const actions = this.#state.onConnectFailed(link.slot, error, now)
    if (!wasWanted) {
      this.#run(actions)
      return
    }
    this.#preconnects.reject(error)
    this.#run(actions, {
      type: 'connect-failed',
      origin: this.#origin,
      error,
      durationMs: now - link.startedAt,
      retryAfterMs: Math.max(0, this.#state.retryAt - now),
    })
  }

  #close(slot: Slot<Link>, reason: CloseReason): void {
    const { link } = slot
    if (link?.connection === undefined) link?.abort.abort()
    else if (slot.share?.isUsedByOthers === true && !slot.isGuest && !ENDS_ALL.has(reason))
      link.connection.drain(reason) // its guests finish
    else link.connection.close(reason)
  }

  #announceDraining(slot: Slot<Link>, reason: CloseReason): void {
    const connection = slot.link?.connection
    if (connection === undefined) return
    if (slot.share !== undefined && !slot.isGuest) connection.dismissGuests?.(reason)
    this.#tell({ type: 'connection-draining', origin: this.#origin, connection, reason })
  }

  #ping(slot: Slot<Link>): void {
    const answered = (isAlive: boolean) => this.#run(this.#state.onPinged(slot, isAlive, this.#clock.now()))
    const connection = slot.link?.connection
    if (connection === undefined) return
    const settled = connection.ping().then(
      () => answered(true),
      () => answered(false),
    )
    guardedPromise('the answer to a ping', settled)
  }

  #onStreamsFree(slot: Slot<Link>): void {
    this.#run(this.#state.onStreamsFree(slot, this.#clock.now()))
  }

  #setTimer(at: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(Math.max(0, at - this.#clock.now()), this.#onTimer)
  }

  readonly #onTimer = (): void => {
    this.#run(this.#state.onTimer(this.#clock.now()))
  }

  /** What follows once the state has come to rest. */
  #afterRun(): void {
    if (this.#budget.starving > 0) {
      if (!this.#state.hasWaiters) this.#budget.forget(this)
      this.#budget.serve()
    }
    if (this.#state.shared.size > 0) for (const { share } of this.#state.shared) share?.serve()
    if (this.#preconnects.size > 0) this.#settlePreconnects()
    this.#drainWaiters.onChange()
  }

  #settlePreconnects(): void {
    this.#preconnects.settle(this.#state.live, this.#state.starting)
    if (this.#preconnects.size === 0) this.#state.onPreconnectSettled()
  }

  #tell(event: TransportEvent): void {
    try {
      this.#observer(event)
    } catch (error) {
      warn(error)
    }
  }
}

/**
 * A defect of the embedder's code must show, but not where some other exchange is in the middle of its work.
 */
function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)))
}
