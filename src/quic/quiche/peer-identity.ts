import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

/**
 * Looks at the certificate of a server: is it for that name, and is it valid now? Undefined: yes; else what
 * is wrong, for people.
 *
 * BoringSSL checks the chain, and the name where it is a DNS name, but neither of them on a resumed
 * connection, and an IP address never (it takes it for a DNS name). So we look at every handshake. Wildcards
 * are matched as OpenSSL does; the subject's common name is no name (RFC 9110 4.3.4).
 */
export function peerIdentity(
  leaf: Uint8Array | undefined,
  serverName: string,
  wallClockMs: number,
): string | undefined {
  if (leaf === undefined) return 'the server sent no certificate'
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(leaf)
  } catch {
    return 'the certificate cannot be read'
  }
  const from = Date.parse(certificate.validFrom)
  const to = Date.parse(certificate.validTo)
  if (!(from <= wallClockMs)) return 'the certificate is not valid yet'
  if (!(wallClockMs <= to)) return 'the certificate has expired'
  const isNamed =
    isIP(serverName) === 0
      ? certificate.checkHost(serverName, { subject: 'never' }) !== undefined
      : certificate.checkIP(serverName) !== undefined
  return isNamed ? undefined : `the certificate is for other names than ${serverName}`
}
