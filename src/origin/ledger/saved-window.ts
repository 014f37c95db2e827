import type { SavedLately } from './handshake-figures.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Those of a day, and the one that the window has left in part. */
const BUCKETS = 25

/** What was saved in the last 24 hours, in buckets of an hour that count from the start. */
export class SavedWindow {
  readonly #startedAt: number
  /** Hour n lies at n modulo their number. */
  readonly #buckets = new Float64Array(BUCKETS)
  #hour = 0

  constructor(now: number) {
    this.#startedAt = now
  }

  /**
   * Seconds that were saved between two times, nobody looked when: they are spread evenly over the time
   * between. `to` is the latest time so far.
   */
  add(seconds: number, from: number, to: number): void {
    this.#advance(to)
    if (from >= to) {
      this.#put(this.#hour, seconds)
      return
    }
    const first = Math.max(this.#hourOf(from), this.#hour - BUCKETS + 1)
    for (let hour = first; hour <= this.#hour; hour++) {
      const beginsAt = this.#startedAt + hour * HOUR_MS
      const overlapMs = Math.min(to, beginsAt + HOUR_MS) - Math.max(from, beginsAt)
      if (overlapMs > 0) this.#put(hour, (seconds * overlapMs) / (to - from))
    }
  }

  /** `now` is the latest time so far. */
  read(now: number): SavedLately {
    this.#advance(now)
    const ageMs = Math.max(0, now - this.#startedAt)
    const windowSeconds = Math.min(ageMs, DAY_MS) / 1000
    let savedSeconds = this.#buckets.reduce((sum, seconds) => sum + seconds, 0)
    if (this.#hour >= BUCKETS - 1) {
      const oldest = this.#buckets[(this.#hour + 1) % BUCKETS] ?? 0
      // It has left the window as far as the newest one has come.
      savedSeconds -= (oldest * (ageMs - this.#hour * HOUR_MS)) / HOUR_MS
    }
    const perDay = windowSeconds === 0 ? 0 : (savedSeconds / windowSeconds) * (DAY_MS / 1000)
    return { savedSeconds, windowSeconds, perDay }
  }

  #hourOf(now: number): number {
    return Math.max(0, Math.floor((now - this.#startedAt) / HOUR_MS))
  }

  #put(hour: number, seconds: number): void {
    const index = hour % BUCKETS
    this.#buckets[index] = (this.#buckets[index] ?? 0) + seconds
  }

  #advance(now: number): void {
    const hour = this.#hourOf(now)
    if (hour - this.#hour >= BUCKETS) this.#buckets.fill(0)
    else for (let passed = this.#hour + 1; passed <= hour; passed++) this.#buckets[passed % BUCKETS] = 0
    this.#hour = Math.max(this.#hour, hour)
  }
}
