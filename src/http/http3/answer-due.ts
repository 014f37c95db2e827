const NEVER = Number.POSITIVE_INFINITY

/** Probe timeouts without a packet. */
const PROBE_TIMEOUTS = 3
/** What is asked meanwhile: with 5 % of losses each way all of it is lost once in 10^5 times. */
const MIN_ASKS = 4
/**
 * A timer that is late by more was held up with everything else in this process: what came meanwhile has not
 * been read yet.
 */
const LATE_MS = 100

/**
 * - `fine`: nothing is to be done
 * - `ask`: a ping is to be put out
 * - `unresponsive`: nothing came. Said once for each silence
 */
export type AnswerVerdict = 'fine' | 'ask' | 'unresponsive'

/**
 * Whether the peer of a QUIC connection acknowledges what it is sent, as a peer that lives does within a
 * round trip and its acknowledgement delay, however long it thinks about the answer. One that was started
 * again, or lost its place to another process, knows the connection no more, and says nothing at all.
 *
 * Theory of operation. A silence begins with the first thing that is sent after something was received.
 *  1. It lasts a probe timeout (RFC 9002 6.2.1): the peer is in doubt, and asked; asked again at even
 *     distances, each ping being lost with its packet.
 *  2. It lasts three of them, and `minMs` at the least, since a busy peer may stand still for a moment; and
 *     four asks were not answered: it is unresponsive.
 *  3. Any packet ends it.
 *
 * What ends the connection is Liveness, which waits for longer: this one only says where requests had better
 * go meanwhile.
 */
export class AnswerDue {
  readonly #minMs: number
  #since = NEVER
  #ptoMs = 0
  #asks = 0
  #nextAt = NEVER

  /** `minMs` 0: nobody asks, and no peer is ever unresponsive. */
  constructor(minMs: number) {
    this.#minMs = minMs
  }

  /** When onTimer wants to be called. */
  get nextAt(): number {
    return this.#nextAt
  }

  /** Something is being waited for. */
  get isDue(): boolean {
    return this.#since !== NEVER
  }

  /** Rule 1. */
  get isInDoubt(): boolean {
    return this.#asks > 0
  }

  /** Something was sent that the peer must acknowledge. */
  onSent(ptoMs: number, now: number): void {
    if (this.#since !== NEVER || this.#minMs === 0) return
    this.#since = now
    this.#ptoMs = ptoMs
    this.#nextAt = now + ptoMs
  }

  /** Something came. */
  onHeard(): void {
    if (this.#since === NEVER) return
    this.#since = NEVER
    this.#asks = 0
    this.#nextAt = NEVER
  }

  onTimer(now: number): AnswerVerdict {
    if (now < this.#nextAt) return 'fine'
    if (now - this.#nextAt > LATE_MS) {
      this.#nextAt = now + LATE_MS
      return 'fine'
    }
    const limitMs = Math.max(PROBE_TIMEOUTS * this.#ptoMs, this.#minMs)
    if (this.#asks >= MIN_ASKS && now - this.#since >= limitMs) {
      this.#nextAt = NEVER
      return 'unresponsive'
    }
    this.#asks += 1
    this.#nextAt = now + Math.max(1, (limitMs - this.#ptoMs) / MIN_ASKS)
    return 'ask'
  }
}
