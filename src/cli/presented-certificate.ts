import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect } from 'node:tls'

/** What a server shows, trusted or not. */
export interface PresentedCertificate {
  readonly issuer: string
  /** As ISO 8601. */
  readonly validUntil: string
}

const LIMIT_MS = 3_000
const MAX_ISSUER_CHARS = 200

/**
 * Shakes hands once without a check, to say of a certificate that was refused who issued it and until when it
 * is valid. Nothing is sent but the handshake. Undefined where none comes.
 */
export async function presentedCertificate(
  endpoint: string,
  serverName: string,
): Promise<PresentedCertificate | undefined> {
  const at = endpoint.lastIndexOf(':')
  const socket = connect({
    host: endpoint.slice(0, at).replace(/^\[(.*)\]$/, '$1'),
    port: Number(endpoint.slice(at + 1)),
    ...(isIP(serverName) === 0 && { servername: serverName }),
    rejectUnauthorized: false,
  })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(LIMIT_MS) })
    const certificate = socket.getPeerX509Certificate()
    if (certificate === undefined) return undefined
    const issuer = certificate.issuer.replaceAll('\n', ', ').slice(0, MAX_ISSUER_CHARS)
    return { issuer, validUntil: new Date(certificate.validTo).toISOString() }
  } catch {
    return undefined // the report says already what is wrong there
  } finally {
    socket.on('error', () => undefined).destroy()
  }
}
