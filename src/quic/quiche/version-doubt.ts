import { isVersionNegotiation, readVersionNegotiation, versionMismatch } from '../invariant-header.ts'
import type { NativeConnection } from './binding.ts'

/** The only one that quiche 0.18 of this binding speaks (RFC 9000). */
const OUR_VERSION = 1
/**
 * How long the server's own answer may come behind a Version Negotiation packet: the round trip of a
 * satellite, and less than the second after which an Initial is sent again.
 */
export const VERSION_GRACE_MS = 750

/**
 * What a client makes of Version Negotiation packets. They bear no proof: anybody who sees our Initial can
 * send one, before the server does. So the first only raises a doubt, and the handshake goes on. A packet
 * that was processed means that it was forged (RFC 9000 6.2); without one the server is believed when the
 * grace is over.
 *
 * quiche never gets to see them: it closes the connection at once, and then nothing helps it any more.
 */
export class VersionDoubt {
  readonly #native: Pick<NativeConnection, 'sourceId' | 'destinationId' | 'stats'>
  readonly #firstDestination: Uint8Array
  #mismatch: string | undefined
  #dueAt = Number.POSITIVE_INFINITY

  constructor(native: Pick<NativeConnection, 'sourceId' | 'destinationId' | 'stats'>) {
    this.#native = native
    // A copy: what the binding gives may be its own memory.
    this.#firstDestination = Buffer.from(native.destinationId())
  }

  /** True: it was a Version Negotiation packet, in whatever state, and nobody else needs it. */
  takes(datagram: Buffer, now: number): boolean {
    if (!isVersionNegotiation(datagram)) return false
    const packet = this.#mismatch === undefined ? readVersionNegotiation(datagram) : undefined
    if (packet === undefined || packet.versions.includes(OUR_VERSION)) return true
    // It must answer our Initial: it has that one's ids, the other way round.
    const isAnswer =
      packet.destinationId.equals(this.#native.sourceId()) && packet.sourceId.equals(this.#firstDestination)
    if (isAnswer && !this.#hasHeardServer()) {
      this.#mismatch = versionMismatch(packet.versions)
      this.#dueAt = now + VERSION_GRACE_MS
    }
    return true
  }

  /** When verdict() wants to be asked. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** Why the connection cannot be; undefined: it was forged, or the grace is not over. */
  verdict(now: number): string | undefined {
    if (now < this.#dueAt) return undefined
    this.#dueAt = Number.POSITIVE_INFINITY
    return this.#hasHeardServer() ? undefined : this.#mismatch
  }

  /** quiche does not count a Retry, which gives us another destination. */
  #hasHeardServer(): boolean {
    return (
      this.#native.stats().recv > 0 ||
      !Buffer.from(this.#native.destinationId()).equals(this.#firstDestination)
    )
  }
}
