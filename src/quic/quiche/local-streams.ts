import type { StreamDirection } from '../engine.ts'
import type { NativeConnection } from './binding.ts'
import { firstStream, type Role, sequenceOf } from './stream-ids.ts'

/**
 * Numbers the streams of one direction that we open. quiche creates a stream with its first write, and counts
 * only then: an id that is handed out but not written yet has to be counted here.
 */
export class LocalStreams {
  readonly #native: NativeConnection
  readonly #direction: StreamDirection
  readonly #first: number
  /** How many ids were handed out. */
  #opened = 0
  /** One above the highest that quiche knows. */
  #created = 0
  /** How many the peer allows in all, as known last. */
  #limit = 0
  /**
   * The limit may be another than it was when quiche was asked. A connection is asked for every exchange, and
   * a crossing costs 0.3 us.
   */
  #isStale = true

  constructor(native: NativeConnection, role: Role, direction: StreamDirection) {
    this.#native = native
    this.#direction = direction
    this.#first = firstStream(role, direction)
  }

  open(): number | undefined {
    if (this.#opened >= this.#limit && this.left() === 0) return undefined
    const stream = this.#first + this.#opened * 4
    this.#opened += 1
    return stream
  }

  left(): number {
    if (this.#isStale) {
      this.#isStale = false
      const native = this.#native
      const left =
        this.#direction === 'bidirectional' ? native.peerStreamsLeftBidi() : native.peerStreamsLeftUni()
      this.#limit = this.#created + left
    }
    return Math.max(0, this.#limit - this.#opened)
  }

  /** The peer may allow another number of streams now. */
  onLimitsMoved(): void {
    this.#isStale = true
  }

  /** quiche knows it now. */
  onCreated(stream: number): void {
    this.#created = Math.max(this.#created, sequenceOf(stream) + 1)
  }
}
