import { TransportError } from '../errors.ts'
import { checkNumber, checkWord } from './check-options.ts'

/** One endpoint of an origin, and its part in the balance. */
export interface EndpointOptions {
  /** `address`, `host`, or either with `:port`. Brackets around IPv6. */
  readonly address: string
  /**
   * Its share of the requests against the other endpoints' weights; of a host name, the share of each of its
   * addresses. From 1 to 1000. Default 1.
   */
  readonly weight?: number | undefined
  /** Failover: requests go to the lowest tier that has an endpoint to be reached. Default 0. */
  readonly tier?: number | undefined
  /** Where it is; see `balance.zones`. Default: nowhere in particular, behind all zones that are named. */
  readonly zone?: string | undefined
}

/**
 * How requests are spread over the endpoints of an origin.
 * - `in-order`: not at all: each connect tries them in the order of the list.
 * - `least-requests`: of two picked at random the one with fewer requests under way.
 * - `peak-ewma`: of two picked at random the one whose recent latency times its requests under way is
 *   lower.
 * - `round-robin`: in turn, by weight.
 * - `random`: at random, by weight.
 * - `hash`: the same key goes to the same endpoint; see `hashBy`.
 */
export type BalancePolicy = (typeof BALANCE_POLICIES)[number]

/** What `balance.policy` may be: see BalancePolicy. */
export const BALANCE_POLICIES = [
  'in-order',
  'least-requests',
  'peak-ewma',
  'round-robin',
  'random',
  'hash',
] as const

/** How requests are spread over an origin's endpoints. */
export interface BalanceOptions {
  /**
   * `in-order` (each connect tries the endpoints as listed), `least-requests`, `peak-ewma`, `round-robin`,
   * `random` or `hash`: see docs/endpoints.md. Default `in-order`.
   */
  policy: BalancePolicy
  /** With `hash`, what of a request is its key: `path`, `header:NAME` or `cookie:NAME`. Default `path`. */
  hashBy: string
  /** Zones, nearest first: within a tier the nearest reachable endpoints are used. Default none. */
  zones: readonly string[]
  /**
   * Time in which an endpoint that recovered, or is new, grows to its full weight; 0: at once. Default 0 ms.
   */
  slowStartMs: number
  /** So many endpoints are used, picked at random per process, for long lists; 0: all. Default 0. */
  subsetSize: number
  /**
   * So many addresses of a host name among `endpoints` become endpoints, and no more. From 1 to 256. Default
   * 64.
   */
  maxAddressesPerName: number
  /**
   * A tier of which a smaller share (0 to 1) is healthy is left for the next one; without such a one health
   * is ignored, since the few could not bear the load of all. 0: one healthy endpoint is enough. Default
   * 0.3.
   */
  panicShare: number
}

/** What holds for an origin that says nothing else. */
export const DEFAULT_BALANCE_OPTIONS: Readonly<BalanceOptions> = {
  policy: 'in-order',
  hashBy: 'path',
  zones: [],
  slowStartMs: 0,
  subsetSize: 0,
  maxAddressesPerName: 64,
  panicShare: 0.3,
}

/** More endpoints than this are not balanced over, however many a list and its host names have. */
export const MAX_BALANCED_ENDPOINTS = 256
/** What the weight of an endpoint is at most. */
export const MAX_WEIGHT = 1_000
/** What the tier of an endpoint is at most. */
export const MAX_TIER = 15

/** `path`, `header:NAME`, `cookie:NAME`; names are tokens (RFC 9110 5.6.2). */
export const HASH_BY = /^(?:path|header:[\w!#$%&'*+.^`|~-]+|cookie:[\w!#$%&'*+.^`|~-]+)$/

/** `host` or `host:port`, as far as a pattern can say it: letters, digits, `-` and `_` between dots. */
const ENDPOINT_NAME = /^(?<host>(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?)(?::(?<port>\d{1,5}))?$/
/** The URL standard takes a host for an IPv4 address when its last label is a number; so do resolvers. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i

/** A host name among `endpoints`. */
export interface EndpointName {
  /** Lower case. */
  readonly host: string
  /** Undefined: the origin's. */
  readonly port: number | undefined
}

/**
 * Reads a host name with or without a port, as `endpoints` may have it. Undefined: the text is none.
 *
 * @example
 * ```ts
 * parseEndpointName('shop.internal:8443') // { host: 'shop.internal', port: 8443 }
 * parseEndpointName('192.0.2.1:8443') // undefined
 * ```
 */
export function parseEndpointName(text: string): EndpointName | undefined {
  const { host = '', port } = ENDPOINT_NAME.exec(text)?.groups ?? {}
  if (host === '' || host.length > 254 || ENDS_IN_NUMBER.test(host)) return undefined
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined
  return { host: host.toLowerCase(), port: port === undefined ? undefined : Number(port) }
}

/** An endpoint with everything said. */
interface CheckedEndpoint {
  readonly address: string
  readonly weight: number
  readonly tier: number
  /** '': none. */
  readonly zone: string
}

/** Throws MM_INVALID_ARGUMENT, naming the option. */
export function checkBalanceOptions(options: BalanceOptions): BalanceOptions {
  checkWord('balance.policy', options.policy, BALANCE_POLICIES)
  checkNumber('balance.slowStartMs', options.slowStartMs)
  checkNumber('balance.subsetSize', options.subsetSize)
  if (checkNumber('balance.panicShare', options.panicShare) > 1)
    invalid(`balance.panicShare must be a number from 0 to 1, not ${options.panicShare}`)
  if (!Number.isInteger(options.subsetSize)) invalid('balance.subsetSize must be a whole number')
  const { maxAddressesPerName } = options
  const isBound = Number.isInteger(maxAddressesPerName) && maxAddressesPerName >= 1
  if (!isBound || maxAddressesPerName > MAX_BALANCED_ENDPOINTS)
    invalid(
      `balance.maxAddressesPerName must be a whole number from 1 to ${MAX_BALANCED_ENDPOINTS}, not ${maxAddressesPerName}`,
    )
  if (typeof options.hashBy !== 'string' || !HASH_BY.test(options.hashBy))
    invalid(`balance.hashBy must be path, header:NAME or cookie:NAME, not ${JSON.stringify(options.hashBy)}`)
  const { zones } = options
  if (!Array.isArray(zones) || !zones.every(zone => typeof zone === 'string' && zone !== ''))
    invalid('balance.zones must be a list of names')
  return options
}

/** Throws MM_INVALID_ARGUMENT, naming what it does not like. */
export function checkEndpoints(
  endpoints: readonly (string | EndpointOptions)[],
  policy: BalancePolicy,
): CheckedEndpoint[] {
  if (!Array.isArray(endpoints)) invalid('endpoints must be a list')
  if (policy !== 'in-order' && endpoints.length > MAX_BALANCED_ENDPOINTS)
    invalid(`endpoints must be at most ${MAX_BALANCED_ENDPOINTS} to be balanced, not ${endpoints.length}`)
  const checked = endpoints.map(endpoint => checkEndpoint(endpoint, policy))
  const addresses = new Set(checked.map(({ address }) => address.toLowerCase()))
  if (policy !== 'in-order' && addresses.size < checked.length)
    invalid('endpoints must not name the same address twice: give it a weight')
  return checked
}

function checkEndpoint(endpoint: string | EndpointOptions, policy: BalancePolicy): CheckedEndpoint {
  if (typeof endpoint === 'string') return { address: endpoint, weight: 1, tier: 0, zone: '' }
  if (typeof endpoint !== 'object' || endpoint === null || typeof endpoint.address !== 'string')
    invalid(`each of endpoints must be an address, a host name or { address, weight, tier, zone }`)
  const { address, weight = 1, tier = 0, zone = '' } = endpoint
  if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT)
    invalid(`the weight of endpoint ${address} must be a whole number from 1 to ${MAX_WEIGHT}`)
  if (!Number.isInteger(tier) || tier < 0 || tier > MAX_TIER)
    invalid(`the tier of endpoint ${address} must be a whole number from 0 to ${MAX_TIER}`)
  if (typeof zone !== 'string') invalid(`the zone of endpoint ${address} must be a name`)
  const isPlain = weight === 1 && tier === 0 && zone === ''
  if (policy === 'in-order' && !isPlain)
    invalid(`endpoint ${address} has a weight, tier or zone: balance.policy must say how they are used`)
  return { address, weight, tier, zone }
}

function invalid(message: string): never {
  throw new TransportError('MM_INVALID_ARGUMENT', message)
}
