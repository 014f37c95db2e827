import { TransportError } from '../base/errors.ts'
import type { StreamShare } from '../base/events/connection.ts'

/** What the owner's pool says of the connection, asked whenever somebody wants a stream. */
export interface SharedStreamsParts {
  /** Streams that may be open at once, over all who share it. */
  readonly limit: () => number
  /** It has carried as many exchanges as it may. */
  readonly isExhausted: () => boolean
}

/**
 * The streams of one connection that several pools share: the owner's, and those of its guests. A pool takes
 * a stream when it decides about a lease, in the same call, so that no two of them count on the same one.
 *
 * Who finds none free waits in a queue, and has one place in it. While anybody waits, a stream that is given
 * back is kept for whoever stands first, so that those who share take turns, however many requests of theirs
 * wait. It is offered by serve(), when the pool that gave it back has come to rest; one who does not take it
 * has left the queue.
 */
export class SharedStreams {
  readonly #parts: SharedStreamsParts
  readonly #members = new Set<Member>()
  readonly #waiting = new Set<Member>()
  #owner: Member | undefined
  #used = 0
  /** Exchanges of guests so far. */
  #guestLeases = 0
  /** Who is offered a stream just now. */
  #offered: Member | undefined
  #isServing = false

  constructor(parts: SharedStreamsParts) {
    this.#parts = parts
  }

  /** Streams in use, by everybody. */
  get used(): number {
    return this.#used
  }

  get guests(): number {
    return this.#members.size - (this.#owner === undefined ? 0 : 1)
  }

  get guestLeases(): number {
    return this.#guestLeases
  }

  /** The pool that the connection is of, which uses so many streams of it already. */
  joinAsOwner(used: number): StreamShare {
    this.#owner = new Member(this, used)
    this.#members.add(this.#owner)
    this.#used += used
    return this.#owner
  }

  join(): StreamShare {
    const member = new Member(this, 0)
    this.#members.add(member)
    return member
  }

  /** Offers what is free to those who wait, one stream each, in turns. */
  serve(): void {
    if (this.#isServing) return // (from within an offer: the loop below goes on)
    this.#isServing = true
    try {
      if (this.#parts.isExhausted()) this.#owner?.onFree?.()
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        this.#offered = next
        next.onFree?.()
        // Who has taken it may stand in the queue again, at its end.
        if (this.#offered === next) this.#waiting.delete(next)
        this.#offered = undefined
      }
    } finally {
      this.#offered = undefined
      this.#isServing = false
    }
  }

  /** Throws unless all counts are what a recount says. For tests. */
  assertConsistent(): void {
    let used = 0
    for (const member of this.#members) used += member.used
    if (used !== this.#used) throw fault(`${used} streams, counted ${this.#used}`)
    for (const member of this.#waiting) if (!this.#members.has(member)) throw fault('one waits who has left')
  }

  // For its members only

  freeFor(member: Member): number {
    if (this.#parts.isExhausted()) return 0
    return Math.max(0, this.#parts.limit() - this.#used - this.#aheadOf(member))
  }

  isUsedBeside(member: Member): boolean {
    return this.#used > member.used
  }

  onTaken(member: Member): void {
    this.#used += 1
    if (member !== this.#owner) this.#guestLeases += 1
    this.#waiting.delete(member)
    if (this.#offered === member) this.#offered = undefined
  }

  onGivenBack(streams: number): void {
    this.#used -= streams
  }

  isWaiting(member: Member): boolean {
    return this.#waiting.has(member)
  }

  wait(member: Member): void {
    this.#waiting.add(member)
  }

  remove(member: Member): void {
    this.#used -= member.used
    this.#members.delete(member)
    this.#waiting.delete(member)
  }

  #next(): Member | undefined {
    if (this.#parts.isExhausted() || this.#parts.limit() <= this.#used) return undefined
    for (const member of this.#waiting) return member
    return undefined
  }

  /** Those who wait, and come before it. */
  #aheadOf(member: Member): number {
    if (!this.#waiting.has(member)) return this.#waiting.size
    let ahead = 0
    for (const other of this.#waiting) {
      if (other === member) break
      ahead += 1
    }
    return ahead
  }
}

class Member implements StreamShare {
  onFree: (() => void) | undefined
  readonly #streams: SharedStreams
  #used: number
  #hasLeft = false

  constructor(streams: SharedStreams, used: number) {
    this.#streams = streams
    this.#used = used
    this.onFree = undefined
  }

  get used(): number {
    return this.#used
  }

  get free(): number {
    return this.#hasLeft ? 0 : this.#streams.freeFor(this)
  }

  get isUsedByOthers(): boolean {
    return this.#streams.isUsedBeside(this)
  }

  get isWaiting(): boolean {
    return this.#streams.isWaiting(this)
  }

  get guestLeases(): number {
    return this.#streams.guestLeases
  }

  take(): void {
    if (this.free === 0) throw fault('a stream was taken that is not free')
    this.#used += 1
    this.#streams.onTaken(this)
  }

  giveBack(streams: number): void {
    if (this.#hasLeft) return
    if (streams > this.#used) throw fault('more streams were given back than taken')
    this.#used -= streams
    this.#streams.onGivenBack(streams)
  }

  wait(): void {
    if (!this.#hasLeft) this.#streams.wait(this)
  }

  serve(): void {
    this.#streams.serve()
  }

  leave(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#streams.remove(this)
    this.#used = 0
  }
}

function fault(message: string): TransportError {
  return new TransportError('MM_INTERNAL', `shared streams: ${message}`)
}
