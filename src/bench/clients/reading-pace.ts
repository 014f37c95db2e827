/** [P] How long a reader that takes so many bytes a second has to pause. Times in ms. */
export class ReadingPace {
  readonly #bytesPerSecond: number
  #startedAt: number | undefined
  #bytes = 0

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond
  }

  /** The first bytes start its clock. 0: it need not pause. */
  onBytes(bytes: number, now: number): number {
    this.#startedAt ??= now
    this.#bytes += bytes
    return Math.max(0, this.#startedAt + (this.#bytes * 1000) / this.#bytesPerSecond - now)
  }
}
