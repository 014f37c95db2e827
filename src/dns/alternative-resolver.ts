import { isIP } from 'node:net'
import { asTransportError } from '../base/errors.ts'
import type { Resolution, ResolvedAddress, Resolver } from '../base/http/endpoint.ts'
import { type Origin, parseOrigin } from '../base/http/origin.ts'
import type { AddressResolver } from './address-resolver.ts'

/** Another place of an origin (RFC 7838 section 2), as far as finding its addresses needs it. */
interface AlternativePlace {
  readonly host: string
  readonly port: number
  /** Addresses that came with its HTTPS record. */
  readonly addressHints: readonly string[]
}

export interface AlternativeQuestion {
  readonly origin: Origin
  /** The origin's own. */
  readonly resolver: Resolver
  readonly alternative: AlternativePlace
}

/** Finds the addresses of alternatives. */
export class AlternativeResolver {
  readonly #resolver: AddressResolver
  /** `HOST:PORT` to IP, of the whole transport. */
  readonly #overrides: Readonly<Record<string, string>>
  readonly #dnsMs: number

  constructor(resolver: AddressResolver, overrides: Readonly<Record<string, string>>, dnsMs: number) {
    this.#resolver = resolver
    this.#overrides = overrides
    this.#dnsMs = dnsMs
  }

  /**
   * 1. At the origin's own host: where the origin is, at the alternative's port. An endpoint that the
   *    operator gave a port keeps it for an alternative at the origin's port, which is what that port stands
   *    for.
   * 2. Elsewhere: as a fixed address or the resolver says.
   * 3. Where that fails, the addresses that came with its HTTPS record (RFC 9460 7.3: hints are for until
   *    there is an answer). Rejects as a Resolver does.
   */
  async resolve(question: AlternativeQuestion, signal: AbortSignal): Promise<Resolution> {
    const { origin, resolver, alternative } = question
    if (alternative.host === origin.host) {
      const { addresses, source } = await resolver.resolve(origin.host, signal)
      if (alternative.port === origin.port) return { addresses, source }
      const moved = { addresses: addresses.map(({ address, family }) => ({ address, family })), source }
      return this.#resolver.admit(origin.host, moved, alternative.port) // 1
    }
    const { host, port } = alternative
    const elsewhere = parseOrigin(`https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`)
    const options = { overrides: this.#overrides, dnsMs: this.#dnsMs }
    try {
      return await this.#resolver.forOrigin(elsewhere, options).resolve(elsewhere.host, signal) // 2
    } catch (cause) {
      const addresses = alternative.addressHints.flatMap(hinted)
      if (addresses.length === 0 || signal.aborted) throw asTransportError(cause, 'MM_DNS_FAILED', 'no')
      return this.#resolver.admit(host, { addresses, source: 'hints' }, port) // 3
    }
  }
}

function hinted(address: string): ResolvedAddress[] {
  const family = isIP(address)
  return family === 4 || family === 6 ? [{ address, family }] : []
}
