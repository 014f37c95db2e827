import type { OpenSsl } from './openssl.ts'

const TEXT_BYTES = 256

/** What Node makes of an error of OpenSSL's: `code` is `ERR_SSL_` with the reason. */
export interface OpenSslError extends Error {
  readonly code: string
  readonly reason: string
}

/**
 * The oldest error in the queue of this thread as node:tls would report it; the queue is empty afterwards.
 * `what` is said when there is none.
 */
export function takeError(openssl: OpenSsl, what: string): OpenSslError {
  const number = openssl.ERR_get_error()
  if (number === 0) return makeError('ERR_SSL_FAILED', what, what)
  const reason = openssl.ERR_reason_error_string(number) ?? what
  const text = Buffer.alloc(TEXT_BYTES)
  openssl.ERR_error_string_n(number, text, text.length)
  openssl.ERR_clear_error()
  const code = `ERR_SSL_${reason.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`
  return makeError(code, text.toString('latin1').replace(/\0.*$/s, ''), reason)
}

export function makeError(code: string, message: string, reason: string): OpenSslError {
  return Object.assign(new Error(message), { code, reason })
}
