import type { StreamFrame } from './frame.ts'
import { RangeSet } from './range-set.ts'

/**
 * The sending side of a stream: what was written and is not acknowledged, and which of it has to leave
 * (again).
 *
 * - `open`: takes writes
 * - `ending`: the last byte is written; lost pieces are still sent again
 * - `reset`: RESET_STREAM is on its path; nothing else is sent
 * - `done`: everything, or the reset, is acknowledged
 *
 * Valid transitions: open -> ending | reset; ending -> reset | done; reset -> done.
 */
export class SendStream {
  readonly #stream: number
  readonly #unsent = new RangeSet()
  readonly #acked = new RangeSet()
  #state: 'open' | 'ending' | 'reset' | 'done' = 'open'
  /** The bytes from #base to #written. */
  #bytes = Buffer.alloc(0)
  #base = 0
  #written = 0
  /** The end of what has ever left. */
  #sent = 0

  constructor(stream: number) {
    this.#stream = stream
  }

  get writtenBytes(): number {
    return this.#written
  }

  get sentBytes(): number {
    return this.#sent
  }

  get unsentBytes(): number {
    return this.#unsent.size
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  /** RESET_STREAM would still mean something to the peer. */
  get canReset(): boolean {
    return this.#state === 'open' || this.#state === 'ending'
  }

  write(bytes: Uint8Array, isLast: boolean): void {
    const kept = this.#bytes.subarray(this.#ackedUntil() - this.#base)
    this.#base = this.#written - kept.length
    this.#bytes = Buffer.concat([kept, bytes])
    this.#unsent.add(this.#written, this.#written + bytes.length)
    this.#written += bytes.length
    if (isLast) this.#state = 'ending'
  }

  /** Whether nextFrame would give one. */
  hasFrame(limit: number): boolean {
    const first = this.#unsent.first
    return first !== undefined && first[0] < limit
  }

  /** The next piece, of at most `room` bytes and not beyond `limit`. */
  nextFrame(room: number, limit: number): StreamFrame {
    const [start, end] = this.#unsent.first!
    const until = Math.min(end, start + room, limit)
    this.#unsent.remove(start, until)
    this.#sent = Math.max(this.#sent, until)
    return {
      type: 'stream',
      stream: this.#stream,
      offset: start,
      data: this.#bytes.subarray(start - this.#base, until - this.#base),
      isLast: this.#isEnd(until),
    }
  }

  onAcked(offset: number, bytes: number): void {
    this.#acked.add(offset, offset + bytes)
    this.#unsent.remove(offset, offset + bytes)
    if (this.#state === 'ending' && this.#ackedUntil() === this.#written) this.#state = 'done'
  }

  onLost(offset: number, bytes: number): void {
    if (this.#state === 'reset' || this.#state === 'done') return
    this.#unsent.add(offset, offset + bytes)
    for (const [start, end] of this.#acked.ranges()) this.#unsent.remove(start, end)
  }

  /** Throws away what has not left. */
  reset(): void {
    this.#state = 'reset'
    this.#unsent.remove(0, this.#written)
    this.#bytes = Buffer.alloc(0)
  }

  onResetAcked(): void {
    this.#state = 'done'
  }

  /** 0-RTT was rejected: nothing of it was ever seen (RFC 9001 4.6.2). */
  restart(): void {
    if (this.#state === 'open' || this.#state === 'ending') this.#unsent.add(0, this.#written)
    this.#sent = 0
  }

  #isEnd(until: number): boolean {
    return this.#state === 'ending' && until === this.#written
  }

  #ackedUntil(): number {
    const first = this.#acked.first
    return first === undefined || first[0] > 0 ? this.#base : first[1]
  }
}
