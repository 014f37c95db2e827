import type { Clock, Timer } from './clock.ts'

/** No deadline. */
export const NEVER = Number.POSITIVE_INFINITY

/**
 * One timer for the deadlines of a connection. A deadline is a number that its owner moves as it likes; the
 * timer is only touched when it would come too late. A busy connection moves its idle deadline with every
 * request, and the timer finds that out once in a keep-alive timeout: no timer work per request.
 */
export class DeadlineTimer {
  readonly #clock: Clock
  /** Time may be up: the owner checks its deadlines and calls `cover` with the next one. */
  readonly #onDue: () => void
  #timer: Timer | undefined
  #dueMs = NEVER

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  /** Makes sure that the owner is called at `deadlineMs`, if not before. */
  cover(deadlineMs: number): void {
    if (deadlineMs >= this.#dueMs) return
    this.#timer?.cancel()
    this.#dueMs = deadlineMs
    this.#timer = this.#clock.setTimer(deadlineMs - this.#clock.now(), () => {
      this.#timer = undefined
      this.#dueMs = NEVER
      this.#onDue()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#dueMs = NEVER
  }
}
