/**
 * Whether requests wait for a connection for so long, and go on doing so, that more come than can be served.
 * A burst makes a queue too, but that one drains; what tells them apart is for how long the wait has been too
 * long (the standing queue of CoDel, RFC 8289 section 3; for requests: B. Maurer, Fail at Scale, ACM Queue
 * 2015).
 *
 * - `calm`: waits are short, or nothing is known of them. Valid transitions: late
 * - `late`: who waits for longest has waited for longer than the target. Valid transitions: calm, overloaded
 * - `overloaded`: so it was for the interval. Valid transitions: calm, as soon as nobody waits
 */
type State =
  | { readonly kind: 'calm' }
  | { readonly kind: 'late'; readonly since: number }
  | { readonly kind: 'overloaded' }

const CALM: State = { kind: 'calm' }

/**
 * Of those who have waited too long, so many at the most give way to one newcomer: an overloaded pool does
 * bounded work for each.
 */
export const MAX_SHED_PER_ARRIVAL = 2

export class QueueOverload {
  readonly targetMs: number
  readonly #intervalMs: number
  #state: State = CALM

  /** `targetMs` 0: there is never an overload. */
  constructor(targetMs: number, intervalMs: number) {
    this.targetMs = targetMs
    this.#intervalMs = intervalMs
  }

  get isOverloaded(): boolean {
    return this.#state.kind === 'overloaded'
  }

  /**
   * Somebody is about to wait behind one who waits since `headSince`. `isFull`: no further connection would
   * help.
   */
  onArrival(headSince: number, isFull: boolean, now: number): void {
    if (this.targetMs === 0 || this.#state.kind === 'overloaded') return
    if (!isFull || now - headSince <= this.targetMs) this.#state = CALM
    else if (this.#state.kind === 'calm') this.#state = { kind: 'late', since: now }
    if (this.#state.kind === 'late' && now - this.#state.since >= this.#intervalMs)
      this.#state = { kind: 'overloaded' }
  }

  /** Nobody waits. */
  onEmpty(): void {
    this.#state = CALM
  }
}
