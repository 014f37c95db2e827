import { type CertificateAuthority, createCertificateAuthority } from '../../src/testing/certificates.ts'
import { type Caddy, startCaddy } from './caddy.ts'
import { openUdpSocket } from './udp-port.ts'
import { UdpRelay } from './udp-relay.ts'

/**
 * An origin of caddy whose UDP port is a relay of ours: TCP reaches one caddy, and what comes to the UDP port of the same number goes through the
 * relay to another one. The first one advertises HTTP/3 at its own port, as a caddy with HTTP/3 does.
 */
export interface RelayedCaddy extends AsyncDisposable {
  readonly port: number
  readonly relay: UdpRelay
  /** `https://localhost:PORT`. */
  readonly url: string
  readonly authority: CertificateAuthority
  readonly tcp: Caddy
}

export async function startRelayedCaddy(options: { advertises?: boolean } = {}): Promise<RelayedCaddy> {
  const authority = await createCertificateAuthority()
  const { advertises = true } = options
  const quic = await startCaddy({ authority, http2: true, http3: true })
  try {
    const tcp = await startCaddy({ authority, http2: true, extraSite: advertises ? ALT_SVC_HERE : '' })
    const relay = new UdpRelay(await openUdpSocket(tcp.tlsPort), quic.tlsPort, {})
    return {
      port: tcp.tlsPort,
      relay,
      url: tcp.url,
      authority,
      tcp,
      async [Symbol.asyncDispose]() {
        await relay[Symbol.asyncDispose]()
        await Promise.all([tcp.stop(), quic.stop()])
      },
    }
  } catch (error) {
    await quic.stop()
    throw error
  }
}

/** HTTP/3 at the port of the request, wherever there is none. For a Caddyfile. */
export const ALT_SVC_HERE = altSvc(':{http.request.port}')

/** A line of a Caddyfile that advertises HTTP/3 at `authority` (`:8443`, `other.example:443`). */
export function altSvc(authority: string): string {
  return `header Alt-Svc \`h3="${authority}"; ma=3600\``
}
