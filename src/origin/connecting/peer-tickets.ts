import { X509Certificate } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { HandshakeInfo } from '../../base/events/connection.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { certificateNames } from '../../connect/tls/certificate-names.ts'
import { decodeTicket, type Http3Ticket } from '../../http/http3/frames/settings.ts'
import type { QuicHandshake } from '../../quic/engine.ts'
import { trustOf } from '../../state/peer-key.ts'
import type { TakenTicket, TicketStore } from '../../state/ticket-store.ts'

export interface OfferedTicket {
  readonly taken: TakenTicket
  readonly contents: Http3Ticket
}

interface PeerTicketsConfig {
  /** From peerKey(). */
  readonly peer: string
  readonly store: TicketStore
  readonly clock: Clock
  /** Milliseconds of the calendar, which certificates end by. */
  readonly wallNow: () => number
}

/** The tickets of one QUIC peer, as one connection to it uses them. */
export class PeerTickets {
  readonly #config: PeerTicketsConfig
  #offered: OfferedTicket | undefined
  #trustedUntil: number | undefined
  #certificateNames: readonly string[] | undefined
  #isVerified = false

  constructor(config: PeerTicketsConfig) {
    this.#config = config
  }

  /** The ticket to offer. One that cannot be read is gone with this. */
  take(): OfferedTicket | undefined {
    const { peer, store, clock } = this.#config
    const taken = store.take(peer, clock.now())
    const contents = taken === undefined ? undefined : decodeTicket(taken.session)
    this.#offered = taken === undefined || contents === undefined ? undefined : { taken, contents }
    return this.#offered
  }

  /** It never left the machine. */
  giveBack(): void {
    if (this.#offered !== undefined) this.#config.store.giveBack(this.#config.peer, this.#offered.taken)
    this.#offered = undefined
  }

  /** A handshake that it was offered in went wrong: neither it nor its like are offered again. */
  purge(): void {
    this.#config.store.purge(this.#config.peer)
    this.#offered = undefined
  }

  /**
   * What comes from now on was vouched for by this: on a resumed connection by what vouched for the ticket,
   * since nobody looked again.
   */
  onHandshake({ isResumed, certificates }: QuicHandshake): void {
    const { clock, wallNow } = this.#config
    this.#isVerified = true
    if (isResumed) {
      this.#trustedUntil = this.#offered?.taken.trustedUntil
      this.#certificateNames = this.#offered?.taken.certificateNames
      return
    }
    const certificate = leafOf(certificates)
    const endsInMs = endsInMsOf(certificate, wallNow())
    this.#trustedUntil = endsInMs === undefined ? undefined : clock.now() + endsInMs
    this.#certificateNames = certificate && certificateNames(certificate.subjectAltName)
  }

  /** Of the certificate that vouches for the peer. Undefined: no handshake is complete, or it has none. */
  get certificateNames(): readonly string[] | undefined {
    return this.#certificateNames
  }

  /** Keeps a ticket as encodeTicket made it. */
  put(ticket: Buffer): void {
    const { peer, store, clock } = this.#config
    if (!this.#isVerified) return // before the handshake is complete nobody vouches for anything
    store.put(peer, ticket, clock.now(), {
      trustedUntil: this.#trustedUntil,
      certificateNames: this.#certificateNames,
    })
  }
}

/**
 * For peer keys: everything in the options that decides about trust, and the engine. `h3` stands in it too,
 * so that a ticket of one transport never reaches the other, even where both should come to use one TLS
 * library.
 */
export class QuicTrust {
  readonly #engine: string
  /** By the options object itself, so that a CA bundle is hashed once and not at each dial. */
  readonly #byOptions = new WeakMap<TlsOptions, string>()

  /** `engine`: QuicEngine.name. */
  constructor(engine: string) {
    this.#engine = engine
  }

  of(tls: TlsOptions): string {
    const known = this.#byOptions.get(tls)
    if (known !== undefined) return known
    const trust = trustOf(tls, `h3 ${this.#engine}`)
    this.#byOptions.set(tls, trust)
    return trust
  }
}

/** The peer's own certificate; undefined when it cannot be read. */
function leafOf([leaf]: readonly Buffer[]): X509Certificate | undefined {
  if (leaf === undefined) return undefined
  try {
    return new X509Certificate(leaf)
  } catch {
    return undefined
  }
}

/**
 * How long it is still good, in ms. Negative: it is not (it was accepted all the same, with
 * rejectUnauthorized false), and nothing that it vouches for may be kept.
 */
function endsInMsOf(certificate: X509Certificate | undefined, wallNow: number): number | undefined {
  const end = certificate === undefined ? Number.NaN : Date.parse(certificate.validTo)
  return Number.isFinite(end) ? end - wallNow : undefined
}

/**
 * What is known of the certificate that vouches for the peer: when it expires, for who watches it, where this
 * handshake has looked at it; and its names, from before where it has not.
 */
export function certificateFacts(
  handshake: QuicHandshake | undefined,
  tickets: Pick<PeerTickets, 'certificateNames'> | undefined,
): Pick<HandshakeInfo, 'certificateExpiresAt' | 'certificateNames'> {
  if (handshake === undefined) return {}
  const certificate = handshake.isResumed ? undefined : leafOf(handshake.certificates)
  const expiresAt = endsInMsOf(certificate, 0)
  const names =
    certificate === undefined ? tickets?.certificateNames : certificateNames(certificate.subjectAltName)
  return {
    ...(expiresAt !== undefined && { certificateExpiresAt: expiresAt }),
    ...(names !== undefined && { certificateNames: names }),
  }
}
