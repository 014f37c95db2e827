import type {
  Finding,
  ProbedAddress,
  ProbedAlternative,
  ProbedCertificate,
  ProbedFastOpen,
  ProbedHandshake,
  ProbedServiceRecord,
  ProbedTickets,
  ProbeReport,
  QuicFinding,
} from '../../base/events/probe-report.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { ProbeTurns } from './probe-schedule.ts'

/** A handshake over TCP, with what comes of it besides. */
export interface TlsHandshake extends ProbedHandshake {
  readonly tickets: ProbedTickets
  readonly certificate: ProbedCertificate | undefined
}

export interface TlsHandshakeOptions {
  /** Nothing else is offered. */
  readonly version?: 'TLSv1.2' | 'TLSv1.3'
  /** Offered in this order. */
  readonly alpn: readonly Protocol[]
  /** How long tickets are waited for after the handshake. */
  readonly ticketsForMs: number
}

/**
 * What a probe looks with; whoever has sockets hands them in. Each bounds its own time and resolves whatever
 * happens; one that rejects (after an abort, say) is taken for a fault.
 */
export interface ProbeTools {
  /** Takes IP literals, too. */
  resolve(host: string, signal: AbortSignal): Promise<Finding<readonly ProbedAddress[]>>
  /** HTTPS records (RFC 9460) of the origin. */
  serviceRecords(
    host: string,
    port: number,
    signal: AbortSignal,
  ): Promise<Finding<readonly ProbedServiceRecord[]>>
  connectTcp(endpoint: Endpoint, signal: AbortSignal): Promise<Finding<{ readonly ms: number }>>
  /** In the origin's name, and with its trust, whatever the address. */
  handshakeTls(
    endpoint: Endpoint,
    options: TlsHandshakeOptions,
    signal: AbortSignal,
  ): Promise<Finding<TlsHandshake>>
  /** In the origin's name, and with its trust, whatever the address. */
  fastOpen(endpoint: Endpoint, signal: AbortSignal): Promise<Finding<ProbedFastOpen>>
  quicVersions(endpoint: Endpoint, signal: AbortSignal): Promise<QuicFinding>
  /** In the origin's name, and with its trust, whatever the address. */
  handshakeHttp3(endpoint: Endpoint, signal: AbortSignal): Promise<Finding<ProbedHandshake>>
  /** What the response to a HEAD request over TCP advertises. Left out where no request may be sent. */
  altSvc?: (signal: AbortSignal) => Promise<Finding<readonly ProbedAlternative[]>>
}

/** What each look of a probe needs. */
export interface ProbeContext {
  readonly tools: ProbeTools
  readonly turns: ProbeTurns
  readonly origin: Origin
  readonly allowed: readonly Protocol[]
}

// Why nobody looked.
export const CLEARTEXT = 'the origin is http: there is no TLS, and no QUIC'
export const UNREACHED = 'none of its addresses took a TCP connection'
export const FORBIDDEN = 'not allowed by the configuration'
export const NO_HANDSHAKE = 'no TLS handshake was completed'

export function skip(skipped: string): Promise<{ readonly skipped: string }> {
  return Promise.resolve({ skipped })
}

export function isFound<T>(finding: Finding<T>): finding is { readonly found: T } {
  return 'found' in finding
}

/** What a handshake in which only this protocol was offered says of it. */
export function acceptedBy(protocol: string, handshake: Finding<TlsHandshake>): Finding<boolean> {
  if ('found' in handshake) return { found: handshake.found.protocol === protocol }
  // A server that has none of the offered protocols either says so (RFC 7301 3.2) or goes on without.
  if ('fault' in handshake && handshake.code === 'MM_ALPN_MISMATCH') return { found: false }
  return handshake
}

/** The certificate that some handshake has accepted, or else why one was not. */
export function certificateOf(handshakes: readonly Finding<TlsHandshake>[]): Finding<ProbedCertificate> {
  const found = handshakes.find(isFound)
  if (found !== undefined) {
    const { certificate } = found.found
    return certificate === undefined ? { skipped: 'the configuration accepts any' } : { found: certificate }
  }
  const refused = handshakes.find(
    handshake => 'fault' in handshake && handshake.code === 'MM_TLS_CERTIFICATE',
  )
  return refused !== undefined && 'fault' in refused ? refused : { skipped: NO_HANDSHAKE }
}

/** A handshake as the report shows it, which has a place of its own for the rest. */
export function withoutExtras(handshake: Finding<TlsHandshake>): Finding<ProbedHandshake> {
  if (!('found' in handshake)) return handshake
  const { ms, protocol, cipher } = handshake.found
  return { found: { ms, protocol, cipher } }
}

/** The shortest of each kind. */
export function roundTrips(
  report: Pick<ProbeReport, 'tcp' | 'tls' | 'quic' | 'http3'>,
): ProbeReport['roundTripMs'] {
  const kinds: readonly (readonly [keyof ProbeReport['roundTripMs'], readonly Timed[]])[] = [
    ['tcp', report.tcp.map(({ connect }) => connect)],
    ['tls', report.tls.map(({ handshake }) => handshake)],
    ['quic', report.quic.map(({ answer }) => answer)],
    ['h3', report.http3.map(({ handshake }) => handshake)],
  ]
  const shortest: Partial<Record<keyof ProbeReport['roundTripMs'], number>> = {}
  for (const [kind, findings] of kinds) {
    const times = findings.filter(isFound).map(({ found }) => found.ms)
    if (times.length > 0) shortest[kind] = Math.min(...times)
  }
  return shortest
}

type Timed = Finding<{ readonly ms: number }>
