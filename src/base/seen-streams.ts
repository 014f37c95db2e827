/**
 * Which QUIC streams of one kind were seen, in little memory: all below a mark but those that were left out.
 * A peer opens them in order, and what overtakes on the way makes gaps for a moment. To use an id opens all
 * below it (RFC 9000 2.1), so there are never more gaps than the streams that we let the peer open
 * (MAX_STREAMS), however long the connection lives.
 */
export class SeenStreams {
  #next: number
  readonly #leftOut = new Set<number>()

  constructor(first: number) {
    this.#next = first
  }

  has(stream: number): boolean {
    return stream < this.#next && !this.#leftOut.has(stream)
  }

  /** False: it was seen before. */
  add(stream: number): boolean {
    if (stream < this.#next) return this.#leftOut.delete(stream)
    for (let id = this.#next; id < stream; id += 4) this.#leftOut.add(id)
    this.#next = stream + 4
    return true
  }
}
