import { TransportError } from '../base/errors.ts'
import type { ResolvedAddress } from '../base/http/endpoint.ts'

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
