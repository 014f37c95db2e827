/**
 * The one error tree. Every failure that leaves the module is a TransportError; its `code` is API. The table below is the single
 * place that says whose fault a code is, what the service answers for it, how RFC 9209 (Proxy-Status) calls it, and what an
 * operator can do about it.
 */

/** `local`: the caller or this process. `remote`: the peer, or the path to it. */
export type Fault = 'local' | 'remote'

/**
 * Whether the origin may have acted on the request. `no`: surely not, it can be sent again whatever its method.
 * `unknown`: bytes of it were sent and no answer tells. `yes`: an answer had begun.
 */
export type Processed = 'no' | 'unknown' | 'yes'

export interface ErrorCodeInfo {
  readonly fault: Fault
  /** What the service answers when it has not answered yet. */
  readonly status: number
  /** The error type of RFC 9209 section 2.3, for `Proxy-Status`. */
  readonly proxyStatus: string
  /** What to check or tune. */
  readonly hint: string
}

const local = (status: number, proxyStatus: string, hint: string): ErrorCodeInfo => ({
  fault: 'local',
  status,
  proxyStatus,
  hint,
})
const remote = (status: number, proxyStatus: string, hint: string): ErrorCodeInfo => ({
  fault: 'remote',
  status,
  proxyStatus,
  hint,
})

export const ERROR_CODES = {
  // The caller
  MM_INVALID_ARGUMENT: local(500, 'proxy_internal_error', 'correct the call'),
  MM_ABORTED: local(499, 'http_request_error', 'the caller gave up'),
  MM_TRANSPORT_CLOSED: local(
    503,
    'proxy_internal_error',
    'the transport was closed or is draining; make a new one',
  ),
  MM_PROTOCOL_UNAVAILABLE: local(
    502,
    'proxy_configuration_error',
    'choose a protocol that this build carries',
  ),
  MM_BODY_FAILED: local(400, 'http_request_error', 'the request body could not be read to its end'),
  MM_BODY_LENGTH: local(400, 'http_request_error', 'make content-length and the body agree'),
  MM_CONFIG_INVALID: local(
    500,
    'proxy_configuration_error',
    'correct the configuration where the message points',
  ),
  MM_LISTEN_FAILED: local(500, 'proxy_internal_error', 'choose an address that is free and ours to use'),
  // The pool
  MM_QUEUE_FULL: local(
    503,
    'connection_limit_reached',
    'raise pool.maxWaiters or pool.maxConnections, or send less',
  ),
  MM_QUEUE_TIMEOUT: local(
    503,
    'connection_limit_reached',
    'raise pool.maxConnections or pool.queueTimeoutMs',
  ),
  MM_QUEUE_OVERLOADED: local(
    503,
    'connection_limit_reached',
    'more requests come than the origin serves: raise pool.maxConnections or pool.queueTargetMs, or send less',
  ),
  MM_OUT_OF_DESCRIPTORS: local(
    503,
    'connection_limit_reached',
    'give the process more descriptors (LimitNOFILE, ulimit -n), or lower ingress.maxConnections and limits.maxTotalConnections',
  ),
  // Getting there
  MM_DNS_FAILED: remote(502, 'dns_error', 'check the host name and the resolver'),
  MM_DNS_TIMEOUT: remote(504, 'dns_timeout', 'check the resolver, or raise timeouts.dnsMs'),
  MM_CONNECT_REFUSED: remote(502, 'connection_refused', 'check that the origin listens on that port'),
  MM_CONNECT_FAILED: remote(502, 'destination_unavailable', 'check routes and firewalls to the origin'),
  MM_CONNECT_TIMEOUT: remote(
    504,
    'connection_timeout',
    'check the path to the origin, or raise timeouts.connectMs',
  ),
  MM_TLS_FAILED: remote(502, 'tls_protocol_error', 'check TLS versions and ciphers on both sides'),
  MM_TLS_CERTIFICATE: remote(
    502,
    'tls_certificate_error',
    "check the origin's certificate, tls.ca and tls.serverName",
  ),
  MM_TLS_TIMEOUT: remote(504, 'connection_timeout', 'check the origin, or raise timeouts.tlsMs'),
  MM_ALPN_MISMATCH: remote(502, 'tls_protocol_error', 'allow a protocol that the origin offers'),
  MM_QUIC_VERSION: remote(
    502,
    'destination_unavailable',
    'allow HTTP/2 or HTTP/1.1, or have the origin speak QUIC version 1 (RFC 9000) too',
  ),
  // The exchange
  MM_HEADERS_TIMEOUT: remote(
    504,
    'http_response_timeout',
    'the origin did not answer: raise timeouts.headersMs or look at the origin',
  ),
  MM_BODY_TIMEOUT: remote(
    504,
    'http_response_timeout',
    'the flow of a body stopped: raise timeouts.bodyMs or look at the peer',
  ),
  MM_REQUEST_TIMEOUT: remote(
    504,
    'http_response_timeout',
    'the whole exchange took too long: raise timeouts.requestMs',
  ),
  MM_CONNECTION_CLOSED: remote(
    502,
    'connection_terminated',
    'the peer closed the connection before the exchange was complete',
  ),
  MM_CONNECTION_RESET: remote(
    502,
    'connection_terminated',
    'the connection broke before the exchange was complete',
  ),
  MM_PING_FAILED: remote(
    502,
    'connection_terminated',
    'the connection did not answer the check before reuse',
  ),
  MM_REFUSED: remote(502, 'connection_terminated', 'the origin refused the request unprocessed'),
  MM_STREAM_RESET: remote(
    502,
    'connection_terminated',
    'the peer reset the stream of this exchange: look at its log for the error that the message names',
  ),
  MM_UPGRADE_UNAVAILABLE: remote(
    502,
    'http_upgrade_failed',
    'the origin offers no extended CONNECT on this connection (RFC 8441): allow http/1.1 for it',
  ),
  MM_HTTP11_REQUIRED: remote(
    502,
    'http_protocol_error',
    'the origin takes this request over HTTP/1.1 only (HTTP_1_1_REQUIRED): allow http/1.1 for it',
  ),
  MM_EXCESSIVE_LOAD: remote(
    502,
    'http_protocol_error',
    'the peer made work that helps nobody (a flood): raise the limit that the message names, or look at the peer',
  ),
  MM_PROTOCOL_ERROR: remote(502, 'http_protocol_error', 'the peer broke the protocol: look at what it sent'),
  MM_HEADER_LIMIT: remote(
    502,
    'http_response_header_section_size',
    'raise limits.maxHeaderBytes or limits.maxHeaderCount',
  ),
  // The ingress
  MM_BAD_REQUEST: remote(400, 'http_request_error', 'the client sent a malformed or ambiguous request'),
  MM_TRANSFER_CODING: remote(
    501,
    'http_request_error',
    'the client compresses its request as a transfer coding: send Transfer-Encoding: chunked alone (RFC 9112 6.1)',
  ),
  MM_URI_TOO_LONG: remote(414, 'http_request_error', 'raise ingress.maxLineBytes'),
  MM_REQUEST_HEADER_LIMIT: remote(
    431,
    'http_request_error',
    'raise ingress.maxHeaderBytes or ingress.maxHeaderCount',
  ),
  MM_REQUEST_BODY_LIMIT: remote(413, 'http_request_error', 'raise ingress.maxBodyBytes'),
  MM_CLIENT_TIMEOUT: remote(
    408,
    'http_request_error',
    'the client sent its request too slowly: raise ingress.requestTimeoutMs',
  ),
  MM_CLIENT_GONE: remote(499, 'http_request_error', 'the client went away before the exchange was complete'),
  MM_CLIENT_TOO_SLOW: remote(
    499,
    'http_request_error',
    'the client held a connection that others waited for: raise pool.maxConnections or forwarding.buffering',
  ),
  MM_METHOD_REFUSED: remote(405, 'http_request_denied', 'the connector does not forward this method'),
  MM_OVERLOADED: local(
    503,
    'http_request_denied',
    'more requests come than this process can work off: give it more CPU, or raise ingress.shedTargetMs',
  ),
  MM_NO_ROUTE: local(404, 'destination_not_found', 'add the host to an origin or a route'),
  MM_LOOP_DETECTED: local(
    502,
    'proxy_loop_detected',
    'the request passed through this connector before: check routes',
  ),
  MM_INTERNAL: local(500, 'proxy_internal_error', 'a defect of middlemile: please report it'),
} as const satisfies Record<string, ErrorCodeInfo>

export type ErrorCode = keyof typeof ERROR_CODES

export interface TransportErrorOptions {
  /** Default: `no` (most codes arise before anything was sent). */
  processed?: Processed
  cause?: unknown
}

/** A failure, with everything that decides what to do about it. */
export class TransportError extends Error {
  readonly code: ErrorCode
  readonly processed: Processed

  constructor(code: ErrorCode, message: string, options: TransportErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'TransportError'
    this.code = code
    this.processed = options.processed ?? 'no'
  }

  get fault(): Fault {
    return ERROR_CODES[this.code].fault
  }

  /** Whether the same request may be sent again whatever its method (design invariant 1). */
  get retryable(): boolean {
    return this.processed === 'no' && this.fault === 'remote'
  }

  /** What to check or tune. */
  get hint(): string {
    return ERROR_CODES[this.code].hint
  }

  /** As `get --json`, logs and error bodies show it. */
  toJSON(): { code: ErrorCode; message: string; fault: Fault; processed: Processed; retryable: boolean } {
    return {
      code: this.code,
      message: this.message,
      fault: this.fault,
      processed: this.processed,
      retryable: this.retryable,
    }
  }
}

/**
 * An error of a limit of ours, without a stack: it says everything in its message, and a flood of them is to cost little (V8 takes 9 us for a stack, a fifth
 * of a request).
 */
export function limitError(code: ErrorCode, message: string): TransportError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new TransportError(code, message)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The error as a TransportError: itself, or wrapped in `code`. */
export function asTransportError(
  error: unknown,
  code: ErrorCode = 'MM_INTERNAL',
  processed: Processed = 'unknown',
): TransportError {
  if (error instanceof TransportError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new TransportError(code, message, { cause: error, processed })
}

/** What an operation rejects with whose signal fired: the signal's reason if it is one of ours, else MM_ABORTED. */
export function abortError(signal: AbortSignal, what: string): TransportError {
  if (signal.reason instanceof TransportError) return signal.reason
  return new TransportError('MM_ABORTED', `${what} was given up`, { cause: signal.reason })
}

/** The same error with another verdict. */
export function withProcessed(error: TransportError, processed: Processed): TransportError {
  if (error.processed === processed) return error
  return new TransportError(error.code, error.message, { cause: error.cause, processed })
}
