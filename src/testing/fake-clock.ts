import type { Clock, Timer } from '../base/clock.ts'

/**
 * A clock that stands still until a test moves it. Timers fire in order of their time, equal ones in order of
 * their making.
 *
 * @example
 * ```ts
 * const clock = new FakeClock()
 * clock.setTimer(1_000, () => console.log('due'))
 * clock.advance(1_000)
 * ```
 */
export class FakeClock implements Clock {
  #now: number
  #serial = 0
  readonly #timers = new Set<FakeTimer>()

  constructor(startMs = 0) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: FakeTimer = {
      dueMs: this.#now + Math.max(0, delayMs),
      serial: this.#serial++,
      callback,
      cancel: () => void this.#timers.delete(timer),
    }
    this.#timers.add(timer)
    return timer
  }

  /**
   * Moves time on. Each timer sees `now()` at its own time, and timers that are set on the way fire too when
   * they are due by then. A timer of delay 0 never fires within setTimer: it needs an advance(0), as a real
   * one needs a turn of the event loop.
   */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`time does not go back: ${ms}`)
    const until = this.#now + ms
    for (let timer = this.#next(); timer !== undefined && timer.dueMs <= until; timer = this.#next()) {
      this.#timers.delete(timer)
      this.#now = timer.dueMs
      timer.callback()
    }
    this.#now = until
  }

  /** Moves to the next timer and fires it (and those of the same moment). False when there is none. */
  advanceToNextTimer(): boolean {
    const timer = this.#next()
    if (timer === undefined) return false
    this.advance(timer.dueMs - this.#now)
    return true
  }

  /** Timers that are set and have not fired: a test ends with 0 when nothing leaks. */
  pendingTimers(): number {
    return this.#timers.size
  }

  #next(): FakeTimer | undefined {
    let first: FakeTimer | undefined
    for (const timer of this.#timers) {
      const isEarlier = first === undefined || timer.dueMs < first.dueMs
      if (isEarlier || (timer.dueMs === first?.dueMs && timer.serial < first.serial)) first = timer
    }
    return first
  }
}

interface FakeTimer extends Timer {
  readonly dueMs: number
  readonly serial: number
  readonly callback: () => void
}
