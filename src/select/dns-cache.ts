import type { ResolvedAddress } from '../endpoint.ts'
import { TransportError } from '../errors.ts'
import type { ResolverOptions } from '../options.ts'

interface CachedAnswer {
  readonly answer: readonly ResolvedAddress[] | TransportError
  readonly expiresAt: number
}

/** Answers of the system's resolver, good and bad, for as long as the options say. Bounded; the longest unused makes room. */
export class DnsCache {
  readonly #options: ResolverOptions
  readonly #answers = new Map<string, CachedAnswer>()

  constructor(options: ResolverOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#answers.size
  }

  get(host: string, now: number): readonly ResolvedAddress[] | TransportError | undefined {
    const cached = this.#answers.get(host)
    if (cached === undefined) return undefined
    this.#answers.delete(host)
    if (cached.expiresAt <= now) return undefined
    this.#answers.set(host, cached)
    return cached.answer
  }

  set(host: string, answer: readonly ResolvedAddress[] | TransportError, now: number): void {
    const { dnsCacheMs, dnsNegativeCacheMs, maxDnsEntries } = this.#options
    const lifetimeMs = answer instanceof TransportError ? dnsNegativeCacheMs : dnsCacheMs
    this.#answers.delete(host)
    if (lifetimeMs <= 0 || maxDnsEntries === 0) return
    this.#answers.set(host, { answer, expiresAt: now + lifetimeMs })
    if (this.#answers.size <= maxDnsEntries) return
    const first = this.#answers.keys().next()
    if (first.done !== true) this.#answers.delete(first.value)
  }

  clear(): void {
    this.#answers.clear()
  }
}
