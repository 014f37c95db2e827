import { lookup } from 'node:dns'
import { type FoundAddresses, notFound } from './addresses.ts'
import { QueryGate } from './client/shared-query.ts'

/** Who wait for their turn. */
const MAX_WAITING = 1024
const NEVER = new AbortController().signal

/**
 * Asks getaddrinfo, which knows all that this machine knows. It cannot be stopped, and takes one of libuv's
 * threads (4, of which lookups get 2) while it asks; a server that does not answer holds it for 10 s and
 * more. So there are few at a time, and of names that nobody answered for last time one less.
 */
export class SystemLookup {
  readonly #gate: QueryGate
  readonly #suspectGate: QueryGate
  /** Names whose last lookup failed. No more than are kept by any cache: each is taken out by an answer. */
  readonly #suspects = new Set<string>()
  readonly #ask: (host: string) => Promise<FoundAddresses>

  /** At the least one at a time. `ask`: tests have a system of their own. It never rejects. */
  constructor(maxConcurrent: number, ask: (host: string) => Promise<FoundAddresses> = getAddresses) {
    this.#ask = ask
    const most = Math.max(1, maxConcurrent)
    this.#gate = new QueryGate(most, MAX_WAITING)
    this.#suspectGate = new QueryGate(Math.max(1, most - 1), MAX_WAITING)
  }

  /** Rejects with MM_DNS_FAILED when too many wait. */
  async find(host: string): Promise<FoundAddresses> {
    if (!this.#suspects.has(host)) return this.#askInTurn(host)
    await this.#suspectGate.enter(NEVER)
    try {
      return await this.#askInTurn(host)
    } finally {
      this.#suspectGate.leave()
    }
  }

  async #askInTurn(host: string): Promise<FoundAddresses> {
    await this.#gate.enter(NEVER)
    const found = await this.#ask(host)
    this.#gate.leave()
    this.#suspects.delete(host)
    if (found.kind === 'failed') {
      this.#suspects.add(host)
      const first = this.#suspects.values().next()
      if (this.#suspects.size > MAX_WAITING && first.done !== true) this.#suspects.delete(first.value)
    }
    return found
  }
}

/** In the order of getaddrinfo, which has sorted by RFC 6724. Never rejects. */
function getAddresses(host: string): Promise<FoundAddresses> {
  return new Promise(resolve => {
    lookup(host, { all: true, order: 'verbatim' }, (error, found) => {
      if (error !== null || found.length === 0) return resolve(notFound(host, error))
      const addresses = found.map(
        ({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }) as const,
      )
      resolve({ kind: 'found', addresses, source: 'system', ttlMs: Infinity })
    })
  })
}
