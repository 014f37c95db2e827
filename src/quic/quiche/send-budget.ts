export interface SendBudgetOptions {
  /** What one turn may put out. */
  readonly maxBurstBytes: number
  /** 0: no limit. */
  readonly maxBytesPerSecond: number
}

const NEVER = Number.POSITIVE_INFINITY

/**
 * How much may leave now, whatever the congestion window says: a peer that acknowledges what it never got
 * opens that window as far as it likes (CVE-2025-4820, CVE-2025-4821), and this quiche has no pacing.
 *
 * A turn is a run of datagrams until there is none, or until the budget says stop; the next run has a new
 * burst. The rate is a token bucket that holds one burst.
 */
export class SendBudget {
  readonly #burst: number
  readonly #bytesPerMs: number
  #spentInTurn = 0
  #tokens: number
  #filledAt: number | undefined
  /** When to go on after the budget stopped a turn. */
  #resumeAt = NEVER

  constructor(options: SendBudgetOptions) {
    this.#burst = options.maxBurstBytes
    this.#bytesPerMs = options.maxBytesPerSecond / 1000
    this.#tokens = options.maxBurstBytes
  }

  /**
   * Whether one more datagram may leave. No: the turn is over, and `resumeAt` says when the next one may
   * begin.
   */
  allows(now: number): boolean {
    if (this.#spentInTurn >= this.#burst) {
      this.#spentInTurn = 0
      this.#resumeAt = now
      return false
    }
    if (this.#bytesPerMs > 0) {
      this.#fill(now)
      if (this.#tokens <= 0) {
        this.#spentInTurn = 0
        // Half a burst at once, so that a low rate does not mean a wake-up for each datagram.
        this.#resumeAt = now + (this.#burst / 2 - this.#tokens) / this.#bytesPerMs
        return false
      }
    }
    this.#resumeAt = NEVER
    return true
  }

  onSent(bytes: number): void {
    this.#spentInTurn += bytes
    this.#tokens -= bytes
  }

  /** There was nothing more to send. */
  onTurnEnded(): void {
    this.#spentInTurn = 0
  }

  /** Infinity: the budget holds nothing back. */
  get resumeAt(): number {
    return this.#resumeAt
  }

  #fill(now: number): void {
    const elapsed = now - (this.#filledAt ?? now)
    this.#filledAt = now
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * this.#bytesPerMs)
  }
}
