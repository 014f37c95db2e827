import { TransportError } from '../base/errors.ts'
import { isAuthority, type Origin, parseOrigin } from '../base/http/origin.ts'
import type { Protocol } from '../base/http/protocol.ts'
import { type OnlyLane, onlyLaneOf } from '../base/options/request-options.ts'
import type { ConnectTarget } from './types.ts'

// What calls name, read. All of it throws MM_INVALID_ARGUMENT.

/** What is spoken there is not ours to know: a place of cleartext has nothing but its host and port. */
export function originAt({ host, port }: ConnectTarget): Origin {
  const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535
  const authority = `${typeof host === 'string' && host.includes(':') ? `[${host}]` : host}:${port}`
  if (isPort && isAuthority(authority)) return parseOrigin(`http://${authority}`)
  throw new TransportError('MM_INVALID_ARGUMENT', `not a host and a port: ${JSON.stringify({ host, port })}`)
}

/** An Origin stays as it is, with the egress that it may have. */
export function originOf(origin: string | URL | Origin): Origin {
  return typeof origin === 'object' && 'key' in origin ? origin : parseOrigin(origin)
}

export function laneOf(wanted: readonly Protocol[], allowed: readonly Protocol[]): OnlyLane {
  const found = onlyLaneOf(wanted, allowed)
  if (typeof found !== 'string') return found.lane
  throw new TransportError('MM_INVALID_ARGUMENT', `protocols: ${found}`)
}
