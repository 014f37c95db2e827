import { DEFAULT_TICKET_STORE_OPTIONS, type TicketStoreOptions } from '../options.ts'

/** A ticket that was handed out. Whoever took it resumes with it, or gives it back if it never left the machine. */
export interface TakenTicket {
  /** What the TLS library serialised. It holds the resumption secret: never logged, never copied. */
  readonly session: Buffer
  /** Nobody has used it yet. Early data may go out with such a ticket only (RFC 8446 8.1: a second use could be a replay). */
  readonly isFirstUse: boolean
  /** When what vouches for the peer runs out. Tickets that come over the resumed connection inherit it: see TicketLimits. */
  readonly trustedUntil: number
}

export interface TicketLimits {
  /** What the server said; without it the default applies. 0 discards the ticket (RFC 8446 4.6.1). */
  readonly lifetimeMs?: number | undefined
  /**
   * The end of the certificate that was verified, or what the ticket that was resumed with had. A resumed connection verifies
   * nothing and may bring new tickets: without an end that they inherit, one look at a certificate would do for ever
   * (RFC 8446 4.6.1 recommends a limit). Default: `maxLifetimeMs` from now.
   */
  readonly trustedUntil?: number | undefined
}

interface Ticket {
  readonly session: Buffer
  readonly trustedUntil: number
  readonly expiresAt: number
  /** How often it was handed out and not given back. */
  uses: number
}

/** Oldest first. */
interface Shelf {
  tickets: Ticket[]
}

/**
 * TLS tickets by peer key, strongly held (a cache of WeakRefs loses them to the collector before the next connection needs them).
 *
 * Tickets are TAKEN, not read: each connection uses up one, the newest first, because a ticket that is used twice lets an
 * onlooker link the connections (RFC 8446 C.4). But a node:tls server issues none on a resumed connection, so that plain
 * popping runs dry after two connections. Therefore the very last ticket of a peer stays and is handed out again, marked
 * `isFirstUse: false`, until it expires or a fresh one takes its place.
 */
export class TicketStore {
  readonly #options: TicketStoreOptions
  /** In order of use, the longest unused peer first: a Map keeps the order of insertion. */
  readonly #shelves = new Map<string, Shelf>()
  /** Where a taken ticket came from, for giveBack. */
  readonly #origins = new WeakMap<TakenTicket, { shelf: Shelf; ticket: Ticket }>()

  constructor(options: Partial<TicketStoreOptions> = {}) {
    this.#options = { ...DEFAULT_TICKET_STORE_OPTIONS, ...options }
  }

  /** Peers with a ticket, expired ones included until they are touched. */
  get peers(): number {
    return this.#shelves.size
  }

  /** Keeps a ticket, for seven days at the most (RFC 8446 4.6.1). */
  put(peer: string, session: Buffer, now: number, limits: TicketLimits = {}): void {
    const { maxPeers, maxTicketsPerPeer, maxLifetimeMs, defaultLifetimeMs } = this.#options
    const trustedUntil = Math.min(limits.trustedUntil ?? Number.POSITIVE_INFINITY, now + maxLifetimeMs)
    const expiresAt = Math.min(now + (limits.lifetimeMs ?? defaultLifetimeMs), trustedUntil)
    if (maxPeers === 0 || maxTicketsPerPeer === 0 || expiresAt <= now) return
    const shelf = this.#shelves.get(peer) ?? { tickets: [] }
    // A used ticket was only kept for want of a fresh one.
    shelf.tickets = shelf.tickets.filter(ticket => ticket.uses === 0 && ticket.expiresAt > now)
    shelf.tickets.push({ session, trustedUntil, expiresAt, uses: 0 })
    if (shelf.tickets.length > maxTicketsPerPeer) shelf.tickets.shift()
    this.#touch(peer, shelf)
    if (this.#shelves.size > maxPeers) this.#evictLongestUnused()
  }

  /** The newest ticket of the peer. The last one stays and may be taken again. */
  take(peer: string, now: number): TakenTicket | undefined {
    const shelf = this.#shelves.get(peer)
    if (shelf === undefined) return undefined
    shelf.tickets = shelf.tickets.filter(ticket => ticket.expiresAt > now)
    const ticket = shelf.tickets.length > 1 ? shelf.tickets.pop() : shelf.tickets[0]
    if (ticket === undefined) {
      this.#shelves.delete(peer)
      return undefined
    }
    this.#touch(peer, shelf)
    const { session, trustedUntil } = ticket
    const taken: TakenTicket = { session, isFirstUse: ticket.uses === 0, trustedUntil }
    ticket.uses += 1
    this.#origins.set(taken, { shelf, ticket })
    return taken
  }

  /** Puts back a ticket that never went out on the wire: its connection lost the race or was not made. */
  giveBack(peer: string, taken: TakenTicket): void {
    const origin = this.#origins.get(taken)
    // The shelf is another one when the peer was purged or evicted meanwhile: then the ticket stays gone.
    if (origin === undefined || this.#shelves.get(peer) !== origin.shelf) return
    this.#origins.delete(taken)
    const { shelf, ticket } = origin
    ticket.uses -= 1
    if (ticket.uses > 0 || shelf.tickets.includes(ticket)) return
    // It is fresh again, so that used ones need not be kept; among fresh ones it is now the oldest.
    shelf.tickets = shelf.tickets.filter(({ uses }) => uses === 0)
    if (shelf.tickets.length < this.#options.maxTicketsPerPeer) shelf.tickets.unshift(ticket)
  }

  /**
   * Forgets a peer's tickets: a handshake that offered one failed. A server that chokes on a stale ticket would otherwise fail
   * every connection to come (envoyproxy/envoy #18757).
   */
  purge(peer: string): void {
    this.#shelves.delete(peer)
  }

  /** Forgets everything, as must be done when what is trusted changes in a way that the peer keys do not show. */
  clear(): void {
    this.#shelves.clear()
  }

  /** Counts only: neither keys nor tickets are for reading. */
  toString(): string {
    let tickets = 0
    for (const shelf of this.#shelves.values()) tickets += shelf.tickets.length
    return `${tickets} tickets of ${this.#shelves.size} peers`
  }

  #touch(peer: string, shelf: Shelf): void {
    this.#shelves.delete(peer)
    this.#shelves.set(peer, shelf)
  }

  #evictLongestUnused(): void {
    const first = this.#shelves.keys().next()
    if (first.done !== true) this.#shelves.delete(first.value)
  }
}
