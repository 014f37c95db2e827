import type { Clock, Timer } from '../base/clock.ts'
import { abortError, asTransportError, TransportError } from '../base/errors.ts'
import { guardedListener, guardedPromise } from '../base/guard.ts'
import type { Resolution, ResolvedAddress, Resolver } from '../base/http/endpoint.ts'
import type { Origin } from '../base/http/origin.ts'
import { parseEndpointName } from '../base/options/balance-options.ts'
import { DEFAULT_TIMEOUTS } from '../base/options/options.ts'
import { DEFAULT_RESOLVER_OPTIONS, type ResolverOptions } from '../base/options/resolver-options.ts'
import { AddressCache } from './address-cache.ts'
import type { AddressGuard } from './address-guard.ts'
import {
  type FoundAddresses,
  fixedAddresses,
  notFound,
  overriddenAddress,
  parseAddress,
} from './addresses.ts'
import { endpointListResolver } from './endpoint-list.ts'

/** Asks once. Calls back with what dns.lookup would: an embedder's own resolver. */
export type Lookup = (
  host: string,
  callback: (error: Error | null, addresses: readonly ResolvedAddress[]) => void,
) => void

export interface AddressResolverOptions {
  readonly clock: Clock
  readonly options?: Partial<ResolverOptions>
  /** Asks once; it ends by itself. Never keeps anything. */
  readonly find: (host: string) => Promise<FoundAddresses>
  /** Left out: every address may be dialed. */
  readonly guard?: AddressGuard | undefined
}

/** What name resolution did, since the start. */
export interface ResolverCounts {
  /**
   * Lookups of the DNS, of /etc/hosts or of the system that ended with addresses, or with the news that there
   * are none.
   */
  readonly answered: number
  /** Lookups that nobody answered. */
  readonly failed: number
  /** Answers whose time was over that were used since nobody gave another one in time. */
  readonly stale: number
}

/** One who waits for an answer. */
interface Asker {
  /** What it gets when there is no answer in time. */
  readonly stale: readonly ResolvedAddress[] | undefined
  settle(answer: Resolution | TransportError): void
}

/**
 * Addresses of host names: out of the cache, or by a lookup that all who ask for the same host share. One
 * that gives up leaves it to the others, and what it brings is kept. An answer whose time is over is used
 * when a new one does not come in `dnsStaleAnswerMs`, or fails (RFC 8767).
 */
export class AddressResolver {
  readonly #clock: Clock
  readonly #options: ResolverOptions
  readonly #find: (host: string) => Promise<FoundAddresses>
  readonly #cache: AddressCache
  readonly #guard: AddressGuard | undefined
  readonly #lookups = new Map<string, Set<Asker>>()
  readonly #counts = { answered: 0, failed: 0, stale: 0 }

  constructor({ clock, options = {}, find, guard }: AddressResolverOptions) {
    this.#clock = clock
    this.#find = find
    this.#guard = guard
    this.#options = { ...DEFAULT_RESOLVER_OPTIONS, ...options }
    this.#cache = new AddressCache(this.#options)
  }

  get counts(): ResolverCounts {
    return { ...this.#counts }
  }

  /** Rejects with MM_DNS_FAILED, MM_DNS_TIMEOUT, or after an abort with its reason. `dnsMs` 0: no limit. */
  resolve(host: string, signal: AbortSignal, dnsMs: number = DEFAULT_TIMEOUTS.dnsMs): Promise<Resolution> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, 'the lookup'))
      const cached = this.#cache.get(host, this.#clock.now())
      if (cached?.kind === 'failed') return reject(cached.error)
      if (cached?.kind === 'fresh') {
        const { addresses, freshForMs } = cached
        return resolve({ addresses, source: 'cache', freshForMs })
      }
      const stale = cached?.addresses
      if (stale !== undefined && cached?.isToBeAsked === false) return resolve(this.#stale(stale))

      let timer: Timer | undefined
      const asker: Asker = {
        stale,
        settle: answer => {
          timer?.cancel()
          signal.removeEventListener('abort', onAbort)
          this.#lookups.get(host)?.delete(asker)
          if (answer instanceof TransportError) reject(answer)
          else resolve(answer)
        },
      }
      const onAbort = guardedListener(
        'the end of a lookup',
        () => asker.settle(abortError(signal, 'the lookup')),
        reject,
      )
      signal.addEventListener('abort', onAbort, { once: true })
      const waitMs = this.#waitMs(stale !== undefined, dnsMs)
      if (waitMs !== Infinity) {
        const onOverdue = (): void => this.#onOverdue(host, asker, dnsMs)
        timer = this.#clock.setTimer(
          waitMs,
          guardedListener('a lookup that takes long', onOverdue, fault => asker.settle(fault)),
        )
      }
      this.#ask(host, asker)
    })
  }

  /**
   * The same for one origin: what is configured for it comes before the names. Where there is a guard nothing
   * gets past it, and resolving rejects with MM_ADDRESS_REFUSED. Throws MM_INVALID_ARGUMENT for what is no
   * address.
   */
  forOrigin(origin: Origin, settings: OriginResolution): Resolver {
    const { endpoints = [], overrides = {}, dnsMs } = settings
    if (endpoints.some(text => parseEndpointName(text) !== undefined)) {
      const sources = endpoints.map(text => this.forEndpoint(text, origin, { overrides, dnsMs }))
      return endpointListResolver(sources, this.#clock)
    }
    const fixed = fixedAddresses(origin, endpoints, overrides)
    return this.#guarded(origin, {
      resolve: (host, signal) =>
        fixed === undefined ? this.resolve(host, signal, dnsMs) : Promise.resolve(fixed),
    })
  }

  /** The same for one endpoint of the origin, an address or a host name, with its port. */
  forEndpoint(text: string, origin: Origin, { overrides = {}, dnsMs }: OriginResolution): Resolver {
    const name = parseEndpointName(text)
    if (name === undefined) {
      const fixed: Resolution = { addresses: [parseAddress(text)], source: 'endpoints' }
      return this.#guarded(origin, { resolve: () => Promise.resolve(fixed) })
    }
    const { host, port } = name
    const override = overriddenAddress(host, port ?? origin.port, overrides)
    return this.#guarded(origin, {
      resolve: async (_host, signal) => {
        const resolution = override ?? (await this.resolve(host, signal, dnsMs))
        if (port === undefined) return resolution
        const addresses = resolution.addresses.map(one => ({ ...one, port: one.port ?? port }))
        return { ...resolution, addresses }
      },
    })
  }

  /** What may be dialed of addresses that came from elsewhere. Throws MM_ADDRESS_REFUSED. */
  admit(host: string, resolution: Resolution, port: number): Resolution {
    return this.#guard?.admit(host, resolution, port) ?? resolution
  }

  #guarded({ port }: Origin, resolver: Resolver): Resolver {
    return this.#guard?.over(resolver, port) ?? resolver
  }

  /** The network has changed: what is kept is stale from now on. */
  expire(): void {
    this.#cache.expire(this.#clock.now())
  }

  #waitMs(hasStale: boolean, dnsMs: number): number {
    const limitMs = dnsMs > 0 ? dnsMs : Infinity
    return hasStale ? Math.min(limitMs, this.#options.dnsStaleAnswerMs) : limitMs
  }

  #onOverdue(host: string, asker: Asker, dnsMs: number): void {
    if (asker.stale !== undefined) {
      this.#cache.onSlow(host, this.#clock.now())
      return asker.settle(this.#stale(asker.stale))
    }
    asker.settle(new TransportError('MM_DNS_TIMEOUT', `${host} was not resolved within ${dnsMs} ms`))
  }

  #stale(addresses: readonly ResolvedAddress[]): Resolution {
    this.#counts.stale++
    return { addresses, source: 'stale' }
  }

  #ask(host: string, asker: Asker): void {
    const running = this.#lookups.get(host)
    if (running !== undefined) {
      running.add(asker)
      return
    }
    const askers = new Set([asker])
    this.#lookups.set(host, askers)
    const settle = (found: FoundAddresses): void => {
      this.#lookups.delete(host)
      this.#settle(host, found, askers)
    }
    const settled = this.#find(host).then(settle, (cause: unknown) => {
      settle({ kind: 'failed', error: asTransportError(cause, 'MM_DNS_FAILED', 'no') })
    })
    guardedPromise('the end of a lookup', settled)
  }

  #settle(host: string, found: FoundAddresses, askers: ReadonlySet<Asker>): void {
    const now = this.#clock.now()
    if (found.kind === 'failed') this.#counts.failed++
    else this.#counts.answered++
    if (found.kind === 'found') {
      const { addresses, source, ttlMs } = found
      const freshForMs = this.#cache.onAnswer(host, addresses, ttlMs, now)
      for (const asker of askers) asker.settle({ addresses, source, freshForMs })
    } else if (found.kind === 'none') {
      this.#cache.onNone(host, found.error, found.ttlMs, now)
      for (const asker of askers) asker.settle(found.error)
    } else {
      const stale = this.#cache.onFailure(host, found.error, now)
      for (const asker of askers) asker.settle(stale === undefined ? found.error : this.#stale(stale))
    }
  }
}

/** A lookup of an embedder's, as `find`. */
export function findBy(lookup: Lookup): (host: string) => Promise<FoundAddresses> {
  return host =>
    new Promise(resolve => {
      lookup(host, (error, addresses) => {
        if (error !== null || addresses.length === 0) resolve(notFound(host, error))
        else resolve({ kind: 'found', addresses, source: 'system', ttlMs: Infinity })
      })
    })
}

/** What the configuration says about one origin's addresses. */
export interface OriginResolution {
  readonly endpoints?: readonly string[]
  /** `HOST:PORT` to IP. */
  readonly overrides?: Readonly<Record<string, string>>
  readonly dnsMs?: number | undefined
}
