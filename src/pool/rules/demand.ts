/** How often the level follows the demand. */
const TICK_MS = 500
/**
 * Of the difference to the demand, what each tick makes up for: the level rises in a second and sinks in half
 * a minute. The rate of requests, of which there may be few, is an average over half a minute either way.
 */
const RISE = 0.5
const SINK = 1 / 60
/** Less than this is nobody. */
const MIN_STREAMS = 0.01
/** A connection is kept for an origin that gets so many requests, on average, while it keeps an idle one. */
const MIN_USES = 2

export interface DemandOptions {
  /** Connections for so many times the demand; 0: the demand sets no level. */
  readonly headroom: number
}

/** What a connection of the origin is worth. */
export interface DemandTerms {
  /** Exchanges that one carries at once; undefined: nobody knows yet. */
  readonly streamsPerConnection: number | undefined
  /** For how long one may be idle. */
  readonly keptMs: number
  readonly maxConnections: number
}

/**
 * How many connections the demand needs, by Little's law (J. D. C. Little, 1961): what is under way at once
 * is the rate of arrivals times the time that each takes. The integral of what is under way over time says
 * that product exactly. The level follows it, a tick ahead while it rises, and slowly down, so that the next
 * burst finds what the last one needed.
 *
 * Who asks less than twice in the time for which the origin keeps an idle connection has none kept: keeping
 * it would cost more handshakes than it spares.
 */
export class Demand {
  readonly #headroom: number
  #arrivals = 0
  /** Exchanges under way x ms. */
  #streamMs = 0
  #at: number
  #tickAt = Infinity

  // At the last tick
  #tickedAt: number
  #tickArrivals = 0
  #tickStreamMs = 0
  #tickStreams = 0

  // Smoothed
  #streams = 0
  #perMs = 0

  constructor(options: DemandOptions, now = 0) {
    this.#headroom = options.headroom
    this.#at = now
    this.#tickedAt = now
  }

  /** Requests so far. */
  get arrivals(): number {
    return this.#arrivals
  }

  /** Exchanges under way at once, on average, as far as they are smoothed. */
  get streams(): number {
    return this.#streams
  }

  /** When the level is to follow again; Infinity: nothing is asked. */
  get tickAt(): number {
    return this.#tickAt
  }

  /** Exchanges under way x ms, up to `now`, at which `streams` are. */
  streamMsAt(streams: number, now: number): number {
    return this.#streamMs + streams * Math.max(0, now - this.#at)
  }

  /** A request came while `streams` exchanges were under way. On the way of every request. */
  onArrival(streams: number, now: number): void {
    this.#arrivals += 1
    this.onChange(streams, now)
    if (this.#tickAt === Infinity && this.#headroom > 0) {
      this.#tickAt = now + TICK_MS
      this.#tickedAt = now
      this.#tickStreamMs = this.#streamMs
      this.#tickArrivals = this.#arrivals - 1
    }
  }

  /** Another number is under way from now on; so far it was `streams`. On the way of every request. */
  onChange(streams: number, now: number): void {
    if (now <= this.#at) return
    this.#streamMs += streams * (now - this.#at)
    this.#at = now
  }

  /** As an earlier process left it: exchanges under way at once, and requests per second. */
  restore(streams: number, rps: number, now: number): void {
    if (this.#headroom === 0 || !(streams > 0) || !(rps > 0)) return
    this.#streams = streams
    this.#perMs = rps / 1000
    this.#tickStreams = streams
    this.#tickedAt = now
    this.#tickAt = now + TICK_MS
  }

  /** Follows what came since the last tick. `streams`: under way now. */
  tick(streams: number, now: number): void {
    this.onChange(streams, now)
    const elapsedMs = now - this.#tickedAt
    if (elapsedMs > 0) {
      const mean = (this.#streamMs - this.#tickStreamMs) / elapsedMs
      const ahead = Math.max(mean, 2 * mean - this.#tickStreams)
      // A late tick follows as far as those would have that it stands for.
      this.#streams += (ahead - this.#streams) * shareOf(ahead > this.#streams ? RISE : SINK, elapsedMs)
      const perMs = (this.#arrivals - this.#tickArrivals) / elapsedMs
      this.#perMs += (perMs - this.#perMs) * shareOf(SINK, elapsedMs)
      this.#tickStreams = mean
    }
    this.#tickedAt = now
    this.#tickArrivals = this.#arrivals
    this.#tickStreamMs = this.#streamMs
    this.#tickAt = now + TICK_MS
    if (this.#streams >= MIN_STREAMS || streams > 0) return
    this.#streams = 0
    this.#perMs = 0
    this.#tickStreams = 0
    this.#tickAt = Infinity
  }

  /** Requests per second, smoothed. */
  get rps(): number {
    return this.#perMs * 1000
  }

  /** Connections that are to be there. */
  level({ streamsPerConnection, keptMs, maxConnections }: DemandTerms): number {
    if (this.#headroom === 0 || this.#streams === 0 || streamsPerConnection === undefined) return 0
    if (this.#perMs * keptMs < MIN_USES) return 0
    const needed = connectionsFor(this.#streams * this.#headroom, streamsPerConnection)
    return Math.min(needed, maxConnections)
  }
}

/**
 * Connections for so many exchanges at once. Where one carries many there is one more: the end of a
 * connection would else make all of them wait for a handshake.
 */
export function connectionsFor(streams: number, streamsPerConnection: number): number {
  return Math.max(1, Math.ceil(streams / streamsPerConnection)) + spareOf(streamsPerConnection)
}

/** See connectionsFor. */
export function spareOf(streamsPerConnection: number): number {
  return streamsPerConnection > 1 ? 1 : 0
}

function shareOf(share: number, elapsedMs: number): number {
  return 1 - (1 - share) ** (elapsedMs / TICK_MS)
}
