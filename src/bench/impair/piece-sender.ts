import type { Conditions } from './conditions.ts'
import { PacketLossModel } from './packet-loss-model.ts'
import type { RateQueue } from './rate-queue.ts'
import { Retransmission } from './retransmission.ts'

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
