/**
 * How many connections are to be there whether or not anybody waits: the warm level, which is a floor and
 * what the demand needs above it, and what a preconnect() under way wants. Warm ones are checked in periods.
 */
export class WarmLevel {
  readonly #checkMs: number
  #floor: number
  #demand = 0
  #checkAt = Infinity
  #preconnect = 0

  /** `checkMs` 0: they are not checked. */
  constructor(floor: number, checkMs: number) {
    this.#floor = floor
    this.#checkMs = checkMs
  }

  /** Connections that are kept ready. */
  get connections(): number {
    return Math.max(this.#floor, this.#demand)
  }

  /** Of these, those that are kept ready whatever the demand. */
  get floor(): number {
    return this.#floor
  }

  /** Connections that are to be there now. */
  get target(): number {
    return Math.max(this.#floor, this.#demand, this.#preconnect)
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

  /** Another floor. Answers whether the level sinks. */
  changeFloor(connections: number, now: number): boolean {
    const before = this.connections
    this.#floor = connections
    this.startChecks(now)
    return this.connections < before
  }

  /** The demand needs so many. Answers whether the level sinks. */
  changeDemand(connections: number, now: number): boolean {
    const before = this.connections
    this.#demand = connections
    this.startChecks(now)
    return this.connections < before
  }

  startChecks(now: number): void {
    if (this.connections === 0 || this.#checkMs === 0) this.#checkAt = Infinity
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
