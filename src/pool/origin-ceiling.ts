import type { ProtectionOptions } from '../base/options/protection-options.ts'
import { evictLongestIdle } from './make-room.ts'
import type { Pool } from './pool.ts'
import { ConnectionBudget } from './rules/connection-budget.ts'

/** Who keeps what this process may have of a ceiling that others share. */
export interface CeilingShare {
  /** The ceiling, and what of it a host may have while nobody says how much. */
  configure(maxConnections: number, floor: number): void
  /** What is held of the ceiling, or wanted, may have changed. Called often. */
  look(): void
  /** Nothing is held any more, and nothing will be. */
  leave(): void
}

/**
 * A ceiling for all connections of an origin, over all its pools: those of now, and those that a new
 * configuration has replaced and that end with their exchanges. Where other processes share it, this one may
 * have what set() says, which is nothing at first.
 */
export class OriginCeiling {
  /** Of which the budgets of the origin's pools take their places. */
  readonly budget: ConnectionBudget
  readonly #pools = new Set<Pool>()
  readonly #onUnused: () => void
  #share: CeilingShare | undefined
  #hasHadPools = false

  /**
   * `total`: of all origins. Nothing may be had before `configure`. `onUnused`: neither a pool nor a socket
   * is left.
   */
  constructor(total: ConnectionBudget, onUnused: () => void) {
    this.#onUnused = onUnused
    this.#share = undefined
    this.budget = new ConnectionBudget(0, Infinity, total)
    this.budget.ceiling = 0
    this.budget.onChange = () => this.#look()
    this.budget.onStarving = client => {
      if (this.budget.mustEvict) evictLongestIdle([...this.#pools].filter(pool => pool !== client))
    }
  }

  /** Others have a part in it: `share` says from now on how much of it is ours. */
  shareWith(share: CeilingShare): void {
    this.#share = share
  }

  /** See ProtectionOptions. */
  configure({ maxConnections, floor }: Pick<ProtectionOptions, 'maxConnections' | 'floor'>): void {
    this.budget.wholeCeiling = maxConnections
    if (this.#share === undefined) this.set(maxConnections)
    else this.#share.configure(maxConnections, floor)
  }

  add(pool: Pool): void {
    this.#pools.add(pool)
    this.#hasHadPools = true
  }

  delete(pool: Pool): void {
    this.#pools.delete(pool)
    this.#look()
  }

  get isReached(): boolean {
    return this.budget.isCeilingReached
  }

  /** Connections from the beginning of a connect until their sockets are closed. */
  get holds(): number {
    return this.budget.holds
  }

  /** Connections that there is a use for now. */
  get wants(): number {
    let wants = 0
    for (const pool of this.#pools) wants += pool.wanted
    return wants
  }

  /**
   * So many may be had from now on. Where there are more, idle ones end now and others when they become idle.
   */
  set(limit: number): void {
    this.budget.ceiling = limit
    while (this.budget.isOver && evictLongestIdle(this.#pools));
    this.budget.serve()
  }

  #look(): void {
    if (this.#pools.size > 0 || this.holds > 0 || !this.#hasHadPools) this.#share?.look()
    else {
      this.#share?.leave()
      this.#onUnused()
    }
  }
}
