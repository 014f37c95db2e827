const TICK_MS = 5

/**
 * How much this process has been late since it was made: the sum over a timer that fires again and again. To
 * be allowed for in upper bounds.
 */
export class Lateness implements Disposable {
  readonly #timer: NodeJS.Timeout
  #lastAt = performance.now()
  #sumMs = 0

  constructor() {
    this.#timer = setInterval(() => this.#look(), TICK_MS)
  }

  get ms(): number {
    this.#look()
    return this.#sumMs
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    // A timer of Node counts whole milliseconds.
    this.#sumMs += Math.max(0, now - this.#lastAt - TICK_MS - 1)
    this.#lastAt = now
  }
}
