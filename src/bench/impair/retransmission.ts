/**
 * Linux lets no retransmission timer run shorter than the round trip and this (net.ipv4.tcp_rto_min_us; RFC
 * 6298 says a second).
 */
export const MIN_RTO_MS = 200

/** From so many packets behind a loss on, TCP waits for no reordering (RFC 5681 3.2, RFC 8985 6.2). */
const ENOUGH_BEHIND = 3

export interface LostPiece {
  readonly sentAt: number
  /** Of the piece before it, if that was not lost: its acknowledgment restarts the timer (RFC 6298 5.3). */
  readonly previousSentAt: number
  readonly roundTripMs: number
  /** How long it would have traveled. */
  readonly travelMs: number
  /** How many of its retransmissions are lost too. */
  readonly lossesAgain: number
}

/**
 * When a piece of a byte stream that was lost comes after all, as the kernel's TCP would see to it. The
 * earliest of
 * 1. three pieces behind it: the third one's acknowledgment has it sent again (a round trip after that one);
 * 2. one piece behind it: a quarter of a round trip is waited in addition, for it might only be late (RFC
 *    8985 6.2, RACK);
 * 3. nothing behind it: the retransmission timer, round trip + 200 ms, which the last acknowledgment from
 *    before the loss has restarted. A retransmission that is lost costs a timer each time, which doubles (RFC
 *    6298 5.5).
 *
 * Linux 6.18, with one packet lost by number of one write over 40 ms of round trip (test/support/lossy-link,
 * BBR): 286 ms late with nothing behind it, 58 with one behind it, 62 with two, 44 with three or more; here
 * 280, 50, 50, 40. The rest is its pacing.
 */
export class Retransmission {
  #dueAt: number
  readonly #roundTripMs: number
  /** From when it is sent again to when it is there. */
  readonly #afterMs: number
  #behind = 0

  constructor({ sentAt, previousSentAt, roundTripMs, travelMs, lossesAgain }: LostPiece) {
    const timerMs = roundTripMs + MIN_RTO_MS
    this.#roundTripMs = roundTripMs
    this.#afterMs = travelMs + timerMs * (2 ** lossesAgain - 1)
    this.#dueAt = Math.max(sentAt, previousSentAt + roundTripMs) + timerMs + this.#afterMs
  }

  /** As far as is known yet: it only becomes earlier. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** A later piece was sent and will arrive. False: nothing that comes now changes anything. */
  onSentBehind(sentAt: number): boolean {
    this.#behind++
    if (this.#behind === 1) this.#noLaterThan(sentAt + 1.25 * this.#roundTripMs)
    if (this.#behind === ENOUGH_BEHIND) this.#noLaterThan(sentAt + this.#roundTripMs)
    return this.#behind < ENOUGH_BEHIND
  }

  #noLaterThan(sentAgainAt: number): void {
    this.#dueAt = Math.min(this.#dueAt, sentAgainAt + this.#afterMs)
  }
}
