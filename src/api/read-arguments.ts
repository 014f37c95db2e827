import { TransportError } from '../base/errors.ts'
import { type Origin, parseOrigin } from '../base/http/origin.ts'
import type { Protocol } from '../base/http/protocol.ts'
import { type OnlyLane, onlyLaneOf } from '../base/options/request-options.ts'

/** What callers hand over, read. */

/** An Origin stays as it is, with the egress that it may have. */
export function originOf(origin: string | URL | Origin): Origin {
  return typeof origin === 'object' && 'key' in origin ? origin : parseOrigin(origin)
}

/** The lanes that may carry a request which names protocols. Throws MM_INVALID_ARGUMENT. */
export function laneOf(wanted: readonly Protocol[], allowed: readonly Protocol[]): OnlyLane {
  const found = onlyLaneOf(wanted, allowed)
  if (typeof found !== 'string') return found.lane
  throw new TransportError('MM_INVALID_ARGUMENT', `protocols: ${found}`)
}

/** Throws MM_INVALID_ARGUMENT. */
export function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch (cause) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `not an absolute URL: ${JSON.stringify(url.slice(0, 200))}`,
      { cause },
    )
  }
}
