/** A pool that waits for a place in the budget. */
export interface BudgetClient {
  /** A place is free and kept for this pool: it may call tryTake() once, now. */
  onBudgetAvailable(): void
}

/**
 * The limit on connections over all pools. Places are taken for dials and given back when a connection is
 * gone. A pool that finds none queues; places go to the queue first. A pool alone (an embedder's, a test's)
 * has a budget of its own.
 */
export class ConnectionBudget {
  /**
   * 0: no limit. May be changed at any time; connections above a lowered limit are not closed, but not
   * replaced either.
   */
  limit: number
  /**
   * Of connections that were set aside (see stalled.ts), which have no part in `limit`. May be changed as
   * well.
   */
  stalledLimit: number
  /** Somebody has begun to starve: the owner of all pools evicts an idle connection while `needsEviction`. */
  onStarving: (() => void) | undefined
  readonly #starving = new Set<BudgetClient>()
  #inUse = 0
  #aside = 0
  #leaving = 0
  #reserved = false
  #isServing = false

  constructor(limit: number, stalledLimit = Infinity) {
    this.limit = limit
    this.stalledLimit = stalledLimit
    this.onStarving = undefined
  }

  /** All connections, those that were set aside included. */
  get inUse(): number {
    return this.#inUse
  }

  /** No place is left for one that counts. */
  get isFull(): boolean {
    return this.limit > 0 && this.#inUse - this.#aside >= this.limit
  }

  /** One more may be set aside. */
  get hasStalledPlace(): boolean {
    return this.#aside < this.stalledLimit
  }

  get starving(): number {
    return this.#starving.size
  }

  /** More pools starve than places are free, or about to become free. */
  get needsEviction(): boolean {
    // A place that was given back a moment ago is on its way to somebody: without it, one who starves would
    // cost all idle ones.
    return this.#starving.size > this.#leaving + Math.max(0, this.limit - this.#inUse + this.#aside)
  }

  /** Takes a place. False: none is free, or those that are belong to pools that wait for longer. */
  tryTake(): boolean {
    if (this.isFull) return false
    if (this.#reserved) this.#reserved = false
    else if (this.#starving.size > 0) return false
    this.#inUse += 1
    return true
  }

  release(): void {
    this.#inUse -= 1
  }

  /** A connection that has a place is set aside (1), or counts again (-1). */
  addAside(change: 1 | -1): void {
    this.#aside += change
  }

  /** Counts places that are about to be released: connections that are closing. */
  addLeaving(change: 1 | -1): void {
    this.#leaving += change
  }

  /** Queues the pool; it is notified of the next free place in its turn. */
  starve(client: BudgetClient): void {
    this.#starving.add(client)
    this.onStarving?.()
  }

  /** The pool needs no place any more. */
  forget(client: BudgetClient): void {
    this.#starving.delete(client)
  }

  /**
   * Hands free places to those who starve, one each, in order. For drivers, when their own state is settled.
   */
  serve(): void {
    if (this.#isServing) return // (called from onBudgetAvailable: the loop below goes on)
    this.#isServing = true
    try {
      while (!this.isFull) {
        const [client] = this.#starving
        if (client === undefined) break
        this.#starving.delete(client)
        this.#reserved = true
        client.onBudgetAvailable()
        this.#reserved = false
      }
    } finally {
      this.#reserved = false
      this.#isServing = false
    }
  }
}
