import type { TransportError } from '../base/errors.ts'

/**
 * What a try of a request says of its endpoint. `success`: it answered, 4xx included, since those are about the
 * request. `server-error`: a 5xx that is not the next one. `gateway-error`: 502, 503 or 504. `unreachable`: no
 * answer came, whether it could not be connected to, ended the connection or took too long.
 */
export type TryOutcome = 'success' | 'server-error' | 'gateway-error' | 'unreachable'

/** What an answer says. */
export function outcomeOfStatus(status: number): TryOutcome {
  if (status < 500) return 'success'
  return status >= 502 && status <= 504 ? 'gateway-error' : 'server-error'
}

/** What a failure says; undefined: nothing, since the caller or this process failed. */
export function outcomeOfError({ fault, code, processed }: TransportError): TryOutcome | undefined {
  if (fault === 'local') return undefined
  // A peer that turned it away before it looked at it is alive: an orderly end, or a full stream limit.
  return code === 'MM_REFUSED' && processed === 'no' ? undefined : 'unreachable'
}
