import { afterPoll } from '../../base/after-poll.ts'
import { DeadlineTimer, NEVER } from '../../base/clock.ts'
import { asTransportError, stacklessError, type TransportError } from '../../base/errors.ts'
import { guardedListener, reportFault } from '../../base/guard.ts'
import type { SessionEnd } from '../../http/multiplex/client-session.ts'
import type { RequestHead } from '../../http/multiplex/messages/message-head.ts'
import type { Stream } from '../../http/multiplex/stream.ts'
import type { IngressLimits } from '../ingress-limits.ts'
import { countBadRequest, countDefence, type IngressProtocolStats } from '../ingress-stats.ts'
import { RateWatch } from '../rate-watch.ts'
import type { ListenerContext } from '../session-context.ts'
import { SharedRate } from './shared-rate.ts'
import { StreamExchange } from './stream-exchange.ts'
import type { ConnectionEnds, StreamExchangeHost } from './stream-exchange-host.ts'

/**
 * What is to be counted and reported of the end of a client's session; undefined: it ended as sessions do.
 */
function sessionEndError({ cause, isError, message }: SessionEnd): TransportError | undefined {
  if (cause === 'flood') return stacklessError('MM_EXCESSIVE_LOAD', message)
  if (cause === 'timeout' || (cause === 'peer' && isError)) return stacklessError('MM_BAD_REQUEST', message)
  return undefined
}

/** The connection that the exchanges are on: what differs from HTTP/2 to HTTP/3. */
export interface ExchangesCarrier {
  readonly protocol: 'h2' | 'h3'
  readonly ends: ConnectionEnds
  /** The client is at the address that it bears. False: over UDP it may still bear that of somebody else. */
  readonly isAddressProven: boolean
  /** See StreamExchangeHost. */
  readonly isHoldingBack: boolean
  readonly ownsReads: boolean
  keep(chunk: Buffer): Buffer
  /** It takes no more after so many; 0: any number. */
  readonly maxRequests: number
  /** What was put out and waits below the streams, in bytes. */
  readonly pendingBytes: number
  /** Calls openHeld() before the loop waits. */
  scheduleHeld(): void
  /** When `onDue` wants to be called besides; Infinity: not at all. */
  readonly nextDeadlineAt: number
  /** Time may be up for the connection. */
  onDue(now: number): void
  /** A deadline has thrown, which was reported: the connection ends, with its exchanges. */
  onFault(error: TransportError): void
  /** Takes no more requests: it was idle for too long, or this was the last one. */
  drain(): void
}

/**
 * - `open`: requests come. Valid transitions: ended, closed
 * - `ended`: the session is over, and its connection goes on for a while. Valid transitions: closed
 * - `closed`: Final
 */
type Phase = 'open' | 'ended' | 'closed'

/**
 * The exchanges of one connection that carries many at once, from the read that brings them to their end:
 * what a listener does with HTTP/2 and HTTP/3 alike. Requests are handed on after the read that brought them:
 * a small body has then come with its head, and a request that was taken back in the same breath (rapid
 * reset) has cost nobody anything.
 *
 * Time. The protocols watch what they are owed themselves. Here: the connection that carries no request
 * (keepAliveTimeoutMs), and the single exchanges that have something to be watched for (a body that does not
 * go on, a response whose window stays shut). One timer serves all; a plain GET with its answer touches
 * neither it nor any table.
 */
export class SessionExchanges implements StreamExchangeHost<StreamExchange> {
  readonly httpVersion: string
  /** When the read came that is being worked on. */
  readAtMs: number
  /**
   * Why the connection ended, where that was not the session's doing. Set it before the session reports its
   * streams.
   */
  endError: TransportError | undefined
  readonly #carrier: ExchangesCarrier
  readonly #context: ListenerContext
  readonly #stats: IngressProtocolStats
  readonly #timer: DeadlineTimer
  #phase: Phase = 'open'
  #requests = 0
  /** Requests of the current read. */
  #begun: StreamExchange[] = []
  /** Those that nobody is to act on before the handshake is complete. */
  #early: StreamExchange[] = []
  /** Those whose head waits for what comes behind it. */
  #held: StreamExchange[] = []
  /** Those with something to be watched for. */
  readonly #watched = new Set<StreamExchange>()
  /** Answered before the request was complete; they end when the answer has left. */
  readonly #leaving = new Set<StreamExchange>()
  /** Those whose request body waits for a reader. */
  readonly #sleeping = new Set<StreamExchange>()
  /** Undefined: any rate will do. */
  readonly #requestRate: SharedRate<StreamExchange> | undefined
  readonly #responseRate: SharedRate<StreamExchange> | undefined
  #isConfirming = false
  #sweepAtMs = NEVER
  #idleAtMs = NEVER

  constructor(carrier: ExchangesCarrier, context: ListenerContext) {
    const { clock, limits } = context
    const { minRequestRate, minResponseRate, rateGraceMs } = limits
    if (minRequestRate > 0)
      this.#requestRate = new SharedRate(
        new RateWatch(minRequestRate, rateGraceMs),
        exchange => exchange.requestProgress,
      )
    if (minResponseRate > 0)
      this.#responseRate = new SharedRate(
        new RateWatch(minResponseRate, rateGraceMs),
        exchange => exchange.responseProgress,
      )
    this.httpVersion = carrier.protocol === 'h2' ? '2' : '3'
    this.#carrier = carrier
    this.#context = context
    this.#stats = context.stats.protocols[carrier.protocol]
    const onDue = guardedListener(
      'a deadline of a client',
      () => this.#onDue(),
      error => carrier.onFault(error),
    )
    this.#timer = new DeadlineTimer(clock, onDue)
    this.readAtMs = clock.now()
  }

  // What the session reports

  /** A read begins, at `now`. Answers with its time. */
  beginInput(now: number = this.#context.clock.now()): number {
    this.readAtMs = now
    return now
  }

  get hasRequests(): boolean {
    return this.#requests > 0
  }

  /** The read is over: hands on the requests that it brought. */
  endInput(): void {
    if (this.#begun.length > 0) this.#begin()
    // Windows may have opened.
    if (this.#leaving.size > 0) {
      for (const exchange of this.#leaving) if (exchange.resetIfSent()) this.#leaving.delete(exchange)
    }
    this.cover(this.#carrier.nextDeadlineAt)
  }

  /** A request began. `awaitsHandshake`: it is handed on by onHandshake(), not at the end of the read. */
  receive(stream: Stream, head: RequestHead, endsStream: boolean, awaitsHandshake = false): StreamExchange {
    this.#requests++
    this.#stats.requests++
    this.#idleAtMs = NEVER
    const exchange = new StreamExchange(this, stream, head, endsStream)
    if (awaitsHandshake) this.#early.push(exchange)
    else this.#begun.push(exchange)
    return exchange
  }

  /** The handshake is complete, within a read. */
  onHandshake(): void {
    this.#begun.push(...this.#early)
    this.#early = []
  }

  /** Nothing is under way: the client must ask for something within keepAliveTimeoutMs. */
  expectRequest(): void {
    const { keepAliveTimeoutMs } = this.#context.limits
    if (this.#phase !== 'open' || keepAliveTimeoutMs === 0) return
    this.#idleAtMs = this.readAtMs + keepAliveTimeoutMs
    this.cover(this.#idleAtMs)
  }

  /** Everything that was put out in this turn is on its way: heads without a body so far go too. */
  openHeld(): void {
    if (this.#held.length === 0) return
    const held = this.#held
    this.#held = []
    for (const exchange of held) exchange.onOpenHeld()
  }

  /** Request bodies whose reader sleeps, so that what comes of them is held. */
  get stalledReaders(): number {
    return this.#sleeping.size
  }

  /** Sees that deadlines are looked at then, if not before. */
  cover(deadlineMs: number): void {
    if (this.#phase !== 'closed') this.#timer.cover(deadlineMs)
  }

  onDefence(limit: string): void {
    countDefence(this.#context.stats, limit)
  }

  /**
   * The session is over, and its streams were notified. The connection may go on for a while, which `cover`
   * still serves.
   */
  onEnd(end: SessionEnd): void {
    if (end.defect !== undefined)
      reportFault(`a session of ${this.#carrier.protocol} with a client`, end.defect)
    const error = sessionEndError(end)
    if (error !== undefined) this.onRefused(error)
    if (end.cause === 'flood' && this.#carrier.isAddressProven) this.#countFlood()
    if (this.#phase === 'open') this.#phase = 'ended'
    this.#idleAtMs = this.#sweepAtMs = NEVER
  }

  #countFlood(): void {
    const { flooders, clock, observer } = this.#context
    const { remoteAddress, remotePort } = this.#carrier.ends
    if (flooders.count(remoteAddress, clock.now()))
      observer({ type: 'flooder-refused', remoteAddress, remotePort })
  }

  /** The connection is gone. */
  close(): void {
    this.#phase = 'closed'
    this.#idleAtMs = this.#sweepAtMs = NEVER
    this.#timer.cancel()
    this.#begun = []
    this.#early = []
    this.#held = []
  }

  // What exchanges ask for

  get limits(): IngressLimits {
    return this.#context.limits
  }

  get proxyName(): string {
    return this.#context.proxyName
  }

  get scheme(): 'http' | 'https' {
    return this.#context.scheme
  }

  get ends(): ConnectionEnds {
    return this.#carrier.ends
  }

  get isHoldingBack(): boolean {
    return this.#carrier.isHoldingBack
  }

  get ownsReads(): boolean {
    return this.#carrier.ownsReads
  }

  now(): number {
    return this.#context.clock.now()
  }

  keep(chunk: Buffer): Buffer {
    return this.#carrier.keep(chunk)
  }

  hold(exchange: StreamExchange): void {
    this.#held.push(exchange)
    this.#carrier.scheduleHeld()
  }

  watch(exchange: StreamExchange, deadlineMs: number): void {
    this.#watched.add(exchange)
    if (deadlineMs >= this.#sweepAtMs) return
    this.#sweepAtMs = deadlineMs
    this.cover(deadlineMs)
  }

  setAwaited(exchange: StreamExchange, isAwaited: boolean): void {
    const rate = this.#requestRate
    if (rate === undefined) return
    if (isAwaited) {
      rate.begin(exchange, this.now())
      this.cover(rate.deadlineMs)
    } else rate.end(exchange, this.now())
  }

  onResponseWaits(exchange: StreamExchange, isAnew: boolean): void {
    const rate = this.#responseRate
    if (rate === undefined) return
    rate.begin(exchange, this.now(), { isAnew, bytes: this.#carrier.pendingBytes })
    this.cover(rate.deadlineMs)
  }

  onResponseTaken(exchange: StreamExchange): void {
    this.#responseRate?.end(exchange, this.now())
  }

  setSleeping(exchange: StreamExchange, isSleeping: boolean): void {
    if (isSleeping) this.#sleeping.add(exchange)
    else this.#sleeping.delete(exchange)
  }

  forget(exchange: StreamExchange): void {
    this.#requestRate?.end(exchange, this.now())
    this.#responseRate?.end(exchange, this.now())
    this.#watched.delete(exchange)
    this.#sleeping.delete(exchange)
  }

  resetWhenSent(exchange: StreamExchange): void {
    if (!exchange.resetIfSent()) this.#leaving.add(exchange)
  }

  onFieldsDropped(count: number): void {
    this.#context.stats.droppedFields += count
  }

  onRefused(error: TransportError): void {
    const { stats, observer } = this.#context
    const { remoteAddress, remotePort } = this.#carrier.ends
    countBadRequest(stats, error.code)
    observer({ type: 'request-refused', error, remoteAddress, remotePort })
  }

  // Work

  #begin(): void {
    const begun = this.#begun
    this.#begun = []
    const { handler } = this.#context
    for (const exchange of begun) {
      if (!exchange.begin()) continue
      try {
        handler(exchange)
      } catch (error) {
        exchange.fail(asTransportError(error))
      }
    }
    const { maxRequests } = this.#carrier
    if (maxRequests > 0 && this.#requests >= maxRequests) this.#carrier.drain()
  }

  #onDue(): void {
    const now = this.beginInput()
    this.#carrier.onDue(now)
    if (this.#idleAtMs <= now) {
      this.#idleAtMs = NEVER
      this.#carrier.drain()
    }
    if (this.#sweepAtMs <= now) this.#sweep(now)
    if (this.#slowest(now).exchanges.length > 0) this.#confirmSlow()
    this.cover(Math.min(this.#idleAtMs, this.#sweepAtMs, this.#rateAtMs, this.#carrier.nextDeadlineAt))
  }

  get #rateAtMs(): number {
    if (this.#isConfirming) return NEVER
    return Math.min(this.#requestRate?.deadlineMs ?? NEVER, this.#responseRate?.deadlineMs ?? NEVER)
  }

  /** Those whose client is slower than it may be. */
  #slowest(now: number): { what: 'request' | 'response'; exchanges: readonly StreamExchange[] } {
    for (const [what, rate] of [
      ['request', this.#requestRate],
      ['response', this.#responseRate],
    ] as const) {
      const exchanges = rate !== undefined && rate.deadlineMs <= now ? rate.check(now) : []
      if (exchanges.length > 0) return { what, exchanges }
    }
    return { what: 'request', exchanges: [] }
  }

  /** A loop that is late may only not have seen what the client sent or took. */
  #confirmSlow(): void {
    if (this.#isConfirming) return
    this.#isConfirming = true
    const confirm = (): void => {
      this.#isConfirming = false
      if (this.#phase === 'closed') return
      const { what, exchanges } = this.#slowest(this.beginInput())
      if (exchanges.length > 0)
        countDefence(this.#context.stats, what === 'request' ? 'minRequestRate' : 'minResponseRate')
      for (const exchange of exchanges) exchange.onTooSlow(what)
      this.endInput()
      this.cover(this.#rateAtMs)
    }
    afterPoll(guardedListener('a slow client', confirm, error => this.#carrier.onFault(error)))
  }

  #sweep(now: number): void {
    this.#sweepAtMs = NEVER
    let next = NEVER
    for (const exchange of this.#watched) {
      const at = exchange.checkDeadlines(now)
      if (at === NEVER) this.#watched.delete(exchange)
      else if (at < next) next = at
    }
    this.#sweepAtMs = Math.min(this.#sweepAtMs, next)
  }
}
