import type { AttemptRecord } from '../../base/events/connection.ts'
import { average, brief, ENDPOINT_LIFETIMES_MS, type Evidence } from '../evidence/evidence.ts'

/**
 * How the last attempt at an endpoint went. `overtaken`: one that was started later was connected before it.
 */
export interface EndpointMemory {
  readonly outcome: 'connected' | 'failed' | 'overtaken'
  readonly at: number
  readonly error: string | undefined
}

/**
 * What an endpoint made of a datagram that asks for QUIC. `versions`: it listed them (RFC 9000 section 6), as
 * hex; `refused`: an ICMP message said that nobody listens; `silent`: nothing came, as where a firewall
 * swallows UDP.
 */
export type QuicReach =
  | { readonly kind: 'versions'; readonly versions: readonly string[] }
  | { readonly kind: 'refused' }
  | { readonly kind: 'silent' }

/** An origin with more addresses than this is remembered in part. */
export const MAX_ENDPOINTS = 64
export const MAX_QUIC_VERSIONS = 16

/** Memories of one kind by endpoint; the longest untouched go first. */
export class EndpointMap<T> {
  readonly #entries = new Map<string, T>()

  get(endpoint: string): T | undefined {
    return this.#entries.get(endpoint)
  }

  set(endpoint: string, memory: T): void {
    this.#entries.delete(endpoint)
    this.#entries.set(endpoint, memory)
    if (this.#entries.size <= MAX_ENDPOINTS) return
    const first = this.#entries.keys().next()
    if (first.done !== true) this.#entries.delete(first.value)
  }

  clear(): void {
    this.#entries.clear()
  }

  entries(): IterableIterator<[string, T]> {
    return this.#entries.entries()
  }
}

/** What is known of the addresses of an origin, each for itself. */
export class EndpointMemories {
  readonly attempts = new EndpointMap<Evidence<Omit<EndpointMemory, 'at'>>>()
  readonly connectMs = new EndpointMap<Evidence<number>>()
  readonly quic = new EndpointMap<Evidence<QuicReach>>()

  /** The attempts of one dial, in order of their start. */
  onAttempts(attempts: readonly AttemptRecord[], now: number): void {
    const winner = attempts.findLastIndex(({ outcome }) => outcome === 'connected')
    attempts.forEach(({ protocol, endpoint: text, outcome, error }, index) => {
      const endpoint = endpointKey(text, protocol === 'h3')
      // One that another lane overtook was under way when it was given up: its endpoint is as good as before.
      if (outcome === 'overtaken') return
      if (outcome !== 'cancelled')
        this.#attempted(endpoint, { outcome, error: error === undefined ? error : brief(error) }, now)
      else if (index < winner) this.#attempted(endpoint, { outcome: 'overtaken', error: undefined }, now)
      // A cancelled attempt that had started last, or whose dial was given up, says nothing about its
      // endpoint.
    })
  }

  onConnectMs(endpoint: string, ms: number, source: string, now: number): void {
    const value = average(this.connectMs.get(endpoint), ms)
    this.connectMs.set(endpoint, { value, at: now, source, expiresAt: now + ENDPOINT_LIFETIMES_MS.connectMs })
  }

  onQuicReach(endpoint: string, reach: QuicReach, source: string, now: number): void {
    const value =
      reach.kind === 'versions' ? { ...reach, versions: reach.versions.slice(0, MAX_QUIC_VERSIONS) } : reach
    this.quic.set(endpoint, { value, at: now, source, expiresAt: now + ENDPOINT_LIFETIMES_MS.quic })
  }

  onNetworkChanged(): void {
    this.attempts.clear()
    this.connectMs.clear()
    this.quic.clear()
  }

  #attempted(endpoint: string, value: Omit<EndpointMemory, 'at'>, now: number): void {
    this.attempts.set(endpoint, {
      value,
      at: now,
      source: 'dial',
      expiresAt: now + ENDPOINT_LIFETIMES_MS.attempts,
    })
  }
}

/** UDP and TCP to the same `address:port` fail each for itself. */
export function endpointKey(endpoint: string, isUdp: boolean): string {
  return isUdp ? `${endpoint} (udp)` : endpoint
}
