import { StreamRing } from '../multiplex/stream-ring.ts'
import { type ActiveStream, MAY_RECEIVE, type StreamFrame, type StreamFrameVerdict } from './active-stream.ts'

/** How many streams the memory holds: more than a client has open at a server of ours. */
const REMEMBERED = 1024

/**
 * The streams that we broke off lately: what the peer had sent before it knew is no fault of its (RFC 9113
 * 5.1, closed).
 */
export class RecentIds {
  readonly #ids = new Set<number>()
  /** None above it was forgotten. */
  #highestForgotten = -1

  add(streamId: number): void {
    if (this.#ids.size >= REMEMBERED) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest)
        this.#highestForgotten = Math.max(this.#highestForgotten, oldest)
        break
      }
    }
    this.#ids.add(streamId)
  }

  has(streamId: number): boolean {
    return this.#ids.has(streamId)
  }

  /** Whether it is remembered, or may have been forgotten. */
  mayHave(streamId: number): boolean {
    return streamId <= this.#highestForgotten || this.#ids.has(streamId)
  }
}

const MAX_STREAM_ID = 0x7fffffff

/**
 * The streams of a session by their numbers (RFC 9113 5.1.1): those that live, and what can be said of the
 * others.
 */
export class StreamTable {
  readonly #living = new StreamRing<ActiveStream>(1)
  readonly #resets = new RecentIds()
  readonly #isClient: boolean
  #nextOwnId: number
  /**
   * Streams of the peer above this are not taken: we have said so by GOAWAY, so that what comes on them is as
   * good as reset (RFC 9113 6.8).
   */
  #lastAcceptedId = MAX_STREAM_ID
  /** The highest number that the peer has used. */
  #lastPeerId = 0

  constructor(role: 'client' | 'server', firstStreamId: number) {
    this.#isClient = role === 'client'
    this.#nextOwnId = firstStreamId
  }

  get size(): number {
    return this.#living.size
  }

  get lastPeerId(): number {
    return this.#lastPeerId
  }

  get isExhausted(): boolean {
    return this.#nextOwnId > MAX_STREAM_ID
  }

  get(id: number): ActiveStream | undefined {
    return this.#living.get(id)
  }

  /** A copy, so that the walk may remove; in order of their ids. */
  all(): ActiveStream[] {
    return this.#living.all()
  }

  peekOwnId(): number {
    return this.#nextOwnId
  }

  takeOwnId(): void {
    this.#nextOwnId += 2
  }

  add(stream: ActiveStream): void {
    this.#living.add(stream)
  }

  /** Answers with the last stream of the peer that is taken. */
  takeNoMore(): number {
    this.#lastAcceptedId = this.#lastPeerId
    return this.#lastPeerId
  }

  usePeerId(id: number): void {
    this.#lastPeerId = id
  }

  remove(stream: ActiveStream): void {
    this.#living.remove(stream)
  }

  rememberReset(id: number): void {
    this.#resets.add(id)
  }

  /** What a frame of the peer meets on a stream; `stream`: the one of that number, if it lives. */
  judge(frame: StreamFrame, id: number, stream: ActiveStream | undefined): StreamFrameVerdict {
    if (stream === undefined) return MAY_RECEIVE[this.stateOfAbsent(id)][frame]
    const { state } = stream
    // Nearly all frames meet these, which take them all: no look-up by name.
    if (state === 'open' || state === 'halfClosedLocal') return 'take'
    return MAY_RECEIVE[state][frame]
  }

  /** What a number stands for that is not among the living. */
  stateOfAbsent(id: number): 'idle' | 'closed' | 'resetByUs' {
    const isOwn = (id & 1) === (this.#isClient ? 1 : 0)
    if (!isOwn && id > this.#lastAcceptedId) return 'resetByUs'
    if (isOwn ? id >= this.#nextOwnId : id > this.#lastPeerId) return 'idle'
    // A client frees a place as soon as it gives a request up, so that any number of answers may be on their
    // way that nobody wants. What was forgotten of them must not be held against the server.
    const wasReset = isOwn ? this.#resets.mayHave(id) : this.#resets.has(id)
    return wasReset ? 'resetByUs' : 'closed'
  }
}
