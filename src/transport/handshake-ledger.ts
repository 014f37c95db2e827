import type { HandshakeInfo } from '../connection.ts'
import type { Protocol } from '../protocol.ts'

/** So many of the last full handshakes set the price. */
const SAMPLES = 8

/**
 * What reuse and resumption saved: each exchange on a connection that was there already spared one full handshake. Its price is the
 * shortest of the last few that were measured, not their mean: handshakes come in bursts, in which each one also waits for the
 * others, and what is claimed as saved should not be more than a handshake costs.
 */
export class HandshakeLedger {
  #rttsSaved = 0
  #secondsSaved = 0
  #rtts = 0
  #seconds = 0
  readonly #samples: number[] = []

  get rttsSaved(): number {
    return this.#rttsSaved
  }

  get secondsSaved(): number {
    return this.#secondsSaved
  }

  /**
   * A connection was made, and what became of its early data is known; full handshakes (and cleartext connects) set the price.
   */
  onOpened(handshake: HandshakeInfo, protocol: Protocol): void {
    const cost = protocol === 'h3' ? QUIC_ROUND_TRIPS : roundTrips(handshake.tlsVersion)
    if (handshake.kind === 'full' || handshake.kind === 'none') {
      this.#samples.push((handshake.timings.connectMs + handshake.timings.tlsMs) / 1000)
      if (this.#samples.length > SAMPLES) this.#samples.shift()
      this.#seconds = Math.min(...this.#samples)
      this.#rtts = cost
      return
    }
    // Accepted early data spares the whole handshake over QUIC: the request leaves with its first packet.
    if (handshake.earlyData === 'accepted') {
      this.#rttsSaved += QUIC_ROUND_TRIPS
      this.#secondsSaved += this.#seconds
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

/** RFC 9001 section 4: the handshakes of transport and TLS are one. */
const QUIC_ROUND_TRIPS = 1

/** Round trips of a full handshake over TCP: one for SYN, then TLS 1.3 one, TLS 1.2 two. */
function roundTrips(tlsVersion: string | undefined): number {
  if (tlsVersion === undefined) return 1
  return tlsVersion === 'TLSv1.3' ? 2 : 3
}
