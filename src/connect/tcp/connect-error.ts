import type { ErrorCode } from '../../base/error-codes.ts'
import { TransportError } from '../../base/errors.ts'
import { TLS_HINTS, type TlsHint } from '../../base/tls-hints.ts'
import { localFaultOf } from '../local/departure.ts'

/** What a failed attempt says, in the words of this project. Each table is searched from its top. */

/** How far the attempt had come. */
export type AttemptPhase = 'connect' | 'tls'

/** System errors of connect(2), and of reads during the handshake. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ECONNREFUSED: ['MM_CONNECT_REFUSED', 'refused the connection'],
  ECONNRESET: ['MM_CONNECT_FAILED', 'closed the connection'],
  EPIPE: ['MM_CONNECT_FAILED', 'closed the connection'],
  ECONNABORTED: ['MM_CONNECT_FAILED', 'the connection was aborted'],
  ENETUNREACH: ['MM_CONNECT_FAILED', 'no route to its network'],
  EHOSTUNREACH: ['MM_CONNECT_FAILED', 'no route to the host'],
  ENETDOWN: ['MM_CONNECT_FAILED', 'the network is down'],
  EHOSTDOWN: ['MM_CONNECT_FAILED', 'the host is down'],
  ETIMEDOUT: ['MM_CONNECT_TIMEOUT', 'did not answer; the kernel gave up'],
  EADDRNOTAVAIL: ['MM_PORTS_EXHAUSTED', 'no local address or port is left for it'],
  EADDRINUSE: ['MM_PORTS_EXHAUSTED', 'no local port is left for it'],
  EAFNOSUPPORT: ['MM_CONNECT_FAILED', 'this machine does not have its address family'],
  EACCES: ['MM_CONNECT_FAILED', 'this machine forbids the connection'],
  EPERM: ['MM_CONNECT_FAILED', 'this machine forbids the connection'],
  EMFILE: ['MM_OUT_OF_DESCRIPTORS', 'this process has no file descriptor left for it'],
  ENFILE: ['MM_OUT_OF_DESCRIPTORS', 'this machine has no file descriptor left for it'],
}

/** Why a certificate was not accepted: Node's own code and those of X509_verify_cert(3). */
const CERTIFICATE_ERRORS: Readonly<Record<string, readonly [string, TlsHint]>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: ['is for other names', 'names'],
  ERR_TLS_CERT_ALTNAME_FORMAT: ['has names that cannot be read', 'broken'],
  CERT_HAS_EXPIRED: ['has expired', 'expired'],
  CERT_NOT_YET_VALID: ['is not valid yet', 'notYetValid'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['is self-signed and not trusted', 'selfSigned'],
  SELF_SIGNED_CERT_IN_CHAIN: ['comes from an authority that is not trusted', 'untrusted'],
  UNABLE_TO_GET_ISSUER_CERT: ['comes from an authority that is not trusted', 'untrusted'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['comes from an authority that is not trusted', 'untrusted'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'comes from an authority that is not trusted, or the server leaves out the chain',
    'untrusted',
  ],
  CERT_UNTRUSTED: ['is not trusted', 'untrusted'],
  CERT_REJECTED: ['was rejected by the trust settings', 'untrusted'],
  CERT_REVOKED: ['was revoked', 'revoked'],
  CERT_SIGNATURE_FAILURE: ['has a signature that does not fit', 'broken'],
  CERT_CHAIN_TOO_LONG: ['has too long a chain', 'broken'],
  PATH_LENGTH_EXCEEDED: ['has too long a chain', 'broken'],
  INVALID_CA: ['was issued by a certificate that may not issue any', 'broken'],
  INVALID_PURPOSE: ['is not made for servers', 'broken'],
  HOSTNAME_MISMATCH: ['is for other names', 'names'],
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: ['has a signature that cannot be read', 'broken'],
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: ['has an issuer whose key cannot be read', 'broken'],
  ERROR_IN_CERT_NOT_BEFORE_FIELD: ['has dates that cannot be read', 'broken'],
  ERROR_IN_CERT_NOT_AFTER_FIELD: ['has dates that cannot be read', 'broken'],
  UNABLE_TO_GET_CRL: ['cannot be checked for revocation', 'revoked'],
  CRL_HAS_EXPIRED: ['cannot be checked for revocation: the list has expired', 'revoked'],
}

/**
 * TLS alerts and what OpenSSL finds by itself. OpenSSL names the same alert in several ways
 * (`ERR_SSL_SSLV3_ALERT_…`, `ERR_SSL_TLSV1_…`, `ERR_SSL_SSL/TLS_ALERT_…`), and Node reports some as EPROTO
 * with the name in the message only: the middle of the name decides.
 */
const TLS_ERRORS: readonly (readonly [string, ErrorCode, string, TlsHint?])[] = [
  ['NO_APPLICATION_PROTOCOL', 'MM_ALPN_MISMATCH', 'speaks none of the protocols that we offered'],
  ['CERTIFICATE_REQUIRED', 'MM_TLS_FAILED', 'demands a client certificate', 'clientCertificate'],
  ['ALERT_BAD_CERTIFICATE', 'MM_TLS_FAILED', 'refused our client certificate', 'clientCertificate'],
  ['ALERT_UNSUPPORTED_CERTIFICATE', 'MM_TLS_FAILED', 'refused our client certificate', 'clientCertificate'],
  ['ALERT_CERTIFICATE_', 'MM_TLS_FAILED', 'refused our client certificate', 'clientCertificate'],
  [
    'ALERT_UNKNOWN_CA',
    'MM_TLS_FAILED',
    'does not trust the authority of our client certificate',
    'clientCertificate',
  ],
  ['ALERT_ACCESS_DENIED', 'MM_TLS_FAILED', 'denied us access', 'access'],
  ['UNRECOGNIZED_NAME', 'MM_TLS_FAILED', 'does not know the server name', 'serverName'],
  ['PROTOCOL_VERSION', 'MM_TLS_FAILED', 'has no TLS version in common with us', 'version'],
  ['UNSUPPORTED_PROTOCOL', 'MM_TLS_FAILED', 'has no TLS version in common with us', 'version'],
  ['HANDSHAKE_FAILURE', 'MM_TLS_FAILED', 'has no cipher, group or signature in common with us', 'cipher'],
  ['INSUFFICIENT_SECURITY', 'MM_TLS_FAILED', 'wants stronger ciphers', 'cipher'],
  ['WRONG_VERSION_NUMBER', 'MM_TLS_FAILED', 'does not speak TLS on this port', 'notTls'],
  ['PACKET_LENGTH_TOO_LONG', 'MM_TLS_FAILED', 'does not speak TLS on this port', 'notTls'],
  ['HTTP_REQUEST', 'MM_TLS_FAILED', 'does not speak TLS on this port', 'notTls'],
]

/** One failed attempt as a TransportError. Its message stands by itself: endpoint, reason, code. */
export function attemptError(
  cause: unknown,
  phase: AttemptPhase,
  endpoint: string,
  serverName: string,
): TransportError {
  if (cause instanceof TransportError) return cause
  const { code, message, reason } = describe(cause)

  if (localFaultOf(cause) === 'gone') {
    const why = `cannot be reached from a local address that this machine does not have (${code})`
    return new TransportError('MM_LOCAL_ADDRESS', `${endpoint} ${why}`, { cause })
  }
  const system = SYSTEM_ERRORS[code]
  if (system !== undefined) {
    const during = phase === 'tls' ? ' during the TLS handshake' : ''
    return new TransportError(system[0], `${endpoint} ${system[1]}${during} (${code})`, { cause })
  }
  if (phase === 'connect') {
    return new TransportError('MM_CONNECT_FAILED', `${endpoint} ${message}`, { cause })
  }
  const certificate = CERTIFICATE_ERRORS[code]
  if (certificate !== undefined) {
    const detail = reason === '' ? code : `${code}: ${reason}`
    return new TransportError(
      'MM_TLS_CERTIFICATE',
      `${endpoint} the certificate for ${serverName} ${certificate[0]} (${detail})`,
      { cause, hint: TLS_HINTS[certificate[1]] },
    )
  }
  const name = `${code} ${message}`.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')
  const alert = TLS_ERRORS.find(([part]) => name.includes(part))
  if (alert !== undefined) {
    const [, known, what, hint] = alert
    return new TransportError(known, `${endpoint} ${what} (${code})`, {
      cause,
      hint: hint && TLS_HINTS[hint],
    })
  }
  return new TransportError('MM_TLS_FAILED', `${endpoint} TLS failed: ${message}`, { cause })
}

/**
 * How near to success each code is: the nearest one names the failure of several attempts, since it says
 * most.
 */
const NEARNESS: readonly ErrorCode[] = [
  'MM_OUT_OF_DESCRIPTORS', // says nothing of the origin, and neither do the others then
  'MM_TLS_CERTIFICATE',
  'MM_ALPN_MISMATCH',
  'MM_TLS_FAILED',
  'MM_TLS_TIMEOUT',
  'MM_CONNECT_REFUSED',
  'MM_CONNECT_TIMEOUT',
  'MM_CONNECT_FAILED',
  'MM_PORTS_EXHAUSTED',
  'MM_LOCAL_ADDRESS',
  'MM_PROXY_REFUSED',
  'MM_PROXY_AUTH',
  'MM_PROXY_TIMEOUT',
  'MM_PROXY_FAILED',
]

/**
 * The failure of a whole dial: every attempt with its reason. Of several the causes are an AggregateError.
 */
export function dialError(origin: string, failures: readonly TransportError[]): TransportError {
  const codes = new Set(failures.map(({ code }) => code))
  const code = NEARNESS.find(candidate => codes.has(candidate)) ?? failures[0]?.code ?? 'MM_CONNECT_FAILED'
  const reasons =
    failures.length === 0 ? 'no address to try' : failures.map(({ message }) => message).join('; ')
  const message = `cannot connect to ${origin}: ${reasons}`
  const [only] = failures
  const cause = failures.length === 1 ? (only?.cause ?? only) : new AggregateError(failures, message)
  const nearest = failures.find(failure => failure.code === code)
  return new TransportError(code, message, { cause, hint: nearest?.hint, retryable: nearest?.retryable })
}

function describe(error: unknown): { code: string; message: string; reason: string } {
  if (!(error instanceof Error)) return { code: '', message: String(error), reason: '' }
  return {
    code: 'code' in error && typeof error.code === 'string' ? error.code : '',
    message: error.message,
    reason: 'reason' in error && typeof error.reason === 'string' ? error.reason : '',
  }
}
