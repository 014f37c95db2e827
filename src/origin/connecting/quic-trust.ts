import { X509Certificate } from 'node:crypto'
import type { HandshakeInfo } from '../../base/events/connection.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import type { QuicHandshake } from '../../quic/engine.ts'
import { trustDigest } from '../../state/peer-key.ts'

/**
 * For peer keys: everything in the options that decides about trust, and the engine. `h3` stands in it too,
 * so that a ticket of one transport never reaches the other, even where both should come to use one TLS
 * library.
 */
export class QuicTrust {
  readonly #engine: string
  /** By the options object itself, so that a CA bundle is hashed once and not at each dial. */
  readonly #byOptions = new WeakMap<TlsOptions, string>()

  /** `engine`: QuicEngine.name. */
  constructor(engine: string) {
    this.#engine = engine
  }

  of(tls: TlsOptions): string {
    const known = this.#byOptions.get(tls)
    if (known !== undefined) return known
    const trust = trustDigest({
      ca: tls.ca,
      clientCertificate: tls.cert,
      rejectUnauthorized: tls.rejectUnauthorized ?? true,
      minVersion: tls.minVersion,
      maxVersion: tls.maxVersion,
      ciphers: tls.ciphers,
      groups: tls.groups,
      tlsLibrary: `h3 ${this.#engine}`,
    })
    this.#byOptions.set(tls, trust)
    return trust
  }
}

/** When it expires, for who watches it; nothing where this handshake did not look at it. */
export function certificateExpiry(
  handshake: QuicHandshake | undefined,
): Pick<HandshakeInfo, 'certificateExpiresAt'> {
  if (handshake === undefined || handshake.isResumed) return {}
  const endsInMs = certificateEndsInMs(handshake.certificates, 0)
  return endsInMs === undefined ? {} : { certificateExpiresAt: endsInMs }
}

/**
 * How long the peer's own certificate is still good, in ms; undefined when it cannot be read. Negative: it is
 * not (it was accepted all the same, with rejectUnauthorized false), and nothing that it vouches for may be
 * kept.
 */
export function certificateEndsInMs(certificates: readonly Buffer[], wallNow: number): number | undefined {
  const [leaf] = certificates
  if (leaf === undefined) return undefined
  try {
    const end = Date.parse(new X509Certificate(leaf).validTo)
    return Number.isFinite(end) ? end - wallNow : undefined
  } catch {
    return undefined
  }
}
