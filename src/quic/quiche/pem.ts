import { createPrivateKey, X509Certificate } from 'node:crypto'
import { TransportError } from '../../base/errors.ts'

/**
 * The binding takes PEM unseen and fails the handshake later without a reason: what is handed to it is looked
 * at here.
 */

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/**
 * The certificates of a PEM text, clean and joined. Throws MM_INVALID_ARGUMENT; `what` is the name of the
 * option.
 */
export function certificatePem(pem: string | readonly string[], what: string): Buffer {
  const blocks = [pem].flat().flatMap(text => text.match(CERTIFICATE) ?? [])
  if (blocks.length === 0) throw unusable(`${what} has no PEM certificate`)
  for (const block of blocks) readCertificate(block, what)
  return Buffer.from(`${blocks.join('\n')}\n`, 'latin1')
}

/** A certificate chain and its key, the key in the clear. Throws MM_INVALID_ARGUMENT. */
export function identityPem(
  cert: string,
  key: string,
  passphrase: string | undefined,
): { cert: Buffer; key: Buffer } {
  const chain = certificatePem(cert, 'cert')
  let privateKey: ReturnType<typeof createPrivateKey>
  try {
    privateKey = createPrivateKey(passphrase === undefined ? { key } : { key, passphrase })
  } catch (cause) {
    throw unusable(`key cannot be read: ${textOf(cause)}`, cause)
  }
  const leaf = readCertificate(chain.toString('latin1'), 'cert')
  if (!leaf.checkPrivateKey(privateKey)) throw unusable('key is not that of the first certificate in cert')
  return { cert: chain, key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })) }
}

function readCertificate(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw unusable(`${what} cannot be read: ${textOf(cause)}`, cause)
  }
}

function unusable(reason: string, cause?: unknown): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `the tls options cannot be used for QUIC: ${reason}`, {
    cause,
  })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
