import type { HandshakeInfo } from '../connection.ts'

/** How much a new sample moves the estimate of a handshake's length. */
const EWMA_WEIGHT = 0.25

/**
 * What reuse and resumption saved: each exchange on a connection that was there already spared the origin's clients one full
 * handshake, at the price that full handshakes to this origin were measured to have.
 */
export class HandshakeLedger {
  #rttsSaved = 0
  #secondsSaved = 0
  #rtts = 0
  #seconds = 0

  get rttsSaved(): number {
    return this.#rttsSaved
  }

  get secondsSaved(): number {
    return this.#secondsSaved
  }

  /** A connection was made; full handshakes (and cleartext connects) set the price. */
  onOpened(handshake: HandshakeInfo): void {
    const cost = roundTrips(handshake.tlsVersion)
    if (handshake.kind === 'full' || handshake.kind === 'none') {
      const seconds = (handshake.timings.connectMs + handshake.timings.tlsMs) / 1000
      this.#seconds = this.#rtts === 0 ? seconds : this.#seconds + EWMA_WEIGHT * (seconds - this.#seconds)
      this.#rtts = cost
      return
    }
    // Resumption alone spares a round trip only before TLS 1.3, whose full handshake takes one already (RFC 8446 section 2).
    if (handshake.tlsVersion !== 'TLSv1.3' && handshake.kind === 'resumed') this.#rttsSaved += 1
  }

  /** An exchange found a connection that had carried one before. On the hot path: two additions. */
  onReuse(): void {
    this.#rttsSaved += this.#rtts
    this.#secondsSaved += this.#seconds
  }
}

/** Round trips of a full handshake over TCP: one for SYN, then TLS 1.3 one, TLS 1.2 two. */
function roundTrips(tlsVersion: string | undefined): number {
  if (tlsVersion === undefined) return 1
  return tlsVersion === 'TLSv1.3' ? 2 : 3
}
