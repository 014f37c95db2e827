import type { Finding, ProbeReport } from '../../base/events/probe-report.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { acceptedBy, certificateOf, isFound, withoutExtras } from './probe-findings.ts'
import type { TlsHandshake, TlsHandshakeOptions } from './probe-tools.ts'
import { CLEARTEXT, FORBIDDEN, NO_HANDSHAKE, type ProbeContext, UNREACHED } from './probe-tools.ts'

/** Servers send tickets with, or right behind, the last flight of their handshake. */
const TICKETS_FOR_MS = 200
const TLS_VERSIONS = ['TLSv1.3', 'TLSv1.2'] as const
const TCP_PROTOCOLS = ['h2', 'http/1.1'] as const

type TlsLook = Pick<ProbeReport, 'tls' | 'certificate' | 'alpn' | 'tickets'>

/**
 * A handshake for each version, and one for each protocol that is offered alone. `endpoint` undefined: TCP
 * reached none.
 */
export async function lookAtTls(context: ProbeContext, endpoint: Endpoint | undefined): Promise<TlsLook> {
  const obstacle = tlsObstacle(context, endpoint)
  if (endpoint === undefined || obstacle !== undefined) return unsecured(obstacle ?? UNREACHED)
  const offered = tcpProtocols(context)
  const handshake = (options: Omit<TlsHandshakeOptions, 'ticketsForMs'>): Promise<Finding<TlsHandshake>> => {
    const ticketsForMs = options.version === undefined ? 0 : TICKETS_FOR_MS
    return context.turns.run(signal =>
      context.tools.handshakeTls(endpoint, { ...options, ticketsForMs }, signal),
    )
  }
  const [handshakes, alpn] = await Promise.all([
    Promise.all(TLS_VERSIONS.map(version => handshake({ version, alpn: offered }))),
    Promise.all(
      TCP_PROTOCOLS.map(async protocol => ({
        protocol,
        accepted: offered.includes(protocol)
          ? acceptedBy(protocol, await handshake({ alpn: [protocol] }))
          : { skipped: FORBIDDEN },
      })),
    ),
  ])
  const done = handshakes.find(isFound)?.found
  return {
    tls: TLS_VERSIONS.map((version, i) => ({
      version,
      handshake: withoutExtras(handshakes[i] ?? { skipped: UNREACHED }),
    })),
    certificate: certificateOf(handshakes),
    alpn,
    tickets: done === undefined ? { skipped: NO_HANDSHAKE } : { found: done.tickets },
  }
}

/** Why no TLS is looked at; undefined: it is. */
export function tlsObstacle(context: ProbeContext, endpoint: Endpoint | undefined): string | undefined {
  if (context.origin.scheme !== 'https') return CLEARTEXT
  if (endpoint === undefined) return UNREACHED
  return tcpProtocols(context).length === 0 ? 'the configuration allows no protocol over TCP' : undefined
}

function tcpProtocols({ allowed }: ProbeContext): readonly Protocol[] {
  return TCP_PROTOCOLS.filter(protocol => allowed.includes(protocol))
}

function unsecured(skipped: string): TlsLook {
  return {
    tls: TLS_VERSIONS.map(version => ({ version, handshake: { skipped } })),
    certificate: { skipped },
    alpn: TCP_PROTOCOLS.map(protocol => ({ protocol, accepted: { skipped } })),
    tickets: { skipped },
  }
}
