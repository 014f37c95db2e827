import type { Clock, Timer } from '../base/clock.ts'
import { asTransportError, TransportError } from '../base/errors.ts'
import type {
  CloseReason,
  Connection,
  ConnectionListener,
  Connector,
  StreamShare,
} from '../base/events/connection.ts'
import type { Observer, TransportEvent } from '../base/events/observer.ts'
import { guardedMicrotask, guardedPromise } from '../base/guard.ts'
import type { Origin } from '../base/http/origin.ts'
import type { PoolOptions } from '../base/options/options.ts'
import { DrainWaiters, Preconnects } from './driver-promises.ts'
import { ActionList, type PoolAction } from './pool-action.ts'
import { PoolTally } from './pool-counts.ts'
import type { PoolState } from './pool-state.ts'
import type { BudgetClient, ConnectionBudget } from './rules/connection-budget.ts'
import type { Slot } from './slot.ts'

/**
 * Who wants a stream. The transport's exchange is its own waiter, so that a request costs no closure. Must
 * not throw.
 */
export interface Waiter {
  /** Whose turn it takes where those who wait are served in turns. Default: one for all that say none. */
  readonly fairKey?: string | undefined
  /**
   * The stream is the waiter's: it opens one exchange on the connection, or gives the lease back with
   * release(). The lease ends when the connection reports the end of the exchange. May be called before
   * acquire() returns. `reused`: it was leased before.
   */
  onLease(connection: Connection, reused: boolean): void
  /** There will be no lease. May be called before acquire() returns. */
  onLeaseFailed(error: TransportError): void
  /**
   * The connection that its last try failed on, or that another copy of it is on: of several endpoints it
   * goes to another than that one's. Left out: it goes to any.
   */
  readonly avoids?: Connection | undefined
  /** It was sent before, and is sent again out of the retry budget. Left out: it is not. */
  readonly isRetry?: boolean | undefined
  /** What its endpoint is chosen by where that hangs on the request; see BalanceOptions.hashBy. */
  balanceKey?(hashBy: string): string | undefined
}

export interface PoolConfig {
  readonly origin: Origin
  readonly connector: Connector
  readonly clock: Clock
  readonly random: () => number
  readonly options: PoolOptions
  readonly budget: ConnectionBudget
  /** Requests that may wait, where several pools share a number out. Default: `options.maxWaiters`. */
  readonly maxWaiters?: () => number
  /** What an operator knows `maxWaiters` by. Default `pool.maxWaiters`. */
  readonly maxWaitersOption?: string
  readonly observer: Observer
  /**
   * What a connection will carry, if that is known before the first one: 1 for HTTP/1.1 without a choice.
   */
  readonly expectedCapacity: number | undefined
  /**
   * Multiplexed exchanges are spread over up to so many connections: the next ones are dialed as soon as
   * there are more exchanges than connections, beside exchanges that leave on what is open. Default 1: as
   * few connections as carry them.
   */
  readonly spreadOver?: number
  /** Waiters take turns by their `fairKey`. Default false: first come, first served. */
  readonly isFair?: boolean
  /** Called when a peer has said what it allows, and when it changed that. */
  readonly onCapacity?: (connection: Connection) => void
}

const ENDING = 'the end of a pool'

/**
 * For how long the socket of a closed connection counts against a ceiling if nothing is seen of its end.
 * All protocols are through with it in a second.
 */
const MAX_LINGER_MS = 5_000

/** Ends of a connection that its guests have no time left for: everything ends, or its peer is gone. */
const ENDS_ALL: ReadonlySet<CloseReason> = new Set(['shutdown', 'ping-failed', 'unresponsive'])

/**
 * Does what PoolState decides, and decides nothing itself: hands out leases, dials, pings and closes, keeps
 * the pool's one timer, and reports to the state what becomes of the connections.
 *
 * Actions are done one after the other. What happens meanwhile (a waiter that opens an exchange which ends
 * at once, an observer that acquires) changes the state at once and has its actions queued behind, so that
 * the policy always sees the whole truth and the order of leases is the order of decisions.
 */
export class PoolDriver {
  readonly tally = new PoolTally()
  readonly preconnects = new Preconnects()
  readonly drainWaiters = new DrainWaiters(
    () => this.#state.isEmpty,
    settle => guardedMicrotask(ENDING, settle),
  )
  readonly #origin: Origin
  readonly #connector: Connector
  readonly #clock: Clock
  readonly #budget: ConnectionBudget
  readonly #observer: Observer
  readonly #onCapacity: ((connection: Connection) => void) | undefined
  readonly #state: PoolState<Link, Waiter>
  readonly #client: BudgetClient
  readonly #links = new Map<Connection, Link>()
  readonly #list = new ActionList<Link, Waiter>()
  #timer: Timer | undefined

  /** `client` is whom the budget notifies of a place. */
  constructor(config: PoolConfig, state: PoolState<Link, Waiter>, client: BudgetClient) {
    this.#origin = config.origin
    this.#connector = config.connector
    this.#clock = config.clock
    this.#budget = config.budget
    this.#observer = config.observer
    this.#onCapacity = config.onCapacity
    this.#state = state
    this.#client = client
    this.#timer = undefined
  }

  /**
   * Does the actions, or queues them when it is called from within one. Observers get the event before the
   * first of them.
   */
  run(actions: readonly PoolAction<Link, Waiter>[], event?: TransportEvent): void {
    const isOutermost = this.#list.isIdle
    this.#list.add(actions)
    if (event !== undefined) this.#notify(event)
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

  /** Takes out what was decided about the waiter and not done yet: its lease or its refusal. */
  removeFate(waiter: Waiter): PoolAction<Link, Waiter> | undefined {
    return this.#list.removeFate(waiter)
  }

  /** Undefined: it is not open, or not of this pool. */
  slotOf(connection: Connection): Slot<Link> | undefined {
    return this.#links.get(connection)?.slot
  }

  /** See Pool.lend. */
  lend(connection: Connection): StreamShare | undefined {
    const slot = this.slotOf(connection)
    const share = slot && this.#state.lend(slot)
    if (share !== undefined && slot?.share !== undefined)
      slot.share.onFree ??= () => this.#onStreamsFree(slot)
    return share
  }

  /** Those that are open now, on the way out or not. */
  get connections(): Iterable<Connection> {
    return this.#links.keys()
  }

  // What connections report; for Link only.

  onStreamClosed(link: Link, failed: boolean): void {
    this.run(this.#state.onStreamClosed(link.slot, failed, link.connection?.keepAlive, this.#clock.now()))
  }

  onCapacityChanged(link: Link): void {
    const { connection, slot } = link
    if (connection === undefined) return
    const { capacity, isCapacityProvisional = false } = connection
    if (!isCapacityProvisional && !slot.isGuest) this.#onCapacity?.(connection)
    this.run(this.#state.onCapacityChanged(slot, capacity, this.#clock.now(), isCapacityProvisional))
  }

  onDraining(link: Link, reason: CloseReason): void {
    const { slot } = link
    const isNews = slot.isUsable && slot.state.kind !== 'draining'
    this.run(this.#state.onDraining(slot, reason, this.#clock.now(), link.connection?.requestsTaken))
    if (isNews) this.#announceDraining(slot, reason)
  }

  onClosed(link: Link, reason: CloseReason, error: TransportError | undefined): void {
    const { connection, slot } = link
    if (connection === undefined || slot.state.kind === 'closed') return
    const now = this.#clock.now()
    const wasSilent = slot.state.kind !== 'closing' && isSilence(reason, error)
    this.#countUntilGone(connection)
    const actions = this.#state.onClosed(slot, reason, error, now, wasSilent)
    this.#links.delete(connection)
    const { sharedBy } = connection
    if (sharedBy === undefined) this.tally.onClosed(reason)
    this.run(actions, {
      type: sharedBy === undefined ? 'connection-closed' : 'connection-left',
      origin: this.#origin,
      connection,
      reason,
      error,
      ageMs: now - slot.openedAt,
      requests: slot.leases,
    })
    slot.share?.serve() // what it had is free for others
  }

  // The actions

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
        return this.#budget.starve(this.#client)
    }
  }

  #lease(slot: Slot<Link>, waiter: Waiter, reused: boolean): void {
    const connection = slot.link?.connection
    if (connection === undefined || !slot.isUsable) {
      // Something earlier in the list ended the connection or made it drain. Its other leases that are
      // still to come are as void.
      const waiters = [waiter, ...this.#list.removeLeases(slot)]
      this.run(this.#state.onLeasesLost(slot, waiters, this.#clock.now()))
      return
    }
    try {
      waiter.onLease(connection, reused)
    } catch (error) {
      connection.close('exchange-aborted') // an exchange may be open: closing keeps the counts right
      throw error
    }
  }

  #connect(slot: Slot<Link>): void {
    const link = new Link(slot, this.#clock.now(), this)
    slot.link = link
    this.#notify({ type: 'connect-started', origin: this.#origin })
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
      const { reason } = slot.state
      connection.close(reason) // the dial was stopped, and this came late
      this.#countUntilGone(connection)
      this.run(this.#state.onClosed(slot, reason, undefined, now))
      return
    }
    if (link.earlyClose !== undefined || link.earlyDraining !== undefined) {
      connection.close(link.earlyDraining ?? 'peer-closed')
      this.#countUntilGone(connection)
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
    if (share === undefined) this.tally.onOpened(connection.handshake.kind)
    else share.onFree = () => this.#onStreamsFree(slot)
    const actions = this.#state.onConnected(slot, capacity, now, isCapacityProvisional, share)
    if (!isCapacityProvisional && share === undefined) this.#onCapacity?.(connection)
    const type = sharedBy === undefined ? 'connection-opened' : 'connection-joined'
    this.run(actions, { type, origin: this.#origin, connection })
  }

  #onConnectFailed(link: Link, error: TransportError): void {
    const now = this.#clock.now()
    const wasWanted = link.slot.state.kind === 'starting'
    const actions = this.#state.onConnectFailed(link.slot, error, now)
    if (!wasWanted) {
      this.run(actions)
      return
    }
    this.preconnects.reject(error)
    this.run(actions, {
      type: 'connect-failed',
      origin: this.#origin,
      error,
      durationMs: now - link.startedAt,
      retryAfterMs: Math.max(0, this.#state.retryAt - now),
    })
  }

  /** The origin has a socket to its end: so long a ceiling counts it, and no longer than MAX_LINGER_MS. */
  #countUntilGone(connection: Connection): void {
    const gone = this.#budget.hasCeiling ? connection.whenGone?.() : undefined
    if (gone === undefined) return
    let isCounted = true
    this.#budget.addLingering(1)
    const end = (): void => {
      if (!isCounted) return
      isCounted = false
      timer.cancel()
      this.#budget.addLingering(-1)
      this.#budget.serve()
    }
    const timer = this.#clock.setTimer(MAX_LINGER_MS, end)
    guardedPromise('the end of a socket', gone.then(end))
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
    this.#notify({ type: 'connection-draining', origin: this.#origin, connection, reason })
  }

  #ping(slot: Slot<Link>): void {
    const answered = (isAlive: boolean) => this.run(this.#state.onPinged(slot, isAlive, this.#clock.now()))
    const connection = slot.link?.connection
    if (connection === undefined) return
    const settled = connection.ping().then(
      () => answered(true),
      () => answered(false),
    )
    guardedPromise('the answer to a ping', settled)
  }

  #onStreamsFree(slot: Slot<Link>): void {
    this.run(this.#state.onStreamsFree(slot, this.#clock.now()))
  }

  #setTimer(at: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(Math.max(0, at - this.#clock.now()), this.#onTimer)
  }

  readonly #onTimer = (): void => {
    this.run(this.#state.onTimer(this.#clock.now()))
  }

  /** What follows once the state has come to rest. */
  #afterRun(): void {
    if (this.#budget.starving > 0) {
      if (!this.#state.hasWaiters) this.#budget.forget(this.#client)
      this.#budget.serve()
    }
    if (this.#state.shared.size > 0) for (const { share } of this.#state.shared) share?.serve()
    if (this.preconnects.size > 0) this.#settlePreconnects()
    this.drainWaiters.onChange()
  }

  #settlePreconnects(): void {
    this.preconnects.settle(this.#state.live, this.#state.starting)
    if (this.preconnects.size === 0) this.#state.onPreconnectSettled()
  }

  #notify(event: TransportEvent): void {
    try {
      this.#observer(event)
    } catch (error) {
      warn(error)
    }
  }
}

/**
 * A defect of the embedder's code must show, but not where some other exchange is in the middle of its
 * work.
 */
function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)))
}

/**
 * Ties one connection to its slot. Each dial gets a listener of its own, so that an event finds its slot
 * without a lookup, and so that what happens between a connection's birth and the moment when the pool
 * takes it over is not lost.
 */
export class Link implements ConnectionListener {
  readonly slot: Slot<Link>
  /** Stops the dial. */
  readonly abort = new AbortController()
  readonly startedAt: number
  /** Undefined until the pool took the connection over. */
  connection: Connection | undefined
  /** What happened before that. */
  earlyDraining: CloseReason | undefined
  earlyClose: { error: TransportError | undefined } | undefined
  readonly #driver: PoolDriver

  constructor(slot: Slot<Link>, startedAt: number, driver: PoolDriver) {
    this.slot = slot
    this.startedAt = startedAt
    this.connection = undefined
    this.earlyDraining = undefined
    this.earlyClose = undefined
    this.#driver = driver
  }

  onCapacityChanged(): void {
    if (this.connection !== undefined) this.#driver.onCapacityChanged(this)
  }

  onStreamClosed(_connection: Connection, failed: boolean): void {
    this.#driver.onStreamClosed(this, failed)
  }

  onDraining(_connection: Connection, reason: CloseReason): void {
    if (this.connection === undefined) this.earlyDraining = reason
    else this.#driver.onDraining(this, reason)
  }

  onClosed(_connection: Connection, reason: CloseReason, error?: TransportError): void {
    if (this.connection === undefined) this.earlyClose = { error }
    else this.#driver.onClosed(this, reason, error)
  }
}

/** An end that was found by a ping, or by the kernel: by keepalive, or since nothing was acknowledged. */
function isSilence(reason: CloseReason, error: TransportError | undefined): boolean {
  if (reason === 'ping-failed') return true
  const cause = error?.cause
  return cause instanceof Error && 'code' in cause && cause.code === 'ETIMEDOUT'
}
