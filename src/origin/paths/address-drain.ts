import type { Clock, Timer } from '../../base/clock.ts'
import type { Connection } from '../../base/events/connection.ts'
import { guardedPromise } from '../../base/guard.ts'
import type { Resolution, Resolver } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { Pool } from '../../pool/pool.ts'
import { AddressChanges, drainStep } from '../../select/address-changes.ts'
import { alternativeKey } from '../../select/evidence/alternative-sets.ts'
import type { KnownFact } from '../../select/evidence/evidence.ts'
import type { Lanes } from '../lanes/lanes.ts'

/** A name that connections of the origin were made to. */
export interface DrainedName {
  readonly name: string
  resolve(signal: AbortSignal): Promise<Resolution>
  /** Whether the connection was made to an address of it. */
  has(connection: Connection): boolean
}

/** What is asked of the pools of an origin. */
export type DrainedPool = Pick<
  Pool,
  'connections' | 'live' | 'size' | 'counted' | 'lastUsedAt' | 'retire' | 'preconnect' | 'stats'
>

interface AddressDrainParts {
  readonly clock: Clock
  /** How often names are looked up while there is traffic; 0: never. */
  readonly refreshMs: number
  readonly names: () => readonly DrainedName[]
  readonly pools: () => readonly DrainedPool[]
  /** Of one pool; 0: any number. */
  readonly maxConnections: number
}

/**
 * Between two steps: at most a tenth of the connections, and one at the least, is drained per second
 * (drainStep).
 */
const STEP_MS = 1_000
/**
 * Answers count when they are at least this share of the interval apart: timers are late, and early by a
 * millisecond.
 */
const COUNTED_SHARE = 0.5
/** Where the operator says what the addresses are, they do not change. */
/** What was asked for just now. */
const ANSWER_SOURCES: readonly string[] = ['system', 'hosts', 'dns']
const FIXED_SOURCES: readonly string[] = ['literal', 'endpoints', 'override']

interface Watched {
  readonly changes: AddressChanges
  isFixed: boolean
}

/**
 * Looks up the names of an origin again while its connections carry traffic, and drains those whose address
 * has left the answers (AddressChanges says when that is). Nothing is asked for an origin without connections
 * or without requests since the last look.
 */
export class AddressDrain {
  readonly #parts: AddressDrainParts
  readonly #watched = new Map<string, Watched>()
  /** Of those that are draining for it. */
  readonly #drained = new WeakSet<Connection>()
  /** Pools that were asked for a connection in place of leaving ones, since the last answer. */
  #replacements = new Map<DrainedPool, 'asked' | 'made' | 'failed'>()
  readonly #abort = new AbortController()
  #timer: Timer | undefined
  #stepTimer: Timer | undefined
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(parts: AddressDrainParts) {
    this.#parts = parts
  }

  /** A connection is open. */
  onConnected(): void {
    if (this.#timer === undefined && this.#parts.refreshMs > 0 && !this.#abort.signal.aborted) this.#arm()
  }

  onNetworkChanged(): void {
    for (const { changes } of this.#watched.values()) changes.reset()
    this.#stepTimer?.cancel()
    this.#stepTimer = undefined
  }

  /** For `explain`. */
  facts(): KnownFact[] {
    const gone = new Set<string>()
    for (const pool of this.#parts.pools()) {
      for (const connection of pool.connections())
        if (this.#drained.has(connection)) gone.add(connection.endpoint.address)
    }
    return Array.from(gone, address => ({
      fact: `connections to ${address} are drained`,
      evidence: 'the address has left the DNS answers',
    }))
  }

  close(): void {
    this.#abort.abort()
    this.#timer?.cancel()
    this.#stepTimer?.cancel()
  }

  #arm(): void {
    const { clock, refreshMs } = this.#parts
    this.#timer = clock.setTimer(refreshMs, () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = undefined
    const { clock, names, pools } = this.#parts
    const all = pools()
    // The next connection starts it again.
    if (!all.some(pool => pool.size > 0)) return
    this.#arm()
    if (!all.some(pool => pool.lastUsedAt >= this.#askedAt)) return
    const now = clock.now()
    this.#askedAt = now
    const inUse = names()
    for (const name of this.#watched.keys())
      if (!inUse.some(used => used.name === name)) this.#watched.delete(name)
    for (const name of inUse) guardedPromise('asking for addresses', this.#ask(name, now))
  }

  async #ask(name: DrainedName, now: number): Promise<void> {
    const watched = this.#watchedOf(name.name)
    if (watched.isFixed) return
    let resolution: Resolution
    try {
      resolution = await name.resolve(this.#abort.signal)
    } catch {
      return // a failure says nothing of any address
    }
    if (this.#abort.signal.aborted) return
    watched.isFixed = FIXED_SOURCES.includes(resolution.source)
    // What comes from the cache, or from hints, is not what the DNS says now; what one family of two says is
    // not all.
    if (!ANSWER_SOURCES.includes(resolution.source)) return
    watched.changes.onAnswer(
      resolution.addresses.map(({ address }) => address),
      now,
    )
    this.#replacements = new Map()
    if (this.#stepTimer === undefined) this.#step()
  }

  #watchedOf(name: string): Watched {
    let watched = this.#watched.get(name)
    if (watched === undefined) {
      const intervalMs = this.#parts.refreshMs * COUNTED_SHARE
      watched = { changes: new AddressChanges({ intervalMs }), isFixed: false }
      this.#watched.set(name, watched)
    }
    return watched
  }

  #step(): void {
    this.#stepTimer = undefined
    const names = this.#parts.names()
    let isUnfinished = false
    for (const pool of this.#parts.pools()) isUnfinished = this.#stepPool(pool, names) || isUnfinished
    if (isUnfinished) this.#stepTimer = this.#parts.clock.setTimer(STEP_MS, () => this.#step())
  }

  /** True: there is more to do. */
  #stepPool(pool: DrainedPool, names: readonly DrainedName[]): boolean {
    const { clock, refreshMs, maxConnections } = this.#parts
    const open = [...pool.connections()]
    const leaving = open.filter(
      connection =>
        // What takes no requests any more, such as a tunnel, cannot be hurried.
        connection.endedBy === undefined &&
        !this.#drained.has(connection) &&
        this.#hasLeft(connection, names),
    )
    const replacement = this.#replacements.get(pool)
    if (leaving.length === 0) return false
    if (replacement === 'asked') return true
    const step = drainStep({
      open: open.length,
      leaving: leaving.length,
      serving: pool.live,
      waiters: pool.stats().waiters,
      hasRoom: replacement !== 'made' && (maxConnections === 0 || pool.counted < maxConnections),
      isInUse: clock.now() - pool.lastUsedAt < refreshMs,
      cannotReplace: replacement === 'failed',
    })
    if (step.kind === 'wait') return false
    if (step.kind === 'replace') this.#replace(pool)
    else {
      for (const connection of leaving.slice(0, step.connections)) {
        this.#drained.add(connection)
        pool.retire(connection, 'address-gone')
      }
    }
    return step.kind === 'replace' || leaving.length > step.connections
  }

  #hasLeft(connection: Connection, names: readonly DrainedName[]): boolean {
    // RFC 8336 2.4: for whom an ORIGIN frame named, what the DNS says counts no more.
    if (connection.sharedBy?.isByOriginSet === true) return false
    const name = names.find(candidate => candidate.has(connection))
    const watched = name === undefined ? undefined : this.#watched.get(name.name)
    return watched?.changes.hasLeft(connection.endpoint.address) === true
  }

  #replace(pool: DrainedPool): void {
    const replacements = this.#replacements
    replacements.set(pool, 'asked')
    pool.preconnect(pool.live + 1).then(
      () => replacements.set(pool, 'made'),
      () => replacements.set(pool, 'failed'),
    )
  }
}

/**
 * The names that the connections of an origin were made to: its own, and that of the alternative that HTTP/3
 * goes to now, where that is another one.
 */
export function drainedNames(origin: Origin, resolver: Resolver, lanes: Lanes, clock: Clock): DrainedName[] {
  const own: DrainedName = {
    name: origin.host,
    resolve: signal => resolver.resolve(origin.host, signal),
    has: connection => hostOf(connection, origin) === origin.host,
  }
  const http3 = Array.from(lanes).find(({ name }) => name === 'h3')
  const alternative = http3?.connector.alternative(clock.now())
  if (http3 === undefined || alternative === undefined || alternative.host === origin.host) return [own]
  const key = alternativeKey(alternative)
  return [
    own,
    {
      name: key,
      resolve: signal => http3.connector.resolveAlternative(alternative, signal),
      has: connection => connection.altUsed === key,
    },
  ]
}

function hostOf({ altUsed }: Connection, origin: Origin): string {
  return altUsed === undefined ? origin.host : altUsed.slice(0, altUsed.lastIndexOf(':'))
}
