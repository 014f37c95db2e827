/** How many defects a process lives through. */
export interface FaultBudgetOptions {
  /** Defects within `windowMs` with which the process is given up. 0: never. */
  readonly maxFaults: number
  readonly windowMs: number
}

/**
 * Whether a process that has met a defect goes on. One may have broken a single exchange; many in a short
 * time say that more is broken than can be seen, and then a new process is better than this one.
 */
export class FaultBudget {
  /** When the latest ones came, the oldest first; `maxFaults` at the most. */
  #times: number[] = []

  /** One more. True: it is one too many. */
  spend(now: number, { maxFaults, windowMs }: FaultBudgetOptions): boolean {
    if (maxFaults === 0) return false
    this.#times = [...this.#times, now].slice(-maxFaults)
    const [oldest = now] = this.#times
    return this.#times.length === maxFaults && now - oldest <= windowMs
  }
}
