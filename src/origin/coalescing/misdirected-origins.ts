/** How long an origin that answered 421 to a shared connection has connections of its own. */
const AVOIDED_MS = 3_600_000
/** The one that was told of first makes room. */
const MAX_ORIGINS = 1024

/** Origins that answered 421 (RFC 9110 15.5.20) to a request over another origin's connection, for a while. */
export class MisdirectedOrigins {
  /** By origin key, when each is forgotten; in order of these times. */
  readonly #until = new Map<string, number>()

  add(origin: string, now: number): void {
    this.#until.delete(origin)
    this.#until.set(origin, now + AVOIDED_MS)
    if (this.#until.size <= MAX_ORIGINS) return
    for (const first of this.#until.keys()) {
      this.#until.delete(first)
      return
    }
  }

  /** For how long it is still left alone, in ms; 0: it is not. */
  leftMs(origin: string, now: number): number {
    const until = this.#until.get(origin)
    if (until === undefined) return 0
    if (until > now) return until - now
    this.#until.delete(origin)
    return 0
  }
}
