/**
 * NewReno (RFC 9002 7 and its appendix B), without pacing, ECN and persistent congestion. A window of fixed
 * size instead, for tests that look at something else.
 */
export class Congestion {
  readonly #maxDatagramBytes: number
  readonly #isFixed: boolean
  #windowBytes: number
  #thresholdBytes = Infinity
  #recoveryStartMs = -Infinity
  #inFlightBytes = 0

  constructor(maxDatagramBytes: number, fixedWindowBytes: number | undefined) {
    this.#maxDatagramBytes = maxDatagramBytes
    this.#isFixed = fixedWindowBytes !== undefined
    this.#windowBytes = fixedWindowBytes ?? 10 * maxDatagramBytes
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  get roomBytes(): number {
    return Math.max(0, this.#windowBytes - this.#inFlightBytes)
  }

  onSent(bytes: number): void {
    this.#inFlightBytes += bytes
  }

  /** No sign of congestion or of its absence: the packet is just not counted any more. */
  onForgotten(bytes: number): void {
    this.#inFlightBytes -= bytes
  }

  onAcked(packets: readonly { readonly bytes: number; readonly sentAtMs: number }[]): void {
    // RFC 9002 7.8: a window that was not used up does not grow. Asked once, before any packet is taken out.
    const wasUsed = this.roomBytes < 3 * this.#maxDatagramBytes
    for (const { bytes, sentAtMs } of packets) {
      this.#inFlightBytes -= bytes
      if (wasUsed && !this.#isFixed && sentAtMs > this.#recoveryStartMs) this.#grow(bytes)
    }
  }

  onLost(bytes: number, sentAtMs: number, now: number): void {
    this.#inFlightBytes -= bytes
    if (this.#isFixed || sentAtMs <= this.#recoveryStartMs) return
    this.#recoveryStartMs = now
    this.#windowBytes = Math.max(Math.floor(this.#windowBytes / 2), 2 * this.#maxDatagramBytes)
    this.#thresholdBytes = this.#windowBytes
  }

  #grow(ackedBytes: number): void {
    if (this.#windowBytes < this.#thresholdBytes) this.#windowBytes += ackedBytes
    else this.#windowBytes += Math.floor((this.#maxDatagramBytes * ackedBytes) / this.#windowBytes)
  }
}
