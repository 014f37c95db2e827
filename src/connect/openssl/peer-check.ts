import { X509Certificate } from 'node:crypto'
import { checkServerIdentity } from 'node:tls'
import { type VerifiedCertificate, verifiedCertificate } from '../tls/certificate-names.ts'
import { type AgreedHandshake, type ClientMachine, VERIFIED, verifyName } from './client-machine.ts'
import { makeError } from './openssl.ts'

export interface PeerPolicy {
  readonly serverName: string
  readonly rejectUnauthorized: boolean
  /** The only protocol that was offered. */
  readonly alpn: string | undefined
}

/** A peer that is who it must be. */
export interface TrustedPeer {
  /** The certificate that was checked; undefined when none was looked at. */
  readonly certificate: VerifiedCertificate | undefined
}

/** The failure of a handshake, as the verdict about the certificate where that is what it was. */
export function handshakeError(machine: ClientMachine, failure: Error, verifyText: VerifyText): Error {
  const code = machine.verifyCode()
  return code === VERIFIED ? failure : verifyError(code, verifyText)
}

type VerifyText = (code: number) => string

/**
 * Whether the peer of a complete handshake may get anything of ours. Throws what node:tls would report. The
 * rules, in this order:
 *  1. It speaks the protocol that was offered. One that does not know ALPN speaks HTTP/1.1.
 *  2. Without rejectUnauthorized everybody will do.
 *  3. The chain was found good: now, or when the session was made that has been resumed.
 *  4. A peer that resumed our session knows its key, and has shown no certificate.
 *  5. The certificate is for the name, by the rules of node:tls itself.
 */
export function checkPeer(
  machine: ClientMachine,
  agreed: AgreedHandshake,
  policy: PeerPolicy,
  verifyText: VerifyText,
): TrustedPeer {
  if (policy.alpn !== undefined && (agreed.alpn ?? 'http/1.1') !== policy.alpn) {
    const message = `the peer chose ${agreed.alpn ?? 'no protocol'} by ALPN; offered was ${policy.alpn}`
    throw makeError('ERR_SSL_NO_APPLICATION_PROTOCOL', message, 'no application protocol')
  }
  if (!policy.rejectUnauthorized) return { certificate: undefined }
  if (agreed.verifyCode !== VERIFIED) throw verifyError(agreed.verifyCode, verifyText)
  if (agreed.isResumed) return { certificate: undefined }
  const der = machine.peerCertificate()
  if (der === undefined)
    throw makeError('ERR_SSL_NO_CERTIFICATE_RETURNED', 'the peer has shown no certificate', 'no certificate')
  const certificate = new X509Certificate(der)
  const failure = checkServerIdentity(policy.serverName, certificate.toLegacyObject())
  if (failure !== undefined) throw failure
  return { certificate: verifiedCertificate(certificate) }
}

function verifyError(code: number, verifyText: VerifyText): Error {
  const text = verifyText(code)
  return Object.assign(new Error(text), { code: verifyName(code) })
}
