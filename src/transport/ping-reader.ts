import type { Clock } from '../clock.ts'
import type { Lane } from './lane.ts'

/** Exchanges after which the way is measured again. */
const PING_EVERY = 4
/** A peer may take more of them for a flood. */
const MIN_GAP_MS = 250

/**
 * Measures the round trip of HTTP/2 connections that carry several exchanges, by PING (RFC 9113 6.7). The time to a first byte says more of the
 * origin's work than of the way; the answer to a PING waits for nothing but the bytes before it, so that losses, which stop all streams of a TCP
 * connection, show in how much it varies.
 */
export class PingReader {
  readonly #clock: Clock
  readonly #onRoundTrip: (ms: number) => void
  #exchanges = 0
  #pingedAt = Number.NEGATIVE_INFINITY
  #isOut = false

  constructor(clock: Clock, onRoundTrip: (ms: number) => void) {
    this.#clock = clock
    this.#onRoundTrip = onRoundTrip
  }

  /** An exchange over the lane has ended, beside others. */
  onExchange(lane: Lane, now: number): void {
    this.#exchanges += 1
    if (this.#exchanges % PING_EVERY !== 0 || this.#isOut || now - this.#pingedAt < MIN_GAP_MS) return
    for (const connection of lane.pool.connections()) {
      if (connection.protocol !== 'h2') continue
      this.#isOut = true
      this.#pingedAt = now
      const ended = (): void => {
        this.#isOut = false
      }
      void connection.ping().then(() => {
        ended()
        this.#onRoundTrip(this.#clock.now() - now)
      }, ended) // the pool hears of connections that have died by itself
      return
    }
  }
}
