import type { BalancedEndpoint, EndpointFigures } from '../../balance/balancer.ts'
import type { EndpointBreakers } from '../../balance/endpoint-breakers.ts'
import type { Connection } from '../../base/events/connection.ts'
import { guardedPromise } from '../../base/guard.ts'
import type { Pool } from '../../pool/pool.ts'
import type { PoolCounts, PoolDemand, PoolLoad } from '../../pool/pool-counts.ts'
import type { IdleHorizonFigures } from '../../pool/rules/idle-horizon.ts'
import { addHorizons, type EndpointStats, NO_COUNTS, sumCounts } from '../stats.ts'

/** An endpoint with its connections over one lane. */
export interface EndpointMember {
  endpoint: BalancedEndpoint
  readonly pool: Pool
  /** Why the last request went there. */
  chosenBecause: string | undefined
}

/**
 * The pools of one lane's endpoints, by the number of the endpoint. That of an endpoint which is gone stays
 * until its requests have ended; what it counted stays for good, since totals do not shrink.
 */
export class EndpointPools {
  readonly #members = new Map<number, EndpointMember>()
  readonly #leaving = new Map<number, EndpointMember>()
  /** For requests that come before the first endpoint is known. */
  #unresolved: Pool | undefined
  #gone: PoolCounts = NO_COUNTS
  #goneStreamMs = 0

  constructor() {
    this.#unresolved = undefined
  }

  add(endpoint: BalancedEndpoint, pool: Pool): void {
    this.#members.set(endpoint.index, { endpoint, pool, chosenBecause: undefined })
  }

  /** Where requests wait while no endpoint is known. */
  get unresolved(): Pool | undefined {
    return this.#unresolved
  }

  set unresolved(pool: Pool | undefined) {
    this.#unresolved = pool
  }

  /**
   * It takes no requests from now on. `end`: ends the pool when those under way have ended; it resolves then.
   */
  remove(index: number, end: (pool: Pool) => Promise<void>, now: () => number): void {
    const member = this.#members.get(index)
    if (member === undefined) return
    this.#members.delete(index)
    this.#leaving.set(index, member)
    const { pool } = member
    pool.setWarm(0)
    for (const connection of pool.connections()) pool.retire(connection, 'address-gone')
    const ended = end(pool).then(() => {
      this.#leaving.delete(index)
      const counts = pool.stats()
      this.#gone = sumCounts([
        this.#gone,
        { ...counts, idleHorizon: { ...counts.idleHorizon, keptMs: undefined } },
      ])
      this.#goneStreamMs += pool.demandAt(now()).streamMs
    })
    guardedPromise('the end of an endpoint', ended)
  }

  get size(): number {
    return this.#members.size
  }

  /** Of an endpoint that takes requests. */
  member(index: number): EndpointMember | undefined {
    return this.#members.get(index)
  }

  /** Those that take requests. */
  members(): Iterable<EndpointMember> {
    return this.#members.values()
  }

  *all(): Generator<Pool> {
    for (const { pool } of this.#members.values()) yield pool
    for (const { pool } of this.#leaving.values()) yield pool
    if (this.#unresolved !== undefined) yield this.#unresolved
  }

  /** Another one than that has an open connection. */
  hasLive(except: number): boolean {
    for (const [index, { pool }] of this.#members) if (index !== except && pool.live > 0) return true
    return false
  }

  /** On the way of every request: no closure, no generator. */
  get live(): number {
    let live = 0
    for (const { pool } of this.#members.values()) live += pool.live
    for (const { pool } of this.#leaving.values()) live += pool.live
    return live
  }

  of(connection: Connection): Pool | undefined {
    for (const pool of this.all()) if (pool.has(connection)) return pool
    return undefined
  }

  counts(): PoolCounts {
    return sumCounts([...Array.from(this.all(), pool => pool.stats()), this.#gone])
  }

  /** The shortest that was seen. */
  get idleHorizon(): IdleHorizonFigures {
    return Array.from(this.all(), pool => pool.idleHorizon).reduce(addHorizons, NO_COUNTS.idleHorizon)
  }

  demandAt(now: number): PoolDemand {
    let [streamMs, streams, rps, level] = [this.#goneStreamMs, 0, 0, 0]
    let streamsPerConnection: number | undefined
    for (const pool of this.all()) {
      const demand = pool.demandAt(now)
      streamMs += demand.streamMs
      streams += demand.streams
      rps += demand.rps
      level += demand.level
      streamsPerConnection ??= demand.streamsPerConnection
    }
    return { streamMs, streams, rps, level, streamsPerConnection }
  }

  get load(): PoolLoad {
    let [waiters, streams, starting, stalledPlaces] = [0, 0, 0, 0]
    for (const { load } of this.all()) {
      waiters += load.waiters
      streams += load.streams
      starting += load.starting
      stalledPlaces = Math.max(stalledPlaces, load.stalledPlaces)
    }
    return { waiters, streams, starting, stalledPlaces }
  }

  sum(of: (pool: Pool) => number): number {
    let sum = 0
    for (const pool of this.all()) sum += of(pool)
    return sum
  }

  /** Each endpoint for itself, in the order of `figures`; behind them those that are gone. */
  rows(
    lane: EndpointStats['lane'],
    figures: ReadonlyMap<number, EndpointFigures>,
    breakers: EndpointBreakers | undefined,
  ): EndpointStats[] {
    const rows: EndpointStats[] = []
    for (const [index, ofEndpoint] of figures) {
      const member = this.#members.get(index)
      if (member === undefined) continue
      const bounds = breakers && { breakers: breakers.figures(index) }
      rows.push({ ...ofEndpoint, ...rowOf(member, lane), ...bounds })
    }
    for (const member of this.#leaving.values()) rows.push({ ...LEAVING, ...rowOf(member, lane) })
    return rows
  }
}

/** What is shown of an endpoint that is gone, and has requests under way. */
const LEAVING = {
  state: 'leaving',
  because: 'it is none of the endpoints any more',
  isUsed: false,
  latencyMs: undefined,
  health: 'healthy',
  healthBecause: undefined,
  ejections: {},
  checks: undefined,
} as const

function rowOf({ endpoint, pool, chosenBecause }: EndpointMember, lane: EndpointStats['lane']) {
  const { address, name, weight, tier, zone } = endpoint
  const { size: connections, underWay } = pool
  const { requests } = pool.counters
  return { address, name, weight, tier, zone, lane, requests, underWay, connections, chosenBecause }
}
