/** Before anything was measured (RFC 9002 6.2.2). */
const INITIAL_RTT_MS = 333
/** Of the peer (RFC 9000 18.2, max_ack_delay), unless it says otherwise. */
const ACK_DELAY_MS = 25
const GRANULARITY_MS = 1

/**
 * The probe timeout of a path (RFC 9002 6.2.1), from the smoothed round trip alone: the engine does not tell
 * its variation, so that the variation of what it tells stands in for it. The engine's own timers go by the
 * real one.
 */
export class RoundTrips {
  #rttMs = 0
  #variationMs = 0

  /** 0: there is none yet. */
  onSample(rttMs: number): void {
    if (rttMs <= 0) return
    if (this.#rttMs === 0) this.#variationMs = rttMs / 2
    else this.#variationMs += (Math.abs(rttMs - this.#rttMs) - this.#variationMs) / 4
    this.#rttMs = rttMs
  }

  /** Smoothed. 0: not measured yet. */
  get rttMs(): number {
    return this.#rttMs
  }

  get ptoMs(): number {
    const rttMs = this.#rttMs === 0 ? INITIAL_RTT_MS : this.#rttMs
    const variationMs = this.#rttMs === 0 ? INITIAL_RTT_MS / 2 : this.#variationMs
    return rttMs + Math.max(4 * variationMs, GRANULARITY_MS) + ACK_DELAY_MS
  }
}
