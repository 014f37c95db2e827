import type { Clock, Timer } from '../../../src/base/clock.ts'
import type { FakeClock } from '../../../src/testing/fake-clock.ts'

/**
 * A fake clock for drivers that put work off to the end of the turn of the event loop (process.nextTick), as
 * real ones do: one timer a turn, and what was deferred is done before the next one, though that is due at
 * the same moment.
 */
export class TickedClock implements Clock {
  readonly #clock: FakeClock
  readonly #due: (() => void)[] = []

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    // A function of its own, so that the same callback may be set twice.
    const due = (): void => callback()
    const timer = this.#clock.setTimer(delayMs, () => void this.#due.push(due))
    const cancel = (): void => {
      timer.cancel()
      const at = this.#due.indexOf(due)
      if (at >= 0) this.#due.splice(at, 1)
    }
    return { cancel }
  }

  /** One turn: what is due next. False: nothing is left to happen. */
  async turn(): Promise<boolean> {
    await new Promise<void>(resolve => process.nextTick(resolve))
    while (this.#due.length === 0) if (!this.#clock.advanceToNextTimer()) return false
    this.#due.shift()?.()
    await new Promise<void>(resolve => process.nextTick(resolve))
    return true
  }
}
