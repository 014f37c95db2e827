import { errors } from 'undici'
import type { ErrorCode, TransportError } from '../errors.ts'

/** The undici errors that its interceptors and users test for. What has no counterpart stays a TransportError. */
const COUNTERPARTS: Partial<Record<ErrorCode, (message: string) => Error>> = {
  MM_CONNECTION_CLOSED: message => new errors.SocketError(message),
  MM_CONNECTION_RESET: message => new errors.SocketError(message),
  MM_CONNECT_TIMEOUT: message => new errors.ConnectTimeoutError(message),
  MM_TLS_TIMEOUT: message => new errors.ConnectTimeoutError(message),
  MM_HEADERS_TIMEOUT: message => new errors.HeadersTimeoutError(message),
  MM_BODY_TIMEOUT: message => new errors.BodyTimeoutError(message),
  MM_HEADER_LIMIT: message => new errors.HeadersOverflowError(message),
  MM_BODY_LENGTH: message => new errors.RequestContentLengthMismatchError(message),
  MM_INVALID_ARGUMENT: message => new errors.InvalidArgumentError(message),
  MM_TRANSPORT_CLOSED: message => new errors.ClientClosedError(message),
}

/** Codes whose cause carries Node's own code (ECONNREFUSED, ENOTFOUND, …), which retry interceptors look for. */
const SYSTEM_ERRORS: ReadonlySet<ErrorCode> = new Set([
  'MM_CONNECT_REFUSED',
  'MM_CONNECT_FAILED',
  'MM_DNS_FAILED',
  'MM_TLS_CERTIFICATE',
])

/** The error as an undici handler expects it. The TransportError stays reachable as `cause`. */
export function toUndiciError(error: TransportError): Error {
  // The caller's own reason comes back to it as it was.
  if (error.code === 'MM_ABORTED' && error.cause instanceof Error) return error.cause
  if (SYSTEM_ERRORS.has(error.code) && error.cause instanceof Error && 'code' in error.cause) {
    return Object.assign(new Error(error.message, { cause: error }), { code: error.cause.code })
  }
  const make = COUNTERPARTS[error.code]
  if (make === undefined) return error
  const counterpart = make(error.message)
  counterpart.cause = error
  return counterpart
}
