import { TransportError } from '../errors.ts'
import { checkNumbers, checkWord, type NumberRange } from './check-options.ts'

/**
 * When an endpoint of an origin that has several takes no requests for a while, by what became of those that it
 * was sent (Envoy's outlier detection). An origin with one endpoint ejects none.
 */
export interface OutlierOptions {
  /** So many failures in a row eject: 5xx, or no answer at all. 0: they never do. Default 10. */
  consecutiveFailures: number
  /** So many in a row of 502, 503, 504 and of tries without an answer. 0: they never do. Default 5. */
  consecutiveGatewayErrors: number
  /**
   * An endpoint is ejected whose share of successes is below the mean of the others by more than so many
   * standard deviations of theirs. 0: it is not. Default 1.9.
   */
  successRateFactor: number
  /**
   * An endpoint is ejected whose answers begin after more than so many times the median of the others. 0: it
   * is not. Default 0.
   */
  latencyFactor: number
  /** Rates and latencies are compared this often. Default 10,000 ms. */
  intervalMs: number
  /** Requests that an endpoint must have had in an interval to be compared. Default 100. */
  minRequests: number
  /** Endpoints with so many requests that a comparison takes. Default 3. */
  minEndpoints: number
  /** The first ejection; each further one lasts so much longer. Default 30,000 ms. */
  ejectionMs: number
  /** The longest one. Default 300,000 ms. */
  maxEjectionMs: number
  /** The share of an ejection (0 to 1) that is drawn on top of it, so that not all end at once. Default 0.2. */
  ejectionJitter: number
  /** The largest share of the endpoints (0 to 1) that is ejected at a time. Default 0.5. */
  maxEjectedShare: number
  /**
   * With a smaller share of healthy endpoints (0 to 1) than this, health is ignored and all take requests: the
   * few could not bear the load of all. 0: only when none is healthy. Default 0.5.
   */
  panicShare: number
}

/** The defaults of `outlier`. Durations are in ms. */
export const DEFAULT_OUTLIER_OPTIONS: Readonly<OutlierOptions> = {
  consecutiveFailures: 10,
  consecutiveGatewayErrors: 5,
  successRateFactor: 1.9,
  latencyFactor: 0,
  intervalMs: 10_000,
  minRequests: 100,
  minEndpoints: 3,
  ejectionMs: 30_000,
  maxEjectionMs: 300_000,
  ejectionJitter: 0.2,
  maxEjectedShare: 0.5,
  panicShare: 0.5,
}

const DAY_MS = 86_400_000
const SHARE: NumberRange = { min: 0, max: 1 }

/** What each option of `outlier` may be. */
export const OUTLIER_RANGES: Readonly<Record<keyof OutlierOptions, NumberRange>> = {
  consecutiveFailures: { min: 0, max: 10_000 },
  consecutiveGatewayErrors: { min: 0, max: 10_000 },
  successRateFactor: { min: 0, max: 100 },
  latencyFactor: { min: 0, max: 1_000 },
  intervalMs: { min: 100, max: DAY_MS },
  minRequests: { min: 1, max: 1_000_000 },
  minEndpoints: { min: 2, max: 10_000 },
  ejectionMs: { min: 1, max: DAY_MS },
  maxEjectionMs: { min: 1, max: DAY_MS },
  ejectionJitter: SHARE,
  maxEjectedShare: SHARE,
  panicShare: SHARE,
}

/** Checks that are made whether requests come or not. */
export interface HealthOptions {
  /**
   * What is asked. `http`: a request whose status counts; `grpc`: `grpc.health.v1.Health/Check` over HTTP/2;
   * `tcp`: a TCP connect; `ping`: a PING of HTTP/2 or QUIC. Default `off`.
   */
  check: 'off' | 'http' | 'grpc' | 'tcp' | 'ping'
  /** Of `http`: the path with its query. Default `/`. */
  path: string
  /** Of `http`: GET, HEAD or OPTIONS. Default `GET`. */
  method: 'GET' | 'HEAD' | 'OPTIONS'
  /** Of `http`: the statuses of a healthy endpoint. Default `[200]`. */
  statuses: readonly number[]
  /** Of `grpc`: the service that is asked for. Default: empty, the server as a whole. */
  service: string
  /**
   * `pooled`: over the connections of requests, which spares handshakes and keeps a connection open; `fresh`:
   * each check makes a connection and ends it, so that it sees a listener that takes no more. Default `pooled`.
   */
  connections: 'pooled' | 'fresh'
  /** From the end of a check to the next. Default 5,000 ms. */
  intervalMs: number
  /** The share of the interval (0 to 1) that is drawn on top of it. Default 0.2. */
  jitter: number
  /** A check that takes longer has failed, and is given up. Default 1,000 ms. */
  timeoutMs: number
  /** So many good checks in a row make an unhealthy endpoint healthy. Default 2. */
  healthyAfter: number
  /** So many failed checks in a row make a healthy endpoint unhealthy. Default 3. */
  unhealthyAfter: number
  /** What an endpoint counts as before its first check, which alone decides then. Default `healthy`. */
  initial: 'healthy' | 'unhealthy'
  /** Of the answer to a check; what is longer is cut off, and the status counts. Default 65,536 bytes. */
  maxBodyBytes: number
}

/** The defaults of `health`. Durations are in ms, sizes in bytes. */
export const DEFAULT_HEALTH_OPTIONS: Readonly<HealthOptions> = {
  check: 'off',
  path: '/',
  method: 'GET',
  statuses: [200],
  service: '',
  connections: 'pooled',
  intervalMs: 5_000,
  jitter: 0.2,
  timeoutMs: 1_000,
  healthyAfter: 2,
  unhealthyAfter: 3,
  initial: 'healthy',
  maxBodyBytes: 65_536,
}

/** The words that options of `health` may be. */
export const HEALTH_WORDS = {
  check: ['off', 'http', 'grpc', 'tcp', 'ping'],
  method: ['GET', 'HEAD', 'OPTIONS'],
  connections: ['pooled', 'fresh'],
  initial: ['healthy', 'unhealthy'],
} as const

/** What the numbers of `health` may be. */
export const HEALTH_RANGES = {
  intervalMs: { min: 10, max: DAY_MS },
  jitter: SHARE,
  timeoutMs: { min: 1, max: 600_000 },
  healthyAfter: { min: 1, max: 1_000 },
  unhealthyAfter: { min: 1, max: 1_000 },
  maxBodyBytes: { min: 0, max: 16_777_216 },
} as const satisfies Readonly<Partial<Record<keyof HealthOptions, NumberRange>>>

/** An origin-form path of a check (RFC 9112 3.2.1). */
export const HEALTH_PATH = /^\/[\x21-\x7e]{0,2047}$/

/** The name of a gRPC service, as it stands in its .proto file; empty for all. */
export const GRPC_SERVICE = /^[A-Za-z0-9_.-]{0,255}$/

/** More than that nobody lists by hand. */
export const MAX_STATUSES = 64

/**
 * Bounds above which an origin, or one endpoint of it, gets no more: what comes then fails at once, by name,
 * instead of making an overload longer (Envoy's circuit breakers). 0: no bound.
 */
export interface BreakerOptions {
  /**
   * Connections of the origin; the lower of this and `pool.maxConnections` holds. Requests wait for a free
   * one. Default 0.
   */
  maxConnections: number
  /** Requests that wait for a connection; one more fails with MM_BREAKER_WAITING. Default 0. */
  maxWaiting: number
  /** Requests that wait or are under way; one more fails with MM_BREAKER_REQUESTS. Default 0. */
  maxRequests: number
  /** Requests under way that were sent again; no other is then, and its first failure is its last. Default 0. */
  maxRetries: number
  /** The same as `maxConnections`, of each endpoint. Default 0. */
  maxEndpointConnections: number
  /** The same as `maxWaiting`, of each endpoint. Default 0. */
  maxEndpointWaiting: number
  /** The same as `maxRequests`, of each endpoint. Default 0. */
  maxEndpointRequests: number
  /** The same as `maxRetries`, of each endpoint. Default 0. */
  maxEndpointRetries: number
}

/** The defaults of `breakers`. */
export const DEFAULT_BREAKER_OPTIONS: Readonly<BreakerOptions> = {
  maxConnections: 0,
  maxWaiting: 0,
  maxRequests: 0,
  maxRetries: 0,
  maxEndpointConnections: 0,
  maxEndpointWaiting: 0,
  maxEndpointRequests: 0,
  maxEndpointRetries: 0,
}

/**
 * A limit of the requests under way that follows what the origin bears: it falls when answers take longer than
 * they did, and rises while they do not (Netflix' Gradient2 limit, Envoy's adaptive concurrency).
 */
export interface ConcurrencyOptions {
  /** `gradient`: requests above the limit fail with MM_CONCURRENCY_LIMIT. Default `off`. */
  limit: 'off' | 'gradient'
  /** Where the limit begins. Default 20. */
  initial: number
  /** The least that it falls to. Default 3. */
  min: number
  /** The most that it rises to. Default 1,000. */
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

/** What the numbers of `concurrency` may be. */
export const CONCURRENCY_RANGES = {
  initial: { min: 1, max: 1_000_000 },
  min: { min: 1, max: 1_000_000 },
  max: { min: 1, max: 1_000_000 },
  windowMs: { min: 10, max: 3_600_000 },
  minSamples: { min: 1, max: 100_000 },
  tolerance: { min: 1, max: 100 },
} as const satisfies Readonly<Partial<Record<keyof ConcurrencyOptions, NumberRange>>>

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkOutlierOptions(options: OutlierOptions): OutlierOptions {
  checkFields('outlier', options, OUTLIER_RANGES)
  if (options.ejectionMs > options.maxEjectionMs)
    throw invalid(`outlier.maxEjectionMs must not be below outlier.ejectionMs (${options.ejectionMs})`)
  return options
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkHealthOptions(options: HealthOptions): HealthOptions {
  checkFields('health', options, HEALTH_RANGES)
  for (const [name, words] of Object.entries(HEALTH_WORDS))
    checkWord(`health.${name}`, options[name as keyof typeof HEALTH_WORDS], words) // its keys
  checkStatuses('health.statuses', options.statuses)
  if (options.statuses.length === 0) throw invalid('health.statuses must name at least one status')
  if (typeof options.path !== 'string' || !HEALTH_PATH.test(options.path))
    throw invalid(`health.path must begin with / and have no space, not ${JSON.stringify(options.path)}`)
  if (typeof options.service !== 'string' || !GRPC_SERVICE.test(options.service))
    throw invalid(`health.service must be the name of a service, not ${JSON.stringify(options.service)}`)
  return options
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkBreakerOptions(options: BreakerOptions): BreakerOptions {
  for (const [name, value] of Object.entries(checkNumbers('breakers', options)))
    if (!Number.isSafeInteger(value)) throw invalid(`breakers.${name} must be a whole number, not ${value}`)
  return options
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkConcurrencyOptions(options: ConcurrencyOptions): ConcurrencyOptions {
  checkWord('concurrency.limit', options.limit, CONCURRENCY_LIMITS)
  checkFields('concurrency', options, CONCURRENCY_RANGES)
  const { initial, min, max } = options
  if (min > initial || initial > max)
    throw invalid(`concurrency.initial (${initial}) must lie between min (${min}) and max (${max})`)
  return options
}

/** A short list of final statuses. Throws MM_INVALID_ARGUMENT. */
export function checkStatuses(name: string, statuses: unknown): void {
  const isStatus = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599
  if (Array.isArray(statuses) && statuses.length <= MAX_STATUSES && statuses.every(isStatus)) return
  throw invalid(
    `${name} must be a list of up to ${MAX_STATUSES} statuses from 200 to 599, such as [502, 503]`,
  )
}

function checkFields<Options extends object>(
  group: string,
  options: Options,
  ranges: Readonly<Partial<Record<keyof Options, NumberRange>>>,
): void {
  for (const [name, range] of Object.entries<NumberRange>(ranges as Record<string, NumberRange>)) {
    const value: unknown = options[name as keyof Options] // a key of the ranges
    const { min, max } = range
    if (typeof value === 'number' && value >= min && value <= max) continue
    throw invalid(`${group}.${name} must be a number from ${min} to ${max}, not ${String(value)}`)
  }
}

function invalid(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
