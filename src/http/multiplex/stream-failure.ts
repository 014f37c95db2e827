import type { Processed } from '../../base/error-code-info.ts'
import type { ErrorCode } from '../../base/error-codes.ts'
import { TransportError } from '../../base/errors.ts'
import type { CloseReason } from '../../base/events/connection.ts'
import type { ExchangeRequest } from '../../base/http/exchange.ts'
import type { SessionEnd } from './client-session.ts'
import type { StreamReset } from './stream.ts'

/**
 * What the end of a stream means for its request. `hasResponse`: the head of the final response had come.
 *  1. The peer says that it did nothing with it: it refused the stream, or wants HTTP/1.1 for it (RFC 9113 7,
 *     8.7, RFC 9114 8.1). It is believed only while it has not begun to answer.
 *  2. The peer, or a rule that it broke on this stream, or a limit of ours, has ended the stream.
 *  3. What we were to send cannot be written.
 *  4. The connection has ended: sessionFailure says more.
 */
export function streamFailure(reset: StreamReset, hasResponse: boolean): TransportError {
  const { cause, message } = reset
  if (!hasResponse && cause === 'unprocessed') {
    return new TransportError('MM_REFUSED', message)
  }
  if (!hasResponse && cause === 'needs-http1') {
    return new TransportError('MM_HTTP11_REQUIRED', message)
  }
  const processed: Processed = hasResponse ? 'yes' : 'unknown'
  switch (cause) {
    case 'peer':
    case 'unprocessed':
    case 'needs-http1':
      return new TransportError('MM_STREAM_RESET', message, { processed })
    case 'broken':
      return new TransportError('MM_PROTOCOL_ERROR', message, { processed })
    case 'limit':
      return new TransportError('MM_HEADER_LIMIT', message, { processed })
    case 'invalid':
      return new TransportError('MM_INVALID_ARGUMENT', message, { processed })
    case 'session':
      break
  }
  return new TransportError('MM_CONNECTION_CLOSED', message, { processed })
}

/** Nothing came in time: of the head of the response, or of a body either way. */
export function timeoutFailure(
  { headersTimeoutMs, bodyTimeoutMs }: Pick<ExchangeRequest, 'headersTimeoutMs' | 'bodyTimeoutMs'>,
  isHead: boolean,
  processed: Processed,
): TransportError {
  return isHead
    ? new TransportError('MM_HEADERS_TIMEOUT', `no response within ${headersTimeoutMs} ms`, { processed })
    : new TransportError('MM_BODY_TIMEOUT', `a body stood still for ${bodyTimeoutMs} ms`, { processed })
}

/** Why a session has ended, as an error of every exchange that was open. */
export function sessionFailure(end: SessionEnd): TransportError {
  return new TransportError(codeOf(end), end.message, { processed: 'unknown' })
}

/** And as the reason of its connection. `wasIdle`: nothing under way; `own`: why we ended it. */
export function closeReasonOf(
  { cause, isError, defect }: SessionEnd,
  wasIdle: boolean,
  own: CloseReason | undefined,
): CloseReason {
  if (defect !== undefined) return 'internal-error'
  if (cause === 'local') return own ?? 'peer-closed'
  if (cause === 'timeout') return 'timeout'
  if (cause === 'silent') return 'ping-failed'
  if (cause === 'idle' && wasIdle) return 'idle-timeout'
  if (cause === 'network' || cause === 'idle') return 'network-error'
  return cause === 'peer' && !isError ? 'peer-closed' : 'protocol-error'
}

function codeOf(end: SessionEnd): ErrorCode {
  if (end.cause === 'flood') return 'MM_EXCESSIVE_LOAD'
  if (end.cause === 'timeout' || (end.cause === 'peer' && end.isError)) return 'MM_PROTOCOL_ERROR'
  if (end.cause === 'network' || end.cause === 'silent' || end.cause === 'idle') return 'MM_CONNECTION_RESET'
  // The session ends itself by another code only when something in here threw that must not.
  return end.isError ? 'MM_INTERNAL' : 'MM_CONNECTION_CLOSED'
}

/** See ConnectionListener.onStreamClosed. Who refuses a request is busy, or about to go, and not broken. */
export function speaksAgainstPeer(error: TransportError): boolean {
  return error.fault === 'remote' && error.code !== 'MM_REFUSED' && error.code !== 'MM_HTTP11_REQUIRED'
}
