import { TransportError } from '../errors.ts'
import { checkNumber, checkRanges, checkWord, type OptionRanges } from './check-options.ts'

/**
 * Bounds above which an origin gets no more: what comes then fails at once, by name, instead of making an
 * overload longer (Envoy's circuit breakers). 0: no bound. `pool.maxConnections` and `pool.maxWaiters` are
 * the breakers of connections and of waiting requests.
 */
export interface BreakerOptions {
  /** Requests that wait or are under way; one more fails with MM_BREAKER_OPEN. Default 0. */
  maxRequests: number
  /**
   * Requests under way that were sent again out of the retry budget; while so many are, no other is, and its
   * first failure is its last. Default 0.
   */
  maxRetries: number
  /**
   * Where requests are balanced over endpoints: those that wait for one of them or are under way there; the
   * next one goes to another endpoint, or fails with MM_BREAKER_OPEN where all are full. Default 0.
   */
  maxRequestsPerEndpoint: number
  /** As `maxRetries`, for one endpoint; a replay goes to another one that has a place. Default 0. */
  maxRetriesPerEndpoint: number
  /** Connections to one endpoint, over all protocols; what it cannot carry waits. Default 0. */
  maxConnectionsPerEndpoint: number
  /**
   * Requests that may wait for one endpoint; the next one goes to another, or fails with MM_QUEUE_FULL. 0:
   * `pool.maxWaiters` is divided among the endpoints. Default 0.
   */
  maxWaitersPerEndpoint: number
}

/** The defaults of `breakers`. */
export const DEFAULT_BREAKER_OPTIONS: Readonly<BreakerOptions> = {
  maxRequests: 0,
  maxRetries: 0,
  maxRequestsPerEndpoint: 0,
  maxRetriesPerEndpoint: 0,
  maxConnectionsPerEndpoint: 0,
  maxWaitersPerEndpoint: 0,
}

/** What each option of `breakers` may be; all are whole numbers. */
export const BREAKER_RANGES: OptionRanges<BreakerOptions> = {
  maxRequests: { min: 0, max: 1_000_000 },
  maxRetries: { min: 0, max: 1_000_000 },
  maxRequestsPerEndpoint: { min: 0, max: 1_000_000 },
  maxRetriesPerEndpoint: { min: 0, max: 1_000_000 },
  maxConnectionsPerEndpoint: { min: 0, max: 1_000_000 },
  maxWaitersPerEndpoint: { min: 0, max: 1_000_000 },
}

/**
 * A limit of the requests under way that follows what the origin bears: it falls when answers take longer
 * than they did, and rises while they do not (Netflix' Gradient2 limit, Envoy's adaptive concurrency).
 */
export interface ConcurrencyOptions {
  /** `gradient`: requests above the limit fail with MM_CONCURRENCY_LIMIT. Default `off`. */
  limit: 'off' | 'gradient'
  /** Where the limit begins; `min` and `max` hold for it too. Default 20. */
  initial: number
  /** The least that it falls to. Default 3. */
  min: number
  /** The most that it rises to, whatever `min` says. Default 1,000. */
  max: number
  /** The limit is set anew this often. Default 1,000 ms. */
  windowMs: number
  /** Not before so many answers came. Default 10. */
  minSamples: number
  /** Answers may take so many times what they took over the long run before the limit falls. Default 1.5. */
  tolerance: number
}

/** The defaults of `concurrency`. Durations are in ms. */
export const DEFAULT_CONCURRENCY_OPTIONS: Readonly<ConcurrencyOptions> = {
  limit: 'off',
  initial: 20,
  min: 3,
  max: 1_000,
  windowMs: 1_000,
  minSamples: 10,
  tolerance: 1.5,
}

/** The words of `concurrency.limit`. */
export const CONCURRENCY_LIMITS = ['off', 'gradient'] as const

/** What the numbers of `concurrency` may be; all but `tolerance` are whole. */
export const CONCURRENCY_RANGES = {
  initial: { min: 1, max: 1_000_000 },
  min: { min: 1, max: 1_000_000 },
  max: { min: 1, max: 1_000_000 },
  windowMs: { min: 10, max: 3_600_000 },
  minSamples: { min: 1, max: 100_000 },
  tolerance: { min: 1, max: 100 },
} as const satisfies OptionRanges<ConcurrencyOptions>

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkBreakerOptions(options: BreakerOptions): BreakerOptions {
  return checkRanges('breakers', options, BREAKER_RANGES)
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkConcurrencyOptions(options: ConcurrencyOptions): ConcurrencyOptions {
  const { limit, tolerance, ...whole } = options
  checkWord('concurrency.limit', limit, CONCURRENCY_LIMITS)
  checkRanges('concurrency', whole, CONCURRENCY_RANGES)
  const { min, max } = CONCURRENCY_RANGES.tolerance
  if (checkNumber('concurrency.tolerance', tolerance) < min || tolerance > max) {
    const message = `concurrency.tolerance must be a number from ${min} to ${max}, not ${tolerance}`
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
  return options
}
