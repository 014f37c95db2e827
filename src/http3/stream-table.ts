import type { RequestStream } from './request-stream.ts'

/** Enough for the streams of nearly every connection. */
const SLOTS = 256

/**
 * The request streams that live, by their ids. As in HTTP/2 they lie in a ring, each at its number, and one that lives so long that the ring
 * has come round to it moves aside into a map: a map whose keys come and go is rehashed all the time.
 */
export class StreamTable {
  readonly #ring: (RequestStream | undefined)[] = Array.from({ length: SLOTS })
  readonly #longLived = new Map<number, RequestStream>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): RequestStream | undefined {
    const stream = this.#ring[slotOf(id)]
    if (stream !== undefined && stream.id === id) return stream
    return this.#longLived.size === 0 ? undefined : this.#longLived.get(id)
  }

  /** A copy, so that the walk may remove; in order of their ids. */
  all(): RequestStream[] {
    const streams = [...this.#longLived.values()]
    for (const stream of this.#ring) if (stream !== undefined) streams.push(stream)
    return streams.sort((a, b) => a.id - b.id)
  }

  add(stream: RequestStream): void {
    const slot = slotOf(stream.id)
    const before = this.#ring[slot]
    if (before !== undefined) this.#longLived.set(before.id, before)
    this.#ring[slot] = stream
    this.#size += 1
  }

  remove(stream: RequestStream): void {
    const slot = slotOf(stream.id)
    if (this.#ring[slot] === stream) this.#ring[slot] = undefined
    else if (!this.#longLived.delete(stream.id)) return
    this.#size -= 1
  }
}

/** Request streams are every fourth id (RFC 9000 2.1). */
function slotOf(id: number): number {
  return Math.floor(id / 4) & (SLOTS - 1)
}
