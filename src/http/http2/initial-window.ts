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
