import type { Clock } from '../../base/clock.ts'
import { peerKey } from '../../state/peer-key.ts'
import type { TicketStore } from '../../state/ticket-store.ts'
import { DialTickets } from '../tls/dial-tickets.ts'
import type { SessionForms } from '../tls/session-facts.ts'
import type { DialRequest } from './dial-request.ts'

export interface PlacedTicketsParts {
  readonly request: DialRequest
  /** From trustOf(). Undefined: cleartext. */
  readonly trust: string | undefined
  readonly serverName: string
  readonly tickets: TicketStore
  readonly clock: Clock
  readonly forms: SessionForms
}

/** The tickets of the peer of one dial, by the place that it is reached from: see Departure. */
export class PlacedTickets {
  readonly #parts: PlacedTicketsParts
  readonly #byPlace = new Map<string | undefined, DialTickets>()

  constructor(parts: PlacedTicketsParts) {
    this.#parts = parts
  }

  of(place: string | undefined): DialTickets {
    const known = this.#byPlace.get(place)
    if (known !== undefined) return known
    const { tickets: store, clock, forms } = this.#parts
    const tickets = new DialTickets({ peer: this.#peer(place), store, clock, forms })
    this.#byPlace.set(place, tickets)
    return tickets
  }

  /** A handshake that offered one went wrong. */
  purge(): void {
    for (const tickets of this.#byPlace.values()) tickets.purge()
  }

  /** Undefined: nothing is resumed. */
  #peer(place: string | undefined): string | undefined {
    const { request, trust, serverName } = this.#parts
    const { origin, tls, tunnels } = request
    if (trust === undefined || tls.resumption === false) return undefined
    const { host, port } = origin
    return peerKey({ host, serverName, port, trust, egress: tunnels?.egress ?? place })
  }
}
