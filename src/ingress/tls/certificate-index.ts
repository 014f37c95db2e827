/** What decides where a certificate is shown. */
export interface IndexedCertificate {
  /** From certificateNames(). */
  readonly names: readonly string[]
  /** Such as `rsa` or `ec`. */
  readonly keyType: string
}

/**
 * Which of several certificates a client is shown, by the server name that it asks for (SNI, RFC 6066 3):
 * 1. those with the very name
 * 2. else those with a wildcard in place of its left-most label
 * 3. else none: the caller takes the first of all, or refuses
 *
 * Of several that have the name the first one of each kind of key is offered, and TLS takes what the client
 * can verify. The common name counts for nothing (RFC 9525 6.3).
 */
export class CertificateIndex {
  readonly #certificates: readonly IndexedCertificate[]
  readonly #byName = new Map<string, number[]>()

  constructor(certificates: readonly IndexedCertificate[]) {
    this.#certificates = certificates
    for (const [at, { names, keyType }] of certificates.entries()) {
      for (const name of names) {
        const offered = this.#byName.get(name)
        if (offered === undefined) this.#byName.set(name, [at])
        else if (offered.every(other => certificates[other]?.keyType !== keyType)) offered.push(at)
      }
    }
  }

  /** Positions in the list, the first one first. Undefined: nobody has the name. */
  find(serverName: string): readonly number[] | undefined {
    const name = serverName.toLowerCase()
    const exact = this.#byName.get(name) // 1
    if (exact !== undefined) return exact
    const dotAt = name.indexOf('.')
    return dotAt > 0 ? this.#byName.get(`*${name.slice(dotAt)}`) : undefined // 2
  }

  /** For clients that name nobody: the first certificate, and those of other kinds for its name. */
  get first(): readonly number[] {
    const name = this.#certificates[0]?.names[0]
    const offered = name === undefined ? undefined : this.#byName.get(name)
    return offered?.[0] === 0 ? offered : [0]
  }

  /** Every combination that find() or `first` can answer with. */
  combinations(): readonly (readonly number[])[] {
    const known = new Map([this.first, ...this.#byName.values()].map(one => [one.join(), one]))
    return [...known.values()]
  }
}
