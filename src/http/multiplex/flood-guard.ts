import { AVERAGED_SECONDS, TinyFrameBucket, TokenBucket } from './token-bucket.ts'

export interface FloodGuardOptions<Kind extends string> {
  /** What is counted, by the name of its limit. */
  readonly kinds: readonly Kind[]
  /** How many a second are let through; 0: any number. */
  readonly rates: Readonly<Record<Kind | 'maxTinyFramesPerSecond', number>>
  /** What is thrown when one is exceeded, in the code of the protocol. */
  readonly fault: (message: string, limit: string) => Error
}

/** Holds a peer to rates: a token bucket for each. */
export class FloodGuard<Kind extends string> {
  readonly #options: FloodGuardOptions<Kind>
  readonly #buckets: Readonly<Record<Kind, TokenBucket>>
  readonly #tinyFrames: TinyFrameBucket

  constructor(options: FloodGuardOptions<Kind>) {
    this.#options = options
    const { kinds, rates } = options
    this.#tinyFrames = new TinyFrameBucket(rates.maxTinyFramesPerSecond)
    // as: every kind has its bucket
    this.#buckets = Object.fromEntries(kinds.map(kind => [kind, new TokenBucket(rates[kind])])) as Record<
      Kind,
      TokenBucket
    >
  }

  /** The peer may begin with what the rate allows in so many seconds, and saves up the rest. */
  begin(kind: Kind, now: number, seconds: number): void {
    this.#buckets[kind].begin(now, seconds)
  }

  /**
   * A DATA frame with so much content. `isCounted`: it could have been larger. Throws when too many are tiny.
   */
  receiveContent(bytes: number, isCounted: boolean, now: number): void {
    if (this.#tinyFrames.receive(bytes, isCounted, now)) return
    const { rates, fault } = this.#options
    throw fault(
      `more than ${rates.maxTinyFramesPerSecond} tiny DATA frames per second (maxTinyFramesPerSecond)`,
      'maxTinyFramesPerSecond',
    )
  }

  /**
   * Counts one at `now` (monotonic milliseconds), or as many as it costs. Throws when that exceeds the rate.
   */
  count(kind: Kind, now: number, cost = 1): void {
    if (this.#buckets[kind].take(now, cost)) return
    const { rates, fault } = this.#options
    throw fault(`more than ${rates[kind]} per second over ${AVERAGED_SECONDS} seconds (${kind})`, kind)
  }
}
