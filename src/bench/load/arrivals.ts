import type { Arrival } from './load-job.ts'

/**
 * When requests begin. It is asked after everything that happens: `next()` until it says undefined, then
 * `nextAt()` for when to ask again without an end. Nothing under way, nothing to begin and no time to ask
 * again: that was all.
 */
export interface Arrivals {
  /**
   * When the request was due that begins now; undefined: none does. Each other answer is one request under
   * way.
   */
  next(now: number): number | undefined
  /** When to ask again if nothing ends before; undefined: only after an end. */
  nextAt(): number | undefined
  /** One that was under way has ended. */
  onEnd(now: number): void
  /** Begins no more, not even those that are due. */
  stop(): void
  /** Due and not begun. */
  readonly waiting: number
  /** See LoadReport.late. */
  readonly late: { readonly mostWaiting: number; readonly longestMs: number }
}

/** Requests begin until so many were begun or so many seconds have passed, whichever comes first. */
export interface ArrivalLimits {
  readonly requests: number
  readonly seconds: number
}

/** `random` is asked for Poisson arrivals only. */
export function arrivalsOf(
  arrival: Arrival,
  limits: ArrivalLimits,
  startedAt: number,
  random: () => number,
): Arrivals {
  switch (arrival.kind) {
    case 'closed':
      return new ClosedArrivals(arrival.concurrency, limits, startedAt)
    case 'open':
      return new OpenArrivals(arrival, limits, startedAt, random)
    case 'bursts':
      break
  }
  return new BurstArrivals(arrival, limits, startedAt)
}

const NEVER_LATE = { mostWaiting: 0, longestMs: 0 }

/**
 * A request is due when the one before it has ended, so that none is ever late: whoever would have come
 * meanwhile is not asked.
 */
class ClosedArrivals implements Arrivals {
  readonly waiting = 0
  readonly late = NEVER_LATE
  readonly #concurrency: number
  readonly #endsAt: number
  #left: number
  #underWay = 0

  constructor(concurrency: number, limits: ArrivalLimits, startedAt: number) {
    this.#concurrency = concurrency
    this.#endsAt = startedAt + limits.seconds * 1000
    this.#left = limits.requests
  }

  next(now: number): number | undefined {
    if (this.#left <= 0 || now >= this.#endsAt || this.#underWay >= this.#concurrency) return undefined
    this.#left--
    this.#underWay++
    return now
  }

  nextAt(): undefined {
    return undefined
  }

  onEnd(): void {
    this.#underWay--
  }

  stop(): void {
    this.#left = 0
  }
}

/**
 * So many begin at once before those behind them are held to the pace of a catch-up: at random times some
 * come close together anyway.
 */
const CATCH_UP_BURST = 5

/** Due times are a matter of the rate alone. Those that were due before the end begin, however late. */
class OpenArrivals implements Arrivals {
  readonly #maxInFlight: number
  readonly #endsAt: number
  readonly #gapMs: () => number
  /** Of a catch-up. */
  readonly #leastGapMs: number
  /** When the next one might begin if none ever began sooner than that after the one before it. */
  #inPaceAt = Number.NEGATIVE_INFINITY
  /** Due times of those that wait, from #head on. */
  #queue: number[] = []
  #head = 0
  #left: number
  #nextDue: number
  #underWay = 0
  #mostWaiting = 0
  #longestMs = 0

  constructor(
    {
      perSecond,
      spacing,
      maxInFlight,
      catchUpPerSecond = Number.POSITIVE_INFINITY,
    }: Extract<Arrival, { kind: 'open' }>,
    limits: ArrivalLimits,
    startedAt: number,
    random: () => number,
  ) {
    const meanMs = 1000 / perSecond
    // Times between the events of a Poisson process are exponential.
    this.#gapMs = spacing === 'even' ? () => meanMs : () => -Math.log(1 - random()) * meanMs
    this.#maxInFlight = maxInFlight
    this.#leastGapMs = 1000 / catchUpPerSecond
    this.#endsAt = startedAt + limits.seconds * 1000
    this.#left = limits.requests
    this.#nextDue = startedAt + (spacing === 'even' ? 0 : this.#gapMs())
  }

  get waiting(): number {
    return this.#queue.length - this.#head
  }

  get late() {
    return { mostWaiting: this.#mostWaiting, longestMs: this.#longestMs }
  }

  next(now: number): number | undefined {
    while (this.#hasMore() && this.#nextDue <= now) {
      this.#queue.push(this.#nextDue)
      this.#left--
      this.#nextDue += this.#gapMs()
    }
    const due = this.#queue[this.#head]
    if (due === undefined || this.#underWay >= this.#maxInFlight || now < this.#mayBeginAt) {
      this.#mostWaiting = Math.max(this.#mostWaiting, this.waiting)
      return undefined
    }
    this.#head++
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    this.#inPaceAt = Math.max(this.#inPaceAt, now) + this.#leastGapMs
    this.#underWay++
    this.#longestMs = Math.max(this.#longestMs, now - due)
    return due
  }

  nextAt(): number | undefined {
    if (this.#underWay >= this.#maxInFlight) return undefined
    if (this.waiting > 0) return this.#mayBeginAt
    return this.#hasMore() ? this.#nextDue : undefined
  }

  onEnd(): void {
    this.#underWay--
  }

  stop(): void {
    this.#left = 0
    this.#queue = []
    this.#head = 0
  }

  get #mayBeginAt(): number {
    return this.#inPaceAt - (CATCH_UP_BURST - 1) * this.#leastGapMs
  }

  #hasMore(): boolean {
    return this.#left > 0 && this.#nextDue < this.#endsAt
  }
}

/** A burst that has begun is complete, unless the number of requests is. */
class BurstArrivals implements Arrivals {
  readonly waiting = 0
  readonly late = NEVER_LATE
  readonly #size: number
  readonly #pauseMs: number
  readonly #endsAt: number
  #left: number
  #leftOfBurst = 0
  #underWay = 0
  #nextAt: number

  constructor(
    { requests, pauseMs }: Extract<Arrival, { kind: 'bursts' }>,
    limits: ArrivalLimits,
    startedAt: number,
  ) {
    this.#size = requests
    this.#pauseMs = pauseMs
    this.#endsAt = startedAt + limits.seconds * 1000
    this.#left = limits.requests
    this.#nextAt = startedAt
  }

  next(now: number): number | undefined {
    if (this.#leftOfBurst === 0 && this.#isBetween() && now >= this.#nextAt && now < this.#endsAt) {
      this.#leftOfBurst = Math.min(this.#size, this.#left)
      this.#left -= this.#leftOfBurst
    }
    if (this.#leftOfBurst === 0) return undefined
    this.#leftOfBurst--
    this.#underWay++
    return now
  }

  nextAt(): number | undefined {
    return this.#isBetween() && this.#left > 0 && this.#nextAt < this.#endsAt ? this.#nextAt : undefined
  }

  onEnd(now: number): void {
    this.#underWay--
    if (this.#isBetween()) this.#nextAt = now + this.#pauseMs
  }

  stop(): void {
    this.#left = 0
    this.#leftOfBurst = 0
  }

  #isBetween(): boolean {
    return this.#underWay === 0 && this.#leftOfBurst === 0
  }
}
