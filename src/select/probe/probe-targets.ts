import type {
  Finding,
  ProbedAlternative,
  ProbedServiceRecord,
  ProbedTarget,
} from '../../base/events/probe-report.ts'
import { type Endpoint, formatEndpoint, type ResolvedAddress } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'

/** Other places that advertisements may send a probe to: a peer wrote them. */
const MAX_ALTERNATIVES = 3

/** A UDP endpoint with what the report says of it. */
export interface UdpTarget extends ProbedTarget {
  readonly udp: Endpoint
}

/** Another host or port at which HTTP/3 is said to be. */
export interface AdvertisedPlace {
  readonly host: string
  readonly port: number
  readonly source: 'alt-svc' | 'https-record'
}

/** The first addresses of each family in turn, so that one family never takes all the places. */
export function probedEndpoints(
  addresses: readonly ResolvedAddress[],
  port: number,
  maxEndpoints: number,
): Endpoint[] {
  const families = [4, 6].map(family => addresses.filter(address => address.family === family))
  const alternating = addresses.flatMap((_, i) => families.flatMap(family => family.slice(i, i + 1)))
  return alternating.slice(0, maxEndpoints).map(({ address, family, port: own }) => ({
    address,
    family,
    port: own ?? port,
    transport: 'tcp',
  }))
}

export function udpTargets(
  endpoints: readonly Endpoint[],
  host: string,
  source: ProbedTarget['source'],
): UdpTarget[] {
  return endpoints.map(endpoint => ({
    endpoint: formatEndpoint(endpoint),
    host,
    source,
    udp: { ...endpoint, transport: 'udp' },
  }))
}

/** Where HTTP/3 is advertised, the origin's own place included. Not bounded: the findings are. */
export function advertisedPlaces(
  origin: Origin,
  altSvc: Finding<readonly ProbedAlternative[]>,
  records: Finding<readonly ProbedServiceRecord[]>,
): AdvertisedPlace[] {
  const places: AdvertisedPlace[] = []
  const add = (place: AdvertisedPlace): void => {
    if (!places.some(({ host, port }) => host === place.host && port === place.port)) places.push(place)
  }
  for (const { protocol, host, port } of 'found' in altSvc ? altSvc.found : []) {
    if (protocol === 'h3') add({ host: host === '' ? origin.host : host, port, source: 'alt-svc' })
  }
  for (const { priority, target, alpn, port } of 'found' in records ? records.found : []) {
    if (priority === 0 || !alpn.includes('h3')) continue
    const host = target === '' || target === '.' ? origin.host : target.replace(/\.$/, '')
    add({ host, port: port ?? origin.port, source: 'https-record' })
  }
  return places
}

/** Those of the advertised places that are not the origin's own, as far as a probe goes after them. */
export function alternativePlaces(origin: Origin, places: readonly AdvertisedPlace[]): AdvertisedPlace[] {
  return places
    .filter(({ host, port }) => host !== origin.host || port !== origin.port)
    .slice(0, MAX_ALTERNATIVES)
}
