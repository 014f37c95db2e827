import { guarded } from '../../base/guard.ts'
import type { Clock } from '../../entry/events.ts'
import { type Origin, type OriginLoad, type Transport, TransportError } from '../../index.ts'
import type { BufferOptions } from './buffer-options.ts'
import { BufferBudget } from './buffer-options.ts'
import { ResponseBuffer } from './response-buffer.ts'

/** How an origin's requests stand. */
interface OriginPressure {
  /** No connection can be added, and none is being made. */
  readonly isFull: boolean
  /** Requests that wait for a connection. */
  readonly waiters: number
  /** Requests under way. */
  readonly streams: number
  /** Those of them whose clients stall. */
  readonly stalledReaders: number
  /**
   * Connections that stalled readers hold without a part in the limits. The end of one helps only if another
   * one takes its place.
   */
  readonly stalled: number
}

/**
 * How many of the stalled are to make room. None while a connection can still be made: who waits then waits
 * for a handshake, which the end of a stalled one would not shorten.
 */
export function stalledToEnd(
  { isFull, waiters, streams, stalledReaders, stalled }: OriginPressure,
  maxStalledShare: number,
): number {
  if (!isFull || maxStalledShare >= 1) return 0
  const stays = Math.floor((streams - stalled) * maxStalledShare)
  return Math.min(waiters, Math.max(0, stalledReaders - stalled - stays))
}

/** An exchange whose origin stands still because its client takes nothing. */
export interface StalledExchange {
  readonly origin: Origin
  /** Lets the origin go on into a buffer. False: it cannot be buffered. */
  startBuffering(): boolean
  /** Gives it up. */
  endStalled(error: TransportError): void
}

/** What stalled readers cost, and what became of them. */
export interface StallStats {
  bufferedBytes: number
  stalledReaders: number
  /** Counters since the start. */
  bufferedResponses: number
  endedReaders: number
}

/**
 * What a stalled reader holds outside the buffers, at most: measured 100 KiB over HTTP/2, and what the
 * sockets on both sides have.
 */
const HELD_PER_STALLED_READER_BYTES = 131_072

/** At most what is held for readers that stall. */
export function heldForSlowReaders({ bufferedBytes, stalledReaders }: StallStats): number {
  return bufferedBytes + stalledReaders * HELD_PER_STALLED_READER_BYTES
}

export interface StalledReadersParts {
  readonly clock: Clock
  readonly transport: Pick<Transport, 'load'>
}

/**
 * Readers that keep up stop and go on all the time: one that goes on within this never costs a buffer. It is
 * also how often stalled readers are looked at, and so how long a request waits at the least before one of
 * them is ended for it.
 */
export const STALL_CHECK_MS = 100

/**
 * All exchanges whose origins were stopped for their clients. A reader that has stalled for a moment has its
 * response buffered, if that frees an HTTP/1.1 connection and there is memory; the others hold what they
 * have, until requests wait for it that an origin has no more connections for.
 */
export class StalledReaders {
  readonly budget: BufferBudget
  readonly #parts: StalledReadersParts
  #options: BufferOptions
  /** Stopped a moment ago, and when; in this order. */
  readonly #paused = new Map<StalledExchange, number>()
  /** Since when they stall, by origin; the longest first. */
  readonly #stalled = new Map<string, Map<StalledExchange, number>>()
  #isArmed = false
  #bufferedResponses = 0
  #endedReaders = 0

  constructor(options: BufferOptions, parts: StalledReadersParts) {
    this.#options = options
    this.#parts = parts
    this.budget = new BufferBudget(options.maxBufferedBytes)
  }

  configure(options: BufferOptions): void {
    this.#options = options
    this.budget.limitBytes = options.maxBufferedBytes
  }

  get stats(): StallStats {
    let stalledReaders = 0
    for (const exchanges of this.#stalled.values()) stalledReaders += exchanges.size
    return {
      bufferedBytes: this.budget.usedBytes,
      stalledReaders,
      bufferedResponses: this.#bufferedResponses,
      endedReaders: this.#endedReaders,
    }
  }

  /** The origin was stopped. */
  addPaused(exchange: StalledExchange): void {
    this.#paused.set(exchange, this.#parts.clock.now())
    this.#arm()
  }

  /** The origin was stopped since the buffer is full. */
  addStalled(exchange: StalledExchange): void {
    this.#stall(exchange, this.#parts.clock.now())
    this.#arm()
  }

  /** The origin goes on, or the exchange is over. */
  delete(exchange: StalledExchange): void {
    if (this.#paused.delete(exchange)) return
    const { key } = exchange.origin
    const exchanges = this.#stalled.get(key)
    if (exchanges?.delete(exchange) === true && exchanges.size === 0) this.#stalled.delete(key)
  }

  /** Undefined: nothing of it is to be buffered. `bytesLeft`: of its body, as far as that is known. */
  makeBuffer(bytesLeft: number | undefined): ResponseBuffer | undefined {
    const { responseBufferBytes } = this.#options
    const buffer = ResponseBuffer.admit(this.budget, responseBufferBytes, bytesLeft)
    if (buffer !== undefined) this.#bufferedResponses++
    return buffer
  }

  #stall(exchange: StalledExchange, since: number): void {
    const { key } = exchange.origin
    let exchanges = this.#stalled.get(key)
    if (exchanges === undefined) {
      exchanges = new Map()
      this.#stalled.set(key, exchanges)
    }
    exchanges.set(exchange, since)
  }

  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    this.#parts.clock.setTimer(STALL_CHECK_MS, () => {
      this.#isArmed = false
      guarded('looking at stalled readers', () => this.#check())
      if (this.#paused.size > 0 || this.#stalled.size > 0) this.#arm()
    })
  }

  #check(): void {
    const now = this.#parts.clock.now()
    for (const [exchange, since] of this.#paused) {
      if (since + STALL_CHECK_MS > now) break
      this.#paused.delete(exchange)
      if (!exchange.startBuffering()) this.#stall(exchange, since)
    }
    for (const exchanges of this.#stalled.values()) this.#makeRoom(exchanges, now)
  }

  #makeRoom(exchanges: Map<StalledExchange, number>, now: number): void {
    const [first] = exchanges.keys()
    const load = first && this.#parts.transport.load(first.origin)
    if (load === undefined) return
    let count = stalledToEnd({ ...load, stalledReaders: exchanges.size }, this.#options.maxStalledShare)
    for (const [exchange, since] of exchanges) {
      if (count === 0 || since + this.#options.stallGraceMs > now) return
      count--
      this.delete(exchange)
      // There may be memory now that was not there when it stalled.
      if (exchange.startBuffering()) continue
      this.#endedReaders++
      exchange.endStalled(tooSlow(exchange.origin, now - since, load))
    }
  }
}

function tooSlow({ key }: Origin, stalledMs: number, { waiters }: OriginLoad): TransportError {
  const message = `the client took nothing for ${Math.round(stalledMs)} ms while ${waiters} requests waited for a connection to ${key}`
  return new TransportError('MM_CLIENT_TOO_SLOW', message, { processed: 'yes' })
}
