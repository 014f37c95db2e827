/** Which of several proxies or local addresses carries the next connection. Pure. */

export interface RotationOptions {
  readonly count: number
  /** How long one carries; 0: until it fails. */
  readonly stickyMs: number
}

interface Backoff {
  readonly failures: number
  readonly untilMs: number
}

/** Of a window: give or take a quarter, so that the origins of a process do not move all at once. */
const JITTER = 0.5
const BACKOFF_MS = 1_000
const BACKOFF_MAX_MS = 60_000

/**
 * One carries for a window, and the next one follows; the first is drawn by lot, so that processes
 * spread. One that fails is left alone for a second, then for twice as long with each failure, up to a
 * minute; where all have failed, the one whose time is over first comes first, since something must be tried.
 * What steps in for another one has a window of its own.
 */
export class EgressRotation {
  readonly #options: RotationOptions
  readonly #backoffs = new Map<number, Backoff>()
  #current: number | undefined
  #untilMs = 0
  #window = 0

  constructor(options: RotationOptions) {
    this.#options = options
  }

  /** In which order they are tried now. `random`: 0 to 1, as Math.random() gives it. */
  order(now: number, random: () => number): number[] {
    const { count } = this.#options
    if (this.#current === undefined) this.#choose(Math.floor(random() * count) % count, now, random)
    else if (now >= this.#untilMs) this.#choose((this.#current + 1) % count, now, random)
    const first = this.#current ?? 0
    const inTurn = Array.from({ length: count }, (_, index) => (first + index) % count)
    const rests = (index: number): number => Math.max(0, (this.#backoffs.get(index)?.untilMs ?? 0) - now)
    // A stable sort: those that are well keep their turn.
    return inTurn.sort((a, b) => rests(a) - rests(b))
  }

  onConnected(index: number, now: number, random: () => number): void {
    this.#backoffs.delete(index)
    if (index !== this.#current) this.#choose(index, now, random)
  }

  onFailed(index: number, now: number, random: () => number): void {
    const failures = (this.#backoffs.get(index)?.failures ?? 0) + 1
    const delayMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (failures - 1))
    this.#backoffs.set(index, { failures, untilMs: now + delayMs * (1 - JITTER / 2 + JITTER * random()) })
  }

  /** The one that carries, and for how long yet. Undefined: none was chosen. */
  current(now: number): { readonly index: number; readonly leftMs: number } | undefined {
    if (this.#current === undefined) return undefined
    return { index: this.#current, leftMs: Math.max(0, this.#untilMs - now) }
  }

  /** Changes with each window. */
  get window(): number {
    return this.#window
  }

  /** How often it has failed since it last worked, and how long it is left alone yet. */
  backoff(index: number, now: number): { readonly failures: number; readonly leftMs: number } | undefined {
    const backoff = this.#backoffs.get(index)
    return backoff && { failures: backoff.failures, leftMs: Math.max(0, backoff.untilMs - now) }
  }

  #choose(index: number, now: number, random: () => number): void {
    const { stickyMs } = this.#options
    this.#current = index
    this.#window += 1
    this.#untilMs = stickyMs === 0 ? Infinity : now + stickyMs * (1 - JITTER / 2 + JITTER * random())
  }
}
