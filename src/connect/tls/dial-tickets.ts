import type { Clock } from '../../base/clock.ts'
import type { TakenTicket, TicketLimits, TicketStore } from '../../state/ticket-store.ts'
import type { VerifiedCertificate } from './certificate-names.ts'
import { type SessionForms, sessionFacts } from './session-facts.ts'

/**
 * How long the server said that its ticket lives. Milliseconds, or undefined when there is no hint or the
 * bytes are not what we know.
 */
export function sessionLifetimeMs(session: Uint8Array): number | undefined {
  const { lifetimeSeconds } = sessionFacts(session)
  return lifetimeSeconds === undefined ? undefined : lifetimeSeconds * 1000
}

export interface DialTicketsParts {
  /** From peerKey(). Undefined: nothing is resumed. */
  readonly peer: string | undefined
  readonly store: TicketStore
  readonly clock: Clock
  readonly forms: SessionForms
}

/** The tickets of the peer that a dial is to. */
export class DialTickets {
  readonly #parts: DialTicketsParts

  constructor(parts: DialTicketsParts) {
    this.#parts = parts
  }

  take(): TakenTicket | undefined {
    const { peer, store, clock } = this.#parts
    return peer === undefined ? undefined : store.take(peer, clock.now())
  }

  /** It never went out. */
  giveBack(ticket: TakenTicket): void {
    const { peer, store } = this.#parts
    if (peer !== undefined) store.giveBack(peer, ticket)
  }

  /** A handshake that offered one went wrong. */
  purge(): void {
    const { peer, store } = this.#parts
    if (peer !== undefined) store.purge(peer)
  }

  /** As tls.connect() takes it; `name`: see SessionForms. */
  forNode(ticket: TakenTicket, name: string): Buffer {
    return this.#parts.forms.forNode(ticket.session, name)
  }

  /**
   * Keeps what comes over a connection: good for as long as the certificate that its handshake has verified,
   * or for as long as what vouched for the ticket that it was resumed with.
   */
  keeper(
    resumedWith: TakenTicket | undefined,
    certificate: VerifiedCertificate | undefined,
  ): ((session: Buffer) => void) | undefined {
    const { peer, store, clock, forms } = this.#parts
    if (peer === undefined) return undefined
    const vouching = resumedWith ?? {
      trustedUntil: certificate && clock.now() + certificate.endsInMs,
      certificateNames: certificate?.names,
    }
    return keepTickets(peer, store, clock, forms, vouching)
  }
}

/** A function of its own, so that it keeps alive for as long as the socket no more than it needs. */
function keepTickets(
  peer: string,
  tickets: TicketStore,
  clock: Clock,
  forms: SessionForms,
  { trustedUntil, certificateNames }: Pick<TicketLimits, 'trustedUntil' | 'certificateNames'>,
): (session: Buffer) => void {
  return session => {
    forms.learn(session)
    const lifetimeMs = sessionLifetimeMs(session)
    tickets.put(peer, session, clock.now(), { lifetimeMs, trustedUntil, certificateNames })
  }
}
