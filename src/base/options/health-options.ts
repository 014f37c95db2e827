import { TransportError } from '../errors.ts'
import { checkWord, type NumberRange } from './check-options.ts'

/**
 * When an endpoint takes no requests for a while, by what became of those that it was sent (Envoy's outlier
 * detection). It works where requests are balanced over endpoints (`balance.policy`).
 */
export interface OutlierOptions {
  /**
   * So many failures in a row eject an endpoint: 5xx, or no answer at all. 0: they never do. Default 10.
   */
  consecutiveFailures: number
  /**
   * So many in a row of 502, 503, 504 and of requests without an answer eject it. 0: they never do. Default
   * 5.
   */
  consecutiveGatewayErrors: number
  /**
   * An endpoint is ejected whose share of successes is below the mean of the others by more than so many
   * standard deviations of theirs, and by more than 0.05. 0: it is not. Default 1.9.
   */
  successRateFactor: number
  /**
   * An endpoint is ejected whose answers begin after more than so many times the median of the others, and
   * more than 5 ms later. 0: it is not. Default 0.
   */
  latencyFactor: number
  /** Success rates and latencies are compared this often. Default 10,000 ms. */
  intervalMs: number
  /** Requests that an endpoint must have had in an interval to be compared. Default 100. */
  minRequests: number
  /** Endpoints with so many requests that a comparison takes. Default 3. */
  minEndpoints: number
  /** The first ejection; each further one lasts so much longer. Default 30,000 ms. */
  ejectionMs: number
  /** The longest one; the first one is never longer than it is. Default 300,000 ms. */
  maxEjectionMs: number
  /**
   * The share of an ejection (0 to 1) that is drawn on top of it, so that not all end at once. Default 0.2.
   */
  ejectionJitter: number
  /** The largest share of the endpoints (0 to 1) that is ejected at a time. Default 0.5. */
  maxEjectedShare: number
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
}

const DAY_MS = 86_400_000
const SHARE: NumberRange = { min: 0, max: 1 }

/** What each option of `outlier` may be. */
export const OUTLIER_RANGES: Readonly<Record<keyof OutlierOptions, NumberRange>> = {
  consecutiveFailures: { min: 0, max: 10_000 },
  consecutiveGatewayErrors: { min: 0, max: 10_000 },
  successRateFactor: { min: 0, max: 100 },
  latencyFactor: { min: 1, max: 1_000, orZero: true },
  intervalMs: { min: 100, max: DAY_MS },
  minRequests: { min: 1, max: 1_000_000 },
  minEndpoints: { min: 2, max: 256 },
  ejectionMs: { min: 1, max: DAY_MS },
  maxEjectionMs: { min: 1, max: DAY_MS },
  ejectionJitter: SHARE,
  maxEjectedShare: SHARE,
}

/**
 * Checks of endpoints, made whether requests come or not. They work where requests are balanced over
 * endpoints.
 */
export interface HealthOptions {
  /**
   * What is asked. `http`: a request whose status counts; `grpc`: `grpc.health.v1.Health/Check`; `tcp`: a
   * TCP connect; `ping`: a PING of HTTP/2 or QUIC, or a handshake where no such connection is open. Default
   * `off`.
   */
  check: 'off' | 'http' | 'grpc' | 'tcp' | 'ping'
  /** Of `http`: the path with its query. Default `/`. */
  path: string
  /** Of `http`: GET, HEAD or OPTIONS. Default `GET`. */
  method: 'GET' | 'HEAD' | 'OPTIONS'
  /**
   * Of `http` and `grpc`: what Host and :authority carry; empty: the authority of the origin. Default
   * empty.
   */
  host: string
  /** Of `http`: the statuses of a healthy endpoint. Default `[200]`. */
  statuses: readonly number[]
  /** Of `grpc`: the service that is asked for; empty: the server as a whole. Default empty. */
  service: string
  /**
   * `pooled`: over an open HTTP/2 or HTTP/3 connection of requests that has a stream to spare, else over a
   * new one; `fresh`: each check makes a connection and ends it, so that it notices a listener that takes
   * no more. Over HTTP/1.1 each check is made so: it would hold the place of a request. Default `pooled`.
   */
  connections: 'pooled' | 'fresh'
  /** From the end of a check to the next. Default 5,000 ms. */
  intervalMs: number
  /** The share of the interval (0 to 1) that is drawn on top of it. Default 0.2. */
  jitter: number
  /** A check that takes longer has failed, and is given up. Default 1,000 ms. */
  timeoutMs: number
  /** So many good checks in a row make an unhealthy endpoint healthy. Default 2. */
  rise: number
  /**
   * So many failed checks in a row make a healthy endpoint unhealthy; of the very first one is enough.
   * Default 3.
   */
  fall: number
}

/** The defaults of `health`. Durations are in ms. */
export const DEFAULT_HEALTH_OPTIONS: Readonly<HealthOptions> = {
  check: 'off',
  path: '/',
  method: 'GET',
  host: '',
  statuses: [200],
  service: '',
  connections: 'pooled',
  intervalMs: 5_000,
  jitter: 0.2,
  timeoutMs: 1_000,
  rise: 2,
  fall: 3,
}

/** The words that options of `health` may be. */
export const HEALTH_WORDS = {
  check: ['off', 'http', 'grpc', 'tcp', 'ping'],
  method: ['GET', 'HEAD', 'OPTIONS'],
  connections: ['pooled', 'fresh'],
} as const

/** What the numbers of `health` may be. */
export const HEALTH_RANGES = {
  intervalMs: { min: 10, max: DAY_MS },
  jitter: SHARE,
  timeoutMs: { min: 1, max: 600_000 },
  rise: { min: 1, max: 1_000 },
  fall: { min: 1, max: 1_000 },
} as const satisfies Readonly<Partial<Record<keyof HealthOptions, NumberRange>>>

/**
 * What the texts of `health` may be: an origin-form path (RFC 9112 3.2.1), a host[:port], a name of
 * Protobuf.
 */
export const HEALTH_TEXTS = {
  path: /^\/[\x21-\x7e]{0,2047}$/,
  host: /^(?:(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?)?$/,
  service: /^[A-Za-z0-9_.-]{0,255}$/,
} as const

/** More statuses than that nobody lists by hand. */
const MAX_STATUSES = 64

/**
 * Whether it may stand in `health.statuses`: a final status.
 *
 * @example
 * ```ts
 * isHealthStatus(204) // true
 * ```
 */
export function isHealthStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 599
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkOutlierOptions(options: OutlierOptions): OutlierOptions {
  checkFields('outlier', options, OUTLIER_RANGES)
  return options
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkHealthOptions(options: HealthOptions): HealthOptions {
  checkFields('health', options, HEALTH_RANGES)
  for (const name of ['check', 'method', 'connections'] as const)
    checkWord(`health.${name}`, options[name], HEALTH_WORDS[name])
  for (const name of ['path', 'host', 'service'] as const) {
    const value: unknown = options[name] // whatever a caller without types hands over
    if (typeof value !== 'string' || !HEALTH_TEXTS[name].test(value))
      throw invalid(`health.${name} must fit ${HEALTH_TEXTS[name].source}, not ${JSON.stringify(value)}`)
  }
  const { statuses } = options
  const isShort = Array.isArray(statuses) && statuses.length > 0 && statuses.length <= MAX_STATUSES
  if (!isShort || !statuses.every(isHealthStatus))
    throw invalid(`health.statuses must be a list of 1 to ${MAX_STATUSES} statuses from 200 to 599`)
  return options
}

/** Numbers, fractions among them. */
function checkFields<Options extends object>(
  group: string,
  options: Options,
  ranges: Readonly<Partial<Record<keyof Options & string, NumberRange>>>,
): void {
  for (const [name, { min, max, orZero }] of Object.entries(ranges as Record<string, NumberRange>)) {
    const value: unknown = options[name as keyof Options] // a key of the ranges
    if (typeof value === 'number' && value >= min && value <= max) continue
    if (orZero && value === 0) continue
    throw invalid(
      `${group}.${name} must be ${orZero ? '0 or ' : ''}a number from ${min} to ${max}, not ${String(value)}`,
    )
  }
}

function invalid(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
