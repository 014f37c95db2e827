import type { CoalescingRefusal } from '../../base/events/observer.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import { type Origin, originUrl } from '../../base/http/origin.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { coversName } from '../../connect/tls/certificate-names.ts'
import type { OriginSettings } from '../origin-settings.ts'

/** What the settings of an origin make of its connections: where two differ, none is shared. */
export interface ConnectionPolicy {
  /** `tls.serverName`, where it is given. */
  readonly serverName: string | undefined
  /** Certificates are verified. */
  readonly isVerified: boolean
  /** From trustOf(). */
  readonly trust: string
  /** Everything else that is set per connection, in one text. */
  readonly settings: string
}

/** An open connection, and whose it is. */
export interface OfferedConnection {
  readonly owner: Origin
  readonly protocol: Protocol
  readonly endpoint: Endpoint
  readonly policy: ConnectionPolicy
  readonly mayCoalesce: boolean
  /** From the full handshake. Undefined: none was verified. */
  readonly certificateNames: readonly string[] | undefined
  /** Those that the owner's operator adds. */
  readonly vouchedNames: readonly string[]
  /** What ORIGIN frames named (RFC 8336). Undefined: there was none. */
  readonly originSet: readonly string[] | undefined
}

/** Who needs a connection. */
export interface CoalescingSeeker {
  readonly origin: Origin
  readonly protocol: Protocol
  /** Where its own connection would go. Undefined: its name has not been resolved yet. */
  readonly endpoints: readonly Endpoint[] | undefined
  readonly policy: ConnectionPolicy
  readonly mayCoalesce: boolean
  /** It has answered 421 to a shared connection, and is left alone. */
  readonly isAvoided: boolean
}

/**
 * - `unrelated`: nothing says that the connection and the origin have to do with each other
 * - `refused`: something does, and something else forbids it
 * - `allowed`: the connection may carry the origin
 */
export type CoalescingVerdict =
  | { readonly kind: 'unrelated' }
  | { readonly kind: 'refused'; readonly reason: CoalescingRefusal; readonly because: string }
  | { readonly kind: 'allowed'; readonly because: string; readonly isByOriginSet: boolean }

const UNRELATED: CoalescingVerdict = { kind: 'unrelated' }

/**
 * Whether a connection may carry another origin's requests (RFC 9113 9.1.1, RFC 9114 3.3, RFC 8336 2.4). In
 * this order:
 * 1. It is another origin's, over the protocol that is needed, and TLS: cleartext vouches for nobody.
 * 2. It goes where the origin's own connection would go; or an ORIGIN frame names the origin, which then
 *    need not resolve to that address. A certificate that covers the name, at another address, is reported.
 * 3. Both allow it, and the origin has not answered 421 to such a connection lately.
 * 4. Trust is the same: certificates are verified, by the same authorities, with the same client
 *    certificate and the same rules of TLS; the name in SNI is nobody's choice, or the same choice; and so
 *    are the other settings of connections (sockets, limits, liveness).
 * 5. Where there was an ORIGIN frame, it names the origin.
 * 6. The certificate covers the name, or the operator of its owner says so.
 */
export function judgeCoalescing(seeker: CoalescingSeeker, offer: OfferedConnection): CoalescingVerdict {
  const { origin, endpoints } = seeker
  const { owner, endpoint, originSet } = offer
  if (originUrl(owner) === originUrl(origin) || offer.protocol !== seeker.protocol) return UNRELATED
  if (origin.scheme !== 'https' || owner.scheme !== 'https') return UNRELATED // 1

  const isNamed = originSet?.includes(originUrl(origin)) === true
  const isThere = endpoints?.some(one => isSameEndpoint(one, endpoint)) === true
  const name = seeker.policy.serverName ?? origin.host
  const covering = coveringName(name, offer)
  const at = formatEndpoint(endpoint)
  if (!isThere && !isNamed) {
    if (covering === undefined || endpoints === undefined) return UNRELATED
    return refused('address', `${origin.host} does not resolve to ${at}`) // 2
  }
  if (!seeker.mayCoalesce || !offer.mayCoalesce) {
    const sayer = seeker.mayCoalesce ? owner : origin
    return refused('never', `coalesce is never for ${sayer.key}`)
  }
  if (seeker.isAvoided) return refused('avoided', `${origin.key} has answered 421 to a shared connection`) // 3
  const difference = differenceOf(seeker.policy, offer.policy, origin, owner)
  if (difference !== undefined) return refused('trust', difference) // 4
  if (originSet !== undefined && !isNamed)
    return refused('origin-set', `the ORIGIN frame of ${at} does not name ${origin.key}`) // 5
  if (covering === undefined)
    return refused('certificate', `the certificate of ${owner.key} does not cover ${name}`) // 6
  const why = isNamed ? `an ORIGIN frame names ${origin.key}` : `${origin.host} resolves to ${at} as well`
  return { kind: 'allowed', because: `${why}, and ${covering}`, isByOriginSet: isNamed && !isThere }
}

function refused(reason: CoalescingRefusal, because: string): CoalescingVerdict {
  return { kind: 'refused', reason, because }
}

function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address && a.transport === b.transport
}

/** By what the certificate covers the origin; undefined: it does not. */
function coveringName(host: string, offer: OfferedConnection): string | undefined {
  const { owner, certificateNames, vouchedNames } = offer
  // Without a verified certificate nobody's word is good for more names.
  if (certificateNames === undefined) return undefined
  if (coversName(certificateNames, host)) return `the certificate of ${owner.key} covers ${host}`
  return coversName(vouchedNames, host) ? `certificateNames of ${owner.key} lists ${host}` : undefined
}

function differenceOf(
  a: ConnectionPolicy,
  b: ConnectionPolicy,
  origin: Origin,
  owner: Origin,
): string | undefined {
  if (!a.isVerified || !b.isVerified) return 'certificates are not verified (tls.rejectUnauthorized)'
  if (a.trust !== b.trust) return `the tls options of ${origin.key} and ${owner.key} differ`
  // Without a choice of the operator's each one's SNI is its own host, which the certificate is asked
  // about.
  const isChosen = a.serverName !== undefined || b.serverName !== undefined
  if (isChosen && (a.serverName ?? origin.host) !== (b.serverName ?? owner.host))
    return `tls.serverName of ${origin.key} and ${owner.key} differ`
  if (a.settings !== b.settings) return `the settings of connections to ${origin.key} and ${owner.key} differ`
  return undefined
}

/** How far a refusal came: of several connections, the nearest one is worth telling of. */
const NEARNESS: Readonly<Record<CoalescingRefusal, number>> = {
  address: 0,
  never: 1,
  avoided: 2,
  trust: 3,
  'origin-set': 4,
  certificate: 5,
  busy: 6,
  misdirected: 7,
}

export function isNearer(a: CoalescingRefusal, b: CoalescingRefusal): boolean {
  return NEARNESS[a] > NEARNESS[b]
}

/**
 * What is set on pools, requests or the choice of a lane, and so may differ between origins that share a
 * connection; and `tls`, which is judged by itself.
 */
const OWN: ReadonlySet<string> = new Set<keyof OriginSettings>([
  'protocols',
  'select',
  'pool',
  'reuse',
  'objective',
  'protection',
  'timeouts',
  'retry',
  'breakers',
  'concurrency',
  'tls',
  'earlyData',
  'earlyDataOverTcp',
  'tfo',
  'coalesce',
  'certificateNames',
  'preconnectHints',
  'endpoints',
  'balance',
  'health',
  'outlier',
  'hedge',
  'resolve',
  'fingerprint',
  'endpointsFingerprint',
])

/**
 * What the settings of an origin make of its connections. What is added to the settings stands in it
 * without further ado: who differs in it does not share. `trust`: from trustOf().
 */
export function connectionPolicy(settings: OriginSettings, trust: string): ConnectionPolicy {
  const { tls } = settings
  return {
    serverName: tls.serverName?.replace(/\.$/, ''),
    // Of a pinned certificate nobody has looked at the names.
    isVerified: tls.rejectUnauthorized !== false && tls.certificateHashes === undefined,
    trust,
    settings: JSON.stringify(Object.entries(settings).filter(([name]) => !OWN.has(name))),
  }
}
