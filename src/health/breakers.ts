import type { BreakerOptions } from '../base/options/health-options.ts'

/** What a breaker bounds; a metric label. */
export type BreakerName = 'connections' | 'waiting' | 'requests' | 'retries'

/** The bounds of one origin or endpoint; 0: none. */
export type BreakerLimits = Readonly<Record<BreakerName, number>>

/** Those of the origin as a whole. */
export function originBreakers(options: BreakerOptions): BreakerLimits {
  const { maxConnections, maxWaiting, maxRequests, maxRetries } = options
  return { connections: maxConnections, waiting: maxWaiting, requests: maxRequests, retries: maxRetries }
}

/** Those of each endpoint. */
export function endpointBreakers(options: BreakerOptions): BreakerLimits {
  const { maxEndpointConnections, maxEndpointWaiting, maxEndpointRequests, maxEndpointRetries } = options
  return {
    connections: maxEndpointConnections,
    waiting: maxEndpointWaiting,
    requests: maxEndpointRequests,
    retries: maxEndpointRetries,
  }
}

/** A breaker that counts. Of connections the pool keeps the count. */
export type CountedBreaker = Exclude<BreakerName, 'connections'>

/** What is counted of one breaker. */
export interface BreakerFigures {
  /** 0: none. */
  readonly limit: number
  readonly used: number
  /** Turned away since the start. */
  readonly refused: number
}

/**
 * The breakers of one origin or endpoint: counters with a bound. What take() has counted, give() gives back,
 * exactly once.
 */
export class Breakers {
  readonly #limits: BreakerLimits
  readonly #used: Record<CountedBreaker, number> = { waiting: 0, requests: 0, retries: 0 }
  readonly #refused: Record<CountedBreaker, number> = { waiting: 0, requests: 0, retries: 0 }

  constructor(limits: BreakerLimits) {
    this.#limits = limits
  }

  /** Whether any of these bounds anything: who has none pays for none. */
  static bound({ waiting, requests, retries }: BreakerLimits): boolean {
    return waiting > 0 || requests > 0 || retries > 0
  }

  /** One more would be above the bound. */
  isOpen(name: CountedBreaker): boolean {
    const limit = this.#limits[name]
    return limit > 0 && this.#used[name] >= limit
  }

  /** False: the bound is reached, and the one that came is counted as turned away. */
  take(name: CountedBreaker): boolean {
    if (this.isOpen(name)) {
      this.#refused[name] += 1
      return false
    }
    this.#used[name] += 1
    return true
  }

  give(name: CountedBreaker): void {
    if (this.#used[name] === 0) throw new Error(`the breaker ${name} was given back more than it gave`)
    this.#used[name] -= 1
  }

  limitOf(name: CountedBreaker): number {
    return this.#limits[name]
  }

  figures(): Readonly<Record<CountedBreaker, BreakerFigures>> {
    return {
      waiting: this.#figuresOf('waiting'),
      requests: this.#figuresOf('requests'),
      retries: this.#figuresOf('retries'),
    }
  }

  #figuresOf(name: CountedBreaker): BreakerFigures {
    return { limit: this.#limits[name], used: this.#used[name], refused: this.#refused[name] }
  }
}
