/**
 * How many connections are to be there whether or not anybody waits: the warm level, and what a preconnect()
 * under way wants. The warm ones are checked in periods.
 */
export class WarmLevel {
  readonly #checkMs: number
  #connections: number
  #checkAt = Infinity
  #preconnect = 0

  /** `checkMs` 0: they are not checked. */
  constructor(connections: number, checkMs: number) {
    this.#connections = connections
    this.#checkMs = checkMs
  }

  /** Connections that are kept ready. */
  get connections(): number {
    return this.#connections
  }

  /** Connections that are to be there now. */
  get target(): number {
    return Math.max(this.#connections, this.#preconnect)
  }

  /** Connections that a preconnect() under way wants. */
  get preconnects(): number {
    return this.#preconnect
  }

  get checkMs(): number {
    return this.#checkMs
  }

  /** When the warm connections are checked next; Infinity: never. */
  get checkAt(): number {
    return this.#checkAt
  }

  /** Another level. Answers whether it sinks. */
  change(connections: number, now: number): boolean {
    const sinks = connections < this.#connections
    this.#connections = connections
    this.startChecks(now)
    return sinks
  }

  startChecks(now: number): void {
    if (this.#connections === 0 || this.#checkMs === 0) this.#checkAt = Infinity
    else if (this.#checkAt === Infinity) this.#checkAt = now + this.#checkMs
  }

  /** Whether they are to be checked now; the next check is a period later. */
  takeCheck(now: number): boolean {
    if (now < this.#checkAt) return false
    this.#checkAt = now + this.#checkMs
    return true
  }

  /** `connections` are to be there until endPreconnect(). */
  preconnect(connections: number): void {
    this.#preconnect = Math.max(this.#preconnect, connections)
  }

  endPreconnect(): void {
    this.#preconnect = 0
  }
}
