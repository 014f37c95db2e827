import type { TransportError } from '../../base/errors.ts'

/**
 * How long to wait after `failures` failed attempts in a row: base, 2 base, 4 base, … up to the maximum, and
 * of that a random point in the upper half, so that many connectors do not come back in step ("equal jitter":
 * M. Brooker, Exponential Backoff and Jitter).
 */
export function backoffDelayMs(
  failures: number,
  baseMs: number,
  maxMs: number,
  random: () => number,
): number {
  const full = Math.min(maxMs, baseMs * 2 ** (failures - 1))
  return full * (0.5 + 0.5 * random())
}

/**
 * Whether a pool may dial, going by how its last dials went. After a failure two things may dial again:
 * 1. A request without any connection waits for the first step of the pause only, however many dials have
 *    failed: it is the request that finds out that the origin is back, as with nginx. One dial at a time
 *    (dialing.ts), ten or twenty in a second by default, hammer no origin that is dead.
 * 2. Everything else (the warm level, a preconnect, further connections beside those that are open) waits for
 *    the pause, which grows.
 */
export class Backoff {
  readonly #baseMs: number
  readonly #maxMs: number
  readonly #random: () => number
  #failures = 0
  #closedOnOpen = 0
  #round = 0
  #dueAt = -Infinity
  #requestDueAt = -Infinity
  /** When the last pause began. */
  #pausedAt = -Infinity
  #lastError: TransportError | undefined

  constructor(baseMs: number, maxMs: number, random: () => number) {
    this.#baseMs = baseMs
    this.#maxMs = maxMs
    this.#random = random
  }

  /** Dials of one round that fail are one failure: five that were started together say no more than one. */
  get round(): number {
    return this.#round
  }

  /** When the next dial may start. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** The same for one that a request waits for without any connection; never after `dueAt`. */
  get requestDueAt(): number {
    return this.#requestDueAt
  }

  get lastError(): TransportError | undefined {
    return this.#lastError
  }

  isActive(now: number): boolean {
    return now < this.#dueAt
  }

  /** The last dial failed: one at a time now, until one succeeds. */
  get isFailing(): boolean {
    return this.#failures > 0
  }

  onConnectFailed(round: number, error: TransportError, now: number): void {
    this.#lastError = error
    if (round !== this.#round) return
    this.#failures += 1
    this.#wait(this.#failures, now)
  }

  /**
   * A connection opened and died at once, unused. Without a pause a warm level would dial such an origin in a
   * tight loop. Those that were open when the pause began say no more than the one that began it: an origin
   * that reloads ends all of them in one moment.
   */
  onClosedOnOpen(error: TransportError, openedAt: number, now: number): void {
    this.#lastError = error
    if (openedAt <= this.#pausedAt) return
    this.#closedOnOpen += 1
    this.#failures = this.#closedOnOpen
    this.#wait(this.#failures, now)
  }

  onConnected(): void {
    this.#failures = 0
    this.#dueAt = -Infinity
    this.#requestDueAt = -Infinity
  }

  /** A new connection is put to use. */
  onFirstLease(): void {
    this.#closedOnOpen = 0
  }

  #wait(failures: number, now: number): void {
    this.#round += 1
    this.#pausedAt = now
    const delayMs = backoffDelayMs(failures, this.#baseMs, this.#maxMs, this.#random)
    this.#dueAt = now + delayMs
    this.#requestDueAt = now + Math.min(delayMs, this.#baseMs)
  }
}
