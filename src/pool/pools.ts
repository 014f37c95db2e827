import { TransportError } from '../base/errors.ts'
import { guardedPromise } from '../base/guard.ts'
import { type Origin, originUrl } from '../base/http/origin.ts'
import type { ProtectionOptions } from '../base/options/protection-options.ts'
import type { GlobalLimits } from '../base/options/transport-options.ts'
import { makeRoom } from './make-room.ts'
import { type CeilingShare, OriginCeiling } from './origin-ceiling.ts'
import { Pool } from './pool.ts'
import type { PoolConfig } from './pool-driver.ts'
import { ConnectionBudget, type LimitName } from './rules/connection-budget.ts'

/** What a pool needs beside what they all share. */
export interface OwnPoolConfig extends Omit<PoolConfig, 'origin' | 'budget'> {
  /** `maxConnections` of 0, or left out: none. That of the first pool holds for all of the origin. */
  readonly protection?: Pick<ProtectionOptions, 'maxConnections' | 'floor'>
  /** The pools of the origin with the same key have one further limit together. */
  readonly within?: PoolPart | undefined
}

/** Some of the pools of an origin. */
export interface PoolPart {
  readonly key: string
  /** 0: no limit. */
  readonly maxConnections: number
  readonly name: LimitName
}

/** Pools that share a limit. */
interface SharedLimit {
  readonly pools: Pool[]
  readonly budget: ConnectionBudget
}

const OF_ORIGIN: LimitName = { option: 'pool.maxConnections', whose: 'the pools of the origin together' }

/**
 * The pools of one origin: the one that add() made, and behind it those beside it, which go when it goes.
 * `maxConnections` of the origin is one limit for all of them.
 */
interface OriginPools extends SharedLimit {
  /** The one that add() made, though it may have been taken out of use since. */
  first: Pool | undefined
  /** Those that were taken out of use one by one, until they are empty. */
  readonly leaving: Set<Pool>
  /** Limits of parts of them. */
  readonly parts: Map<string, SharedLimit>
  readonly ceiling: OriginCeiling | undefined
}

/** All pools, any number for each origin, under the limits that they share. */
export class Pools {
  readonly #origins = new Map<string, OriginPools>()
  /** Taken out of use, and not empty yet. */
  readonly #leaving = new Set<Pool>()
  readonly #ceilings = new Map<string, OriginCeiling>()
  readonly #budget: ConnectionBudget
  readonly #onEvicted: (key: string) => void
  readonly #shareOf: ((key: string, ceiling: OriginCeiling) => CeilingShare) | undefined
  #maxOrigins: number
  #isClosed = false

  /**
   * `onEvicted` is notified of the origin whose pools made room for another one's. `shareOf`: what keeps our
   * share of an origin's ceiling, where other processes have a part in it; left out: all of it is ours.
   */
  constructor(
    limits: GlobalLimits,
    onEvicted: (key: string) => void,
    shareOf?: (key: string, ceiling: OriginCeiling) => CeilingShare,
  ) {
    this.#shareOf = shareOf
    this.#budget = new ConnectionBudget(limits.maxTotalConnections, limits.maxStalledConnections)
    this.#budget.onStarving = () => this.#makeRoom()
    this.#maxOrigins = limits.maxOrigins
    this.#onEvicted = onEvicted
  }

  /** Connections of all pools, those that are being made or ended included. */
  get totalConnections(): number {
    return this.#budget.inUse
  }

  /** Another connection takes the end of one. */
  get isFull(): boolean {
    return this.#budget.isFull
  }

  /** Another origin takes the place of one. */
  get areAllOrigins(): boolean {
    return this.#maxOrigins > 0 && this.#origins.size >= this.#maxOrigins
  }

  /** Of an origin that is protected. */
  ceilingOf(key: string): OriginCeiling | undefined {
    return this.#origins.get(key)?.ceiling
  }

  /**
   * Makes the first pool of an origin that has none. Throws MM_TRANSPORT_CLOSED when closed or draining, and
   * MM_QUEUE_FULL when limits.maxOrigins is reached and none can go.
   */
  add(origin: Origin, config: OwnPoolConfig): Pool {
    if (this.#isClosed)
      throw new TransportError('MM_TRANSPORT_CLOSED', 'the transport was closed or is draining')
    this.#makeRoomForOrigin(origin)
    const ceiling = this.#ceilingFor(origin, config.protection)
    const parent = ceiling?.budget ?? this.#budget
    const limit = sharedLimit(config.options.maxConnections, config, parent, OF_ORIGIN)
    const made: OriginPools = { ...limit, first: undefined, leaving: new Set(), parts: new Map(), ceiling }
    const pool = addPool(made, origin, config)
    made.first = pool
    this.#origins.set(origin.key, made)
    return pool
  }

  /**
   * Makes one more pool of an origin, for what the connections of the others cannot carry or are not to
   * carry. `first` is the one that add() made; undefined when that is going away, so that its exchanges must
   * do with what they have.
   */
  addBeside(first: Pool, origin: Origin, config: OwnPoolConfig): Pool | undefined {
    const known = this.#origins.get(origin.key)
    if (this.#isClosed || known?.first !== first) return undefined
    return addPool(known, origin, config)
  }

  /**
   * Takes one of an origin's pools out of use, while others go on: it serves who is there and closes.
   * Resolves when it is empty.
   */
  async removeBeside(origin: Origin, pool: Pool): Promise<void> {
    const known = this.#origins.get(origin.key)
    if (known?.pools.includes(pool) === true) {
      takeOut(known.pools, pool)
      for (const [name, part] of known.parts) {
        takeOut(part.pools, pool)
        if (part.pools.length === 0) known.parts.delete(name)
      }
      known.leaving.add(pool)
    }
    const ceiling = known?.ceiling ?? this.#ceilings.get(originUrl(origin))
    await this.#retire({ pools: [pool], ceiling })
    known?.leaving.delete(pool)
  }

  /** Takes the origin's pools out of use: they serve who waits and close. Others may be added. */
  async remove(key: string): Promise<void> {
    await this.#retire(this.#take(key))
  }

  /** New limits. What is above them ends by itself. */
  setLimits(limits: GlobalLimits): void {
    this.#budget.limit = limits.maxTotalConnections
    this.#budget.stalledLimit = limits.maxStalledConnections
    this.#maxOrigins = limits.maxOrigins
    this.#budget.serve()
  }

  /** No new leases; resolves when every exchange has ended and every connection is closed. */
  async drain(): Promise<void> {
    this.#isClosed = true
    await drainTogether([...this.#all()])
  }

  /** Ends everything now. */
  async close(reason: TransportError): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#all()].map(pool => pool.close(reason)))
  }

  assertConsistent(): void {
    for (const pool of this.#all()) pool.assertConsistent()
  }

  /** One for the pools of now and those that they replace. */
  #ceilingFor(origin: Origin, protection: OwnPoolConfig['protection']): OriginCeiling | undefined {
    if (protection === undefined || protection.maxConnections === 0) return undefined
    // However it is reached, it is one.
    const key = originUrl(origin)
    const ceiling = this.#ceilings.get(key) ?? this.#addCeiling(key)
    ceiling.configure(protection)
    return ceiling
  }

  #addCeiling(key: string): OriginCeiling {
    const ceiling = new OriginCeiling(this.#budget, () => this.#ceilings.delete(key))
    if (this.#shareOf !== undefined) ceiling.shareWith(this.#shareOf(key, ceiling))
    this.#ceilings.set(key, ceiling)
    return ceiling
  }

  *#all(): Iterable<Pool> {
    for (const { pools } of this.#origins.values()) yield* pools
    yield* this.#leaving
  }

  /** The pools of an origin, which are its pools no more. */
  #take(key: string): Pick<OriginPools, 'pools' | 'ceiling'> {
    const { pools = [], leaving = [], ceiling } = this.#origins.get(key) ?? {}
    this.#origins.delete(key)
    return { pools: [...pools, ...leaving], ceiling }
  }

  async #retire({ pools, ceiling }: Pick<OriginPools, 'pools' | 'ceiling'>): Promise<void> {
    for (const pool of pools) this.#leaving.add(pool)
    await drainTogether(pools)
    for (const pool of pools) {
      this.#leaving.delete(pool)
      ceiling?.delete(pool)
    }
  }

  /**
   * The budget is spent and somebody starves: the longest idle connection of all goes. Its end frees the
   * place.
   */
  #makeRoom(): void {
    if (this.#budget.mustEvict) makeRoom(this.#all())
  }

  #makeRoomForOrigin(origin: Origin): void {
    if (!this.areAllOrigins) return
    let victim: string | undefined
    let victimUsedAt = Infinity
    for (const [key, { pools }] of this.#origins) {
      if (!pools.every(pool => pool.isUnused)) continue
      const usedAt = Math.max(...pools.map(pool => pool.lastUsedAt))
      if (usedAt >= victimUsedAt) continue
      victim = key
      victimUsedAt = usedAt
    }
    if (victim === undefined) {
      throw new TransportError(
        'MM_QUEUE_FULL',
        `${origin.key}: every one of ${this.#origins.size} origins is busy (limits.maxOrigins = ${this.#maxOrigins}); raise limits.maxOrigins`,
      )
    }
    const taken = this.#take(victim)
    this.#onEvicted(victim)
    guardedPromise('the end of a pool', this.#retire(taken))
  }
}

function takeOut(pools: Pool[], pool: Pool): void {
  const at = pools.indexOf(pool)
  if (at >= 0) pools.splice(at, 1)
}

/** Where it is reached, the other pools that share it give what they can spare. */
function sharedLimit(
  maxConnections: number,
  { options }: OwnPoolConfig,
  parent: ConnectionBudget,
  name: LimitName,
): SharedLimit {
  const budget = new ConnectionBudget(maxConnections, options.maxStalledConnections, parent, name)
  const pools: Pool[] = []
  budget.onStarving = client => {
    if (budget.mustEvict) makeRoom(pools.filter(pool => pool !== client))
  }
  return { pools, budget }
}

function addPool(known: OriginPools, origin: Origin, config: OwnPoolConfig): Pool {
  const part = partOf(known, config)
  const pool = new Pool({ ...config, origin, budget: part?.budget ?? known.budget })
  known.pools.push(pool)
  part?.pools.push(pool)
  known.ceiling?.add(pool)
  return pool
}

function partOf({ parts, budget }: OriginPools, config: OwnPoolConfig): SharedLimit | undefined {
  const { within } = config
  if (within === undefined || within.maxConnections === 0) return undefined
  const { key, maxConnections, name } = within
  const part = parts.get(key) ?? sharedLimit(maxConnections, config, budget, name)
  parts.set(key, part)
  return part
}

/**
 * What leaves one pool may come back in another one of its origin (another lane, a detour): empty is when all
 * are.
 */
async function drainTogether(pools: readonly Pool[]): Promise<void> {
  do await Promise.all(pools.map(pool => pool.drain()))
  while (!pools.every(pool => pool.isEmpty))
}
