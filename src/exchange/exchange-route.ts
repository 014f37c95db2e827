import type { Clock } from '../base/clock.ts'
import type { TransportError } from '../base/errors.ts'
import type { AttemptRecord, Connection } from '../base/events/connection.ts'
import type { EarlierTry, RetryReason } from '../base/events/observer.ts'
import { type ExchangeRequest, isRepeatable } from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'
import type { Admitted } from '../origin/admission/admission.ts'
import type { ExchangeOrigin } from '../origin/exchange-origin.ts'
import { BalancedPool } from '../origin/lanes/balanced-pool.ts'
import { Lane } from '../origin/lanes/lane.ts'
import type { LaneRace, Racer } from '../origin/lanes/lane-race.ts'
import type { PathUser } from '../origin/paths/http3-paths.ts'
import type { RequestPool } from '../pool/pool.ts'
import type { Waiter } from '../pool/pool-driver.ts'
import type { ExchangeSample } from '../select/choice/choice-action.ts'
import type { DispatchHandle } from './dispatch.ts'
import { EarlierTries } from './exchange-ended.ts'
import type { Try } from './exchange-state.ts'
import type { HedgedExchange } from './hedged-request.ts'
import { WatchedTry } from './watched-try.ts'

/** What one exchange needs to find its lane and connection. */
export interface ExchangeRouteParts {
  readonly origin: ExchangeOrigin
  readonly clock: Clock
  /** Who gets the connection. */
  readonly waiter: Waiter & Racer
  /** Its request is safe and without a body: it may be sent twice, and be part of a trial. */
  readonly isHarmless: boolean
  /** It goes where upgrades go, and has no part in the lanes. */
  readonly isUpgrade: boolean
  /** See ExchangeRequest. */
  readonly onlyLane?: ExchangeRequest['onlyLane']
}

const NOTHING: readonly AttemptRecord[] = []

/**
 * Where one exchange goes for its connection: which lane, which pool, or a race among several; and what was
 * tried on the way. An exchange makes several tries at times; each begins with go() or goTo() and is closed
 * by leaveTry(), or by the end.
 */
export class ExchangeRoute {
  readonly #parts: ExchangeRouteParts
  #lane: Lane
  #pool: RequestPool
  /** Of this try: over when it has a winner. */
  #race: LaneRace | undefined
  #isRacing = false
  /** HTTP/3 has failed it. */
  #avoidsHttp3 = false
  /** The connection of this try, if it was made meanwhile: what that took is part of the story. */
  #newConnection: Connection | undefined
  /** What the tries before this one have tried. */
  #earlierAttempts = NOTHING
  #earlierTries: EarlierTries | undefined
  /** Counted by its lane as under way, with so many. */
  #streams = 0
  /** Its next try is paid for out of the retry budget. */
  #isRetry = false
  /** Ends the count of such a try, where each endpoint has a bound of them. */
  #endRetry: (() => void) | undefined
  /** Counted by the origin as a waiter that would leave in early data. */
  #isEarlyWaiter = false

  constructor(parts: ExchangeRouteParts) {
    const { origin, isUpgrade, onlyLane } = parts
    this.#parts = parts
    this.#lane = onlyLane === 'h3' ? origin.lanes.named('h3') : origin.lanes.primary
    this.#pool = isUpgrade && onlyLane !== 'h3' ? origin.upgrades.first() : this.#lane.pool
    this.#avoidsHttp3 = onlyLane === 'tcp'
    if (onlyLane === 'http/1.1') this.#pool = origin.upgrades.next(this.#pool) ?? this.#pool
  }

  /** The tries that were followed by another; undefined: none was. */
  get earlierTries(): readonly EarlierTry[] | undefined {
    return this.#earlierTries?.list
  }

  /** Where it goes, or went last. */
  get lane(): Lane {
    return this.#lane
  }

  /** Where it waits, or comes from: the lane's, or that of upgrades. */
  get pool(): RequestPool {
    return this.#pool
  }

  /** See ExchangeRouteParts. */
  get isHarmless(): boolean {
    return this.#parts.isHarmless
  }

  /** A second copy may go the way that it goes. */
  get mayHedge(): boolean {
    return this.#parts.isHarmless && this.#pool === this.#lane.pool
  }

  /** It went over HTTP/3, and there is TCP. */
  get hasOtherLane(): boolean {
    const { origin, onlyLane } = this.#parts
    return this.#lane.name === 'h3' && onlyLane !== 'h3' && origin.lanes.fallback !== undefined
  }

  /** The try failed, and is followed by another. `startedAt`: when the exchange was dispatched. */
  noteTry(reason: RetryReason, error: TransportError, tried: Try | undefined, startedAt: number): void {
    this.#earlierTries ??= new EarlierTries(startedAt)
    this.#earlierTries.add(reason, error, this.#lane.name, tried, this.#parts.clock.now())
  }

  /** Whether the mode of reuse gives the request a new connection: see OriginOptions.reuse. */
  wantsFresh(request: ExchangeRequest): boolean {
    const { reuse } = this.#parts.origin.settings
    if (reuse === 'always' || reuse === 'never' || isRepeatable(request)) return false
    return reuse === 'safe' || !this.#pool.hasProven
  }

  /** It is under way on its lane, and what becomes of it says something for the choice. */
  isSample(now: number): boolean {
    const { lanes } = this.#parts.origin
    return lanes.isChoosing && this.#streams > 0 && lanes.isSample(this.#lane.name, now)
  }

  /**
   * What all its tries have tried, in their order: the races, the dials that failed, those of connections
   * that were made meanwhile. Times count from the start of each race or dial.
   */
  get attempts(): readonly AttemptRecord[] {
    const last = this.#attemptsOfTry()
    return this.#earlierAttempts.length === 0 ? last : [...this.#earlierAttempts, ...last]
  }

  /** Waits, wherever a request like this goes now; one that has left the lanes stays beside them. */
  go(wantsFresh: boolean, isReplay: boolean, now: number = this.#parts.clock.now()): void {
    if (this.#parts.isUpgrade || this.#pool !== this.#lane.pool)
      this.#pool.acquire(this.#parts.waiter, wantsFresh, isReplay, now)
    else this.#goToLane(wantsFresh, isReplay, now)
  }

  /** Waits in a pool beside the lanes. */
  goTo(pool: RequestPool): void {
    this.#pool = pool
    pool.acquire(this.#parts.waiter, false, true)
  }

  /**
   * Goes on over TCP where HTTP/3 gave no connection: nothing was sent. False: it did not fail, or there is
   * no TCP.
   */
  goWithoutHttp3(): boolean {
    if (!this.hasOtherLane || this.#avoidsHttp3) return false
    this.#avoidsHttp3 = true
    this.#goToLane(false, true, this.#parts.clock.now())
    return true
  }

  /**
   * It is sent again, since its connection broke or refused it. `isHttp3s`: HTTP/3 is to blame for that.
   */
  onBroken(isHttp3s: boolean): void {
    if (this.#lane.name === 'h3' && this.#parts.onlyLane !== 'h3') this.#avoidsHttp3 = isHttp3s
  }

  /** A waiter whose request may leave early makes the next dial offer it. */
  noteEarlyWaiter(waits: boolean): void {
    if (waits === this.#isEarlyWaiter) return
    this.#isEarlyWaiter = waits
    this.#parts.origin.onEarlyWaiter(waits ? 1 : -1)
  }

  /** It does not wait any more. */
  cancel(): void {
    if (this.#isRacing) this.#race?.abort()
    else this.#pool.cancel(this.#parts.waiter)
  }

  /** See Waiter. */
  get isRetry(): boolean {
    return this.#isRetry
  }

  /**
   * Pays for a replay. False: too many are sent again already, of those under way, to the endpoints, or of
   * all.
   */
  payRetry(admitted: Admitted | undefined): boolean {
    const { origin, clock } = this.#parts
    const now = clock.now()
    if (admitted?.mayRetry(now) === false || this.#balanced?.admitRetry(now) === false) return false
    this.#isRetry = origin.retryBudget.withdraw(now)
    return this.#isRetry
  }

  onLease(connection: Connection, reused: boolean): void {
    if (this.#isRetry) {
      this.#isRetry = false
      this.#endRetry = this.#balanced?.beginRetry(connection)
    }
    if (!reused) this.#newConnection = connection
    if (!this.#parts.isUpgrade) this.#streams = this.#lane.streams += 1
  }

  onLeaseFailed(error: TransportError): void {
    this.#leaveTryWith(this.#race?.attempts() ?? this.#failedDial(error))
  }

  onRaceWon(lane: Lane): void {
    this.#isRacing = false
    this.#lane = lane
    this.#pool = lane.pool
  }

  onRaceLost(): void {
    this.#isRacing = false
    this.#avoidsHttp3 = true
  }

  /** It goes on over another connection that it has already. */
  onMoved(lane: Lane, connection: Connection, reused: boolean): void {
    this.leaveTry()
    this.leaveLane()
    this.#lane = lane
    this.#pool = lane.pool
    this.onLease(connection, reused)
  }

  /** Undefined: nobody would look at it. */
  watchedTry(
    exchange: HedgedExchange & PathUser,
    request: ExchangeRequest,
    { connection, leasedAt }: Try,
  ): WatchedTry | undefined {
    const { origin, clock } = this.#parts
    if (this.#lane.name !== 'h3' && origin.hedging === undefined) return undefined
    const path = origin.lanes.pathOf(connection)
    if (path === undefined && origin.hedging === undefined) return undefined
    return new WatchedTry({ exchange, origin, clock, request, connection, path, leasedAt, lane: this.#lane })
  }

  /** A try has its answer, or the head of one: what it says of its endpoint. */
  onAnswered({ connection, leasedAt }: Try, status: number, now: number): void {
    this.#balanced?.onAnswered(connection, status, now - leasedAt, now)
  }

  /** The caller gets the head of its answer: what it says of the origin. */
  onHead(tried: Try | undefined, status: number, headers: HeaderList, now: number): void {
    const { origin, isHarmless } = this.#parts
    const { lanes, hints, hedging } = origin
    if (tried !== undefined && isHarmless) hedging?.onAnswered(now - tried.sentAt, now)
    if (lanes.readsAltSvc) lanes.onResponseHead(status, headers)
    if (hints.isReading) hints.onHead('response', headers, now)
  }

  /** A try failed before its answer. */
  onFailed({ connection }: Try, error: TransportError, now: number): void {
    this.#balanced?.onFailed(connection, error, now)
  }

  /** Not under way on its lane any more. */
  leaveLane(): void {
    this.#endRetry?.()
    this.#endRetry = undefined
    if (this.#streams === 0) return
    this.#streams = 0
    this.#lane.streams -= 1
  }

  /**
   * What an exchange that has ended, or this try of it, says of its lane. On the hot path: written out,
   * since spreading objects took a fifth of the CPU of a small request.
   */
  sample(
    exchange: DispatchHandle,
    bodyMs: number,
    responseBytes: number,
    stallMs: number | undefined,
    failed: boolean,
  ): ExchangeSample {
    const lane = this.#lane
    return {
      lane: lane.name,
      ttfbMs: exchange.ttfbMs,
      bodyMs,
      responseBytes,
      laneStreams: (this.#streams + lane.streams) / 2,
      laneConnections: lane.pool.live,
      stallMs,
      isFirst: !exchange.reused,
      failed,
    }
  }

  /** There will be another try. */
  leaveTry(): void {
    this.#leaveTryWith(this.#attemptsOfTry())
  }

  /** What gives it its endpoint, where it is. */
  get #balanced(): BalancedPool | undefined {
    if (this.#pool === this.#lane.pool) return this.#lane.balanced
    return this.#pool instanceof BalancedPool ? this.#pool : undefined
  }

  #goToLane(wantsFresh: boolean, isReplay: boolean, now: number): void {
    const { origin, waiter, isHarmless, onlyLane } = this.#parts
    const { lanes } = origin
    const selected =
      onlyLane === 'h3'
        ? this.#lane
        : this.#avoidsHttp3
          ? lanes.withoutHttp3
          : lanes.selectLane(isHarmless, now)
    if (selected instanceof Lane) {
      this.#lane = selected
      this.#pool = selected.pool
      selected.pool.acquire(waiter, wantsFresh, isReplay, now)
      return
    }
    this.#race = lanes.race(selected, waiter, isReplay)
    this.#isRacing = true
    this.#race.start()
  }

  #leaveTryWith(attempts: readonly AttemptRecord[]): void {
    if (attempts.length > 0) this.#earlierAttempts = [...this.#earlierAttempts, ...attempts]
    this.#race = undefined
    this.#newConnection = undefined
  }

  #attemptsOfTry(): readonly AttemptRecord[] {
    return this.#race?.attempts() ?? this.#newConnection?.handshake.attempts ?? NOTHING
  }

  /** What a dial tried that gave no connection. Whom the pool itself turned away had none. */
  #failedDial(error: TransportError): readonly AttemptRecord[] {
    const { pool, connector } = this.#lane
    return error.fault === 'local' || this.#pool !== pool ? NOTHING : connector.attemptsOf('failed')
  }
}
