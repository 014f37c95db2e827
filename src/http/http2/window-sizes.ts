import type { Http2Options } from '../../base/options/protocol-options.ts'

/**
 * Readers stall when what is held for them is this part of what a connection may hold. While they do, the
 * windows of those who do not may not grow to more, together.
 */
export const STALL_PARTS = 64
/** So much must lie between a narrow window and a wide one: peers count SETTINGS, as we do. */
const MIN_NARROW_MS = 1_000

/**
 * What each stream may send before its reader has taken any of it (SETTINGS_INITIAL_WINDOW_SIZE). It is wide,
 * so that a response of middling size comes in one round trip, until readers of the connection stall: then it
 * is narrow, for all streams, and those whose readers take what comes grow back by WINDOW_UPDATE. So a
 * thousand readers that stall hold little each, and those who do not stall lose a round trip at most.
 *
 * wide    valid transitions: narrow, when much is held
 * narrow  valid transitions: wide, when little is held
 * Each waits for the acknowledgement of the one before: until it comes the peer goes by either.
 */
export class InitialWindow {
  readonly #wideBytes: number
  readonly #narrowBytes: number
  readonly #stallBytes: number
  #isNarrow = false
  #isAcknowledged = false
  #narrowSince = 0

  constructor({ streamWindowBytes, stalledWindowBytes, maxBufferedBytes }: Http2Options) {
    this.#wideBytes = streamWindowBytes
    this.#narrowBytes =
      stalledWindowBytes === 0 ? streamWindowBytes : Math.min(streamWindowBytes, stalledWindowBytes)
    this.#stallBytes = maxBufferedBytes / STALL_PARTS
  }

  get bytes(): number {
    return this.#isNarrow ? this.#narrowBytes : this.#wideBytes
  }

  get isNarrow(): boolean {
    return this.#isNarrow
  }

  /** The peer has acknowledged all our SETTINGS. */
  get isAcknowledged(): boolean {
    return this.#isAcknowledged
  }

  onAcknowledged(): void {
    this.#isAcknowledged = true
  }

  /** Changes it if what is held asks for that. Answers by how much; 0: it stays. */
  adjust(heldBytes: number, now: number): number {
    if (this.#isNarrow ? heldBytes * 2 >= this.#stallBytes : heldBytes < this.#stallBytes) return 0
    if (!this.#isAcknowledged || this.#narrowBytes === this.#wideBytes) return 0
    if (this.#isNarrow && now < this.#narrowSince + MIN_NARROW_MS) return 0
    const before = this.bytes
    this.#isNarrow = !this.#isNarrow
    this.#isAcknowledged = false
    this.#narrowSince = now
    return this.bytes - before
  }
}

/** A sample costs a PING; this is where the time between two begins that find nothing to grow. */
const MIN_INTERVAL_MS = 50
/** While samples find nothing to grow, they become rarer, up to this. */
const MAX_INTERVAL_MS = 10_000

/**
 * How large the window of a stream should be. A window smaller than the bandwidth-delay product is what
 * limits a transfer: so while bulk flows, we count what arrives during the round trip of a PING. If that is
 * more than a third of a window, the window is the limit, and is doubled. (The method of gRPC's
 * implementations, which ask for two thirds. But credit goes back in halves: a sender that waits for it has
 * half a window on its way when the PING leaves, and goes on when that is answered, so that half a window is
 * all that a sample finds.)
 */
export class WindowTuner {
  readonly #maxBytes: number
  #targetBytes: number
  #isSampling = false
  #sampledBytes = 0
  #nextSampleAt = 0
  #intervalMs = MIN_INTERVAL_MS

  constructor(initialBytes: number, maxBytes: number) {
    this.#targetBytes = initialBytes
    this.#maxBytes = Math.max(initialBytes, maxBytes)
  }

  get targetBytes(): number {
    return this.#targetBytes
  }

  /** DATA came. */
  onReceived(bytes: number): void {
    if (this.#isSampling) this.#sampledBytes += bytes
  }

  /** A reader has taken half a window: bulk flows. True: send a PING and report its answer by onPong. */
  wantsSample(now: number): boolean {
    if (this.#isSampling || this.#targetBytes >= this.#maxBytes || now < this.#nextSampleAt) return false
    this.#isSampling = true
    this.#sampledBytes = 0
    return true
  }

  /** False: nobody has asked. */
  onPong(now: number): boolean {
    if (!this.#isSampling) return false
    this.#isSampling = false
    if (this.#sampledBytes * 3 >= this.#targetBytes) {
      this.#targetBytes = Math.min(this.#maxBytes, Math.max(this.#sampledBytes, this.#targetBytes) * 2)
      this.#intervalMs = MIN_INTERVAL_MS
      this.#nextSampleAt = now // a few doublings are all there are
    } else {
      this.#intervalMs = Math.min(MAX_INTERVAL_MS, this.#intervalMs * 2)
      this.#nextSampleAt = now + this.#intervalMs
    }
    return true
  }
}
