const WINDOW_MS = 120_000

/**
 * The shortest round trip of the last two to four minutes: a path that has become longer for good is the new
 * measure after that.
 */
class ShortestRoundTrip {
  #windowAt = Number.NEGATIVE_INFINITY
  #beforeMs = Number.POSITIVE_INFINITY
  #currentMs = Number.POSITIVE_INFINITY

  /** The shortest, this one included. */
  onRoundTrip(rttMs: number, now: number): number {
    if (now - this.#windowAt >= WINDOW_MS) {
      this.#beforeMs = now - this.#windowAt >= 2 * WINDOW_MS ? Number.POSITIVE_INFINITY : this.#currentMs
      this.#currentMs = Number.POSITIVE_INFINITY
      this.#windowAt = now
    }
    this.#currentMs = Math.min(this.#currentMs, rttMs)
    return Math.min(this.#beforeMs, this.#currentMs)
  }

  reset(): void {
    this.#windowAt = Number.NEGATIVE_INFINITY
    this.#beforeMs = Number.POSITIVE_INFINITY
    this.#currentMs = Number.POSITIVE_INFINITY
  }
}

/**
 * Is the path in use failing? Theory of operation:
 *
 * A path is silent when an answer is due and none comes. While data flows, one probe timeout of silence is
 * worth a question (a ping); while the peer thinks, a second of it is; a loss timeout (RFC 9002 6.2) is an
 * answer that was due already. From then on questions go out four times per probe timeout, and any packet
 * ends it all.
 *
 * 1. a loss timeout, or a question that was not answered for a probe timeout: suspect
 * 2. a second loss timeout, or two probe timeouts since the first question, and five questions unanswered:
 *    failed
 *
 * Both of 2 are needed since neither tells a dead path from a lossy one. With 5 % loss each way, every tenth
 * exchange has a timeout and every tenth of those a second one, which would be a false alarm every few
 * seconds; five more questions, each lost with 10 %, make it one in 10^5 of those. And a process that was
 * held up for a second finds its deadlines past with the answers still in its socket: it has yet to ask.
 *
 * A path is slow when its round trips are four times the shortest of the last minutes and 200 ms more, eight
 * times in a row (a queue that fills, a detour). That is never a failure by itself: it delivers.
 */

const QUESTIONS_PER_TIMEOUT = 4
const MIN_QUESTIONS = 5
/** How long nothing need come of a peer that thinks. */
const QUIET_MS = 1000
/** Below this, timers and the loop itself are too coarse. */
const MIN_PTO_MS = 20
const SLOW_FACTOR = 4
const SLOW_BY_MS = 200
const SLOW_SAMPLES = 8

/**
 * What is wrong with a path: loss timeouts that nothing answered, round trips that have grown, or silence
 * where data flowed.
 */
export type PathFault = 'timeouts' | 'slow' | 'silent'

/** The path in use, now. */
export interface PathSample {
  /** When a packet last came over it that the engine took: by the clock of `now`. */
  readonly heardAt: number
  /** Loss timeouts (RFC 9002 6.2) since anything came. */
  readonly timeoutsInARow: number
  /** The smoothed round trip; 0: there is none yet. */
  readonly rttMs: number
  /**
   * The probe timeout of RFC 9002 6.2.1 without its doubling: the smoothed round trip, four variations, and
   * the peer's acknowledgement delay.
   */
  readonly ptoMs: number
  /** An exchange is under way. */
  readonly isWaiting: boolean
  /** Stream bytes came or went in the last few round trips. */
  readonly hasFlowed: boolean
}

export type Verdict =
  | { readonly kind: 'fine' }
  /** Put out a ping: silence says nothing yet. */
  | { readonly kind: 'ask' }
  /** Validate a second path beside it. `asks`: put out a ping as well. `rttMs`: of this path. */
  | { readonly kind: 'suspect'; readonly cause: PathFault; readonly asks: boolean; readonly rttMs: number }
  /** Nothing comes any more. */
  | { readonly kind: 'failed'; readonly cause: PathFault }

const FINE: Verdict = { kind: 'fine' }

interface Doubt {
  readonly cause: 'timeouts' | 'silent'
  readonly since: number
  /** When each question went out. */
  readonly questions: number[]
}

/** Watches one path: a connection that has moved needs reset(). */
export class PathWatch {
  readonly #shortest = new ShortestRoundTrip()
  #heardAt = Number.NEGATIVE_INFINITY
  /** Since when somebody waits. */
  #waitsSince: number | undefined
  /**
   * Since when silence counts, as stream bytes flow; undefined: they have not since something was last
   * received.
   */
  #flowsSince: number | undefined
  /**
   * Loss timeouts of before: of another path, or of what nobody waited for. Undefined: there was no sample
   * yet.
   */
  #timeoutsBefore: number | undefined
  #doubt: Doubt | undefined
  #slowSamples = 0
  #roundTripAt = Number.NEGATIVE_INFINITY
  #nextAt = Number.POSITIVE_INFINITY

  /**
   * Call at nextAt, and after each loss timeout of the engine; oftener is harmless. The verdict says what
   * holds now: the same one comes again while it does, but questions only when they are due.
   */
  onSample(sample: PathSample, now: number): Verdict {
    const ptoMs = Math.max(sample.ptoMs, MIN_PTO_MS)
    this.#timeoutsBefore ??= sample.timeoutsInARow
    if (sample.heardAt > this.#heardAt) {
      this.#heardAt = sample.heardAt
      this.#timeoutsBefore = 0
      this.#flowsSince = sample.hasFlowed ? sample.heardAt : undefined
      this.#doubt = undefined
    }
    this.#timeoutsBefore = Math.min(this.#timeoutsBefore, sample.timeoutsInARow)
    if (sample.hasFlowed) this.#flowsSince ??= now
    const isSlow = this.#isSlow(sample, now)
    if (!sample.isWaiting) {
      // Timeouts of what nobody waits for are liveness's business.
      this.#timeoutsBefore = sample.timeoutsInARow
      this.#flowsSince = undefined
      this.#waitsSince = undefined
      this.#doubt = undefined
      this.#nextAt = Number.POSITIVE_INFINITY
      return FINE
    }
    this.#waitsSince ??= now
    const timeouts = sample.timeoutsInARow - this.#timeoutsBefore
    if (this.#doubt === undefined) {
      // The engine's timer may be one that ends a round trip after an acknowledgement, or the moment before
      // the answer was read.
      const quietAt = Math.max(this.#heardAt, this.#waitsSince) + Math.max(QUIET_MS, 4 * ptoMs)
      const flowAt = (this.#flowsSince ?? Number.POSITIVE_INFINITY) + ptoMs
      const dueAt = timeouts > 0 ? this.#heardAt + ptoMs / 2 : Math.min(quietAt, flowAt)
      if (now >= dueAt)
        this.#doubt = { cause: timeouts > 0 ? 'timeouts' : 'silent', since: now, questions: [] }
      this.#nextAt = Math.min(dueAt, now + ptoMs)
    }
    if (this.#doubt === undefined) {
      return isSlow ? { kind: 'suspect', cause: 'slow', asks: false, rttMs: sample.rttMs } : FINE
    }
    return this.#judge(this.#doubt, { ...sample, ptoMs, timeoutsInARow: timeouts }, isSlow, now)
  }

  /** When onSample wants to be called; Infinity: not before something begins. */
  get nextAt(): number {
    return this.#nextAt
  }

  /** Another path is in use: what is known of the old one says nothing of it. Call onSample soon. */
  reset(now: number): void {
    this.#shortest.reset()
    this.#heardAt = now
    this.#timeoutsBefore = undefined
    this.#waitsSince = undefined
    this.#flowsSince = undefined
    this.#doubt = undefined
    this.#slowSamples = 0
    this.#roundTripAt = Number.NEGATIVE_INFINITY
    this.#nextAt = now
  }

  #judge(doubt: Doubt, sample: PathSample, isSlow: boolean, now: number): Verdict {
    const { rttMs, ptoMs, timeoutsInARow } = sample
    const stepMs = ptoMs / QUESTIONS_PER_TIMEOUT
    const overdueAt = doubt.since + 2 * ptoMs
    const lastAt = doubt.questions.at(-1) ?? Number.NEGATIVE_INFINITY
    const asks = now >= lastAt + stepMs
    const stepAt = (asks ? now : lastAt) + stepMs
    this.#nextAt = overdueAt > now ? Math.min(stepAt, overdueAt) : stepAt
    const cause = timeoutsInARow > 0 ? 'timeouts' : doubt.cause
    const unanswered = doubt.questions.filter(at => now - at >= rttMs).length
    if ((timeoutsInARow >= 2 || now >= overdueAt) && unanswered >= MIN_QUESTIONS)
      return { kind: 'failed', cause } // 2
    if (asks) doubt.questions.push(now)
    if (timeoutsInARow > 0 || now - doubt.since >= ptoMs) return { kind: 'suspect', cause, asks, rttMs } // 1
    if (isSlow) return { kind: 'suspect', cause: 'slow', asks, rttMs }
    return asks ? { kind: 'ask' } : FINE
  }

  /** One sample per round trip: in between the smoothed one says nothing new. */
  #isSlow({ rttMs }: PathSample, now: number): boolean {
    if (rttMs > 0 && now - this.#roundTripAt >= rttMs) {
      this.#roundTripAt = now
      const shortestMs = this.#shortest.onRoundTrip(rttMs, now)
      const isSlow = rttMs > SLOW_FACTOR * shortestMs && rttMs > shortestMs + SLOW_BY_MS
      this.#slowSamples = isSlow ? this.#slowSamples + 1 : 0
    }
    return this.#slowSamples >= SLOW_SAMPLES
  }
}

/** Before anything was measured (RFC 9002 6.2.2). */
const INITIAL_RTT_MS = 333
/** Of the peer (RFC 9000 18.2, max_ack_delay), unless it says otherwise. */
const ACK_DELAY_MS = 25
const GRANULARITY_MS = 1

/**
 * The probe timeout of a path (RFC 9002 6.2.1), from the smoothed round trip alone: the engine does not
 * report its variation, so that the variation of what it reports stands in for it. The engine's own timers go
 * by the real one.
 */
export class RoundTrips {
  #rttMs = 0
  #variationMs = 0

  /** 0: there is none yet. */
  onSample(rttMs: number): void {
    if (rttMs <= 0) return
    if (this.#rttMs === 0) this.#variationMs = rttMs / 2
    else this.#variationMs += (Math.abs(rttMs - this.#rttMs) - this.#variationMs) / 4
    this.#rttMs = rttMs
  }

  /** Smoothed. 0: not measured yet. */
  get rttMs(): number {
    return this.#rttMs
  }

  get ptoMs(): number {
    const rttMs = this.#rttMs === 0 ? INITIAL_RTT_MS : this.#rttMs
    const variationMs = this.#rttMs === 0 ? INITIAL_RTT_MS / 2 : this.#variationMs
    return rttMs + Math.max(4 * variationMs, GRANULARITY_MS) + ACK_DELAY_MS
  }
}
