/** An ACK and its packet, for each packet that we sent. */
const BYTES_PER_SENT_PACKET = 64
/** Headers of QUIC and of streams around what one read delivers: small answers come in packets of their own. */
const BYTES_PER_DELIVERY = 128

export interface SurplusLimits {
  /** What may come without reaching a reader, on top of what is explained below. */
  readonly maxSurplusBytes: number
  /** What of one stream may lie unread while its reader sleeps. */
  readonly streamWindowBytes: number
}

/**
 * Watches what came against what reached a reader. quiche 0.18 keeps lists without a bound that a peer fills with frames that nobody
 * reads: PATH_CHALLENGE (CVE-2023-6193), NEW_CONNECTION_ID (CVE-2024-1410), CRYPTO (CVE-2024-1765), and streams of single bytes with
 * holes between them. Honest traffic has a surplus of 3 to 5 %.
 *
 * Explained is what was delivered with an eighth on top, so much for each read and for each packet of ours, and a window
 * for each stream whose reader sleeps. The rest is surplus.
 */
export class SurplusWatchdog {
  readonly #limits: SurplusLimits
  #deliveredBytes = 0
  #deliveries = 0

  constructor(limits: SurplusLimits) {
    this.#limits = limits
  }

  /** A reader got bytes, or the end of a stream. */
  onDelivered(bytes: number): void {
    this.#deliveredBytes += bytes
    this.#deliveries += 1
  }

  /** Whether more came than can be explained. The counts are those of the connection so far. */
  isFlood(receivedBytes: number, sentPackets: number, unreadStreams: number): boolean {
    const explained =
      this.#deliveredBytes * 1.125 +
      this.#deliveries * BYTES_PER_DELIVERY +
      sentPackets * BYTES_PER_SENT_PACKET +
      unreadStreams * this.#limits.streamWindowBytes
    return receivedBytes - explained > this.#limits.maxSurplusBytes
  }
}
