import {
  type BalancedEndpoint,
  type BalanceRefusal,
  Balancer,
  type BalancerParts,
} from '../../balance/balancer.ts'
import type { EndpointSetChange } from '../../balance/endpoint-set.ts'
import type { Clock } from '../../base/clock.ts'
import { asTransportError, stacklessError, type TransportError } from '../../base/errors.ts'
import type { CloseReason, Connection, StreamShare } from '../../base/events/connection.ts'
import type { Observer, TransportEvent } from '../../base/events/observer.ts'
import { guardedListener, guardedPromise } from '../../base/guard.ts'
import type { PoolOptions } from '../../base/options/options.ts'
import { outcomeOfError, outcomeOfStatus } from '../../health/try-outcome.ts'
import type { Pool, RequestPool } from '../../pool/pool.ts'
import type { PoolCounters, PoolCounts, PoolDemand, PoolLoad } from '../../pool/pool-counts.ts'
import type { Waiter } from '../../pool/pool-driver.ts'
import type { IdleHorizonFigures } from '../../pool/rules/idle-horizon.ts'
import { type EndpointMember, EndpointPools } from '../endpoints/endpoint-pools.ts'
import { EndpointTicket, type TicketOwner, UNRESOLVED } from '../endpoints/endpoint-ticket.ts'
import type { EndpointUser, OriginEndpoints } from '../endpoints/origin-endpoints.ts'
import type { EndpointStats } from '../stats.ts'

/** What the pool of an endpoint is given beside what all pools of the lane have. */
interface EndpointHooks {
  readonly observer: Observer
  /** Another endpoint has an open connection. */
  readonly hasOthers: () => boolean
  /** Its part of what all pools of the lane have together. */
  readonly warm: number
  readonly maxWaiters: () => number
}

export interface BalancedPoolParts extends Pick<BalancerParts, 'options' | 'random' | 'onPanic'> {
  /** What all lanes of the origin know of its endpoints. */
  readonly endpoints: Pick<
    OriginEndpoints,
    'list' | 'health' | 'breakers' | 'homes' | 'subsetSeed' | 'whenKnown' | 'add'
  >
  readonly clock: Clock
  readonly pool: Pick<PoolOptions, 'backoffBaseMs' | 'backoffMaxMs' | 'warm' | 'maxWaiters'>
  /** A request that has waited so long for the first connection to an endpoint goes to another. */
  readonly attemptDelayMs: number
  /** Undefined: the origin's pools are going away. */
  readonly makePool: (endpoint: BalancedEndpoint, hooks: EndpointHooks) => Pool | undefined
  /**
   * A pool whose connects wait until an endpoint is known, and fail when `whenKnown` does. Undefined: the
   * origin's pools are going away.
   */
  readonly makeUnresolved: (whenKnown: () => Promise<void>) => Pool | undefined
  /** Its endpoint is gone: resolves when its requests have ended. */
  readonly endPool: (pool: Pool) => Promise<void>
}

const MOVING = 'a request that changes its endpoint'

/**
 * The connections of one lane to an origin with several endpoints: a pool for each of them, under the
 * origin's limits. A request is given an endpoint by the Balancer and waits in its pool; where that cannot
 * be connected to, it goes to another. Endpoints come and go: requests that wait for one that is gone go to
 * others, those under way end there.
 */
export class BalancedPool implements RequestPool, TicketOwner, EndpointUser {
  readonly #parts: BalancedPoolParts
  readonly #clock: Clock
  readonly #hashBy: string | undefined
  readonly #balancer: Balancer
  readonly #pools = new EndpointPools()
  /** Those that wait. */
  readonly #tickets = new Map<Waiter, EndpointTicket>()
  /** Connections that ended with requests under way: however many those were, that is one failure. */
  readonly #lost = new WeakSet<Connection>()
  /** Connections that are kept ready, over all endpoints. */
  #warm: number
  /** What an earlier process left, until there is an endpoint to go by it. */
  #restored: Parameters<RequestPool['restore']> | undefined

  private constructor(parts: BalancedPoolParts) {
    this.#parts = parts
    this.#clock = parts.clock
    this.#warm = parts.pool.warm
    this.#restored = undefined
    this.#hashBy = parts.options.policy === 'hash' ? parts.options.hashBy : undefined
    const { list, health, breakers, subsetSeed } = parts.endpoints
    const underWay = (index: number): number => this.#pools.member(index)?.pool.underWay ?? 0
    this.#balancer = new Balancer({
      ...parts,
      ...parts.pool,
      endpoints: list,
      health,
      breakers,
      subsetSeed,
      underWay,
    })
    breakers?.addLane(underWay)
  }

  /** Undefined: the origin's pools are going away. */
  static make(parts: BalancedPoolParts): BalancedPool | undefined {
    const made = new BalancedPool(parts)
    if (!made.#addPools(parts.endpoints.list)) return undefined
    if (made.#pools.size === 0 && made.#unresolvedPool() === undefined) return undefined
    parts.endpoints.add(made)
    return made
  }

  acquire(waiter: Waiter, fresh = false, isReplay = fresh, now: number = this.#clock.now()): void {
    this.#probe(now)
    const key = this.#hashBy === undefined ? undefined : waiter.balanceKey?.(this.#hashBy)
    const { homes } = this.#parts.endpoints
    const avoided = waiter.avoids === undefined ? undefined : homes.get(waiter.avoids)
    this.#begin(new EndpointTicket(this, waiter, key, fresh, isReplay, avoided), now, undefined)
  }

  cancel(waiter: Waiter): void {
    const ticket = this.#tickets.get(waiter)
    if (ticket === undefined) return
    this.#settle(ticket)
    this.#waitsIn(ticket)?.cancel(ticket)
  }

  release(connection: Connection): void {
    this.#pools.of(connection)?.release(connection)
  }

  /** Spread over the endpoints in use. Rejects when none of them is known, or can be connected to. */
  async preconnect(connections: number): Promise<void> {
    if (this.#balancer.size === 0) await this.#parts.endpoints.whenKnown()
    const used = this.#balancer.used(this.#clock.now())
    const asked = used.flatMap((index, position) => {
      const pool = this.poolAt(index)
      const count = shareOf(connections, used.length, position)
      return pool === undefined || count === 0 ? [] : [pool.preconnect(count)]
    })
    const results = await Promise.allSettled(asked)
    const failed = results.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected' && results.every(({ status }) => status === 'rejected'))
      throw failed.reason
  }

  setWarm(connections: number): void {
    this.#warm = connections
    const used = this.#balancer.used(this.#clock.now())
    for (const { endpoint, pool } of this.#pools.members()) {
      const position = used.indexOf(endpoint.index)
      pool.setWarm(position < 0 ? 0 : shareOf(connections, used.length, position))
    }
  }

  abandonDials(reason?: CloseReason): void {
    for (const pool of this.#pools.all()) pool.abandonDials(reason)
  }

  retire(connection: Connection, reason: CloseReason): void {
    this.#pools.of(connection)?.retire(connection, reason)
  }

  lend(connection: Connection): StreamShare | undefined {
    return this.#pools.of(connection)?.lend(connection)
  }

  // Of the endpoints

  /** These are the endpoints from now on. */
  setEndpoints({ endpoints, added, removed }: EndpointSetChange): void {
    const now = this.#clock.now()
    // The origin's pools are going away, and serve who is there.
    if (!this.#addPools(added)) return
    for (const endpoint of endpoints) {
      const member = this.#pools.member(endpoint.index)
      if (member !== undefined) member.endpoint = endpoint
    }
    this.#balancer.setEndpoints(endpoints, now)
    const isGone = new Set(removed.map(({ index }) => index))
    const moved = [...this.#tickets.values()].filter(
      ({ index }) => isGone.has(index) || (index === UNRESOLVED && endpoints.length > 0),
    )
    for (const ticket of moved) {
      this.#settle(ticket)
      this.#waitsIn(ticket)?.cancel(ticket)
      ticket.forgetTries()
    }
    this.#pools.unresolved?.abandonDials()
    for (const index of isGone) this.#pools.remove(index, this.#parts.endPool, () => this.#clock.now())
    this.#divide()
    for (const ticket of moved) this.#begin(ticket, now, undefined)
  }

  /** False: the origin's pools are going away. */
  #addPools(endpoints: readonly BalancedEndpoint[]): boolean {
    const { makePool, clock, pool } = this.#parts
    const before = this.#pools.size
    for (const [position, endpoint] of endpoints.entries()) {
      const { index } = endpoint
      const made = makePool(endpoint, {
        observer: event => noteConnect(this.#balancer, index, event, clock.now()),
        hasOthers: () => this.#pools.hasLive(index),
        warm: before > 0 ? 0 : shareOf(this.#warm, endpoints.length, position),
        maxWaiters: () => Math.ceil(pool.maxWaiters / Math.max(1, this.#pools.size)),
      })
      if (made === undefined) return false
      this.#pools.add(endpoint, made)
    }
    return true
  }

  /** What all endpoints have together, among those of now. */
  #divide(): void {
    if (this.#pools.size === 0) return
    if (this.#warm > 0) this.setWarm(this.#warm)
    if (this.#restored !== undefined) this.restore(...this.#restored)
  }

  #unresolvedPool(): Pool | undefined {
    const { makeUnresolved, endpoints } = this.#parts
    this.#pools.unresolved ??= makeUnresolved(() => endpoints.whenKnown())
    return this.#pools.unresolved
  }

  /** An answer with that status began after so long. */
  onAnswered(connection: Connection, status: number, ms: number, now: number): void {
    const index = this.#parts.endpoints.homes.get(connection)
    if (index === undefined) return
    this.#balancer.onAnswered(index, ms, now)
    this.#parts.endpoints.health.onOutcome(index, outcomeOfStatus(status), ms, now)
  }

  /** A request on the connection failed before its answer began. */
  onFailed(connection: Connection, error: TransportError, now: number): void {
    const index = this.#parts.endpoints.homes.get(connection)
    const outcome = outcomeOfError(error, connection.requestsTaken !== undefined)
    if (index === undefined || outcome === undefined) return
    if (connection.endedBy !== undefined || isClose(error)) {
      if (this.#lost.has(connection)) return
      this.#lost.add(connection)
    }
    this.#parts.endpoints.health.onOutcome(index, outcome, undefined, now)
  }

  /** A copy of a request on the connection was answered first, though it left later. */
  onOvertaken(connection: Connection, now: number): void {
    const index = this.#parts.endpoints.homes.get(connection)
    if (index !== undefined) this.#parts.endpoints.health.onOutcome(index, 'overtaken', undefined, now)
  }

  /** Whether an endpoint has a place for a request that is to be sent again out of the retry budget. */
  admitRetry(now: number): boolean {
    return this.#balancer.admitRetry(now)
  }

  /** Such a request is under way on the connection. Call the answer, if there is one, at its end. */
  beginRetry(connection: Connection): (() => void) | undefined {
    const index = this.#parts.endpoints.homes.get(connection)
    return index === undefined ? undefined : this.#parts.endpoints.breakers?.beginRetry(index)
  }

  /** Requests go to another endpoint as well as to that of the connection. */
  hasBeside(connection: Connection, now: number): boolean {
    const home = this.#parts.endpoints.homes.get(connection)
    return this.#balancer.used(now).some(index => index !== home)
  }

  /** The pool of one endpoint. */
  poolAt(index: number): Pool | undefined {
    return this.#pools.member(index)?.pool
  }

  stats(): PoolCounts {
    return this.#pools.counts()
  }

  /** Each endpoint for itself, in the order of the configuration; behind them those that are gone. */
  endpointStats(lane: EndpointStats['lane']): EndpointStats[] {
    const { breakers } = this.#parts.endpoints
    return this.#pools.rows(lane, this.#balancer.figures(this.#clock.now()), breakers)
  }

  get counters(): PoolCounters {
    const { requests, opened, closed, idleHorizon } = this.stats()
    return { requests, opened, closed, idleEnds: idleHorizon.idleEnds }
  }

  get idleHorizon(): IdleHorizonFigures {
    return this.#pools.idleHorizon
  }

  demandAt(now: number): PoolDemand {
    return this.#pools.demandAt(now)
  }

  restore(
    horizon: { keptMs: number; confidence: number } | undefined,
    demand: { streams: number; rps: number } | undefined,
  ): void {
    const used = this.#balancer.used(this.#clock.now())
    this.#restored = used.length === 0 ? [horizon, demand] : undefined
    const share = demand && { streams: demand.streams / used.length, rps: demand.rps / used.length }
    for (const { endpoint, pool } of this.#pools.members())
      pool.restore(horizon, used.includes(endpoint.index) ? share : undefined)
  }

  /** Of whichever endpoint it is. */
  get hasProven(): boolean {
    const used = this.#balancer.used(this.#clock.now())
    return used.length > 0 && used.every(index => this.poolAt(index)?.hasProven === true)
  }

  get load(): PoolLoad {
    return this.#pools.load
  }

  *connections(): Generator<Connection> {
    for (const pool of this.#pools.all()) yield* pool.connections()
  }

  has(connection: Connection): boolean {
    return this.#pools.of(connection) !== undefined
  }

  reusesOf(connection: Connection): number {
    return this.#pools.of(connection)?.reusesOf(connection) ?? 0
  }

  get live(): number {
    return this.#pools.live
  }

  get size(): number {
    return this.#pools.sum(pool => pool.size)
  }

  get counted(): number {
    return this.#pools.sum(pool => pool.counted)
  }

  get aside(): number {
    return this.#pools.sum(pool => pool.aside)
  }

  get lastUsedAt(): number {
    return Math.max(...Array.from(this.#pools.all(), pool => pool.lastUsedAt))
  }

  // Of the tickets

  onLease(ticket: EndpointTicket, connection: Connection, reused: boolean): void {
    this.#settle(ticket)
    if (!reused) this.#parts.endpoints.homes.set(connection, ticket.index)
    ticket.waiter.onLease(connection, reused)
  }

  /** A connect failed, or too many wait: another endpoint may take it. What the pool refuses else stays. */
  onLeaseFailed(ticket: EndpointTicket, error: TransportError): void {
    this.#settle(ticket)
    const isOfEndpoint = ticket.index !== UNRESOLVED
    if (isOfEndpoint && (error.fault === 'remote' || error.code === 'MM_QUEUE_FULL'))
      this.#begin(ticket, this.#clock.now(), error)
    else ticket.waiter.onLeaseFailed(error)
  }

  /** `failure`: of the endpoint before, which counts where no other one takes the request. */
  #begin(ticket: EndpointTicket, now: number, failure: TransportError | undefined): void {
    if (this.#balancer.size === 0) return this.#awaitFirst(ticket, now, failure)
    const choice = this.#balancer.choose(ticket, now)
    if (choice === undefined || 'refused' in choice)
      return ticket.waiter.onLeaseFailed(failure ?? refusalOf(choice))
    const { index, because } = choice
    const member = this.#pools.member(index) as EndpointMember // the balancer knows no others
    const { pool } = member
    member.chosenBecause = because
    ticket.goTo(index)
    if (pool.live === 0) this.#arm(ticket)
    // A new connection is for those whose old ones may all be dead: they are another endpoint's.
    const fresh = ticket.fresh && (ticket.avoided === undefined || ticket.avoided === index)
    this.#waitIn(pool, ticket, fresh, now)
  }

  /**
   * Most are leased within acquire(), and never wait: to keep them in a table would cost 3 % of a request.
   */
  #waitIn(pool: Pool, ticket: EndpointTicket, fresh: boolean, now: number): void {
    ticket.isWaiting = true
    pool.acquire(ticket, fresh, ticket.isReplay, now)
    if (ticket.isWaiting) this.#tickets.set(ticket.waiter, ticket)
  }

  /** No endpoint is known yet: it waits as others wait for a name to be resolved. */
  #awaitFirst(ticket: EndpointTicket, now: number, failure: TransportError | undefined): void {
    const pool = this.#unresolvedPool()
    if (pool === undefined) return ticket.waiter.onLeaseFailed(failure ?? refusalOf(undefined))
    ticket.goTo(UNRESOLVED)
    this.#waitIn(pool, ticket, false, now)
  }

  #waitsIn({ index }: EndpointTicket): Pool | undefined {
    return index === UNRESOLVED ? this.#pools.unresolved : this.poolAt(index)
  }

  /**
   * No answer to a connect is news as well, which else comes when `connectMs` is over: the request goes
   * where a connection is open, and so do others until this one is made after all.
   */
  #arm(ticket: EndpointTicket): void {
    const { attemptDelayMs } = this.#parts
    if (attemptDelayMs === 0) return
    const onDue = guardedListener(
      MOVING,
      () => this.#onOverdue(ticket),
      fault => {
        this.#settle(ticket)
        ticket.waiter.onLeaseFailed(fault)
      },
    )
    ticket.timer = this.#clock.setTimer(attemptDelayMs, onDue)
  }

  #onOverdue(ticket: EndpointTicket): void {
    ticket.timer = undefined
    const now = this.#clock.now()
    const { index } = ticket
    const pool = this.poolAt(index)
    let isElsewhere = false
    for (const { endpoint, pool: other } of this.#pools.members())
      isElsewhere ||= !ticket.tried.has(endpoint.index) && other.live > 0
    if (pool === undefined || pool.live > 0 || !isElsewhere) return
    this.#balancer.onConnectFailed(index, `no connection after ${this.#parts.attemptDelayMs} ms`, now)
    this.cancel(ticket.waiter)
    this.#begin(ticket, now, undefined)
  }

  #settle(ticket: EndpointTicket): void {
    ticket.timer?.cancel()
    ticket.timer = undefined
    ticket.isWaiting = false
    if (this.#tickets.size > 0) this.#tickets.delete(ticket.waiter)
  }

  /** One endpoint whose pause is over is connected to beside the requests, which need not wait for it. */
  #probe(now: number): void {
    const index = this.#balancer.takeProbe(now)
    const pool = index === undefined ? undefined : this.poolAt(index)
    if (index === undefined || pool === undefined) return
    const settled = pool.preconnect(1).then(
      () => this.#balancer.onConnected(index, this.#clock.now()),
      (cause: unknown) => {
        const { message } = asTransportError(cause, 'MM_CONNECT_FAILED', 'no')
        this.#balancer.onConnectFailed(index, message, this.#clock.now())
      },
    )
    guardedPromise('connecting to an endpoint again', settled)
  }
}

/** What one of `takers` gets of `total`, so that all together get it all. */
export function shareOf(total: number, takers: number, position: number): number {
  return Math.floor(total / takers) + (position < total % takers ? 1 : 0)
}

function refusalOf(refusal: BalanceRefusal | undefined): TransportError {
  const why = refusal?.refused ?? 'no endpoint is left'
  return stacklessError('MM_BREAKER_OPEN', why)
}

function isClose({ code }: TransportError): boolean {
  return code === 'MM_CONNECTION_CLOSED' || code === 'MM_CONNECTION_RESET'
}

function noteConnect(balancer: Balancer, index: number, event: TransportEvent, now: number): void {
  if (event.type === 'connect-failed' && event.error.fault === 'remote')
    balancer.onConnectFailed(index, event.error.message, now)
  else if (event.type === 'connection-opened' || event.type === 'connection-joined')
    balancer.onConnected(index, now)
}
