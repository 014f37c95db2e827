import { RecentIds } from '../multiplex/recent-ids.ts'
import type { ActiveStream } from './active-stream.ts'
import { type FrameVerdict, MAY_RECEIVE, type StreamFrame } from './stream-state.ts'

const MAX_STREAM_ID = 0x7fffffff

/** Enough for the streams of nearly every connection. */
const SLOTS = 256

/**
 * The streams of a session by their numbers (RFC 9113 5.1.1): those that live, and what can be said of the others.
 *
 * Numbers only go up, so the living ones stand close to each other: they lie in a ring, each at its number. A stream that lives so long that the
 * ring has come round to it moves aside, into a map. (A map for all costs four times as much: it is rehashed again and again while
 * numbers come and go.)
 */
export class StreamTable {
  readonly #ring: (ActiveStream | undefined)[] = Array.from({ length: SLOTS })
  readonly #longLived = new Map<number, ActiveStream>()
  readonly #resets = new RecentIds()
  readonly #isClient: boolean
  #size = 0
  #nextOwnId: number
  /**
   * Streams of the peer above this are not taken: we have said so by GOAWAY, so that what comes on them is as good as reset
   * (RFC 9113 6.8).
   */
  lastAcceptedId = MAX_STREAM_ID
  /** The highest number that the peer has used. */
  #lastPeerId = 0

  constructor(role: 'client' | 'server', firstStreamId: number) {
    this.#isClient = role === 'client'
    this.#nextOwnId = firstStreamId
  }

  get size(): number {
    return this.#size
  }

  get lastPeerId(): number {
    return this.#lastPeerId
  }

  get isExhausted(): boolean {
    return this.#nextOwnId > MAX_STREAM_ID
  }

  get(id: number): ActiveStream | undefined {
    const stream = this.#ring[slotOf(id)]
    if (stream !== undefined && stream.id === id) return stream
    return this.#longLived.size === 0 ? undefined : this.#longLived.get(id)
  }

  /** A copy, so that the walk may remove. */
  all(): ActiveStream[] {
    const streams = [...this.#longLived.values()]
    for (const stream of this.#ring) if (stream !== undefined) streams.push(stream)
    return streams.sort((a, b) => a.id - b.id)
  }

  peekOwnId(): number {
    return this.#nextOwnId
  }

  takeOwnId(): void {
    this.#nextOwnId += 2
  }

  add(stream: ActiveStream): void {
    const slot = slotOf(stream.id)
    const before = this.#ring[slot]
    if (before !== undefined) this.#longLived.set(before.id, before)
    this.#ring[slot] = stream
    this.#size += 1
  }

  usePeerId(id: number): void {
    this.#lastPeerId = id
  }

  remove(stream: ActiveStream): void {
    const slot = slotOf(stream.id)
    if (this.#ring[slot] === stream) this.#ring[slot] = undefined
    else if (!this.#longLived.delete(stream.id)) return
    this.#size -= 1
  }

  rememberReset(id: number): void {
    this.#resets.add(id)
  }

  /** What a frame of the peer meets on a stream; `stream`: the one of that number, if it lives. */
  judge(frame: StreamFrame, id: number, stream: ActiveStream | undefined): FrameVerdict {
    if (stream === undefined) return MAY_RECEIVE[this.stateOfAbsent(id)][frame]
    const { state } = stream
    // Nearly all frames meet these, which take them all: no look-up by name.
    if (state === 'open' || state === 'halfClosedLocal') return 'take'
    return MAY_RECEIVE[state][frame]
  }

  /** What a number stands for that is not among the living. */
  stateOfAbsent(id: number): 'idle' | 'closed' | 'resetByUs' {
    const isOwn = (id & 1) === (this.#isClient ? 1 : 0)
    if (!isOwn && id > this.lastAcceptedId) return 'resetByUs'
    if (isOwn ? id >= this.#nextOwnId : id > this.#lastPeerId) return 'idle'
    return this.#resets.has(id) ? 'resetByUs' : 'closed'
  }
}

/** All numbers of one side are odd, or even. */
function slotOf(id: number): number {
  return (id >>> 1) & (SLOTS - 1)
}
