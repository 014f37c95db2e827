import type { Finding, ProbedHandshake, QuicFinding } from '../../base/events/probe-report.ts'
import {
  type AdvertisedPlace,
  alternativePlaces,
  probedEndpoints,
  type UdpTarget,
  udpTargets,
} from './probe-targets.ts'
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
