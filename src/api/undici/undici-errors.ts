import type { errors as UndiciErrors } from 'undici'
import type { ErrorCode } from '../../base/error-codes.ts'
import { TransportError } from '../../base/errors.ts'
import { undici } from './undici-module.ts'

/**
 * The undici errors that its interceptors and users test for. What has no counterpart stays a TransportError.
 */
const COUNTERPARTS: Partial<Record<ErrorCode, (message: string, errors: typeof UndiciErrors) => Error>> = {
  MM_ABORTED: (message, errors) => new errors.RequestAbortedError(message),
  MM_CONNECTION_CLOSED: (message, errors) => new errors.SocketError(message),
  MM_CONNECTION_RESET: (message, errors) => new errors.SocketError(message),
  MM_CONNECT_TIMEOUT: (message, errors) => new errors.ConnectTimeoutError(message),
  MM_TLS_TIMEOUT: (message, errors) => new errors.ConnectTimeoutError(message),
  MM_HEADERS_TIMEOUT: (message, errors) => new errors.HeadersTimeoutError(message),
  MM_BODY_TIMEOUT: (message, errors) => new errors.BodyTimeoutError(message),
  MM_PROTOCOL_ERROR: (message, errors) => new errors.HTTPParserError(message),
  MM_HEADER_LIMIT: (message, errors) => new errors.HeadersOverflowError(message),
  MM_BODY_LENGTH: (message, errors) => new errors.RequestContentLengthMismatchError(message),
  MM_INVALID_ARGUMENT: (message, errors) => new errors.InvalidArgumentError(message),
  MM_TRANSPORT_CLOSED: (message, errors) => new errors.ClientClosedError(message),
}

/**
 * Codes behind which stands an error of Node's with a code of its own (ECONNREFUSED, ENOTFOUND, …), which
 * retry interceptors look for.
 */
const SYSTEM_ERRORS: ReadonlySet<ErrorCode> = new Set([
  'MM_CONNECT_REFUSED',
  'MM_CONNECT_FAILED',
  'MM_DNS_FAILED',
  'MM_TLS_CERTIFICATE',
  'MM_TLS_FAILED',
  'MM_CONNECTION_RESET',
])

/** The error as an undici handler expects it. The TransportError stays reachable as `cause`. */
export function toUndiciError(error: TransportError): Error {
  const { code, message, cause } = error
  // The caller's own error comes back to it as it was: why it gave up, or how its body failed.
  if ((code === 'MM_ABORTED' || code === 'MM_BODY_FAILED') && cause instanceof Error) return cause
  const system = SYSTEM_ERRORS.has(code) ? systemError(cause) : undefined
  if (system !== undefined) {
    const { code, errno, syscall } = system
    return Object.assign(new Error(message, { cause: error }), { code, errno, syscall })
  }
  // Our own lookup has no error of Node's behind it; getaddrinfo says this where the resolver gives no
  // answer.
  if (code === 'MM_DNS_FAILED')
    return Object.assign(new Error(message, { cause: error }), { code: 'EAI_AGAIN' })
  const make = COUNTERPARTS[code]
  if (make === undefined) return error
  const counterpart = make(message, undici().errors)
  counterpart.cause = error
  return counterpart
}

/**
 * The first error of Node's among what an error stands for: with several addresses that is one per attempt.
 */
function systemError(
  cause: unknown,
): (Error & { code: unknown; errno?: unknown; syscall?: unknown }) | undefined {
  if (cause instanceof AggregateError) {
    for (const one of cause.errors) {
      const found = systemError(one)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (cause instanceof TransportError) return systemError(cause.cause)
  return cause instanceof Error && 'code' in cause ? cause : undefined
}
