import {
  type BalancedEndpoint,
  type BalancedRequest,
  type BalanceRefusal,
  Balancer,
  type BalancerParts,
} from '../../balance/balancer.ts'
import type { EndpointBreakers } from '../../balance/endpoint-breakers.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { asTransportError, stacklessError, type TransportError } from '../../base/errors.ts'
import type { CloseReason, Connection, StreamShare } from '../../base/events/connection.ts'
import type { Observer, TransportEvent } from '../../base/events/observer.ts'
import { guardedListener, guardedPromise } from '../../base/guard.ts'
import type { LaneName } from '../../base/http/protocol.ts'
import type { PoolOptions } from '../../base/options/options.ts'
import type { EndpointHealth } from '../../health/endpoint-health.ts'
import { outcomeOfError, outcomeOfStatus } from '../../health/try-outcome.ts'
import type { Pool, RequestPool } from '../../pool/pool.ts'
import type { PoolCounters, PoolCounts, PoolDemand, PoolLoad } from '../../pool/pool-counts.ts'
import type { Waiter } from '../../pool/pool-driver.ts'
import type { IdleHorizonFigures } from '../../pool/rules/idle-horizon.ts'
import { addHorizons, type EndpointStats, sumCounts } from '../stats.ts'

/** What the pool of an endpoint is given beside what all pools of the lane have. */
interface EndpointHooks {
  readonly observer: Observer
  /** Another endpoint has an open connection. */
  readonly hasOthers: () => boolean
}

export interface BalancedPoolParts
  extends Pick<BalancerParts, 'endpoints' | 'options' | 'random' | 'health' | 'breakers' | 'onPanic'> {
  readonly clock: Clock
  readonly pool: Pick<PoolOptions, 'backoffBaseMs' | 'backoffMaxMs'>
  /** A request that has waited so long for the first connection to an endpoint goes to another. */
  readonly attemptDelayMs: number
  /** Undefined: the origin's pools are going away. */
  readonly makePool: (endpoint: BalancedEndpoint, index: number, hooks: EndpointHooks) => Pool | undefined
}

const NOWHERE: ReadonlySet<number> = new Set()
const MOVING = 'a request that changes its endpoint'

/**
 * The connections of one lane to an origin with several endpoints: a pool for each of them, under the
 * origin's limits. A request is given an endpoint by the Balancer and waits in its pool; where that cannot
 * be connected to, it goes to another.
 */
export class BalancedPool implements RequestPool {
  readonly #clock: Clock
  readonly #attemptDelayMs: number
  readonly #hashBy: string | undefined
  readonly #balancer: Balancer
  readonly #pools: readonly Pool[]
  readonly #chosenBecause: (string | undefined)[] = []
  /** Those that wait. */
  readonly #tickets = new Map<Waiter, Ticket>()
  readonly #health: EndpointHealth
  readonly #breakers: EndpointBreakers | undefined
  /** The endpoint of each connection that was leased. */
  readonly #homes = new WeakMap<Connection, number>()
  /** Connections that ended with requests under way: however many those were, that is one failure. */
  readonly #lost = new WeakSet<Connection>()

  private constructor(parts: BalancedPoolParts, balancer: Balancer, pools: readonly Pool[]) {
    this.#clock = parts.clock
    this.#attemptDelayMs = parts.attemptDelayMs
    this.#hashBy = parts.options.policy === 'hash' ? parts.options.hashBy : undefined
    this.#health = parts.health
    this.#breakers = parts.breakers
    this.#balancer = balancer
    this.#pools = pools
  }

  /** Undefined: the origin's pools are going away. */
  static make(parts: BalancedPoolParts): BalancedPool | undefined {
    const { endpoints, clock, pool, makePool } = parts
    const pools: Pool[] = []
    const underWay = (index: number): number => pools[index]?.underWay ?? 0
    const balancer = new Balancer({ ...parts, ...pool, underWay })
    parts.breakers?.addLane(underWay)
    for (const [index, endpoint] of endpoints.entries()) {
      const made = makePool(endpoint, index, {
        observer: event => noteConnect(balancer, index, event, clock.now()),
        hasOthers: () => pools.some((other, at) => at !== index && other.live > 0),
      })
      if (made === undefined) return undefined
      pools.push(made)
    }
    return new BalancedPool(parts, balancer, pools)
  }

  acquire(waiter: Waiter, fresh = false, isReplay = fresh, now: number = this.#clock.now()): void {
    this.#probe(now)
    const key = this.#hashBy === undefined ? undefined : waiter.balanceKey?.(this.#hashBy)
    const avoided = waiter.avoids === undefined ? undefined : this.#homes.get(waiter.avoids)
    this.#begin(new Ticket(this, waiter, key, fresh, isReplay, avoided), now, undefined)
  }

  cancel(waiter: Waiter): void {
    const ticket = this.#tickets.get(waiter)
    if (ticket === undefined) return
    this.#settle(ticket)
    this.#pools[ticket.index]?.cancel(ticket)
  }

  release(connection: Connection): void {
    this.#poolOf(connection)?.release(connection)
  }

  /** Spread over the endpoints in use. Rejects when none of them can be connected to. */
  async preconnect(connections: number): Promise<void> {
    const used = this.#balancer.used(this.#clock.now())
    const asked = used.flatMap((index, position) => {
      const pool = this.#pools[index]
      const count = shareOf(connections, used.length, position)
      return pool === undefined || count === 0 ? [] : [pool.preconnect(count)]
    })
    const results = await Promise.allSettled(asked)
    const failed = results.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected' && results.every(({ status }) => status === 'rejected'))
      throw failed.reason
  }

  setWarm(connections: number): void {
    const used = this.#balancer.used(this.#clock.now())
    this.#pools.forEach((pool, index) => {
      const position = used.indexOf(index)
      pool.setWarm(position < 0 ? 0 : shareOf(connections, used.length, position))
    })
  }

  abandonDials(reason?: CloseReason): void {
    for (const pool of this.#pools) pool.abandonDials(reason)
  }

  retire(connection: Connection, reason: CloseReason): void {
    this.#poolOf(connection)?.retire(connection, reason)
  }

  lend(connection: Connection): StreamShare | undefined {
    return this.#poolOf(connection)?.lend(connection)
  }

  /** An answer with that status began after so long. */
  onAnswered(connection: Connection, status: number, ms: number, now: number): void {
    const index = this.#homes.get(connection)
    if (index === undefined) return
    this.#balancer.onAnswered(index, ms, now)
    this.#health.onOutcome(index, outcomeOfStatus(status), ms, now)
  }

  /** A request on the connection failed before its answer began. */
  onFailed(connection: Connection, error: TransportError, now: number): void {
    const index = this.#homes.get(connection)
    const outcome = outcomeOfError(error, connection.requestsTaken !== undefined)
    if (index === undefined || outcome === undefined) return
    if (connection.endedBy !== undefined || isClose(error)) {
      if (this.#lost.has(connection)) return
      this.#lost.add(connection)
    }
    this.#health.onOutcome(index, outcome, undefined, now)
  }

  /** A copy of a request on the connection was answered first, though it left later. */
  onOvertaken(connection: Connection, now: number): void {
    const index = this.#homes.get(connection)
    if (index !== undefined) this.#health.onOutcome(index, 'overtaken', undefined, now)
  }

  /** Whether an endpoint has a place for a request that is to be sent again out of the retry budget. */
  admitRetry(now: number): boolean {
    return this.#balancer.admitRetry(now)
  }

  /** Such a request is under way on the connection. Call the answer, if there is one, at its end. */
  beginRetry(connection: Connection): (() => void) | undefined {
    const index = this.#homes.get(connection)
    return index === undefined ? undefined : this.#breakers?.beginRetry(index)
  }

  /** Requests go to another endpoint as well as to that of the connection. */
  hasBeside(connection: Connection, now: number): boolean {
    const home = this.#homes.get(connection)
    return this.#balancer.used(now).some(index => index !== home)
  }

  /** The pool of one endpoint. */
  poolAt(index: number): Pool | undefined {
    return this.#pools[index]
  }

  stats(): PoolCounts {
    return sumCounts(this.#pools.map(pool => pool.stats()))
  }

  /** Each endpoint for itself, in the order of the configuration. */
  endpointStats(lane: LaneName): EndpointStats[] {
    return this.#balancer.figures(this.#clock.now()).map((figures, index) => {
      const pool = this.#pools[index]
      return {
        ...figures,
        lane,
        requests: pool?.counters.requests ?? 0,
        underWay: pool?.underWay ?? 0,
        connections: pool?.size ?? 0,
        chosenBecause: this.#chosenBecause[index],
        ...(this.#breakers !== undefined && { breakers: this.#breakers.figures(index) }),
      }
    })
  }

  get counters(): PoolCounters {
    const { requests, opened, closed, idleHorizon } = this.stats()
    return { requests, opened, closed, idleEnds: idleHorizon.idleEnds }
  }

  /** The shortest that was seen. */
  get idleHorizon(): IdleHorizonFigures {
    return this.#pools.map(pool => pool.idleHorizon).reduce(addHorizons)
  }

  demandAt(now: number): PoolDemand {
    return this.#pools
      .map(pool => pool.demandAt(now))
      .reduce((a, b) => ({
        streamMs: a.streamMs + b.streamMs,
        streams: a.streams + b.streams,
        rps: a.rps + b.rps,
        level: a.level + b.level,
        streamsPerConnection: a.streamsPerConnection ?? b.streamsPerConnection,
      }))
  }

  restore(
    horizon: { keptMs: number; confidence: number } | undefined,
    demand: { streams: number; rps: number } | undefined,
  ): void {
    const used = this.#balancer.used(this.#clock.now())
    const share = demand && { streams: demand.streams / used.length, rps: demand.rps / used.length }
    this.#pools.forEach((pool, index) => pool.restore(horizon, used.includes(index) ? share : undefined))
  }

  /** Of whichever endpoint it is. */
  get hasProven(): boolean {
    return this.#balancer.used(this.#clock.now()).every(index => this.#pools[index]?.hasProven === true)
  }

  get load(): PoolLoad {
    return this.#pools
      .map(pool => pool.load)
      .reduce((a, b) => ({
        waiters: a.waiters + b.waiters,
        streams: a.streams + b.streams,
        starting: a.starting + b.starting,
        stalledPlaces: Math.max(a.stalledPlaces, b.stalledPlaces),
      }))
  }

  *connections(): Generator<Connection> {
    for (const pool of this.#pools) yield* pool.connections()
  }

  has(connection: Connection): boolean {
    return this.#poolOf(connection) !== undefined
  }

  reusesOf(connection: Connection): number {
    return this.#poolOf(connection)?.reusesOf(connection) ?? 0
  }

  get live(): number {
    return this.#sum(pool => pool.live)
  }

  get size(): number {
    return this.#sum(pool => pool.size)
  }

  get counted(): number {
    return this.#sum(pool => pool.counted)
  }

  get aside(): number {
    return this.#sum(pool => pool.aside)
  }

  get lastUsedAt(): number {
    return Math.max(...this.#pools.map(pool => pool.lastUsedAt))
  }

  // Of the tickets

  onLease(ticket: Ticket, connection: Connection, reused: boolean): void {
    this.#settle(ticket)
    if (!reused) this.#homes.set(connection, ticket.index)
    ticket.waiter.onLease(connection, reused)
  }

  /** A connect failed, or too many wait: another endpoint may take it. What the pool refuses else stays. */
  onLeaseFailed(ticket: Ticket, error: TransportError): void {
    this.#settle(ticket)
    if (error.fault === 'remote' || error.code === 'MM_QUEUE_FULL')
      this.#begin(ticket, this.#clock.now(), error)
    else ticket.waiter.onLeaseFailed(error)
  }

  /** `failure`: of the endpoint before, which counts where no other one takes the request. */
  #begin(ticket: Ticket, now: number, failure: TransportError | undefined): void {
    const choice = this.#balancer.choose(ticket, now)
    if (choice === undefined || 'refused' in choice)
      return ticket.waiter.onLeaseFailed(failure ?? refusalOf(choice))
    const { index, because } = choice
    const pool = this.#pools[index] as Pool // the balancer knows no others
    this.#chosenBecause[index] = because
    ticket.goTo(index)
    this.#tickets.set(ticket.waiter, ticket)
    if (pool.live === 0) this.#arm(ticket)
    // A new connection is for those whose old ones may all be dead: they are another endpoint's.
    const fresh = ticket.fresh && (ticket.avoided === undefined || ticket.avoided === index)
    pool.acquire(ticket, fresh, ticket.isReplay, now)
  }

  /**
   * No answer to a connect is news as well, which else comes when `connectMs` is over: the request goes
   * where a connection is open, and so do others until this one is made after all.
   */
  #arm(ticket: Ticket): void {
    if (this.#attemptDelayMs === 0) return
    const onDue = guardedListener(
      MOVING,
      () => this.#onOverdue(ticket),
      fault => {
        this.#settle(ticket)
        ticket.waiter.onLeaseFailed(fault)
      },
    )
    ticket.timer = this.#clock.setTimer(this.#attemptDelayMs, onDue)
  }

  #onOverdue(ticket: Ticket): void {
    ticket.timer = undefined
    const now = this.#clock.now()
    const { index } = ticket
    const pool = this.#pools[index]
    const isElsewhere = this.#pools.some((other, at) => !ticket.tried.has(at) && other.live > 0)
    if (pool === undefined || pool.live > 0 || !isElsewhere) return
    this.#balancer.onConnectFailed(index, `no connection after ${this.#attemptDelayMs} ms`, now)
    this.cancel(ticket.waiter)
    this.#begin(ticket, now, undefined)
  }

  #settle(ticket: Ticket): void {
    ticket.timer?.cancel()
    ticket.timer = undefined
    this.#tickets.delete(ticket.waiter)
  }

  /** One endpoint whose pause is over is connected to beside the requests, which need not wait for it. */
  #probe(now: number): void {
    const index = this.#balancer.takeProbe(now)
    const pool = index === undefined ? undefined : this.#pools[index]
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

  #poolOf(connection: Connection): Pool | undefined {
    return this.#pools.find(pool => pool.has(connection))
  }

  #sum(of: (pool: Pool) => number): number {
    return this.#pools.reduce((sum, pool) => sum + of(pool), 0)
  }
}

/** One request on its way to a connection. */
class Ticket implements Waiter, BalancedRequest {
  readonly waiter: Waiter
  readonly key: string | undefined
  readonly fresh: boolean
  readonly isReplay: boolean
  /** See Waiter.avoids. */
  readonly avoided: number | undefined
  timer: Timer | undefined
  readonly #owner: BalancedPool
  #tried: Set<number> | undefined
  #index = -1

  constructor(
    owner: BalancedPool,
    waiter: Waiter,
    key: string | undefined,
    fresh: boolean,
    isReplay: boolean,
    avoided: number | undefined,
  ) {
    this.#owner = owner
    this.waiter = waiter
    this.key = key
    this.fresh = fresh
    this.isReplay = isReplay
    this.avoided = avoided
    this.timer = undefined
    this.#tried = undefined
  }

  get isRetry(): boolean {
    return this.waiter.isRetry === true
  }

  /** Where it waits. */
  get index(): number {
    return this.#index
  }

  /** Where it is and was. */
  get tried(): ReadonlySet<number> {
    if (this.#index < 0) return NOWHERE
    return (this.#tried ??= new Set([this.#index]))
  }

  goTo(index: number): void {
    this.#tried?.add(index)
    this.#index = index
  }

  onLease(connection: Connection, reused: boolean): void {
    this.#owner.onLease(this, connection, reused)
  }

  onLeaseFailed(error: TransportError): void {
    this.#owner.onLeaseFailed(this, error)
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
