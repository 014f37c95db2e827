/**
 * [P] Whether more requests come than this process can work off, by how long each turn of the event loop is
 * busy with them: a request that comes now waits for as long before anybody reads it. A turn may be long by
 * chance; what lasts is an overload (as CoDel has it for queues, RFC 8289 section 3).
 *
 * calm        the last turn was short. Valid transitions: late
 * late        all turns were too long since then. Valid transitions: calm, overloaded
 * overloaded  so it was for the interval. Valid transitions: calm, by a short turn
 */
type State =
  | { readonly kind: 'calm' }
  | { readonly kind: 'late'; readonly since: number }
  | { readonly kind: 'overloaded' }

const CALM: State = { kind: 'calm' }
const OVERLOADED: State = { kind: 'overloaded' }

export class LoopOverload {
  readonly #targetMs: number
  readonly #intervalMs: number
  #state: State = CALM
  #turnAt = 0

  constructor(targetMs: number, intervalMs: number) {
    this.#targetMs = targetMs
    this.#intervalMs = intervalMs
  }

  get isOverloaded(): boolean {
    return this.#state === OVERLOADED
  }

  /** The first request of a turn was read. */
  onTurnBegan(now: number): void {
    this.#turnAt = now
  }

  onTurnEnded(now: number): void {
    if (now - this.#turnAt <= this.#targetMs) this.#state = CALM
    else if (this.#state.kind === 'calm') this.#state = { kind: 'late', since: this.#turnAt }
    if (this.#state.kind === 'late' && now - this.#state.since >= this.#intervalMs) this.#state = OVERLOADED
  }

  /**
   * Whether a request is served that was read now: in an overload those that fill the target are, and the
   * rest of the turn is not.
   */
  admits(now: number): boolean {
    return this.#state !== OVERLOADED || now - this.#turnAt <= this.#targetMs
  }
}
