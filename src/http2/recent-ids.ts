/** How many streams the memory holds: more than a peer can have frames on their way for. */
const REMEMBERED = 1024

/** The streams that we broke off lately: what the peer had sent before it knew is no fault of its (RFC 9113 5.1, closed). */
export class RecentIds {
  readonly #ids = new Set<number>()

  add(streamId: number): void {
    if (this.#ids.size >= REMEMBERED) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest)
        break
      }
    }
    this.#ids.add(streamId)
  }

  has(streamId: number): boolean {
    return this.#ids.has(streamId)
  }
}
