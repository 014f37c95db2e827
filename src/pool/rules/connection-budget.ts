/** A pool that waits for a place in the budget. */
export interface BudgetClient {
  /** A place is free and kept for this pool: it may call tryTake() once, now. */
  onBudgetAvailable(): void
}

/** What an operator knows a limit by. */
export interface LimitName {
  readonly option: string
  /** Who has reached it. */
  readonly whose: string
}

const OF_ALL: LimitName = { option: 'limits.maxTotalConnections', whose: 'all origins together' }

/**
 * A limit on the connections of several pools: `maxConnections` over the pools of one origin, and within
 * `parent`, if there is one, `limits.maxTotalConnections` over those of all origins. Places are taken for
 * dials and given back when a connection is gone. A pool that finds none queues: the queue comes first.
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
  /**
   * Of all connections, those that were set aside included: what the origin is protected by. May be changed
   * at any time; pools that have more give up idle ones. Infinity: none.
   */
  ceiling = Infinity
  /** What the origin bears in all, of which `ceiling` may be a share: other processes have the rest. */
  wholeCeiling = Infinity
  /** Somebody has begun to starve: the owner of the pools evicts an idle connection while `needsEviction`. */
  onStarving: ((client: BudgetClient) => void) | undefined
  /** `holds` has changed, or somebody starves. */
  onChange: (() => void) | undefined
  readonly name: LimitName
  readonly #parent: ConnectionBudget | undefined
  readonly #starving = new Set<BudgetClient>()
  #inUse = 0
  #aside = 0
  #leaving = 0
  #lingering = 0
  #reserved = false
  #isServing = false

  constructor(limit: number, stalledLimit = Infinity, parent?: ConnectionBudget, name = OF_ALL) {
    this.limit = limit
    this.name = name
    this.stalledLimit = stalledLimit
    this.onStarving = undefined
    this.onChange = undefined
    this.#parent = parent
  }

  /** All connections, those that were set aside included. */
  get inUse(): number {
    return this.#inUse
  }

  /** This limit alone leaves no place for one that counts. */
  get isReached(): boolean {
    return this.isCeilingReached || (this.limit > 0 && this.#inUse - this.#aside >= this.limit)
  }

  /** Connections as the origin has them: those in use, and those that are closed but for their sockets. */
  get holds(): number {
    return this.#inUse + this.#lingering
  }

  /** The ceiling leaves no place, here. */
  get isCeilingReached(): boolean {
    return this.holds >= this.ceiling
  }

  /** There is a ceiling, here or above. */
  get hasCeiling(): boolean {
    return this.ceiling < Infinity || this.#parent?.hasCeiling === true
  }

  /**
   * Whose ceiling leaves no place, of this one and those above. Undefined: another limit is in the way, or
   * none.
   */
  get reachedCeiling(): ConnectionBudget | undefined {
    return this.isCeilingReached ? this : this.#parent?.reachedCeiling
  }

  /** No place is left for one that counts. */
  get isFull(): boolean {
    return this.reached !== undefined
  }

  /** Which limit leaves no place for one that counts, of this one and those above. */
  get reached(): ConnectionBudget | undefined {
    return this.isReached ? this : this.#parent?.reached
  }

  /** What it gives depends on what others have. */
  get isLimited(): boolean {
    return this.limit > 0 || this.ceiling < Infinity || this.#parent?.isLimited === true
  }

  /** One more may be set aside. */
  get hasStalledPlace(): boolean {
    return this.#aside < this.stalledLimit && this.#parent?.hasStalledPlace !== false
  }

  /** Pools that wait for a place, here and above. */
  get starving(): number {
    return this.#starving.size + (this.#parent?.starving ?? 0)
  }

  /** How many more connections may be set aside, as far as this limit goes. */
  get stalledPlaces(): number {
    return Math.max(0, this.stalledLimit - this.#aside)
  }

  /** A place in one of the limits is wanted by others than those who have it. */
  get needsEviction(): boolean {
    return this.mustEvict || this.#parent?.needsEviction === true
  }

  /** Of this limit alone: more pools starve than places are free, or about to become free. */
  get mustEvict(): boolean {
    if (this.isOver) return true
    // A place that was given back a moment ago is on its way to somebody: without it, one who starves would
    // cost all idle ones.
    const belowLimit = this.limit > 0 ? this.limit - this.#inUse + this.#aside : Infinity
    const places = Math.min(this.ceiling - this.holds, belowLimit)
    return this.#starving.size > this.#leaving + this.#lingering + Math.max(0, places)
  }

  /** There are more connections than the ceiling allows, those that are closing left out. */
  get isOver(): boolean {
    return this.#inUse - this.#leaving > this.ceiling
  }

  /** Takes a place. False: none is free, or those that are belong to pools that wait for longer. */
  tryTake(): boolean {
    if (!this.#mayTake || this.#parent?.tryTake() === false) return false
    this.#reserved = false
    this.#inUse += 1
    this.onChange?.()
    return true
  }

  release(): void {
    this.#inUse -= 1
    this.#parent?.release()
    this.onChange?.()
  }

  /** A connection that has a place is set aside (1), or counts again (-1). */
  addAside(change: 1 | -1): void {
    this.#aside += change
    this.#parent?.addAside(change)
  }

  /** Counts places that are about to be released: connections that are closing. */
  addLeaving(change: 1 | -1): void {
    this.#leaving += change
    this.#parent?.addLeaving(change)
  }

  /** A connection is closed but for its socket (1), or that as well (-1): a ceiling counts sockets. */
  addLingering(change: 1 | -1): void {
    if (this.ceiling < Infinity) this.#lingering += change
    this.#parent?.addLingering(change)
    this.onChange?.()
  }

  /** Queues the pool where it found no place; it is notified of the next free one in its turn. */
  starve(client: BudgetClient): void {
    if (this.#parent !== undefined && this.#mayTake) {
      this.#parent.starve(client)
      return
    }
    this.#starving.add(client)
    this.onStarving?.(client)
    this.onChange?.()
  }

  /** The pool needs no place any more. */
  forget(client: BudgetClient): void {
    this.#starving.delete(client)
    this.#parent?.forget(client)
  }

  /**
   * Hands free places to those who starve, one each, in order. For drivers, when their own state is settled.
   */
  serve(): void {
    if (this.#isServing) return // (called from onBudgetAvailable: the loop below goes on)
    this.#isServing = true
    try {
      while (!this.isReached) {
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
    this.#parent?.serve()
  }

  /** As far as this limit goes, and those who wait for it. */
  get #mayTake(): boolean {
    return !this.isReached && (this.#reserved || this.#starving.size === 0)
  }
}
