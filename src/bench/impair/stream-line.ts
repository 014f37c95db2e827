import type { Conditions } from './conditions.ts'
import { PieceSender, type SentPiece } from './piece-sender.ts'
import type { RateQueue } from './rate-queue.ts'

/** What travels: bytes, or the end of them. */
export type Parcel = Buffer | 'end'

/** What became of one direction of all connections. */
export interface StreamCounts {
  connections: number
  /** Came to the path, and came out at its other end. */
  bytes: number
  delivered: number
  /**
   * Lost pieces of at most 1,460 bytes, each of which held back all behind it. The kernel's own packets are
   * others, and are not seen here.
   */
  stalls: number
}

/**
 * Pieces that are due so close to each other leave together: timers are no finer, and each write costs CPU.
 */
const TOGETHER_MS = 0.5
/**
 * What one direction of one connection may hold: 32 MiB, at 20 ms 1.6 GB/s. Beyond it the sender waits, as
 * for a full window.
 */
const MAX_HELD_BYTES = 33_554_432

interface Waiting {
  readonly parcel: Parcel
  readonly due: SentPiece['due']
}

/**
 * One direction of one connection over a path that impairs it: what is put in comes out whole and in order,
 * later. It has no clock.
 *
 * Bytes of a stream cannot be lost, and the TCP that would send them again is not below this but before and
 * behind it. What a loss means is therefore computed: a lost piece comes when TCP would have sent it again
 * (Retransmission), and all behind it waits for it: head-of-line blocking.
 */
export class StreamLine {
  readonly #sender: PieceSender
  readonly #counts: StreamCounts
  #waiting: Waiting[] = []
  #head = 0
  #heldBytes = 0

  /**
   * Whatever is put in before `opensAt` travels from then on: the handshake of a long path is not over.
   * `counts` may be shared.
   */
  constructor(seed: number, narrow: RateQueue, counts: StreamCounts, opensAt: number) {
    this.#sender = new PieceSender(seed, narrow, opensAt)
    this.#counts = counts
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Holds as much as it may: who feeds it stops. */
  get isFull(): boolean {
    return this.#heldBytes >= MAX_HELD_BYTES
  }

  /** When the first parcel may leave; Infinity: there is none. */
  get nextDueAt(): number {
    return this.#waiting[this.#head]?.due.dueAt ?? Number.POSITIVE_INFINITY
  }

  put(parcel: Parcel, now: number, conditions: Conditions, roundTripMs: number): void {
    const length = parcel === 'end' ? 0 : parcel.length
    this.#counts.bytes += length
    this.#heldBytes += length
    this.#sender.onWrite(now)
    let begun = 0
    let together = this.#send(length, now, conditions, roundTripMs)
    for (let from = together.bytes; from < length; ) {
      const piece = this.#send(length - from, now, conditions, roundTripMs)
      if (leaveTogether(together, piece)) {
        if (piece.due.dueAt > together.due.dueAt) together = piece
      } else {
        this.#wait(parcel, begun, from, together)
        begun = from
        together = piece
      }
      from += piece.bytes
    }
    this.#wait(parcel, begun, length, together)
  }

  /** The first parcel, when its time has come. */
  take(now: number): Parcel | undefined {
    const first = this.#waiting[this.#head]
    if (first === undefined || first.due.dueAt > now) return undefined
    this.#head++
    // Cut off what has left, at a cost per parcel that does not grow with how many there are.
    if (this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    const { parcel } = first
    if (parcel !== 'end') {
      this.#heldBytes -= parcel.length
      this.#counts.delivered += parcel.length
    }
    return parcel
  }

  #send(left: number, now: number, conditions: Conditions, roundTripMs: number): SentPiece {
    const piece = this.#sender.send(left, now, conditions, roundTripMs)
    if (piece.isLost) this.#counts.stalls++
    return piece
  }

  #wait(parcel: Parcel, from: number, to: number, { due }: SentPiece): void {
    this.#waiting.push({ parcel: parcel === 'end' ? parcel : parcel.subarray(from, to), due })
  }
}

function leaveTogether(one: SentPiece, other: SentPiece): boolean {
  return !one.isLost && !other.isLost && Math.abs(one.due.dueAt - other.due.dueAt) <= TOGETHER_MS
}
