/**
 * How many requests of ours may be under way at once. QUIC counts otherwise: it gives credit for streams that
 * may ever be opened, and gives one back for each that ended, about a round trip later (RFC 9000 4.6). Who
 * took what is left for the capacity would see a busy connection shrink by what is on its way back, and dial
 * another one for nothing. So the most counts that the peer ever let be under way at once; a request that
 * comes before its credit waits for it; and only when the peer keeps it back for long does the number fall.
 */
export class StreamCredit {
  #limit = 0
  /** A request has found no credit, and none has come since. */
  #isWaitedFor = false
  /** It was waited for in vain. */
  #isWithheld = false

  get limit(): number {
    return this.#limit
  }

  /** The peer's limits have come into force: `open` streams are open, and there is credit for `left` more. */
  begin(open: number, left: number): void {
    this.#limit = open + left
  }

  /** A turn is over. True: the limit has changed, or who waited may go on. */
  onTurn(open: number, left: number): boolean {
    const isMore = open + left > this.#limit
    if (isMore) this.#limit = open + left
    const hasCome = left > 0 && (this.#isWaitedFor || this.#isWithheld)
    if (left > 0) this.#isWaitedFor = this.#isWithheld = false
    return isMore || hasCome
  }

  /**
   * A request finds no credit. `first`: it is the first one to wait, so that the wait must be bounded;
   * `refused`: there is nothing to wait for.
   */
  onNone(): 'first' | 'later' | 'refused' {
    if (this.#isWithheld) return 'refused'
    if (this.#isWaitedFor) return 'later'
    this.#isWaitedFor = true
    return 'first'
  }

  /** It was waited for long enough. */
  onWithheld(open: number, left: number): void {
    this.#isWaitedFor = false
    this.#isWithheld = true
    this.#limit = open + left
  }
}
