import type {
  Connection,
  ConnectionListener,
  HandshakeInfo,
  PathStats,
  StreamShare,
} from '../../base/events/connection.ts'
import type { CoalescingRefusal } from '../../base/events/observer.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { QuicConnection } from '../../quic/engine.ts'
import {
  type CoalescingSeeker,
  type ConnectionPolicy,
  isNearer,
  judgeCoalescing,
  type OfferedConnection,
} from './coalescing-decision.ts'

/** What is asked of a connection that others may use. */
export type SharableConnection = Pick<
  MultiplexedConnection,
  'id' | 'protocol' | 'endpoint' | 'handshake' | 'originSet' | 'endedBy' | 'join' | 'toString'
>

/** A connection that also carries other origins' requests: its address and certificate cover them. */
export interface CoalescingOffer {
  readonly owner: Origin
  readonly connection: SharableConnection
  readonly policy: ConnectionPolicy
  readonly mayCoalesce: boolean
  readonly vouchedNames: readonly string[]
  /** A share in its streams, from the pool that it is of. Undefined: it takes no more. */
  readonly lend: () => StreamShare | undefined
  /** What carries it, over HTTP/3. */
  readonly quic: QuicConnection | undefined
  /** What it has measured of its way. */
  readonly readPath: () => PathStats | undefined
}

/** Who asks for a connection, and is given one. */
export interface CoalescingRequest extends Omit<CoalescingSeeker, 'isAvoided'> {
  readonly listener: ConnectionListener
  /** What the resolver took. */
  readonly dnsMs: number
  readonly altUsed: string | undefined
  /** Takes the guest out of use: the connection may carry it no more. */
  readonly retire: (guest: Connection) => void
}

export interface Joined {
  readonly kind: 'joined'
  readonly guest: Connection
  readonly offer: CoalescingOffer
}

/** The nearest connection that was not to be had, and why. */
export interface CoalescingMissed {
  readonly kind: 'refused'
  readonly reason: CoalescingRefusal
  readonly owner: string
  readonly because: string
}

interface Guest {
  readonly connection: Connection
  readonly request: CoalescingRequest
}

/**
 * The open HTTP/2 and HTTP/3 connections of all origins of a transport, and who of them carries whom: what a
 * connector asks before it dials. Each connection has one owner, whose pool it is of, and any number of
 * guests, at most one of each origin and lane.
 */
export class Coalescing {
  readonly #offers = new Map<
    SharableConnection,
    { readonly offer: CoalescingOffer; readonly guests: Guest[] }
  >()
  readonly #misdirected = new MisdirectedOrigins()

  /** The connection is open, and its peer is who it must be. */
  offer(offer: CoalescingOffer): void {
    if (offer.owner.scheme !== 'https' || this.#offers.has(offer.connection)) return
    this.#offers.set(offer.connection, { offer, guests: [] })
  }

  /** It takes no more requests, or has ended. Its guests are notified of that by the connection itself. */
  withdraw(connection: SharableConnection): void {
    this.#offers.delete(connection)
  }

  /**
   * Joins the first connection that may carry the origin; it is the request's at once. Undefined: there is
   * none that has to do with it.
   */
  join(request: CoalescingRequest, now: number): Joined | CoalescingMissed | undefined {
    const seeker = { ...request, isAvoided: this.avoidedMs(request.origin, now) > 0 }
    let missed: CoalescingMissed | undefined
    for (const { offer, guests } of this.#offers.values()) {
      const verdict = judgeCoalescing(seeker, offered(offer))
      if (verdict.kind === 'unrelated' || isGuestOf(guests, request.origin)) continue
      const owner = offer.owner.key
      if (verdict.kind === 'allowed') {
        const guest = joinConnection(offer, request, verdict)
        if (guest !== undefined) {
          forgetEnded(guests)
          guests.push({ connection: guest, request })
          return { kind: 'joined', guest, offer }
        }
      }
      const { reason, because } =
        verdict.kind === 'refused'
          ? verdict
          : { reason: 'busy' as const, because: `${offer.connection.toString()} takes no more` }
      if (missed === undefined || isNearer(reason, missed.reason))
        missed = { kind: 'refused', reason, owner, because }
    }
    return missed
  }

  /** The origin has answered 421 to a request over another one's connection: it has its own for a while. */
  onMisdirected({ key }: Origin, now: number): void {
    this.#misdirected.add(key, now)
  }

  /** For how long the origin is kept from the connections of others, in ms; 0: it is not. */
  avoidedMs({ key }: Origin, now: number): number {
    return this.#misdirected.leftMs(key, now)
  }

  /** An ORIGIN frame came: those that it does not name have to leave. */
  onOrigins(connection: SharableConnection, now: number): void {
    const known = this.#offers.get(connection)
    if (known === undefined) return
    forgetEnded(known.guests)
    for (const { connection: guest, request } of known.guests) {
      const isAvoided = this.avoidedMs(request.origin, now) > 0
      const verdict = judgeCoalescing({ ...request, isAvoided }, offered(known.offer))
      if (verdict.kind !== 'allowed') request.retire(guest)
    }
  }

  /** The keys of the origins whose requests the connection carries beside its owner's. */
  guestsOf(connection: SharableConnection): readonly string[] {
    const guests = this.#offers.get(connection)?.guests ?? []
    return guests.filter(isOpen).map(({ request }) => request.origin.key)
  }
}

function offered({
  owner,
  connection,
  policy,
  mayCoalesce,
  vouchedNames,
}: CoalescingOffer): OfferedConnection {
  const { protocol, endpoint, handshake, originSet } = connection
  const { certificateNames } = handshake
  return { owner, protocol, endpoint, policy, mayCoalesce, certificateNames, vouchedNames, originSet }
}

function joinConnection(
  { owner, connection, lend }: CoalescingOffer,
  { listener, dnsMs, altUsed }: CoalescingRequest,
  { because, isByOriginSet }: { readonly because: string; readonly isByOriginSet: boolean },
): Connection | undefined {
  const share = connection.endedBy === undefined ? lend() : undefined
  if (share === undefined) return undefined
  const { handshake } = connection
  const sharedBy = { owner: owner.key, because, handshake, isByOriginSet }
  const own = guestHandshake(handshake, dnsMs)
  const guest = connection.join({ listener, sharedBy, share, handshake: own, altUsed })
  if (guest === undefined) share.leave()
  return guest
}

/** What the guest's requests waited for: nothing of what the owner's did. */
function guestHandshake(handshake: HandshakeInfo, dnsMs: number): HandshakeInfo {
  return { ...handshake, timings: { dnsMs, connectMs: 0, tlsMs: 0 }, attempts: [] }
}

function isOpen({ connection }: Guest): boolean {
  return connection.endedBy === undefined
}

/** One that is on its way out does not count. */
function isGuestOf(guests: readonly Guest[], { key }: Origin): boolean {
  return guests.some(guest => guest.request.origin.key === key && isOpen(guest))
}

function forgetEnded(guests: Guest[]): void {
  for (let at = guests.length - 1; at >= 0; at -= 1) {
    const guest = guests[at]
    if (guest !== undefined && !isOpen(guest)) guests.splice(at, 1)
  }
}

/** How long an origin that answered 421 to a shared connection has connections of its own. */
const AVOIDED_MS = 3_600_000
/** The one that was reported first makes room. */
const MAX_ORIGINS = 1024

/** Origins that answered 421 (RFC 9110 15.5.20) over another origin's connection, for a while. */
export class MisdirectedOrigins {
  /** By origin key, when each is forgotten; in order of these times. */
  readonly #until = new Map<string, number>()

  add(origin: string, now: number): void {
    this.#until.delete(origin)
    this.#until.set(origin, now + AVOIDED_MS)
    if (this.#until.size <= MAX_ORIGINS) return
    for (const first of this.#until.keys()) {
      this.#until.delete(first)
      return
    }
  }

  /** For how long it is still left alone, in ms; 0: it is not. */
  leftMs(origin: string, now: number): number {
    const until = this.#until.get(origin)
    if (until === undefined) return 0
    if (until > now) return until - now
    this.#until.delete(origin)
    return 0
  }
}
