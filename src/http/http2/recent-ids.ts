/** How many streams the memory holds: more than a client has open at a server of ours. */
const REMEMBERED = 1024

/**
 * The streams that we broke off lately: what the peer had sent before it knew is no fault of its (RFC 9113
 * 5.1, closed).
 */
export class RecentIds {
  readonly #ids = new Set<number>()
  /** None above it was forgotten. */
  #highestForgotten = -1

  add(streamId: number): void {
    if (this.#ids.size >= REMEMBERED) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest)
        this.#highestForgotten = Math.max(this.#highestForgotten, oldest)
        break
      }
    }
    this.#ids.add(streamId)
  }

  has(streamId: number): boolean {
    return this.#ids.has(streamId)
  }

  /** Whether it is remembered, or may have been forgotten. */
  mayHave(streamId: number): boolean {
    return streamId <= this.#highestForgotten || this.#ids.has(streamId)
  }
}
