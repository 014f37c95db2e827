import { X509Certificate } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { HandshakeInfo } from '../../base/events/connection.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { decodeTicket, type Http3Ticket } from '../../http/http3/frames/settings.ts'
import type { QuicHandshake } from '../../quic/engine.ts'
import { trustDigest } from '../../state/peer-key.ts'
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
      return
    }
    const endsInMs = certificateEndsInMs(certificates, wallNow())
    this.#trustedUntil = endsInMs === undefined ? undefined : clock.now() + endsInMs
  }

  /** Keeps a ticket as encodeTicket made it. */
  put(ticket: Buffer): void {
    const { peer, store, clock } = this.#config
    if (!this.#isVerified) return // before the handshake is complete nobody vouches for anything
    store.put(peer, ticket, clock.now(), { trustedUntil: this.#trustedUntil })
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
    const trust = trustDigest({
      ca: tls.ca,
      clientCertificate: tls.cert,
      rejectUnauthorized: tls.rejectUnauthorized ?? true,
      minVersion: tls.minVersion,
      maxVersion: tls.maxVersion,
      ciphers: tls.ciphers,
      groups: tls.groups,
      tlsLibrary: `h3 ${this.#engine}`,
    })
    this.#byOptions.set(tls, trust)
    return trust
  }
}

/**
 * How long the peer's own certificate is still good, in ms; undefined when it cannot be read. Negative: it is
 * not (it was accepted all the same, with rejectUnauthorized false), and nothing that it vouches for may be
 * kept.
 */
function certificateEndsInMs(certificates: readonly Buffer[], wallNow: number): number | undefined {
  const [leaf] = certificates
  if (leaf === undefined) return undefined
  try {
    const end = Date.parse(new X509Certificate(leaf).validTo)
    return Number.isFinite(end) ? end - wallNow : undefined
  } catch {
    return undefined
  }
}

/** When it expires, for who watches it; nothing where this handshake did not look at it. */
export function certificateExpiry(
  handshake: QuicHandshake | undefined,
): Pick<HandshakeInfo, 'certificateExpiresAt'> {
  if (handshake === undefined || handshake.isResumed) return {}
  const endsInMs = certificateEndsInMs(handshake.certificates, 0)
  return endsInMs === undefined ? {} : { certificateExpiresAt: endsInMs }
}
