import type {
  Finding,
  ProbedCertificate,
  ProbedHandshake,
  ProbeReport,
} from '../../base/events/probe-report.ts'
import type { TlsHandshake } from './probe-tools.ts'
import { NO_HANDSHAKE } from './probe-tools.ts'

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
