import { X509Certificate } from 'node:crypto'
import { TransportError } from '../../base/errors.ts'
import { certificateNames } from '../../connect/tls/certificate-names.ts'
import { CertificateIndex, type IndexedCertificate } from './certificate-index.ts'

/** A certificate with its chain, and its key, PEM. */
export interface CertificatePair {
  readonly cert: string
  readonly key: string
}

/** Of one certificate of ours. */
const MAX_OWN_NAMES = 10_000

/** The names and the kind of key of a certificate of ours. */
export function indexedCertificate(pem: string): IndexedCertificate {
  const certificate = new X509Certificate(pem)
  return {
    names: certificateNames(certificate.subjectAltName, MAX_OWN_NAMES),
    keyType: certificate.publicKey.asymmetricKeyType ?? '',
  }
}

/** Certificates that are shown together, one for each kind of key, as OpenSSL and Node take them. */
export interface OfferedCertificates {
  readonly cert: string[]
  readonly key: string[]
}

/**
 * The certificates of a listener on TCP, and what was made of them: one for each set of certificates that go
 * with a name.
 */
export class ServerCertificates<Made> {
  readonly #make: (offered: OfferedCertificates) => Made
  #pairs: readonly CertificatePair[] = []
  #index = new CertificateIndex([])
  /** By the places of its certificates in `pairs`. */
  #made = new Map<string, Made>()

  /** `make` throws when they cannot be used: so does this, with MM_INVALID_ARGUMENT. */
  constructor(pairs: readonly CertificatePair[], make: (offered: OfferedCertificates) => Made) {
    this.#make = make
    this.#take(pairs)
  }

  get pairs(): readonly CertificatePair[] {
    return this.#pairs
  }

  /** For who names nobody, or nobody known. */
  get first(): Made {
    return this.#madeOf(this.#index.first) as Made // it is one of the combinations
  }

  /** Undefined: no certificate has the name. */
  find(serverName: string): Made | undefined {
    const offered = this.#index.find(serverName)
    return offered && this.#madeOf(offered)
  }

  /** False: they are what it has. Throws MM_INVALID_ARGUMENT, and keeps what it has. */
  renew(pairs: readonly CertificatePair[]): boolean {
    const isSame =
      pairs.length === this.#pairs.length &&
      pairs.every(({ cert, key }, at) => cert === this.#pairs[at]?.cert && key === this.#pairs[at].key)
    if (isSame) return false
    this.#take(pairs)
    return true
  }

  #madeOf(offered: readonly number[]): Made | undefined {
    return this.#made.get(offered.join())
  }

  #take(pairs: readonly CertificatePair[]): void {
    // What was made is kept for combinations whose certificates and keys stay, wherever they stand now.
    const kept = new Map(
      this.#index
        .combinations()
        .map(offered => [contentsOf(this.#pairs, offered), this.#made.get(offered.join())]),
    )
    const made = new Map<string, Made>()
    let index: CertificateIndex
    try {
      index = new CertificateIndex(pairs.map(({ cert }) => indexedCertificate(cert)))
      for (const offered of index.combinations()) {
        made.set(
          offered.join(),
          kept.get(contentsOf(pairs, offered)) ?? this.#make(offeredOf(pairs, offered)),
        )
      }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new TransportError('MM_INVALID_ARGUMENT', `tls: the certificate cannot be used: ${reason}`, {
        cause,
      })
    }
    this.#pairs = pairs
    this.#index = index
    this.#made = made
  }
}

function offeredOf(pairs: readonly CertificatePair[], offered: readonly number[]): OfferedCertificates {
  const chosen = offered.flatMap(at => pairs[at] ?? [])
  return { cert: chosen.map(({ cert }) => cert), key: chosen.map(({ key }) => key) }
}

function contentsOf(pairs: readonly CertificatePair[], offered: readonly number[]): string {
  return offered.map(at => `${pairs[at]?.cert}\n${pairs[at]?.key}`).join('\n')
}
