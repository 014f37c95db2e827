/** A sample costs a PING; this is where the time between two begins that find nothing to grow. */
const MIN_INTERVAL_MS = 50
/** While samples find nothing to grow, they become rarer, up to this. */
const MAX_INTERVAL_MS = 10_000

/**
 * How large the window of a stream should be. A window smaller than the bandwidth-delay product is what
 * limits a transfer: so while bulk flows, we count what arrives during the round trip of a PING. If that is
 * more than a third of a window, the window is the limit, and is doubled. (The method of gRPC's
 * implementations, which ask for two thirds. But credit goes back in halves: a sender that waits for it has
 * half a window on its way when the PING leaves, and goes on when that is answered, so that half a window is
 * all that a sample finds.)
 */
export class WindowTuner {
  readonly #maxBytes: number
  #targetBytes: number
  #isSampling = false
  #sampledBytes = 0
  #nextSampleAt = 0
  #intervalMs = MIN_INTERVAL_MS

  constructor(initialBytes: number, maxBytes: number) {
    this.#targetBytes = initialBytes
    this.#maxBytes = Math.max(initialBytes, maxBytes)
  }

  get targetBytes(): number {
    return this.#targetBytes
  }

  /** DATA came. */
  onReceived(bytes: number): void {
    if (this.#isSampling) this.#sampledBytes += bytes
  }

  /** A reader has taken half a window: bulk flows. True: send a PING and tell of its answer by onPong. */
  wantsSample(now: number): boolean {
    if (this.#isSampling || this.#targetBytes >= this.#maxBytes || now < this.#nextSampleAt) return false
    this.#isSampling = true
    this.#sampledBytes = 0
    return true
  }

  /** False: nobody has asked. */
  onPong(now: number): boolean {
    if (!this.#isSampling) return false
    this.#isSampling = false
    if (this.#sampledBytes * 3 >= this.#targetBytes) {
      this.#targetBytes = Math.min(this.#maxBytes, Math.max(this.#sampledBytes, this.#targetBytes) * 2)
      this.#intervalMs = MIN_INTERVAL_MS
      this.#nextSampleAt = now // a few doublings are all there are
    } else {
      this.#intervalMs = Math.min(MAX_INTERVAL_MS, this.#intervalMs * 2)
      this.#nextSampleAt = now + this.#intervalMs
    }
    return true
  }
}
