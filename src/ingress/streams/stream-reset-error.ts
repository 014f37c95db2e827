import { stacklessError, type TransportError } from '../../base/errors.ts'
import type { StreamReset } from '../../http/multiplex/stream-events.ts'

/** What the end of a stream of a client means for its exchange. */
export function streamResetError({ cause, code, message }: StreamReset): TransportError {
  if (cause === 'limit') return stacklessError('MM_REQUEST_HEADER_LIMIT', message)
  if (cause === 'invalid') return stacklessError('MM_INVALID_ARGUMENT', message)
  if (cause === 'broken') return stacklessError('MM_BAD_REQUEST', message)
  const what =
    cause === 'session' ? 'the connection to the client ended' : `the client reset the stream (${code})`
  return stacklessError('MM_CLIENT_GONE', message === '' ? what : `${what}: ${message}`)
}
