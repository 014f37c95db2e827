import type { ErrorCode } from '../base/error-codes.ts'
import { TransportError } from '../base/errors.ts'
import { TLS_HINTS, type TlsHint } from '../base/tls-hints.ts'
import type { QuicEnd } from './engine.ts'

/**
 * What a failed attempt over QUIC says, in the words of this project, as connect/tcp/connect-error.ts does
 * for TCP.
 */

/** System errors of sockets, ICMP errors among them. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ECONNREFUSED: ['MM_CONNECT_REFUSED', 'nobody listens on that UDP port'],
  ENETUNREACH: ['MM_CONNECT_FAILED', 'no route to its network'],
  EHOSTUNREACH: ['MM_CONNECT_FAILED', 'no route to the host'],
  ENETDOWN: ['MM_CONNECT_FAILED', 'the network is down'],
  EADDRNOTAVAIL: ['MM_CONNECT_FAILED', 'no local address or port is left for it'],
  EAFNOSUPPORT: ['MM_CONNECT_FAILED', 'this machine does not have its address family'],
  EACCES: ['MM_CONNECT_FAILED', 'this machine forbids it'],
  EPERM: ['MM_CONNECT_FAILED', 'this machine forbids it'],
  EMFILE: ['MM_OUT_OF_DESCRIPTORS', 'this process has no file descriptor left for it'],
  ENFILE: ['MM_OUT_OF_DESCRIPTORS', 'this machine has no file descriptor left for it'],
}

/** QUIC errors 0x100 to 0x1ff are alerts of TLS (RFC 9001 4.8). */
const ALERT_BASE = 0x100
const ALERT_END = 0x200

/** Alerts that we raise: the certificate of the server is not good enough. */
const LOCAL_CERTIFICATE_ALERTS: Readonly<Record<number, readonly [string, TlsHint]>> = {
  42: ['is for other names', 'names'],
  43: ['is not made for servers', 'broken'],
  44: ['was revoked', 'revoked'],
  45: ['has expired or is not valid yet', 'expired'],
  46: ['is not accepted', 'untrusted'],
  48: ['comes from an authority that is not trusted', 'untrusted'],
}

/** Alerts of the server. */
const PEER_ALERTS: Readonly<Record<number, readonly [ErrorCode, string, TlsHint?]>> = {
  40: ['MM_TLS_FAILED', 'has no cipher, group or signature in common with us', 'cipher'],
  42: ['MM_TLS_FAILED', 'refused our client certificate', 'clientCertificate'],
  43: ['MM_TLS_FAILED', 'refused our client certificate', 'clientCertificate'],
  44: ['MM_TLS_FAILED', 'refused our client certificate', 'clientCertificate'],
  45: ['MM_TLS_FAILED', 'refused our client certificate', 'clientCertificate'],
  46: ['MM_TLS_FAILED', 'refused our client certificate', 'clientCertificate'],
  48: ['MM_TLS_FAILED', 'does not trust the authority of our client certificate', 'clientCertificate'],
  49: ['MM_TLS_FAILED', 'denied us access', 'access'],
  112: ['MM_TLS_FAILED', 'does not know the server name', 'serverName'],
  116: ['MM_TLS_FAILED', 'demands a client certificate', 'clientCertificate'],
  120: ['MM_ALPN_MISMATCH', 'speaks none of the protocols that we offered'],
}

const NO_APPLICATION_PROTOCOL = 0x178
/** RFC 9000 20.1 */
const CONNECTION_REFUSED = 0x2

/** A socket that could not be made, or that said that the peer cannot be reached. */
export function socketFailure(cause: unknown, endpoint: string): TransportError {
  if (cause instanceof TransportError) return cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const known = SYSTEM_ERRORS[code]
  if (known !== undefined) return new TransportError(known[0], `${endpoint} ${known[1]} (${code})`, { cause })
  const message = cause instanceof Error ? cause.message : String(cause)
  return new TransportError('MM_CONNECT_FAILED', `${endpoint} ${message}`, { cause })
}

/** A connection that ended before its handshake was complete. */
export function handshakeFailure(end: QuicEnd, endpoint: string, serverName: string): TransportError {
  const [code, what, hint] = describe(end, serverName)
  const error = `QUIC error 0x${end.code.toString(16)}`
  const detail = end.reason === '' ? error : `${error}: ${end.reason}`
  const hasError = end.cause === 'local' || end.cause === 'peer'
  const message = hasError ? `${endpoint} ${what} (${detail})` : `${endpoint} ${what}`
  return new TransportError(code, message, { hint: hint && TLS_HINTS[hint] })
}

function describe(end: QuicEnd, serverName: string): readonly [ErrorCode, string, TlsHint?] {
  const isAlert = !end.isApplication && end.code >= ALERT_BASE && end.code < ALERT_END
  const alert = isAlert ? end.code - ALERT_BASE : -1
  if (end.cause === 'idle') return ['MM_CONNECT_TIMEOUT', 'did not answer over UDP']
  if (end.cause === 'reset') return ['MM_CONNECT_FAILED', 'reset the connection']
  if (end.cause === 'version') return ['MM_QUIC_VERSION', end.reason]
  if (end.cause === 'unusable') return ['MM_CONNECT_FAILED', end.reason]
  if (end.cause === 'peer') {
    if (end.code === CONNECTION_REFUSED && !end.isApplication) {
      return ['MM_CONNECT_REFUSED', 'refused the connection']
    }
    if (isAlert) return PEER_ALERTS[alert] ?? ['MM_TLS_FAILED', 'TLS failed']
    return ['MM_CONNECT_FAILED', 'ended the connection']
  }
  if (!isAlert) return ['MM_CONNECT_FAILED', 'broke the protocol']
  if (end.code === NO_APPLICATION_PROTOCOL) return ['MM_ALPN_MISMATCH', 'agreed on no protocol']
  const certificate = LOCAL_CERTIFICATE_ALERTS[alert]
  if (certificate === undefined) return ['MM_TLS_FAILED', 'TLS failed']
  return ['MM_TLS_CERTIFICATE', `the certificate for ${serverName} ${certificate[0]}`, certificate[1]]
}

/**
 * How near to success each code is: the nearest one names the failure of several attempts, since it says
 * most.
 */
const NEARNESS: readonly ErrorCode[] = [
  'MM_INVALID_ARGUMENT',
  'MM_OUT_OF_DESCRIPTORS',
  'MM_TLS_CERTIFICATE',
  'MM_ALPN_MISMATCH',
  'MM_QUIC_VERSION',
  'MM_TLS_FAILED',
  'MM_CONNECT_REFUSED',
  'MM_CONNECT_TIMEOUT',
  'MM_CONNECT_FAILED',
  'MM_PORTS_EXHAUSTED',
  'MM_LOCAL_ADDRESS',
  'MM_PROXY_AUTH',
  'MM_PROXY_REFUSED',
  'MM_PROXY_TIMEOUT',
  'MM_PROXY_FAILED',
]

/**
 * The failure of a whole dial: every attempt with its reason. Of several the causes are an AggregateError.
 */
export function quicDialError(origin: string, failures: readonly TransportError[]): TransportError {
  const codes = new Set(failures.map(({ code }) => code))
  const code = NEARNESS.find(candidate => codes.has(candidate)) ?? 'MM_CONNECT_FAILED'
  const reasons =
    failures.length === 0 ? 'no address to try' : failures.map(({ message }) => message).join('; ')
  const message = `cannot connect to ${origin} over QUIC: ${reasons}`
  const [only] = failures
  const cause = failures.length === 1 ? (only?.cause ?? only) : new AggregateError(failures, message)
  const nearest = failures.find(failure => failure.code === code)
  return new TransportError(code, message, { cause, hint: nearest?.hint, retryable: nearest?.retryable })
}
