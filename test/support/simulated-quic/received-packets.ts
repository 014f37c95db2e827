import type { PacketRange } from './frame.ts'
import { RangeSet } from './range-set.ts'

/**
 * More ranges are forgotten from below: what is older counts as received, and its sender finds out that it
 * has to send it again.
 */
const MAX_RANGES = 32

/** Which packet numbers have come, and whether the peer waits to be notified of it. */
export class ReceivedPackets {
  readonly #numbers = new RangeSet()
  #floor = 0
  isAckDue = false

  /** False: it came before. */
  add(number: number, isAckEliciting: boolean): boolean {
    if (number < this.#floor || this.#numbers.has(number)) {
      // RFC 9000 13.2.1: a copy may mean that our ACK was lost.
      this.isAckDue ||= isAckEliciting
      return false
    }
    this.#numbers.add(number, number + 1)
    this.#numbers.keepHighest(MAX_RANGES)
    if (this.#numbers.ranges().length === MAX_RANGES) this.#floor = this.#numbers.first![0]
    this.isAckDue ||= isAckEliciting
    return true
  }

  ranges(): PacketRange[] {
    return this.#numbers.ranges().map(([start, end]) => ({ first: start, last: end - 1 }))
  }
}
