import type { TransportError } from '../base/errors.ts'

/**
 * What a try of a request says of its endpoint. `success`: it answered, 4xx included, since those are about
 * the request. `server-error`: a 5xx that is not the next one. `gateway-error`: 502, 503 or 504.
 * `unreachable`: it refused the request, ended the connection, or took too long. `overtaken`: a second copy
 * that went elsewhere later was answered first.
 */
export type TryOutcome = 'success' | 'server-error' | 'gateway-error' | 'unreachable' | 'overtaken'

/** What an answer says. */
export function outcomeOfStatus(status: number): TryOutcome {
  if (status < 500) return 'success'
  return status >= 502 && status <= 504 ? 'gateway-error' : 'server-error'
}

/**
 * What a failure without an answer says; undefined: nothing, since the caller or this process failed.
 * `isAnnounced`: its peer had said that it ends the connection (GOAWAY), as in a reload.
 */
export function outcomeOfError(
  { fault, processed }: Pick<TransportError, 'fault' | 'processed'>,
  isAnnounced: boolean,
): TryOutcome | undefined {
  if (fault === 'local' || (isAnnounced && processed === 'no')) return undefined
  return 'unreachable'
}
