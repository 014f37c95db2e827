import type { StreamRead } from '../../../src/quic/engine.ts'
import { QuicFault } from './quic-fault.ts'

/**
 * The receiving side of a stream: pieces are put in order, and nothing is read across a gap.
 *
 * - `open`: more may come, or wait to be read
 * - `stopped`: nobody reads; only the end of it is waited for
 * - `done`: read to the end, reset, or stopped and ended
 *
 * Valid transitions: open -> stopped | done; stopped -> done.
 */
export class ReceiveStream {
  #state: 'open' | 'stopped' | 'done' = 'open'
  /** Ascending and disjoint; all from #readAt on. */
  #pieces: { offset: number; data: Buffer }[] = []
  #readAt = 0
  #highest = 0
  #finalBytes: number | undefined
  #gapSinceMs: number | undefined
  #stalledMs = 0

  get isDone(): boolean {
    return this.#state === 'done'
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** The end of what has come so far. */
  get highestBytes(): number {
    return this.#highest
  }

  get readBytes(): number {
    return this.#readAt
  }

  get isFinalSizeKnown(): boolean {
    return this.#finalBytes !== undefined
  }

  get isReadable(): boolean {
    if (this.#state !== 'open') return false
    return this.#pieces[0]?.offset === this.#readAt || this.#finalBytes === this.#readAt
  }

  /** How long bytes that had come could not be read, since earlier ones were missing. */
  stalledMs(now: number): number {
    return this.#stalledMs + (this.#gapSinceMs === undefined ? 0 : now - this.#gapSinceMs)
  }

  receive(offset: number, data: Buffer, isLast: boolean, now: number): void {
    const end = offset + data.length
    if (isLast) this.#setFinalSize(end)
    else if (this.#finalBytes !== undefined && end > this.#finalBytes) {
      throw new QuicFault('final-size', `bytes behind the end at ${this.#finalBytes}`)
    }
    this.#highest = Math.max(this.#highest, end)
    if (this.#state === 'stopped' && this.#finalBytes !== undefined) this.#state = 'done'
    if (this.#state !== 'open') return
    this.#insert(offset, data)
    this.#watchGap(now)
  }

  /**
   * True: the reader has to be notified. Everything that came whole already stays readable (RFC 9000 3.2,
   * "Data Recvd").
   */
  reset(finalBytes: number, now: number): boolean {
    if (finalBytes < this.#highest) throw new QuicFault('final-size', 'a reset before what has come')
    const hadEnd = this.#finalBytes !== undefined
    this.#setFinalSize(finalBytes)
    const wasOpen = this.#state === 'open'
    if (wasOpen && hadEnd && this.#isWhole()) return false
    this.#highest = finalBytes
    this.#end(now)
    return wasOpen
  }

  stop(): void {
    if (this.#state !== 'open') return
    this.#pieces = []
    this.#gapSinceMs = undefined
    this.#state = this.#finalBytes === undefined ? 'stopped' : 'done'
  }

  read(into: Buffer): StreamRead | undefined {
    if (!this.isReadable) return undefined
    let bytes = 0
    for (let piece = this.#pieces[0]; piece !== undefined && bytes < into.length; piece = this.#pieces[0]) {
      if (piece.offset !== this.#readAt) break
      const taken = piece.data.copy(into, bytes)
      bytes += taken
      this.#readAt += taken
      if (taken === piece.data.length) this.#pieces.shift()
      else this.#pieces[0] = { offset: this.#readAt, data: piece.data.subarray(taken) }
    }
    const isEnd = this.#readAt === this.#finalBytes
    if (isEnd) this.#state = 'done'
    return [bytes, isEnd]
  }

  #setFinalSize(bytes: number): void {
    if (this.#finalBytes !== undefined && this.#finalBytes !== bytes) {
      throw new QuicFault('final-size', `an end at ${bytes} after one at ${this.#finalBytes}`)
    }
    if (bytes < this.#highest) throw new QuicFault('final-size', 'an end before what has come')
    this.#finalBytes = bytes
  }

  #insert(offset: number, data: Buffer): void {
    let [at, rest] = [offset, data]
    if (at < this.#readAt) {
      rest = rest.subarray(Math.min(rest.length, this.#readAt - at))
      at = this.#readAt
    }
    const pieces: { offset: number; data: Buffer }[] = []
    const take = (until: number): Buffer => {
      const taken = rest.subarray(0, Math.max(0, until - at))
      rest = rest.subarray(taken.length)
      at += taken.length
      return taken
    }
    for (const piece of this.#pieces) {
      const before = { offset: at, data: take(piece.offset) }
      if (before.data.length > 0) pieces.push(before)
      take(piece.offset + piece.data.length)
      pieces.push(piece)
    }
    if (rest.length > 0) pieces.push({ offset: at, data: rest })
    this.#pieces = pieces
  }

  #watchGap(now: number): void {
    let expected = this.#readAt
    const hasGap = this.#pieces.some(({ offset, data }) => {
      const isBehindGap = offset !== expected
      expected = offset + data.length
      return isBehindGap
    })
    if (hasGap) this.#gapSinceMs ??= now
    else this.#closeGap(now)
  }

  #closeGap(now: number): void {
    if (this.#gapSinceMs !== undefined) this.#stalledMs += now - this.#gapSinceMs
    this.#gapSinceMs = undefined
  }

  #isWhole(): boolean {
    const bytes = this.#pieces.reduce((sum, { data }) => sum + data.length, 0)
    return this.#readAt + bytes === this.#finalBytes
  }

  #end(now: number): void {
    this.#closeGap(now)
    this.#pieces = []
    this.#state = 'done'
  }
}
