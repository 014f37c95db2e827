import { DEFAULT_TICKET_STORE_OPTIONS, type TicketStoreOptions } from '../base/options/options.ts'
import type { KeptTicket } from './kept-tickets.ts'

/**
 * A ticket that was handed out. Whoever took it resumes with it, or gives it back if it never left the
 * machine.
 */
export interface TakenTicket {
  /** What the TLS library serialised. It holds the resumption secret: never logged, never copied. */
  readonly session: Buffer
  /**
   * Nobody has used it yet. Early data may go out with such a ticket only (RFC 8446 8.1: a second use could
   * be a replay).
   */
  readonly isFirstUse: boolean
  /**
   * When what vouches for the peer runs out. Tickets that come over the resumed connection inherit it: see
   * TicketLimits.
   */
  readonly trustedUntil: number
  /** What the peer's certificate covers; inherited likewise. Undefined: unknown. */
  readonly certificateNames?: readonly string[] | undefined
}

export interface TicketLimits {
  /** What the server said; without it the default applies. 0 discards the ticket (RFC 8446 4.6.1). */
  readonly lifetimeMs?: number | undefined
  /**
   * The end of the certificate that was verified, or what the ticket that was resumed with had. A resumed
   * connection verifies nothing and may bring new tickets: without an end that they inherit, one look at a
   * certificate would do for ever (RFC 8446 4.6.1 recommends a limit). Default: `maxLifetimeMs` from now.
   */
  readonly trustedUntil?: number | undefined
  /** The names of that certificate. */
  readonly certificateNames?: readonly string[] | undefined
}

/** Keeps tickets beyond the process. */
export interface TicketKeeper {
  /** Once, before anything else. */
  onBound(holder: TicketHolder): void
  /**
   * Takes what is kept of a peer, oldest first, so that no other process gets it. Undefined: nobody can tell
   * what is there.
   */
  claim(peer: string): readonly KeptTicket[] | undefined
  /** There is something else to keep of this peer. */
  onChanged(peer: string): void
  forget(peer: string): void
  forgetAll(): void
}

/** What a keeper sees of the store. */
export interface TicketHolder {
  /**
   * The tickets of a peer that are to be kept, all of them, oldest first; those that are kept already are
   * claimed for it.
   */
  collect(peer: string): readonly KeptTicket[]
  /** What was collected is kept now: it is ours only as long as it is there. */
  onKept(peer: string): void
}

/** Where tickets outlive the process, and the calendar that they expire by. */
export interface TicketKeeping {
  readonly keeper: TicketKeeper
  /** Milliseconds since 1970. */
  readonly calendar: () => number
  /** The monotonic clock that put() and take() are called with. */
  readonly now: () => number
}

interface Ticket {
  readonly session: Buffer
  readonly trustedUntil: number
  readonly certificateNames: readonly string[] | undefined
  readonly expiresAt: number
  /** How often it was handed out and not given back. */
  uses: number
  /** It lies with the keeper, and is ours only if it is still there. */
  isKept: boolean
  /**
   * It was handed out when it was laid with the keeper: others may have used it since, so that giving it back
   * does not make it fresh.
   */
  isShared?: boolean
}

/** Oldest first. */
interface Shelf {
  tickets: Ticket[]
}

/**
 * TLS tickets by peer key, strongly held (a cache of WeakRefs loses them to the collector before the next
 * connection needs them).
 *
 * Tickets are TAKEN, not read: each connection uses up one, the newest first, because a ticket that is used
 * twice lets an onlooker link the connections (RFC 8446 C.4). But a node:tls server issues none on a resumed
 * connection, so that plain popping runs dry after two connections. Therefore the very last ticket of a peer
 * stays and is handed out again, marked `isFirstUse: false`, until it expires or a fresh one takes its place.
 *
 * With a keeper they outlive the process. What lies with the keeper is claimed before it is used: another
 * process may have been there first.
 */
export class TicketStore {
  readonly #options: TicketStoreOptions
  /** In order of use, the longest unused peer first: a Map keeps the order of insertion. */
  readonly #shelves = new Map<string, Shelf>()
  /** Where a taken ticket came from, for giveBack. */
  readonly #origins = new WeakMap<TakenTicket, { shelf: Shelf; ticket: Ticket }>()

  readonly #keeping: TicketKeeping | undefined

  constructor(options: Partial<TicketStoreOptions> = {}, keeping?: TicketKeeping) {
    this.#options = { ...DEFAULT_TICKET_STORE_OPTIONS, ...options }
    this.#keeping = keeping
    keeping?.keeper.onBound({
      collect: peer => this.#collect(peer, keeping),
      onKept: peer => {
        for (const ticket of this.#shelves.get(peer)?.tickets ?? []) {
          ticket.isKept = true
          ticket.isShared ||= ticket.uses > 0
        }
      },
    })
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
    const { certificateNames } = limits
    shelf.tickets.push({ session, trustedUntil, certificateNames, expiresAt, uses: 0, isKept: false })
    if (shelf.tickets.length > maxTicketsPerPeer) shelf.tickets.shift()
    this.#touch(peer, shelf)
    if (this.#shelves.size > maxPeers) this.#evictLongestUnused()
    this.#keeping?.keeper.onChanged(peer)
  }

  /** The newest ticket of the peer. The last one stays and may be taken again. */
  take(peer: string, now: number): TakenTicket | undefined {
    this.#recall(peer, now)
    const shelf = this.#shelves.get(peer)
    if (shelf === undefined) return undefined
    shelf.tickets = shelf.tickets.filter(ticket => ticket.expiresAt > now)
    const ticket = shelf.tickets.length > 1 ? shelf.tickets.pop() : shelf.tickets[0]
    if (ticket === undefined) {
      this.#shelves.delete(peer)
      return undefined
    }
    this.#touch(peer, shelf)
    const { session, trustedUntil, certificateNames } = ticket
    const isFirstUse = ticket.uses === 0
    const taken: TakenTicket = { session, isFirstUse, trustedUntil, certificateNames }
    ticket.uses += 1
    ticket.isKept = false
    this.#keeping?.keeper.onChanged(peer)
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
    if (ticket.isShared === true) {
      // Who has the copy that was laid with the keeper counts: others may have used it meanwhile.
      if (this.#keeping !== undefined) this.#recall(peer, this.#keeping.now())
      const copy = shelf.tickets.find(({ session }) => session.equals(ticket.session))
      if (copy === undefined) return
      copy.uses -= 1
      copy.isKept = false
      this.#keeping?.keeper.onChanged(peer)
      return
    }
    ticket.uses -= 1
    ticket.isKept = false
    this.#keeping?.keeper.onChanged(peer)
    if (ticket.uses > 0 || shelf.tickets.includes(ticket)) return
    // It is fresh again, so that used ones need not be kept; among fresh ones it is now the oldest.
    shelf.tickets = shelf.tickets.filter(({ uses }) => uses === 0)
    if (shelf.tickets.length < this.#options.maxTicketsPerPeer) shelf.tickets.unshift(ticket)
  }

  /**
   * Forgets a peer's tickets: a handshake that offered one failed. A server that chokes on a stale ticket
   * would otherwise fail every connection to come (envoyproxy/envoy #18757).
   */
  purge(peer: string): void {
    this.#shelves.delete(peer)
    this.#keeping?.keeper.forget(peer)
  }

  /**
   * Forgets everything, as must be done when what is trusted changes in a way that the peer keys do not show.
   */
  clear(): void {
    this.#shelves.clear()
    this.#keeping?.keeper.forgetAll()
  }

  /** Counts only: neither keys nor tickets are for reading. */
  toString(): string {
    let tickets = 0
    for (const shelf of this.#shelves.values()) tickets += shelf.tickets.length
    return `${tickets} tickets of ${this.#shelves.size} peers`
  }

  /**
   * Takes over what is kept of the peer. What was left with the keeper and is there no more, somebody else
   * has taken.
   */
  #recall(peer: string, now: number): void {
    const keeping = this.#keeping
    const { maxPeers, maxTicketsPerPeer, maxLifetimeMs } = this.#options
    if (keeping === undefined || maxPeers === 0 || maxTicketsPerPeer === 0) return
    const calendar = keeping.calendar()
    const shelf = this.#shelves.get(peer)
    const kept = keeping.keeper.claim(peer)
    if (kept === undefined) {
      // Somebody else may have taken them: they are good for resumption, and no longer for early data.
      for (const ticket of shelf?.tickets ?? []) if (ticket.isKept) ticket.uses = Math.max(ticket.uses, 1)
      return
    }
    const claimed = kept.map(({ session, trustedUntil, certificateNames, expiresAt, isUsed }): Ticket => {
      // A calendar that was set back must not make a ticket live for longer.
      const monotonic = (at: number): number => now + Math.min(at - calendar, maxLifetimeMs)
      const uses = isUsed ? 1 : 0
      return {
        session,
        trustedUntil: monotonic(trustedUntil),
        certificateNames,
        expiresAt: monotonic(expiresAt),
        uses,
        isKept: false,
      }
    })
    const held = shelf?.tickets ?? []
    if (claimed.length === 0 && !held.some(({ isKept }) => isKept)) return
    let tickets = [...claimed, ...held.filter(({ isKept }) => !isKept)].filter(
      ({ expiresAt }) => expiresAt > now,
    )
    if (tickets.some(({ uses }) => uses === 0)) tickets = tickets.filter(({ uses }) => uses === 0)
    tickets = tickets.slice(-maxTicketsPerPeer)
    if (shelf !== undefined) shelf.tickets = tickets
    else if (tickets.length > 0) this.#shelves.set(peer, { tickets })
    if (this.#shelves.size > maxPeers) this.#evictLongestUnused()
  }

  /** What is to be kept of the peer, together with what is kept already. */
  #collect(peer: string, keeping: TicketKeeping): readonly KeptTicket[] {
    const now = keeping.now()
    this.#recall(peer, now)
    const calendar = keeping.calendar()
    const tickets = (this.#shelves.get(peer)?.tickets ?? []).filter(({ expiresAt }) => expiresAt > now)
    return tickets.map(({ session, trustedUntil, certificateNames, expiresAt, uses }) => ({
      session,
      trustedUntil: calendar + (trustedUntil - now),
      certificateNames,
      expiresAt: calendar + (expiresAt - now),
      isUsed: uses > 0,
    }))
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
