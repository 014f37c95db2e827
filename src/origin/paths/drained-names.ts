import type { Clock } from '../../base/clock.ts'
import type { Connection } from '../../base/events/connection.ts'
import type { Resolver } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import { alternativeKey } from '../../select/evidence/alternative-sets.ts'
import type { Lanes } from '../lanes/lanes.ts'
import type { DrainedName } from './address-drain.ts'

/**
 * The names that the connections of an origin were made to: its own, and that of the alternative that HTTP/3
 * goes to now, where that is another one.
 */
export function drainedNames(origin: Origin, resolver: Resolver, lanes: Lanes, clock: Clock): DrainedName[] {
  const own: DrainedName = {
    name: origin.host,
    resolve: signal => resolver.resolve(origin.host, signal),
    has: connection => hostOf(connection, origin) === origin.host,
  }
  const http3 = Array.from(lanes).find(({ name }) => name === 'h3')
  const alternative = http3?.connector.alternative(clock.now())
  if (http3 === undefined || alternative === undefined || alternative.host === origin.host) return [own]
  const key = alternativeKey(alternative)
  return [
    own,
    {
      name: key,
      resolve: signal => http3.connector.resolveAlternative(alternative, signal),
      has: connection => connection.altUsed === key,
    },
  ]
}

function hostOf({ altUsed }: Connection, origin: Origin): string {
  return altUsed === undefined ? origin.host : altUsed.slice(0, altUsed.lastIndexOf(':'))
}
