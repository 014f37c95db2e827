import type { DecoderInstructions } from './qpack-decoder-stream.ts'
import { QpackError } from './qpack-error.ts'

/** A section with references that the peer has not acknowledged. */
interface Section {
  readonly streamId: number
  /** Its Required Insert Count. */
  readonly required: number
  /** The number of the oldest entry that it refers to. */
  readonly oldest: number
  /** The next one of the stream, which is acknowledged after it. */
  next: Section | undefined
}

const INITIAL_SLOTS = 64
/** 32 KB of pointers. That many answers under way at a time are more than a connection carries. */
const MAX_SLOTS = 4096
/** Informational ones, the final one, trailers. */
const MAX_SECTIONS_PER_STREAM = 8

/**
 * What the peer's decoder may still have to read, and what it is known to have (RFC 9204 2.1): which entries
 * must not be evicted, and which streams may be blocked.
 *
 * Streams lie in a ring by their number, as in HTTP/2: a map whose keys come and go is rehashed all the time.
 * When two streams meet in a slot the ring grows; at MAX_SLOTS the later one gets no references. So a peer
 * that never acknowledges costs bounded memory, and only compression.
 *
 * Entries are evicted from the oldest on, and what a section refers to is not older than its oldest
 * reference. So it is enough to count, for each entry, the sections whose oldest reference it is.
 */
export class OutstandingSections implements DecoderInstructions {
  #slots: (Section | undefined)[] = Array.from({ length: INITIAL_SLOTS }, () => undefined)
  /** By the number of the entry, in a ring. */
  #pins = new Uint32Array(1)
  readonly #blocking = new Set<number>()
  #knownReceived = 0
  #sent = 0

  /** The insertions that the peer has confirmed, one way or another (RFC 9204 2.1.4). */
  get knownReceived(): number {
    return this.#knownReceived
  }

  /** Streams that have a section which the peer may not be able to decode yet. */
  get blockingStreams(): number {
    return this.#blocking.size
  }

  /** The table will have no more than `maxEntries` at a time. Before the first section. */
  setMaxEntries(maxEntries: number): void {
    this.#pins = new Uint32Array(2 ** Math.ceil(Math.log2(maxEntries + 1)))
  }

  /** That many insertions went out: the peer cannot confirm more. */
  onSent(inserted: number): void {
    this.#sent = inserted
  }

  /** Whether a section of this stream can be remembered, that is, may have references. */
  hasRoom(streamId: number): boolean {
    let found = this.#slots[this.#slotOf(streamId)]
    while (found !== undefined && found.streamId !== streamId) {
      if (this.#slots.length >= MAX_SLOTS) return false
      this.#grow()
      found = this.#slots[this.#slotOf(streamId)]
    }
    let count = 0
    for (let section = found; section !== undefined; section = section.next) count++
    return count < MAX_SECTIONS_PER_STREAM
  }

  /**
   * Whether a section of this stream may refer to entries that are not confirmed, when `maxBlocked` streams
   * may wait for such.
   */
  mayBlock(streamId: number, maxBlocked: number): boolean {
    return this.#blocking.size < maxBlocked || this.#blocking.has(streamId)
  }

  /** Whether a section needs this entry, for which all older ones were asked before. */
  isPinned(number: number): boolean {
    return this.#pins[number & (this.#pins.length - 1)] !== 0
  }

  /** A section with references will be sent; hasRoom() has said that it may have some. */
  add(streamId: number, required: number, oldest: number): void {
    const section: Section = { streamId, required, oldest, next: undefined }
    const slot = this.#slotOf(streamId)
    let last = this.#slots[slot]
    if (last === undefined) this.#slots[slot] = section
    else {
      while (last.next !== undefined) last = last.next
      last.next = section
    }
    this.#pin(oldest, 1)
    if (required > this.#knownReceived) this.#blocking.add(streamId)
  }

  /** The last section of the stream that was added is not sent after all. */
  removeLast(streamId: number): void {
    const slot = this.#slotOf(streamId)
    let last = this.#slots[slot]
    if (last === undefined) return
    let before: Section | undefined
    for (; last.next !== undefined; last = last.next) before = last
    if (before === undefined) this.#slots[slot] = undefined
    else before.next = undefined
    this.#pin(last.oldest, -1)
    this.#settleBlocking()
  }

  /** Section Acknowledgment (RFC 9204 4.4.1): the first one of the stream was decoded. */
  onAcknowledgment(streamId: number): void {
    const slot = this.#slotOf(streamId)
    const section = this.#slots[slot]
    if (section === undefined || section.streamId !== streamId) {
      throw new QpackError(
        'decoder-stream',
        `an acknowledgment for stream ${streamId}, which has no section to acknowledge`,
      )
    }
    this.#slots[slot] = section.next
    this.#pin(section.oldest, -1)
    if (section.required > this.#knownReceived) this.#raise(section.required)
  }

  /**
   * Stream Cancellation (4.4.2): nobody reads the rest. The encoder of a stream without references gets them,
   * too.
   */
  onCancellation(streamId: number): void {
    const slot = this.#slotOf(streamId)
    const first = this.#slots[slot]
    if (first === undefined || first.streamId !== streamId) return
    for (let section: Section | undefined = first; section !== undefined; section = section.next) {
      this.#pin(section.oldest, -1)
    }
    this.#slots[slot] = undefined
    this.#blocking.delete(streamId)
  }

  /** Insert Count Increment (4.4.3). */
  onIncrement(count: number): void {
    const raised = this.#knownReceived + count
    if (count === 0 || raised > this.#sent) {
      throw new QpackError(
        'decoder-stream',
        `an increment of ${count}, when ${this.#sent - this.#knownReceived} insertions are unconfirmed`,
      )
    }
    this.#raise(raised)
  }

  #raise(knownReceived: number): void {
    this.#knownReceived = knownReceived
    this.#settleBlocking()
  }

  #settleBlocking(): void {
    for (const streamId of this.#blocking) {
      let section = this.#slots[this.#slotOf(streamId)]
      while (section !== undefined && section.required <= this.#knownReceived) section = section.next
      if (section === undefined) this.#blocking.delete(streamId)
    }
  }

  #pin(number: number, change: 1 | -1): void {
    const slot = number & (this.#pins.length - 1)
    this.#pins[slot] = (this.#pins[slot] as number) + change // masked to the length
  }

  /** Streams of one kind have every fourth id (RFC 9000 2.1). */
  #slotOf(streamId: number): number {
    return (streamId / 4) & (this.#slots.length - 1)
  }

  /** Streams that had slots of their own have so in twice as many. */
  #grow(): void {
    const before = this.#slots
    this.#slots = Array.from({ length: 2 * before.length }, () => undefined)
    for (const section of before) {
      if (section !== undefined) this.#slots[this.#slotOf(section.streamId)] = section
    }
  }
}
