/** What carries data: a packet, a frame in it, and acknowledgements by what they acknowledge. */
interface Overhead {
  readonly perPacket: number
  readonly perDelivery: number
  readonly partOfDelivered: number
  readonly partOfSent: number
}

/**
 * A packet may hold the headers of its frames, an acknowledgement and a window; one read delivers what one
 * frame or many have brought.
 */
const EXPLAINED: Overhead = { perPacket: 80, perDelivery: 12, partOfDelivered: 1 / 8, partOfSent: 1 / 16 }
/**
 * What it cannot be without: header and seal, the header of a small frame. A download has 15 bytes of headers
 * in a packet of 1200.
 */
const NEEDED: Overhead = { perPacket: 34, perDelivery: 8, partOfDelivered: 1 / 32, partOfSent: 1 / 32 }
/**
 * Unread bytes of stopped streams that may still be on their way, in windows: no peer has more under way at
 * once than its congestion window.
 */
const MAX_STOPPED_WINDOWS = 4
/** A connection is retired when this many times maxSurplusBytes came that nobody read. */
const WORN_OUT_SURPLUSES = 2

export interface SurplusLimits {
  /** What may come without reaching a reader, on top of what is explained below. */
  readonly maxSurplusBytes: number
  /** What of one stream may lie unread while its reader sleeps. */
  readonly streamWindowBytes: number
}

/** Of the connection so far. */
export interface Traffic {
  /** Those that could be decrypted. */
  readonly receivedPackets: number
  readonly receivedBytes: number
  readonly sentBytes: number
  /** Streams that can be read now. */
  readonly unreadStreams: number
}

/**
 * Watches what came against what reached a reader. quiche 0.18 keeps lists without a bound that a peer fills
 * with frames that nobody reads: PATH_CHALLENGE (CVE-2023-6193), NEW_CONNECTION_ID (CVE-2024-1410), CRYPTO
 * (CVE-2024-1765), and streams of single bytes with holes between them. Honest traffic has a surplus of 3 to
 * 5 %.
 *
 * Explained is what was delivered with its overhead, acknowledgements by what we sent, and a window for each
 * stream whose reader sleeps or that we have stopped. The rest is surplus, and a flood when it is too much.
 *
 * What is explained need not be honest: a peer can fill small packets with such frames. So what came beyond
 * the overhead that is needed is summed up too, whatever explains it, and a connection that has taken too
 * much of it is retired: another one is to take its place.
 */
export class UnreadDataGuard {
  readonly #limits: SurplusLimits
  #deliveredBytes = 0
  #deliveries = 0
  #stoppedBytes = 0
  #isWornOut = false

  constructor(limits: SurplusLimits) {
    this.#limits = limits
  }

  /** A reader got bytes, or the end of a stream. */
  onDelivered(bytes: number): void {
    this.#deliveredBytes += bytes
    this.#deliveries += 1
  }

  /**
   * We want no more of a stream that we have opened: what lies unread in it, and what is on its way, is no
   * fault of the peer's.
   */
  onStopped(): void {
    this.#stoppedBytes += this.#limits.streamWindowBytes
  }

  /** `worn-out`: reported once. */
  onTraffic(traffic: Traffic): 'fine' | 'worn-out' | 'flood' {
    const { maxSurplusBytes, streamWindowBytes } = this.#limits
    const surplus = this.#beyond(EXPLAINED, traffic)
    // What nothing has come for is not kept: whoever makes us stop one stream after the other would save it
    // up.
    const mostStopped = Math.max(0, surplus) + MAX_STOPPED_WINDOWS * streamWindowBytes
    this.#stoppedBytes = Math.min(this.#stoppedBytes, mostStopped)
    if (surplus - this.#stoppedBytes > maxSurplusBytes) return 'flood'
    if (this.#isWornOut || this.#beyond(NEEDED, traffic) <= WORN_OUT_SURPLUSES * maxSurplusBytes)
      return 'fine'
    this.#isWornOut = true
    return 'worn-out'
  }

  /** What came beyond data with that overhead, and what lies unread. */
  #beyond(overhead: Overhead, { receivedPackets, receivedBytes, sentBytes, unreadStreams }: Traffic): number {
    return (
      receivedBytes -
      this.#deliveredBytes * (1 + overhead.partOfDelivered) -
      this.#deliveries * overhead.perDelivery -
      receivedPackets * overhead.perPacket -
      sentBytes * overhead.partOfSent -
      unreadStreams * this.#limits.streamWindowBytes
    )
  }
}
