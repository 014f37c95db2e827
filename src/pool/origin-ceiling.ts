import { evictLongestIdle } from './make-room.ts'
import type { Pool } from './pool.ts'
import { ConnectionBudget } from './rules/connection-budget.ts'

/**
 * A ceiling for all connections of an origin, over all its pools: those of now, and those that a new
 * configuration has replaced and that end with their exchanges.
 */
export class OriginCeiling {
  /** Of which the budgets of the origin's pools take their places. */
  readonly budget: ConnectionBudget
  readonly #pools = new Set<Pool>()
  readonly #onUnused: () => void

  /** `total`: of all origins. 0 before `set`. `onUnused`: neither a pool nor a socket is left. */
  constructor(total: ConnectionBudget, onUnused: () => void) {
    this.#onUnused = onUnused
    this.budget = new ConnectionBudget(0, Infinity, total)
    this.budget.ceiling = 0
    this.budget.onChange = () => this.#look()
    this.budget.onStarving = client => {
      if (this.budget.mustEvict) evictLongestIdle([...this.#pools].filter(pool => pool !== client))
    }
  }

  add(pool: Pool): void {
    this.#pools.add(pool)
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

  /** The new limit. Above it idle ones end now, and others when they become idle. */
  set(limit: number): void {
    this.budget.ceiling = limit
    while (this.budget.isOver && evictLongestIdle(this.#pools));
    this.budget.serve()
  }

  #look(): void {
    if (this.#pools.size === 0 && this.holds === 0) this.#onUnused()
  }
}
