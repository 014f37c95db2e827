/** Ends that say something: the last so many. */
const MAX_CLOSES = 8
/** An end is forgotten when so many connections have stood idle for longer, and stood. */
const MAX_OUTLIVED = 4
/** Fewer are chance. */
const MIN_CLOSES = 2
/** Ends within so much of each other have one cause: a timer that fired, or a peer that reloads. */
const BURST_MS = 100
/** Right behind an exchange no idle timeout ends: the peer did not want the connection for something else. */
const MIN_IDLE_MS = 200
/** One in so many connections is left to stand beyond the horizon, to find out whether it still holds. */
const TRIAL_EVERY = 16
/** What is believed is at least as likely as not. */
const MIN_CONFIDENCE = 0.5

/**
 * How long an origin keeps connections that carry nothing, as it was seen.
 *
 * @example
 * ```ts
 * for (const { origin, idleHorizon } of transport.stats().pools)
 *   console.log(origin, idleHorizon.keptMs ?? 'not known yet', idleHorizon.racesLost)
 * ```
 */
export interface IdleHorizonFigures {
  /** The shortest time after which the origin ends an idle connection, in ms. Undefined: not known. */
  readonly keptMs: number | undefined
  /** How sure that is, 0 to 1: of connections that stood idle for as long, the share that was ended then. */
  readonly confidence: number
  /** Ends by the origin that it was learned from. */
  readonly closes: number
  /** Connections that the origin ended while they were idle, for whatever reason. */
  readonly idleEnds: number
  /** Connections that we ended just before the origin would have. */
  readonly retired: number
  /** Requests that came while such a connection was the next one, and did not meet its end. */
  readonly racesAvoided: number
  /** Requests that were written to a connection that its origin ended at the same time. */
  readonly racesLost: number
}

/** An end by the origin. */
interface IdleClose {
  readonly ms: number
  /** Connections that stood idle for clearly longer, since. */
  outlived: number
}

/**
 * Learns after how long an origin ends idle connections, from those that it ended and those that lasted. The
 * servers' timers are exact, so that ends which belong to one lie close together: the lowest group of them is
 * the horizon. Its confidence is the hazard at that point (E. L. Kaplan, P. Meier, 1958), with one connection
 * that lasted taken for granted: ends / (ends + lasted + 1).
 *
 * An origin that ends all its connections in one moment (a reload) tells nothing: they stood idle for times
 * that differ. What is retired before the horizon would never find out that the origin keeps connections for
 * longer now, so that one in sixteen is left to stand, unused; when it lasts, the next ones are, too.
 */
export class IdleHorizon {
  readonly #marginMs: number
  readonly #closes: IdleClose[] = []
  #keptMs = Infinity
  #confidence = 0
  /** Longer than this, a connection has outlived one of the ends. */
  #noteFromMs = Infinity
  #burst: { at: number; readonly ms: number; close: IdleClose | undefined } | undefined
  #retired = 0
  #trialUntil = -Infinity

  /** `marginMs`: see PoolOptions.keepAliveMarginMs. */
  constructor(marginMs: number) {
    this.#marginMs = marginMs
    this.#burst = undefined
  }

  /** Infinity: not known. */
  get keptMs(): number {
    return this.#keptMs
  }

  get confidence(): number {
    return this.#confidence
  }

  get closes(): number {
    return this.#closes.length
  }

  /** For how long an idle connection may be used: until the margin before its end. Infinity: not known. */
  get usableMs(): number {
    return this.#keptMs - Math.min(this.#marginMs, this.#keptMs / 2)
  }

  /** As an earlier process has learned it. */
  restore(keptMs: number, confidence: number): void {
    if (!(keptMs >= MIN_IDLE_MS) || !(confidence >= MIN_CONFIDENCE)) return
    for (let close = 0; close < MIN_CLOSES; close++) this.#closes.push({ ms: keptMs, outlived: 0 })
    this.#estimate()
  }

  /** The origin ended a connection that was idle for `idleMs`. */
  onClosed(idleMs: number, now: number): void {
    if (idleMs < MIN_IDLE_MS) return
    const burst = this.#burst
    if (burst !== undefined && now - burst.at < BURST_MS) {
      burst.at = now
      if (Math.abs(idleMs - burst.ms) <= BURST_MS || burst.close === undefined) return
      // Of different ages, and all at once: no timer of theirs has ended them.
      const at = this.#closes.indexOf(burst.close)
      burst.close = undefined
      if (at < 0) return
      this.#closes.splice(at, 1)
    } else {
      for (const close of this.#closes) if (idleMs > upperBound(close.ms)) close.outlived += 1
      const close = { ms: idleMs, outlived: 0 }
      this.#burst = { at: now, ms: idleMs, close }
      this.#closes.push(close)
      if (this.#closes.length > MAX_CLOSES) this.#closes.shift()
    }
    this.#estimate()
  }

  /** A connection was idle for `idleMs` and still stands. On the way of every request that reuses one. */
  onLasted(idleMs: number): void {
    if (idleMs <= this.#noteFromMs) return
    for (const close of this.#closes) if (idleMs > upperBound(close.ms)) close.outlived += 1
    this.#estimate()
  }

  /**
   * A connection is about to be retired for the horizon. Answers for how long it is to stand instead, counted
   * from when it became idle; undefined: it goes.
   */
  onRetiring(idleMs: number, now: number): number | undefined {
    this.#retired += 1
    const isDoubted = this.#closes.some(({ outlived }) => outlived > 0)
    if (now < this.#trialUntil || (!isDoubted && this.#retired % TRIAL_EVERY !== 0)) return undefined
    const trialMs = 2 * this.#keptMs
    this.#trialUntil = now + trialMs - idleMs
    return trialMs
  }

  #estimate(): void {
    for (let at = this.#closes.length - 1; at >= 0; at--) {
      if ((this.#closes[at]?.outlived ?? 0) >= MAX_OUTLIVED) this.#closes.splice(at, 1)
    }
    const sorted = this.#closes.toSorted((a, b) => a.ms - b.ms)
    this.#noteFromMs = sorted[0] === undefined ? Infinity : upperBound(sorted[0].ms)
    this.#keptMs = Infinity
    this.#confidence = 0
    for (const { ms } of sorted) {
      const group = sorted.filter(close => close.ms >= ms && close.ms <= upperBound(ms))
      const lasted = group.reduce((sum, { outlived }) => sum + outlived, 0) / group.length
      const confidence = group.length / (group.length + lasted + 1)
      if (group.length < MIN_CLOSES || confidence < MIN_CONFIDENCE) continue
      this.#keptMs = ms
      this.#confidence = confidence
      return
    }
  }
}

/** Ends up to here are of the same timer: timers of servers are late by a little, and so are we. */
function upperBound(ms: number): number {
  return ms * 1.1 + BURST_MS
}
