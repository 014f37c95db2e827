import type {
  Finding,
  ProbedAlternative,
  ProbedHandshake,
  ProbedServiceRecord,
  ProbedTarget,
  QuicFinding,
} from '../../base/events/probe-report.ts'
import { type Endpoint, formatEndpoint, type ResolvedAddress } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import { CLEARTEXT, FORBIDDEN, type ProbeContext } from './probe-tools.ts'

/** QUIC v1 (RFC 9000 15), the one that is spoken here. */
const QUIC_V1 = '0x00000001'
/** Of one name. */
const ALTERNATIVE_ADDRESSES = 2

/** What was found out of one UDP port. */
interface UdpLook {
  readonly target: UdpTarget
  readonly answer: QuicFinding
  readonly handshake: Finding<ProbedHandshake>
}

/** Whether QUIC answers there, and whether HTTP/3 does. */
export async function lookAtUdp(
  context: ProbeContext,
  target: UdpTarget,
  advertised: Promise<readonly AdvertisedPlace[]>,
): Promise<UdpLook> {
  const obstacle = quicObstacle(context)
  if (obstacle !== undefined) {
    return { target, answer: { skipped: obstacle }, handshake: { skipped: obstacle } }
  }
  const answer = await context.turns.run(signal => context.tools.quicVersions(target.udp, signal))
  return { target, answer, handshake: await handshakeHttp3(context, target, answer, advertised) }
}

/** The UDP ports of other places where HTTP/3 is advertised. A place whose name has no address has none. */
export async function alternativeTargets(
  context: ProbeContext,
  places: readonly AdvertisedPlace[],
): Promise<UdpTarget[]> {
  const { origin, tools, turns } = context
  if (quicObstacle(context) !== undefined) return []
  const targets = await Promise.all(
    alternativePlaces(origin, places).map(async ({ host, port, source }) => {
      const addresses = await turns.run(signal => tools.resolve(host, signal))
      if (!('found' in addresses)) return []
      // An address may bring a port of its own where the configuration says so; the advertised one is meant
      // here.
      const bare = addresses.found.map(({ address, family }) => ({ address, family }))
      return udpTargets(probedEndpoints(bare, port, ALTERNATIVE_ADDRESSES), host, source)
    }),
  )
  return targets.flat()
}

async function handshakeHttp3(
  { tools, turns }: ProbeContext,
  target: UdpTarget,
  answer: QuicFinding,
  advertised: Promise<readonly AdvertisedPlace[]>,
): Promise<Finding<ProbedHandshake>> {
  // 1. It answered, but in other versions.
  if ('found' in answer && !answer.found.versions.includes(QUIC_V1)) {
    return { skipped: 'QUIC version 1, which is the one spoken here, is not among its versions' }
  }
  // 2. It did not answer: no server has to (RFC 9000 6.1), so that an advertisement counts for more than
  // silence. A refusal does not.
  if ('fault' in answer) {
    if (answer.why === undefined) return { skipped: 'nothing is known of the UDP port' }
    if (answer.why !== 'silent') return { skipped: 'the UDP port cannot be reached' }
    const places = await advertised
    const isAdvertised = places.some(({ host, port }) => host === target.host && port === target.udp.port)
    if (!isAdvertised) return { skipped: 'nothing answered there, and nothing says that it should' }
  }
  return await turns.run(signal => tools.handshakeHttp3(target.udp, signal))
}

function quicObstacle({ origin, allowed }: ProbeContext): string | undefined {
  if (origin.scheme !== 'https') return CLEARTEXT
  return allowed.includes('h3') ? undefined : FORBIDDEN
}

/** Other places that advertisements may send a probe to: a peer wrote them. */
const MAX_ALTERNATIVES = 3

/** A UDP endpoint with what the report says of it. */
interface UdpTarget extends ProbedTarget {
  readonly udp: Endpoint
}

/** Another host or port at which HTTP/3 is said to be. */
interface AdvertisedPlace {
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
