export interface LivenessOptions {
  /** 0: never asks. */
  readonly intervalMs: number
  /** 0: never gives up. */
  readonly timeoutMs: number
}

/**
 * Watches whether the peer still says anything while exchanges are under way (quiche does not recognise every stateless reset, and a dead path says
 * nothing at all). It looks once per interval at how many packets have come, so that the hot path pays nothing; a silent peer is
 * found after `timeoutMs` and an interval at the latest.
 */
export class Liveness {
  readonly #options: LivenessOptions
  #nextAt = Number.POSITIVE_INFINITY
  #packets = 0
  #heardAt = 0

  constructor(options: LivenessOptions) {
    this.#options = options
  }

  /** When check() wants to be called. */
  get nextAt(): number {
    return this.#nextAt
  }

  get isEnabled(): boolean {
    return this.#options.intervalMs > 0
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs
  }

  get isWatching(): boolean {
    return this.#nextAt !== Number.POSITIVE_INFINITY
  }

  /** An exchange began where there was none. */
  start(packets: number, now: number): void {
    this.#packets = packets
    this.#heardAt = now
    this.#nextAt = now + this.#options.intervalMs
  }

  stop(): void {
    this.#nextAt = Number.POSITIVE_INFINITY
  }

  /** `packets`: how many have come so far. `silent`: the peer is to be asked for a sign of life. `dead`: it has been asked and said nothing. */
  check(packets: number, now: number): 'alive' | 'silent' | 'dead' {
    const { intervalMs, timeoutMs } = this.#options
    this.#nextAt = now + intervalMs
    if (packets !== this.#packets) {
      this.#packets = packets
      this.#heardAt = now
      return 'alive'
    }
    return timeoutMs > 0 && now - this.#heardAt >= timeoutMs ? 'dead' : 'silent'
  }
}
