/** RFC 9002 5.3, with acknowledgements that are never delayed on purpose. */
export class RoundTrip {
  #latestMs = 333
  #smoothedMs = 333
  #variationMs = 333 / 2
  #hasSample = false

  get smoothedMs(): number {
    return this.#smoothedMs
  }

  /** RFC 9002 6.2.1, with the default max_ack_delay of 25 ms. */
  get probeTimeoutMs(): number {
    return this.#smoothedMs + Math.max(4 * this.#variationMs, 1) + 25
  }

  /** RFC 9002 6.1.2. */
  get lossDelayMs(): number {
    return Math.max((9 / 8) * Math.max(this.#smoothedMs, this.#latestMs), 1)
  }

  sample(ms: number): void {
    this.#latestMs = ms
    if (!this.#hasSample) {
      this.#hasSample = true
      this.#smoothedMs = ms
      this.#variationMs = ms / 2
      return
    }
    this.#variationMs = (3 / 4) * this.#variationMs + (1 / 4) * Math.abs(this.#smoothedMs - ms)
    this.#smoothedMs = (7 / 8) * this.#smoothedMs + (1 / 8) * ms
  }
}
