import type { TransportError } from '../base/errors.ts'
import type { ResolvedAddress } from '../base/http/endpoint.ts'
import type { ResolverOptions } from '../base/options/resolver-options.ts'

/** What is kept of a host. Undefined from get(): nothing. */
export type CachedAnswer =
  | {
      readonly kind: 'fresh'
      readonly addresses: readonly ResolvedAddress[]
      readonly freshForMs: number
    }
  | { readonly kind: 'failed'; readonly error: TransportError }
  /** An answer whose time is over. `isToBeAsked` false: it was asked for a moment ago, in vain. */
  | { readonly kind: 'stale'; readonly addresses: readonly ResolvedAddress[]; readonly isToBeAsked: boolean }

/**
 * - `answered`: addresses; fresh, then stale, and asked for again from `recheckAt` on.
 * - `failed`: an error until `until`. `failures`: lookups in a row that nobody answered.
 */
type Entry =
  | {
      readonly kind: 'answered'
      readonly addresses: readonly ResolvedAddress[]
      freshUntil: number
      readonly staleUntil: number
      recheckAt: number
    }
  | {
      readonly kind: 'failed'
      readonly error: TransportError
      readonly until: number
      readonly failures: number
    }

/**
 * Answers to lookups of addresses, for as long as their times to live and the options say. What the resolver
 * says is believed: that a name does not exist (RFC 2308) takes the place of an older answer. That nobody
 * answers does not: the answer that there was is used on, stale (RFC 8767), and where there was none the
 * failure is kept, twice as long each time (RFC 9520). Bounded; the longest unused makes room.
 */
export class AddressCache {
  readonly #options: ResolverOptions
  readonly #entries = new Map<string, Entry>()

  constructor(options: ResolverOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  get(host: string, now: number): CachedAnswer | undefined {
    const entry = this.#entries.get(host)
    if (entry === undefined) return undefined
    // The last in the map is the last used.
    this.#entries.delete(host)
    this.#entries.set(host, entry)
    if (entry.kind === 'failed') return now < entry.until ? { kind: 'failed', error: entry.error } : undefined
    const { addresses, freshUntil, staleUntil, recheckAt } = entry
    if (now < freshUntil) return { kind: 'fresh', addresses, freshForMs: freshUntil - now }
    if (now < staleUntil) return { kind: 'stale', addresses, isToBeAsked: now >= recheckAt }
    this.#entries.delete(host)
    return undefined
  }

  /** `ttlMs`: how long it may be kept; `dnsCacheMs` is the most. Answers how long it is fresh. */
  onAnswer(host: string, addresses: readonly ResolvedAddress[], ttlMs: number, now: number): number {
    const { dnsCacheMs, dnsStaleMs } = this.#options
    const freshForMs = Math.min(ttlMs, dnsCacheMs)
    const freshUntil = now + freshForMs
    const staleUntil = freshUntil + dnsStaleMs
    if (staleUntil <= now) this.#entries.delete(host)
    else this.#keep(host, { kind: 'answered', addresses, freshUntil, staleUntil, recheckAt: freshUntil })
    return freshForMs
  }

  /** It has no address. `ttlMs`: how long that may be believed; `dnsNegativeCacheMs` is the most. */
  onNone(host: string, error: TransportError, ttlMs: number, now: number): void {
    const until = now + Math.min(ttlMs, this.#options.dnsNegativeCacheMs)
    if (until <= now) this.#entries.delete(host)
    else this.#keep(host, { kind: 'failed', error, until, failures: 0 })
  }

  /** Nobody said whether it has an address. Returns what may be used instead. */
  onFailure(host: string, error: TransportError, now: number): readonly ResolvedAddress[] | undefined {
    const entry = this.#entries.get(host)
    if (entry?.kind === 'answered' && now < entry.staleUntil) {
      entry.recheckAt = Math.max(entry.freshUntil, now + this.#options.dnsStaleRecheckMs)
      return entry.addresses
    }
    const { dnsNegativeCacheMs, dnsFailureCacheMs } = this.#options
    const failures = entry?.kind === 'failed' ? entry.failures + 1 : 1
    const longest = Math.max(dnsNegativeCacheMs, dnsFailureCacheMs)
    const until = now + Math.min(longest, dnsNegativeCacheMs * 2 ** (failures - 1))
    if (until <= now) this.#entries.delete(host)
    else this.#keep(host, { kind: 'failed', error, until, failures })
    return undefined
  }

  /** A lookup takes so long that its stale answer was used: who comes meanwhile does not wait. */
  onSlow(host: string, now: number): void {
    const entry = this.#entries.get(host)
    if (entry?.kind === 'answered')
      entry.recheckAt = Math.max(entry.recheckAt, now + this.#options.dnsStaleRecheckMs)
  }

  /** The network has changed: answers have to be asked for again, and failures are forgotten. */
  expire(now: number): void {
    for (const [host, entry] of this.#entries) {
      if (entry.kind === 'failed' || this.#options.dnsStaleMs === 0) this.#entries.delete(host)
      else {
        entry.freshUntil = Math.min(entry.freshUntil, now)
        entry.recheckAt = now
      }
    }
  }

  #keep(host: string, entry: Entry): void {
    this.#entries.delete(host)
    if (this.#options.maxDnsEntries === 0) return
    this.#entries.set(host, entry)
    if (this.#entries.size <= this.#options.maxDnsEntries) return
    const first = this.#entries.keys().next()
    if (first.done !== true) this.#entries.delete(first.value)
  }
}
