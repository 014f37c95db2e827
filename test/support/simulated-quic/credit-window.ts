/**
 * What a receiver allows its peer to send (RFC 9000 4.1). Credit is given when the reader took half of the
 * window, and the window doubles when that takes less than two round trips, up to its most (the rule of
 * quiche, s2n-quic and others).
 */
export class CreditWindow {
  readonly #maxBytes: number
  #windowBytes: number
  #limit: number
  #consumed = 0
  #raisedAtMs = -Infinity

  constructor(windowBytes: number, maxBytes: number) {
    this.#windowBytes = windowBytes
    this.#maxBytes = Math.max(windowBytes, maxBytes)
    this.#limit = windowBytes
  }

  /** The last byte that the peer may send, counted from the first. */
  get limit(): number {
    return this.#limit
  }

  /** The peer should be notified of more. */
  get isDue(): boolean {
    return this.#limit - this.#consumed < this.#windowBytes / 2
  }

  consume(bytes: number): void {
    this.#consumed += bytes
  }

  raise(now: number, rttMs: number): number {
    if (now - this.#raisedAtMs < 2 * rttMs) {
      this.#windowBytes = Math.min(this.#windowBytes * 2, this.#maxBytes)
    }
    this.#raisedAtMs = now
    this.#limit = Math.max(this.#limit, this.#consumed + this.#windowBytes)
    return this.#limit
  }
}
