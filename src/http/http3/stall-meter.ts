/** What the meter knows of a stream. */
export interface Measured {
  stallMs: number
  /** When bytes of it were read last; when it began, before that. */
  lastReadAt: number
  /** Its reader slept since then. */
  hasSlept: boolean
}

/**
 * What a datagram has that no stream sees: packet header, frame header, tag. About 40 of 1200 to 1350 bytes.
 */
const DELIVERED_SHARE = 0.96

/**
 * Estimates for how long data of a stream sat behind a gap, from outside of QUIC. Of what arrives in a turn
 * all that is in order is read in that turn; so when a stream yields more than arrived in the turn, the rest
 * had come before and waited for the gap to be filled. It waited since bytes first came that nobody could
 * read, or since the stream was last in order, whichever is later.
 *
 * It is a lower bound: what had come of a stream that stood still, but is less than what arrives in the turn
 * that fills the gap, is not seen.
 */
export class StallMeter {
  /** Bytes that have come and that no stream has yielded. */
  #backlogBytes = 0
  /** When there were none of those last. */
  #backlogSince = 0
  #arrivedBytes = 0
  #deliveredBytes = 0

  /** A turn begins, in which so many bytes of datagrams arrived. */
  onTurn(arrivedBytes: number, now: number): void {
    this.#backlogBytes = Math.max(
      0,
      this.#backlogBytes + this.#arrivedBytes * DELIVERED_SHARE - this.#deliveredBytes,
    )
    // Less than a datagram may be acknowledgements and the like.
    if (this.#backlogBytes < MIN_BACKLOG_BYTES) {
      this.#backlogBytes = 0
      this.#backlogSince = now
    }
    this.#arrivedBytes = arrivedBytes
    this.#deliveredBytes = 0
  }

  /** A stream yielded bytes in this turn. */
  onRead(stream: Measured, bytes: number, now: number): void {
    this.#deliveredBytes += bytes
    if (!stream.hasSlept && bytes > this.#arrivedBytes) {
      const since = Math.max(this.#backlogSince, stream.lastReadAt)
      if (since < now) stream.stallMs += now - since
    }
    stream.hasSlept = false
    stream.lastReadAt = now
  }
}

const MIN_BACKLOG_BYTES = 1200
