import type { StreamDirection } from '../engine.ts'
import type { NativeConnection } from './binding.ts'

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

  /** Ids that were handed out. */
  get opened(): number {
    return this.#opened
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

/** Stream ids (RFC 9000 2.1): bit 0 is the opener's role, bit 1 the direction; the rest counts. */
export type Role = 'client' | 'server'

export const isUnidirectional = (stream: number): boolean => (stream & 2) !== 0

export const isOpenedBy = (role: Role, stream: number): boolean =>
  (stream & 1) === (role === 'server' ? 1 : 0)

/** The first id of a kind; the others follow in steps of 4. */
export const firstStream = (role: Role, direction: StreamDirection): number =>
  (role === 'server' ? 1 : 0) + (direction === 'unidirectional' ? 2 : 0)

/**
 * Ids above 2^31 do not survive bit operations, but no connection comes that far: quiche keeps 40 bytes for
 * each that ever was.
 */
const sequenceOf = (stream: number): number => Math.floor(stream / 4)
