import { TransportError } from '../errors.ts'
import type { GlobalLimits } from '../options.ts'
import type { Origin } from '../origin.ts'
import { ConnectionBudget } from './connection-budget.ts'
import { Pool, type PoolConfig } from './pool.ts'

/** What a pool needs beside what they all share. */
export type OwnPoolConfig = Omit<PoolConfig, 'origin' | 'budget'>

/** All pools, by origin, under the limits that they share. */
export class Pools {
  readonly #pools = new Map<string, Pool>()
  /** Taken out of use, and not empty yet. */
  readonly #leaving = new Set<Pool>()
  readonly #budget: ConnectionBudget
  readonly #onEvicted: (key: string) => void
  #maxOrigins: number
  #isClosed = false

  /** `onEvicted` hears of the origin whose pool made room for another one's. */
  constructor(limits: GlobalLimits, onEvicted: (key: string) => void) {
    this.#budget = new ConnectionBudget(limits.maxTotalConnections)
    this.#budget.onStarving = () => this.#makeRoom()
    this.#maxOrigins = limits.maxOrigins
    this.#onEvicted = onEvicted
  }

  /** Connections of all pools, those that are being made or ended included. */
  get totalConnections(): number {
    return this.#budget.inUse
  }

  /**
   * Makes the pool of an origin that has none. Throws MM_TRANSPORT_CLOSED when closed or draining, and MM_QUEUE_FULL when
   * limits.maxOrigins is reached and none can go.
   */
  add(origin: Origin, config: OwnPoolConfig): Pool {
    if (this.#isClosed)
      throw new TransportError('MM_TRANSPORT_CLOSED', 'the transport was closed or is draining')
    this.#makeRoomForOrigin(origin)
    const pool = new Pool({ ...config, origin, budget: this.#budget })
    this.#pools.set(origin.key, pool)
    return pool
  }

  /** Takes the origin's pool out of use: it serves who waits and closes. Another one may be added. */
  async remove(key: string): Promise<void> {
    const pool = this.#pools.get(key)
    if (pool === undefined) return
    this.#pools.delete(key)
    await this.#retire(pool)
  }

  /** New limits. What is above them ends by itself. */
  setLimits(limits: GlobalLimits): void {
    this.#budget.limit = limits.maxTotalConnections
    this.#maxOrigins = limits.maxOrigins
    this.#budget.serve()
  }

  /** No new leases; resolves when every exchange has ended and every connection is closed. */
  async drain(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#all()].map(pool => pool.drain()))
  }

  /** Ends everything now. */
  async close(reason: TransportError): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#all()].map(pool => pool.close(reason)))
  }

  assertConsistent(): void {
    for (const pool of this.#all()) pool.assertConsistent()
  }

  *#all(): Iterable<Pool> {
    yield* this.#pools.values()
    yield* this.#leaving
  }

  async #retire(pool: Pool): Promise<void> {
    this.#leaving.add(pool)
    await pool.drain()
    this.#leaving.delete(pool)
  }

  /** The budget is spent and somebody starves: the longest idle connection of all goes. Its end frees the place. */
  #makeRoom(): void {
    if (!this.#budget.needsEviction) return
    let victim: Pool | undefined
    for (const pool of this.#all()) {
      if (pool.idleSince < (victim?.idleSince ?? Infinity)) victim = pool
    }
    victim?.evictIdle() // when none is idle, the first that becomes so goes (settle.ts)
  }

  #makeRoomForOrigin(origin: Origin): void {
    if (this.#maxOrigins === 0 || this.#pools.size < this.#maxOrigins) return
    let victim: [string, Pool] | undefined
    for (const entry of this.#pools) {
      if (entry[1].isUnused && entry[1].lastUsedAt < (victim?.[1].lastUsedAt ?? Infinity)) victim = entry
    }
    if (victim === undefined) {
      throw new TransportError(
        'MM_QUEUE_FULL',
        `${origin.key}: every one of ${this.#pools.size} origins is busy (limits.maxOrigins = ${this.#maxOrigins}); raise limits.maxOrigins`,
      )
    }
    this.#pools.delete(victim[0])
    this.#onEvicted(victim[0])
    void this.#retire(victim[1])
  }
}
