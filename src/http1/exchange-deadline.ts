import type { Clock, Timer } from '../clock.ts'

/**
 * The deadline of whatever a connection waits for. It moves several times per exchange, so it is a number; the one timer behind it
 * is armed when there is none, finds out when it fires that the deadline has moved on, and is armed again for the rest. A busy
 * connection sets a timer once per timeout and not once per request.
 */
export class ExchangeDeadline {
  readonly #clock: Clock
  readonly #onPassed: () => void
  readonly #onTimer: () => void
  /** Infinity: nothing is waited for. */
  #deadlineMs = Infinity
  #timer: Timer | undefined
  #timerMs = Infinity

  constructor(clock: Clock, onPassed: () => void) {
    this.#clock = clock
    this.#onPassed = onPassed
    this.#onTimer = () => this.#fired()
  }

  /** From now on `delayMs`; 0 is no deadline. */
  set(delayMs: number): void {
    if (delayMs <= 0) {
      this.#deadlineMs = Infinity
      return
    }
    const now = this.#clock.now()
    this.#deadlineMs = now + delayMs
    if (this.#timerMs <= this.#deadlineMs) return
    this.#timer?.cancel()
    this.#arm(delayMs)
  }

  clear(): void {
    this.#deadlineMs = Infinity
  }

  /** Also gives up the timer: for the end of the connection. */
  dispose(): void {
    this.#deadlineMs = Infinity
    this.#timerMs = Infinity
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(delayMs: number): void {
    this.#timerMs = this.#clock.now() + delayMs
    this.#timer = this.#clock.setTimer(delayMs, this.#onTimer)
  }

  #fired(): void {
    this.#timer = undefined
    this.#timerMs = Infinity
    if (this.#deadlineMs === Infinity) return
    const restMs = this.#deadlineMs - this.#clock.now()
    if (restMs > 0) {
      this.#arm(restMs)
      return
    }
    this.#deadlineMs = Infinity
    this.#onPassed()
  }
}
