/** Enough for the streams of nearly every connection. */
const SLOTS = 256

/**
 * The streams that live, by their ids. Ids only go up, so the living ones stand close to each other: they lie
 * in a ring, each at its number. A stream that lives so long that the ring has come round to it moves aside,
 * into a map. (A map for all costs four times as much: it is rehashed again and again while ids come and go.)
 */
export class StreamRing<Stream extends { readonly id: number }> {
  readonly #ring: (Stream | undefined)[] = Array.from({ length: SLOTS })
  readonly #longLived = new Map<number, Stream>()
  readonly #shift: number
  #size = 0

  /**
   * Only every `2 ** shift`-th id is in use: 1 where each side has every other one (HTTP/2), 2 for the
   * requests of HTTP/3.
   */
  constructor(shift: number) {
    this.#shift = shift
  }

  get size(): number {
    return this.#size
  }

  get(id: number): Stream | undefined {
    const stream = this.#ring[this.#slotOf(id)]
    if (stream !== undefined && stream.id === id) return stream
    return this.#longLived.size === 0 ? undefined : this.#longLived.get(id)
  }

  /** A copy, so that the walk may remove; in order of their ids. */
  all(): Stream[] {
    const streams = [...this.#longLived.values()]
    for (const stream of this.#ring) if (stream !== undefined) streams.push(stream)
    return streams.sort((a, b) => a.id - b.id)
  }

  add(stream: Stream): void {
    const slot = this.#slotOf(stream.id)
    const before = this.#ring[slot]
    if (before !== undefined) this.#longLived.set(before.id, before)
    this.#ring[slot] = stream
    this.#size += 1
  }

  /** Does nothing when it is not there. */
  remove(stream: Stream): void {
    const slot = this.#slotOf(stream.id)
    if (this.#ring[slot] === stream) this.#ring[slot] = undefined
    else if (!this.#longLived.delete(stream.id)) return
    this.#size -= 1
  }

  #slotOf(id: number): number {
    return (id >>> this.#shift) & (SLOTS - 1)
  }
}
