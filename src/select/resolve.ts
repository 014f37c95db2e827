import { lookup as systemLookup } from 'node:dns'
import type { Clock, Timer } from '../clock.ts'
import type { Resolution, ResolvedAddress, Resolver } from '../endpoint.ts'
import { abortError, TransportError } from '../errors.ts'
import { DEFAULT_RESOLVER_OPTIONS, DEFAULT_TIMEOUTS, type ResolverOptions } from '../options.ts'
import type { Origin } from '../origin.ts'
import { DnsCache } from './dns-cache.ts'
import { fixedAddresses } from './fixed-addresses.ts'

/** Asks the system once. Calls back with what dns.lookup would. */
export type Lookup = (
  host: string,
  callback: (error: Error | null, addresses: readonly ResolvedAddress[]) => void,
) => void

export interface SystemResolverOptions {
  readonly clock: Clock
  readonly options?: Partial<ResolverOptions>
  /** Default: getaddrinfo through node:dns. */
  readonly lookup?: Lookup
}

/** One who waits for an answer. */
interface Asker {
  settle(answer: readonly ResolvedAddress[] | TransportError): void
}

/**
 * Host names by the system's resolver, which honours /etc/hosts, nsswitch and the like. It cannot be stopped and occupies one
 * of libuv's four threads while it asks: askers for the same host share a query, and one that gives up leaves it to the others.
 */
export class SystemResolver {
  readonly #clock: Clock
  readonly #lookup: Lookup
  readonly #cache: DnsCache
  readonly #queries = new Map<string, Set<Asker>>()

  constructor({ clock, options = {}, lookup = lookUpSystem }: SystemResolverOptions) {
    this.#clock = clock
    this.#lookup = lookup
    this.#cache = new DnsCache({ ...DEFAULT_RESOLVER_OPTIONS, ...options })
  }

  /** Rejects with MM_DNS_FAILED, MM_DNS_TIMEOUT, or after an abort with its reason. `dnsMs` 0: no limit. */
  resolve(host: string, signal: AbortSignal, dnsMs: number = DEFAULT_TIMEOUTS.dnsMs): Promise<Resolution> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, 'the lookup'))
      const cached = this.#cache.get(host, this.#clock.now())
      if (cached instanceof TransportError) return reject(cached)
      if (cached !== undefined) return resolve({ addresses: cached, source: 'cache' })

      let timer: Timer | undefined
      const asker: Asker = {
        settle: answer => {
          timer?.cancel()
          signal.removeEventListener('abort', onAbort)
          this.#queries.get(host)?.delete(asker)
          if (answer instanceof TransportError) reject(answer)
          else resolve({ addresses: answer, source: 'system' })
        },
      }
      const onAbort = (): void => asker.settle(abortError(signal, 'the lookup'))
      signal.addEventListener('abort', onAbort, { once: true })
      if (dnsMs > 0) {
        timer = this.#clock.setTimer(dnsMs, () => {
          asker.settle(new TransportError('MM_DNS_TIMEOUT', `${host} was not resolved within ${dnsMs} ms`))
        })
      }
      this.#ask(host, asker)
    })
  }

  /** The same for one origin: what is configured for it comes before the system. Throws MM_INVALID_ARGUMENT for what is no address. */
  forOrigin(origin: Origin, settings: OriginResolution): Resolver {
    const fixed = fixedAddresses(origin, settings.endpoints ?? [], settings.overrides ?? {})
    if (fixed !== undefined) return { resolve: () => Promise.resolve(fixed) }
    return { resolve: (host, signal) => this.resolve(host, signal, settings.dnsMs) }
  }

  /** Forgets every answer: the network has changed. */
  clear(): void {
    this.#cache.clear()
  }

  #ask(host: string, asker: Asker): void {
    const query = this.#queries.get(host)
    if (query !== undefined) {
      query.add(asker)
      return
    }
    const askers = new Set([asker])
    this.#queries.set(host, askers)
    this.#lookup(host, (error, addresses) => {
      this.#queries.delete(host)
      const answer = error === null && addresses.length > 0 ? addresses : dnsError(host, error)
      this.#cache.set(host, answer, this.#clock.now())
      for (const waiting of askers) waiting.settle(answer)
    })
  }
}

/** What the configuration says about one origin's addresses. */
export interface OriginResolution {
  readonly endpoints?: readonly string[]
  /** `HOST:PORT` to IP. */
  readonly overrides?: Readonly<Record<string, string>>
  readonly dnsMs?: number
}

function lookUpSystem(host: string, callback: Parameters<Lookup>[1]): void {
  // In the order of getaddrinfo, which has sorted by RFC 6724.
  systemLookup(host, { all: true, order: 'verbatim' }, (error, addresses) => {
    if (error !== null) return callback(error, [])
    callback(
      null,
      addresses.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })),
    )
  })
}

function dnsError(host: string, cause: Error | null): TransportError {
  const code = cause !== null && 'code' in cause ? String(cause.code) : ''
  const reason =
    cause === null || code === 'ENOTFOUND' || code === 'ENODATA'
      ? 'has no address'
      : code === 'EAI_AGAIN'
        ? 'could not be resolved: the resolver does not answer'
        : `could not be resolved: ${cause.message}`
  const message = `${host} ${reason}${code === '' ? '' : ` (${code})`}`
  return new TransportError('MM_DNS_FAILED', message, cause === null ? {} : { cause })
}
