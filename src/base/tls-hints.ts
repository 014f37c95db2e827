/**
 * What to do about a failed handshake, by what it failed of: the codes MM_TLS_FAILED and MM_TLS_CERTIFICATE
 * stand for many cases, over TCP and QUIC. TLS towards an origin is set in `tls`.
 */
export const TLS_HINTS = {
  notTls: 'use http:// for this port, or the port where the origin speaks TLS',
  version:
    'allow a version that both sides speak (tls.minVersion, tls.maxVersion), or enable a newer one there',
  cipher: 'allow a cipher, group or signature that both sides have (tls.ciphers, tls.groups)',
  clientCertificate: 'give a client certificate that the origin accepts: tls.cert and tls.key',
  access: 'ask the operator of the origin who may connect',
  serverName: 'set tls.serverName to a name that the origin serves',
  selfSigned: 'trust this very certificate with tls.ca, if it is yours',
  untrusted: 'trust its authority with tls.ca, or have the origin send its whole chain',
  expired: "renew the origin's certificate; check the clock of this machine as well",
  notYetValid: "check the clock of this machine, and the dates of the origin's certificate",
  names: 'use a host that the certificate names, or set tls.serverName to one that it names',
  revoked: "replace the origin's certificate: its authority has revoked it",
  broken: "replace the origin's certificate or its chain: they are not made as they should be",
} as const

export type TlsHint = keyof typeof TLS_HINTS

/** Which of them an error has. Undefined: a hint of another kind. */
export function tlsHintOf(hint: string | undefined): TlsHint | undefined {
  return TLS_HINT_NAMES.get(hint ?? '')
}

const TLS_HINT_NAMES = new Map(
  Object.entries(TLS_HINTS).map(([name, text]) => [text as string, name as TlsHint]),
)
