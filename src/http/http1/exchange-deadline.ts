import type { Clock } from '../../base/clock.ts'
import { DeadlineTimer, NEVER } from '../../base/clock.ts'

/**
 * The deadline of whatever a connection waits for. It moves several times per exchange; see DeadlineTimer for
 * why that is cheap.
 */
export class ExchangeDeadline {
  readonly #clock: Clock
  readonly #onPassed: () => void
  readonly #timer: DeadlineTimer
  #deadlineMs = NEVER

  constructor(clock: Clock, onPassed: () => void) {
    this.#clock = clock
    this.#onPassed = onPassed
    this.#timer = new DeadlineTimer(clock, () => this.#check())
  }

  /** From now on `delayMs`; 0 is no deadline. */
  set(delayMs: number): void {
    if (delayMs <= 0) {
      this.#deadlineMs = NEVER
      return
    }
    this.#deadlineMs = this.#clock.now() + delayMs
    this.#timer.cover(this.#deadlineMs)
  }

  clear(): void {
    this.#deadlineMs = NEVER
  }

  /** Also gives up the timer: for the end of the connection. */
  dispose(): void {
    this.#deadlineMs = NEVER
    this.#timer.cancel()
  }

  #check(): void {
    if (this.#deadlineMs === NEVER) return
    if (this.#deadlineMs > this.#clock.now()) {
      this.#timer.cover(this.#deadlineMs)
      return
    }
    this.#deadlineMs = NEVER
    this.#onPassed()
  }
}
