/** What travels: bytes, or the end of them. */
export type Parcel = Buffer | 'end'

interface Waiting {
  parcel: Parcel
  dueAt: number
}

/**
 * One direction of a connection with a long way to go: what is put in comes out in the same order, `delayMs` later and never sooner.
 * It has no clock of its own. It knows how much it holds and when that is too much; who feeds it stops then.
 */
export class DelayLine {
  readonly #delayMs: number
  readonly #maxBytes: number
  readonly #opensAt: number
  #waiting: Waiting[] = []
  #head = 0
  #bytes = 0
  #lastDueAt = Number.NEGATIVE_INFINITY

  /** Whatever is put in before `opensAt` counts as put in then: the way is not there yet. */
  constructor(delayMs: number, maxBytes: number, opensAt: number) {
    this.#delayMs = delayMs
    this.#maxBytes = maxBytes
    this.#opensAt = opensAt
  }

  /** Holds as much as it may. */
  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** When the first parcel may leave; Infinity: there is none. */
  get nextDueAt(): number {
    return this.#waiting[this.#head]?.dueAt ?? Number.POSITIVE_INFINITY
  }

  put(parcel: Parcel, now: number): void {
    // Never before what was put in earlier, whatever the clock does.
    this.#lastDueAt = Math.max(this.#lastDueAt, Math.max(now, this.#opensAt) + this.#delayMs)
    this.#waiting.push({ parcel, dueAt: this.#lastDueAt })
    if (parcel !== 'end') this.#bytes += parcel.length
  }

  /** The first parcel, when its time has come. */
  take(now: number): Parcel | undefined {
    const first = this.#waiting[this.#head]
    if (first === undefined || first.dueAt > now) return undefined
    this.#head++
    // Cut off what has left, at a cost per parcel that does not grow with how many there are.
    if (this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    if (first.parcel !== 'end') this.#bytes -= first.parcel.length
    return first.parcel
  }
}
