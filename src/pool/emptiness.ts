/** Those who wait until nothing is left of something that may fill up again: each wait ends at the first moment of emptiness behind it. */
export class Emptiness {
  readonly #isEmpty: () => boolean
  readonly #soon: (settle: () => void) => void
  #waiting: (() => void)[] = []

  /** `soon` calls back once what runs now is over. */
  constructor(isEmpty: () => boolean, soon: (settle: () => void) => void) {
    this.#isEmpty = isEmpty
    this.#soon = soon
  }

  wait(): Promise<void> {
    if (this.#isEmpty()) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /** Not at once: an exchange hears of its connection's end after the pool, and may come back to be sent again. */
  onChange(): void {
    if (this.#waiting.length > 0 && this.#isEmpty()) this.#soon(this.#settle)
  }

  readonly #settle = (): void => {
    if (!this.#isEmpty()) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
