import type { Clock } from '../../base/clock.ts'
import { decodeTicket, type Http3Ticket } from '../../http/http3/frames/settings.ts'
import type { QuicHandshake } from '../../quic/engine.ts'
import type { TakenTicket, TicketStore } from '../../state/ticket-store.ts'
import { certificateEndsInMs } from './quic-trust.ts'

export interface OfferedTicket {
  readonly taken: TakenTicket
  readonly contents: Http3Ticket
}

export interface PeerTicketsConfig {
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
