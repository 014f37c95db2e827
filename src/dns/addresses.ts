import { TransportError } from '../base/errors.ts'
import type { Resolution, ResolvedAddress } from '../base/http/endpoint.ts'
import { type Origin, parseOrigin } from '../base/http/origin.ts'

/**
 * What a lookup came to.
 * - `found`: at least one address. `source`: `system`, `dns`, `hosts`, or `dns-partial` where one of two
 *   families is unknown.
 * - `none`: it is known that there is no address.
 * - `failed`: nobody said.
 */
export type FoundAddresses =
  | {
      readonly kind: 'found'
      readonly addresses: readonly ResolvedAddress[]
      readonly source: string
      /** Infinity: nobody says how long. */
      readonly ttlMs: number
    }
  | { readonly kind: 'none'; readonly error: TransportError; readonly ttlMs: number }
  | { readonly kind: 'failed'; readonly error: TransportError }

/** Asking again gets the same answer. */
const NO_NAME = { retryable: false, hint: 'check the host name: it has no address' }

/**
 * There is no address: what the DNS, or a rule about names, says. As getaddrinfo's it has a cause with Node's
 * code, which interceptors look for.
 */
export function noAddress(host: string, because: string, ttlMs: number): FoundAddresses {
  const cause = Object.assign(new Error(because), { code: 'ENOTFOUND', hostname: host })
  return { kind: 'none', error: new TransportError('MM_DNS_FAILED', because, { cause, ...NO_NAME }), ttlMs }
}

/** What getaddrinfo's error means. Null: it gave no address, and no error. */
export function notFound(host: string, cause: Error | null): FoundAddresses {
  const code = cause !== null && 'code' in cause ? String(cause.code) : ''
  const isNone = cause === null || code === 'ENOTFOUND' || code === 'ENODATA'
  const reason = isNone
    ? 'has no address'
    : code === 'EAI_AGAIN'
      ? 'could not be resolved: the resolver does not answer'
      : `could not be resolved: ${cause.message}`
  const message = `${host} ${reason}${code === '' ? '' : ` (${code})`}`
  const error = new TransportError('MM_DNS_FAILED', message, {
    ...(cause !== null && { cause }),
    ...(isNone && NO_NAME),
  })
  return isNone ? { kind: 'none', error, ttlMs: Infinity } : { kind: 'failed', error }
}

/** `[::1]:443`, `::1`, `127.0.0.1:443`: an address with or without a port. */
const ADDRESS = /^(?:\[([^\]]*)\](?::(\d+))?|([^:]*)(?::(\d+))?|([^[\]]*))$/

/**
 * The addresses of an origin that nobody has to ask for, or undefined. In this order:
 * 1. the origin's configured endpoints;
 * 2. a fixed address for its host and port (`HOST:PORT`, as curl's --resolve);
 * 3. its host, when that is an address.
 */
export function fixedAddresses(
  origin: Origin,
  endpoints: readonly string[],
  overrides: Readonly<Record<string, string>>,
): Resolution | undefined {
  if (endpoints.length > 0) return { addresses: endpoints.map(parseAddress), source: 'endpoints' } // 1
  const override = overriddenAddress(origin.host, origin.port, overrides)
  if (override !== undefined) return override // 2
  if (origin.ipFamily === 0) return undefined
  return { addresses: [{ address: origin.host, family: origin.ipFamily }], source: 'literal' } // 3
}

/** The fixed address of a host and port, if there is one. An IPv6 literal is without brackets here. */
export function overriddenAddress(
  host: string,
  port: number,
  overrides: Readonly<Record<string, string>>,
): Resolution | undefined {
  const key = overrideKey(host, port)
  const override = Object.entries(overrides).find(([name]) => name.toLowerCase() === key)
  return override && { addresses: [parseAddress(override[1])], source: 'override' }
}

/** What stands for a host and port among fixed addresses. */
export function overrideKey(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Throws MM_INVALID_ARGUMENT for anything but an IP address with or without a port. */
export function parseAddress(text: string): ResolvedAddress {
  const match = ADDRESS.exec(text)
  const host = match?.[1] ?? match?.[3] ?? match?.[5] ?? ''
  const portText = match?.[2] ?? match?.[4]
  const port = portText === undefined ? undefined : Number(portText)
  // Brackets are for IPv6 (RFC 3986 3.2.2).
  const normal = match?.[1] !== undefined && !host.includes(':') ? undefined : normalAddress(host)
  if (normal === undefined || (port !== undefined && (port < 1 || port > 65_535))) {
    const message = `not an IP address with or without a port: ${JSON.stringify(text)}`
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
  return port === undefined ? normal : { ...normal, port }
}

function normalAddress(host: string): ResolvedAddress | undefined {
  const isIpv6 = host.includes(':')
  let parsed: Origin
  try {
    parsed = parseOrigin(`http://${isIpv6 ? `[${host}]` : host}`)
  } catch {
    return undefined
  }
  if (parsed.ipFamily === 0) return undefined
  // The URL parser reads `127.1` and `0x7f000001` as addresses. In a configuration they are more likely a
  // slip.
  if (!isIpv6 && parsed.host !== host) return undefined
  return { address: parsed.host, family: parsed.ipFamily }
}

/** A `lookup` for sockets that are given addresses only: there is nothing to ask, and nothing to wait for. */
export function lookUpLiteral(
  address: string,
  _options: unknown,
  done: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  done(null, address, address.includes(':') ? 6 : 4)
}
