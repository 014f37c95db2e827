import type { Conditions } from './conditions.ts'
import { PacketLossModel } from './packet-loss-model.ts'
import type { RateQueue } from './rate-queue.ts'

/** What stands for a packet of TCP. */
export interface SentPiece {
  readonly bytes: number
  readonly isLost: boolean
  /** Its own time, whatever is before it. That of a lost one becomes earlier as more is sent behind it. */
  readonly due: { readonly dueAt: number }
}

/** A path's MTU of 1,500 without the headers of IPv4 and TCP. */
const PIECE_BYTES = 1460
/**
 * What is written so soon after the last fills up its packet, as it does in a kernel's send buffer more often
 * than not.
 */
const SAME_PIECE_MS = 1
/** Beyond it a connection has been given up long ago (net.ipv4.tcp_retries2 is 15). */
const MAX_LOSSES_AGAIN = 15

/**
 * Sends a byte stream piece by piece over a path: each has its fate, its turn at the bottleneck, and a time
 * when it arrives.
 */
export class PieceSender {
  readonly #fates: PacketLossModel
  readonly #narrow: RateQueue
  readonly #opensAt: number
  /** Bytes that the piece begun last still has room for. */
  #room = 0
  #lastWriteAt = Number.NEGATIVE_INFINITY
  #lastSentAt = Number.NEGATIVE_INFINITY
  /** Losses for which later pieces still make a difference. */
  #recovering: Retransmission[] = []

  constructor(seed: number, narrow: RateQueue, opensAt: number) {
    this.#fates = new PacketLossModel(seed)
    this.#narrow = narrow
    this.#opensAt = opensAt
  }

  /** A write begins: after a pause it begins a piece. */
  onWrite(now: number): void {
    if (now - this.#lastWriteAt >= SAME_PIECE_MS) this.#room = 0
    this.#lastWriteAt = now
  }

  /**
   * Sends the first of `left` bytes: the rest of the piece begun last, or a new piece. An end that is written
   * alone is a piece without bytes.
   */
  send(left: number, now: number, conditions: Conditions, roundTripMs: number): SentPiece {
    const fate = this.#room === 0 ? this.#fates.next(conditions) : undefined
    if (this.#room === 0) this.#room = PIECE_BYTES
    const bytes = Math.min(left, this.#room)
    this.#room -= bytes
    const isLost = fate?.kind === 'lost'
    // What is sent twice takes its time at the bottleneck twice. It does so at once, since nothing can be
    // put in there for later.
    const leavesAt = this.#narrow.put(isLost ? 2 * bytes : bytes, now, conditions.bytesPerSecond)
    const sentAt = Math.max(leavesAt, this.#opensAt)
    const previousSentAt = this.#lastSentAt
    this.#lastSentAt = sentAt
    const travelMs = conditions.delayMs ?? 0
    if (isLost) {
      const lossesAgain = this.#countLossesAgain(conditions)
      const due = new Retransmission({ sentAt, previousSentAt, roundTripMs, travelMs, lossesAgain })
      this.#recovering.push(due)
      return { bytes, isLost, due }
    }
    if (fate !== undefined) this.#recovering = this.#recovering.filter(lost => lost.onSentBehind(sentAt))
    return { bytes, isLost, due: { dueAt: sentAt + travelMs + (fate?.jitterMs ?? 0) } }
  }

  #countLossesAgain(conditions: Conditions): number {
    let count = 0
    while (count < MAX_LOSSES_AGAIN && this.#fates.isLostAgain(conditions)) count++
    return count
  }
}

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
