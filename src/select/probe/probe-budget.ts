/** How many background probes may run at once, over all origins. */
export class ProbeBudget {
  readonly #maxRunning: number
  #running = 0

  constructor(maxRunning = 4) {
    this.#maxRunning = maxRunning
  }

  get hasRoom(): boolean {
    return this.#running < this.#maxRunning
  }

  get running(): number {
    return this.#running
  }

  onStarted(): void {
    if (!this.hasRoom) throw new Error(`${this.#running} probes run already`)
    this.#running++
  }

  onEnded(): void {
    if (this.#running === 0) throw new Error('no probe runs')
    this.#running--
  }
}
