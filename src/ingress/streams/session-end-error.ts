import { stacklessError, type TransportError } from '../../base/errors.ts'
import type { SessionEnd } from '../../http/multiplex/client-session.ts'

/** What is to be counted and told of the end of a client's session; undefined: it ended as sessions do. */
export function sessionEndError({ cause, isError, message }: SessionEnd): TransportError | undefined {
  if (cause === 'flood') return stacklessError('MM_EXCESSIVE_LOAD', message)
  if (cause === 'timeout' || (cause === 'peer' && isError)) return stacklessError('MM_BAD_REQUEST', message)
  return undefined
}
