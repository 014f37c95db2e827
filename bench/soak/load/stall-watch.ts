import type { Stall } from './load-job.ts'

const PERIOD_MS = 20
/** A timer that is less late is usual. */
const LEAST_STALL_MS = 100
const MAX_STALLS = 10

/** Notices when this process stands still, by a timer that is late. */
export class StallWatch {
  /** The longest first. */
  readonly stalls: Stall[] = []
  readonly #timer: NodeJS.Timeout
  #lastAt = performance.now()

  constructor() {
    this.#timer = setInterval(() => this.#check(), PERIOD_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #check(): void {
    const now = performance.now()
    const ms = now - this.#lastAt - PERIOD_MS
    this.#lastAt = now
    if (ms < LEAST_STALL_MS) return
    this.stalls.push({ endedAt: Date.now(), ms })
    this.stalls.sort((a, b) => b.ms - a.ms)
    if (this.stalls.length > MAX_STALLS) this.stalls.pop()
  }
}
