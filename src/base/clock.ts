import { guarded } from './guard.ts'

/**
 * Time as a driver sees it. Policy files never see a clock: they are handed `now` and answer with delays.
 * The tests drive the same code with a clock of their own.
 */
export interface Clock {
  /** Monotonic milliseconds. Only differences mean anything. */
  now(): number
  /**
   * Calls `callback` once, `delayMs` from now. The timer does not keep the process alive, and what its
   * callback throws does not end it.
   */
  setTimer(delayMs: number, callback: () => void): Timer
}

/** One call that is due, of Clock.setTimer(). */
export interface Timer {
  cancel(): void
}

/** Node's timers overflow above this and fire at once (nodejs/node lib/internal/timers.js TIMEOUT_MAX). */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(delayMs, callback) {
    const handle = setTimeout(guarded, Math.min(Math.max(0, delayMs), MAX_TIMER_MS), 'a timer', callback)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

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
