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
