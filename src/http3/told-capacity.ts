/** Of the credit that is left, what is not told of while a turn goes on. */
const KEPT_BACK_SHIFT = 2

/**
 * What the listener was told that a client session carries. It hands out streams by that number, also from within the call that tells it
 * of the end of one. QUIC gives the credit for a stream back about a round trip after its end (RFC 9000 4.6), not with it: what the session
 * carries falls with each stream that ends, and the listener must know that before it takes the place for free.
 */
export class ToldCapacity {
  #told = 0

  get told(): number {
    return this.#told
  }

  /**
   * A stream has ended; `open` are left, and credit for `left` more. True: the listener has to hear of a lower number now. A quarter of the
   * credit is kept back then, until settle(), so that of a hundred streams that end in one turn, and are followed by others, ten are told of.
   */
  onEnded(open: number, left: number): boolean {
    if (open + left >= this.#told) return false
    this.#told = open + left - (left >> KEPT_BACK_SHIFT)
    return true
  }

  /** A turn is over. True: the listener has to hear of another number. */
  settle(capacity: number): boolean {
    if (capacity === this.#told) return false
    this.#told = capacity
    return true
  }
}
