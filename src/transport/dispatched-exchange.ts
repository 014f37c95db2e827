import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../clock.ts'
import type { AttemptRecord, Connection } from '../connection.ts'
import { ERROR_CODES, TransportError } from '../errors.ts'
import {
  type ExchangeController,
  type ExchangeHandler,
  type ExchangeRequest,
  isReplayableBody,
  isSafeMethod,
} from '../exchange.ts'
import type { HeaderList } from '../headers.ts'
import type { Pool, Waiter } from '../pool/pool.ts'
import type { AwaitedAnswer } from './answer-watch.ts'
import type { DispatchHandle } from './api.ts'
import type { Http3Path } from './http3-paths.ts'
import { Lane } from './lane.ts'
import type { LaneRace, Racer } from './lane-race.ts'
import type { OriginEntry } from './origin-entry.ts'
import { isTooEarly, judgeReplay, needsHttp1 } from './replay-rules.ts'
import { SecondTry, type SecondTryOwner } from './second-try.ts'

/**
 * One request from its dispatch to its end: it waits in the pool of a lane (or races in several), is opened on the connection that it is leased,
 * passes everything on to the caller's handler, and is sent again where the replay rules allow it. It is the pool's waiter and the connection's
 * handler itself, so that a request costs this one object.
 *
 * `waiting` -> `active` on a lease; back to `waiting` for a replay; `done` from anywhere, once.
 *
 * While it is active over HTTP/3 and nothing comes back, a second try may go over TCP beside it; the first of the two that answers becomes
 * the exchange, and whatever the other one still says is not heard.
 */
export class DispatchedExchange
  implements Waiter, ExchangeHandler, DispatchHandle, Racer, AwaitedAnswer, SecondTryOwner
{
  readonly #entry: OriginEntry
  /** Changes when it is sent again: it does not leave in early data twice. */
  #request: ExchangeRequest
  readonly #handler: ExchangeHandler
  readonly #clock: Clock
  /** Safe and without a body: it may be sent twice, and be part of a trial. */
  readonly #isHarmless: boolean

  #phase: 'waiting' | 'active' | 'done' = 'waiting'
  /** Where it goes, or went last. */
  #lane: Lane
  /** Where it waits, or comes from: the lane's, or that of upgrades. */
  #pool: Pool
  /** The last one: over when it has a winner. */
  #race: LaneRace | undefined
  #isRacing = false
  /** HTTP/3 has failed it. */
  #avoidsHttp3 = false
  #connection: Connection | undefined
  #controller: ExchangeController | undefined
  #path: Http3Path | undefined
  /** What had come over it when the request left. */
  #receivedBytes = 0
  #second: SecondTry | undefined
  /** Of the first copy, which has failed while the second one is out. */
  #firstError: TransportError | undefined
  #reused = false
  #retries = 0
  /** Within start(): a lease that comes now was not waited for, and the time need not be looked up again. */
  #isStarting = false
  /** The caller saw something of an answer. */
  #isCommitted = false
  /** Counted by the entry as one who would leave in early data. */
  #isEarlyWaiter = false
  /** Counted by its lane as under way, with so many. */
  #lanesStreams = 0
  /** The answer is thrown away, since it only asks to send again. */
  #tooEarly: TransportError | undefined
  #status = 0
  #responseBytes = 0
  #deadline: Timer | undefined

  readonly #startedAt: number
  #leasedAt = 0
  #headAt = 0

  constructor(entry: OriginEntry, request: ExchangeRequest, handler: ExchangeHandler, clock: Clock) {
    this.#entry = entry
    this.#request = request
    this.#handler = handler
    this.#clock = clock
    this.#isHarmless = request.body === null && request.upgrade === undefined && isSafeMethod(request.method)
    this.#lane = entry.lanes.primary
    this.#pool = request.upgrade === undefined ? this.#lane.pool : entry.upgrades.first()
    this.#startedAt = clock.now()
  }

  /** Goes to the pool. */
  start(): void {
    const { requestMs } = this.#entry.settings.timeouts
    if (requestMs > 0) this.#deadline = this.#clock.setTimer(requestMs, () => this.#onDeadline(requestMs))
    this.#entry.hold.take()
    this.#entry.retryBudget.deposit()
    this.#isStarting = true
    this.#noteEarlyWaiter(this.#request.mayBeEarly === true)
    if (this.#request.upgrade === undefined) this.#goToLane(false, false, this.#startedAt)
    else this.#pool.acquire(this, false, false, this.#startedAt)
    this.#isStarting = false
  }

  // The caller's side: DispatchHandle

  abort(error: TransportError): void {
    if (this.#phase === 'waiting') {
      if (this.#isRacing) this.#race?.abort()
      else this.#pool.cancel(this)
      this.#fail(error)
    } else if (this.#phase === 'active') {
      this.#isCommitted = true // nothing of it is sent again
      this.#dropSecond()
      if (this.#firstError === undefined) this.#controller?.abort(error)
      else this.#fail(error)
    }
  }

  get connection(): Connection | undefined {
    return this.#connection
  }

  get reused(): boolean {
    return this.#reused
  }

  get retries(): number {
    return this.#retries
  }

  get wasEarly(): boolean {
    return this.#controller?.wasEarly === true
  }

  get queueMs(): number {
    return (this.#leasedAt === 0 ? this.#clock.now() : this.#leasedAt) - this.#startedAt
  }

  get ttfbMs(): number {
    return this.#headAt === 0 ? 0 : this.#headAt - this.#leasedAt
  }

  get attempts(): readonly AttemptRecord[] {
    if (this.#race !== undefined) return this.#race.attempts()
    return this.#reused ? [] : (this.#connection?.handshake.attempts ?? [])
  }

  // The pool's side: Waiter

  onLease(connection: Connection, reused: boolean): void {
    this.#phase = 'active'
    this.#noteEarlyWaiter(false)
    this.#connection = connection
    this.#reused = reused
    this.#leasedAt = this.#isStarting ? this.#startedAt : this.#clock.now()
    if (reused) this.#entry.ledger.onReuse()
    if (this.#request.upgrade === undefined) this.#lanesStreams = this.#lane.streams += 1
    if (this.#lane.name === 'h3') this.#onHttp3Lease(connection)
    const { altUsed } = connection
    connection.open(altUsed === undefined ? this.#request : withAltUsed(this.#request, altUsed), this)
  }

  onLeaseFailed(error: TransportError): void {
    if (this.#phase !== 'waiting') return
    if (this.#lane.name === 'h3' && this.#entry.lanes.fallback !== undefined && !this.#avoidsHttp3) {
      this.#avoidsHttp3 = true
      this.#goToLane(false, true) // nothing was sent
      return
    }
    if (this.#tryReplay(error, true)) return
    this.#fail(this.#request.upgrade === undefined ? error : this.#entry.upgrades.failure(error, this.#pool))
  }

  // The race's side: Racer

  onRaceWon(lane: Lane, connection: Connection, reused: boolean): void {
    this.#isRacing = false
    this.#lane = lane
    this.#pool = lane.pool
    this.onLease(connection, reused)
  }

  onRaceLost(error: TransportError): void {
    this.#isRacing = false
    this.#avoidsHttp3 = true
    this.onLeaseFailed(error)
  }

  // The connection's side: ExchangeHandler

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
    this.#handler.onRequestStart(controller)
  }

  onInformational(controller: ExchangeController, status: number, headers: HeaderList): void {
    if (controller !== this.#controller) return
    this.#commit()
    this.#handler.onInformational(controller, status, headers)
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    if (controller !== this.#controller) return
    if (!this.#isCommitted && isTooEarly(status, this.wasEarly, this.#request.headers)) {
      this.#tooEarly = new TransportError('MM_REFUSED', 'the origin answered 425 (Too Early) to early data')
      controller.abort(this.#tooEarly) // onResponseError follows from within
      return
    }
    this.#commit()
    this.#status = status
    this.#headAt = this.#clock.now()
    if (this.#entry.lanes.readsAltSvc) this.#entry.lanes.onResponseHead(status, headers)
    this.#handler.onResponseStart(controller, status, headers, statusText)
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    this.#responseBytes += chunk.length
    this.#handler.onResponseData(controller, chunk)
  }

  onResponseEnd(controller: ExchangeController, trailers: HeaderList): void {
    this.#end(undefined)
    this.#handler.onResponseEnd(controller, trailers)
  }

  onUpgrade(controller: ExchangeController, status: number, headers: HeaderList, tunnel: Duplex): void {
    this.#status = status
    this.#headAt = this.#clock.now()
    this.#end(undefined)
    this.#handler.onUpgrade(controller, status, headers, tunnel)
  }

  onResponseError(controller: ExchangeController | undefined, error: TransportError): void {
    if (this.#phase !== 'active' || controller !== this.#controller) return
    if (this.#second?.isAdopted === false && !this.#isCommitted) {
      if (!isOfCaller(error)) {
        this.#firstError = error // what becomes of the second try decides
        return
      }
      this.#dropSecond()
    }
    this.#onTryFailed(error)
  }

  // The watch's side: AwaitedAnswer

  get isAwaited(): boolean {
    return this.#phase === 'active' && !this.#isCommitted && this.#second === undefined
  }

  onOverdue(): void {
    const { lanes, retryBudget } = this.#entry
    const { fallback } = lanes
    const path = this.#path
    if (fallback === undefined || path === undefined) return
    const now = this.#clock.now()
    if (!path.isSuspect(this.#receivedBytes)) {
      this.#receivedBytes = path.receivedBytes
      path.check()
    } else if (path.hasFailed || retryBudget.withdraw(now)) {
      // On a path that has failed it is free, as on a connection that broke (rule 7 of the replays).
      const request =
        this.#request.mayBeEarly === true ? { ...this.#request, mayBeEarly: false } : this.#request
      this.#second = new SecondTry(this, fallback, request, () => this.#clock.now())
      this.#second.start()
      return
    }
    lanes.answers.add(this, now + path.patienceMs)
  }

  // The second try's side: SecondTryOwner

  onSecondTryAnswered(second: SecondTry): boolean {
    const { controller, connection } = second
    if (this.#phase !== 'active' || this.#isCommitted || this.#second !== second) return false
    if (controller === undefined || connection === undefined) return false
    const error = new TransportError('MM_HEADERS_TIMEOUT', 'HTTP/3 gave no answer, and TCP did', {
      processed: 'unknown',
    })
    const first = this.#firstError === undefined ? this.#controller : undefined
    const now = this.#clock.now()
    this.#path?.onOvertaken(this.#receivedBytes, now - this.#leasedAt, now - second.leasedAt)
    this.#leaveLane()
    this.#lane = second.lane
    this.#pool = second.lane.pool
    this.#lanesStreams = this.#lane.streams += 1
    this.#path = undefined
    this.#controller = controller
    this.#connection = connection
    this.#reused = second.reused
    this.#leasedAt = second.leasedAt
    this.#retries += 1
    this.#entry.onRetry('http3-failed', this.#firstError ?? error)
    this.#firstError = undefined
    this.#tooEarly = undefined
    first?.abort(error)
    this.#handler.onRequestStart(controller)
    return !this.#isDone // the handler may have aborted it
  }

  onSecondTryFailed(second: SecondTry): void {
    if (this.#second !== second) return
    this.#second = undefined
    const error = this.#firstError
    this.#firstError = undefined
    if (error !== undefined) this.#onTryFailed(error)
  }

  // Where it goes

  #goToLane(wantsFresh: boolean, isReplay: boolean, now: number = this.#clock.now()): void {
    const { lanes } = this.#entry
    const way = this.#avoidsHttp3 ? lanes.withoutHttp3 : lanes.wayOf(this.#isHarmless, now)
    if (way instanceof Lane) {
      this.#lane = way
      this.#pool = way.pool
      way.pool.acquire(this, wantsFresh, isReplay, now)
      return
    }
    this.#race = lanes.race(way, this, isReplay)
    this.#isRacing = true
    this.#race.start()
  }

  #onHttp3Lease(connection: Connection): void {
    const path = this.#entry.lanes.pathOf(connection)
    this.#path = path
    if (path === undefined || !this.#isHarmless || this.#entry.lanes.fallback === undefined) return
    this.#receivedBytes = path.receivedBytes
    this.#entry.lanes.answers.add(this, this.#leasedAt + path.patienceMs)
  }

  #commit(): void {
    if (this.#isCommitted) return
    this.#isCommitted = true
    this.#path?.onAnswered()
    this.#dropSecond()
  }

  /** It is not needed, unless it is what goes on. */
  #dropSecond(): void {
    const second = this.#second
    if (second === undefined || second.isAdopted) return
    this.#second = undefined
    second.cancel()
  }

  get #isDone(): boolean {
    return this.#phase === 'done'
  }

  #leaveLane(): void {
    if (this.#lanesStreams === 0) return
    this.#lanesStreams = 0
    this.#lane.streams -= 1
  }

  // Replays and the end

  #onTryFailed(error: TransportError): void {
    if (this.#entry.lanes.isChoosing && this.#lanesStreams > 0 && speaksAgainstLane(error))
      this.#sample(0, true)
    this.#leaveLane()
    if (this.#tooEarly !== undefined) this.#sendAfterHandshake(this.#tooEarly)
    else if (!this.#tryDetour(error) && !this.#tryReplay(error, false)) this.#fail(error)
  }

  #tryReplay(error: TransportError, beforeLease: boolean): boolean {
    const { lanes } = this.#entry
    const isOverHttp3 = this.#lane.name === 'h3'
    const verdict = judgeReplay({
      error,
      method: this.#request.method,
      isBodyReplayable: isReplayableBody(this.#request.body),
      beforeLease,
      reused: this.#reused,
      isConnectionEnding: this.#connection?.requestsTaken !== undefined,
      isCallerCommitted: this.#isCommitted,
      retries: this.#retries,
      maxRetries: this.#entry.settings.retry.maxRetries,
      wasEarly: this.wasEarly,
      hasOtherLane: isOverHttp3 && lanes.fallback !== undefined,
    })
    if (!verdict.replay) return false
    if (verdict.cost === 'budgeted' && !this.#entry.retryBudget.withdraw(this.#clock.now())) return false
    this.#retries += 1
    this.#entry.onRetry(verdict.reason, error)
    if (this.wasEarly) this.#request = { ...this.#request, mayBeEarly: false }
    if (isOverHttp3 && !beforeLease) this.#avoidsHttp3 = verdict.reason === 'http3-failed'
    this.#acquireAgain(verdict.wantsFresh)
    return true
  }

  /** On any connection: one whose handshake is under way keeps it back until that is complete. */
  #sendAfterHandshake(error: TransportError): void {
    this.#tooEarly = undefined
    this.#request = { ...this.#request, mayBeEarly: false }
    this.#retries += 1
    this.#entry.onRetry('too-early', error)
    this.#acquireAgain(false)
  }

  /** What the connection cannot carry, or its peer will not take over it, goes over HTTP/1.1. Nothing was processed: this is no replay. */
  #tryDetour(error: TransportError): boolean {
    if (!needsHttp1(error) || this.#isCommitted) return false
    const connection = this.#connection
    const isUpgrade = error.code === 'MM_UPGRADE_UNAVAILABLE'
    // Before the peer's SETTINGS nobody knows what it offers.
    if (isUpgrade && connection !== undefined && connection.isCapacityProvisional !== true) {
      this.#entry.record.onExtendedConnect(false, this.#clock.now())
    }
    const pool = this.#entry.upgrades.next(this.#pool)
    if (pool === undefined || !isReplayableBody(this.#request.body)) return false
    this.#restart()
    this.#pool = pool
    pool.acquire(this, false, true)
    return true
  }

  #acquireAgain(wantsFresh: boolean): void {
    this.#restart()
    if (this.#request.upgrade === undefined && this.#pool === this.#lane.pool)
      this.#goToLane(wantsFresh, true)
    else this.#pool.acquire(this, wantsFresh, true)
  }

  #restart(): void {
    this.#phase = 'waiting'
    this.#controller = undefined
    this.#path = undefined
    this.#noteEarlyWaiter(this.#request.mayBeEarly === true)
  }

  /** Who waits with a request that may leave early makes the next dial offer it. */
  #noteEarlyWaiter(waits: boolean): void {
    if (waits === this.#isEarlyWaiter) return
    this.#isEarlyWaiter = waits
    this.#entry.onEarlyWaiter(waits ? 1 : -1)
  }

  #onDeadline(requestMs: number): void {
    const processed = this.#phase === 'waiting' ? 'no' : this.#status === 0 ? 'unknown' : 'yes'
    this.abort(
      new TransportError('MM_REQUEST_TIMEOUT', `the exchange did not end within ${requestMs} ms`, {
        processed,
      }),
    )
  }

  #fail(error: TransportError): void {
    const controller = this.#controller
    const { body } = this.#request
    if (body !== null && !(body instanceof Uint8Array)) {
      // Nobody took it: whatever produces it must not be left hanging. (An upload that began was cancelled by its connection.)
      if (this.#connection === undefined || body.isReplayable()) body.cancel()
    }
    this.#end(error)
    this.#handler.onResponseError(controller, error)
  }

  #end(error: TransportError | undefined): void {
    this.#phase = 'done'
    this.#noteEarlyWaiter(false)
    this.#deadline?.cancel()
    this.#entry.hold.release()
    const { isChoosing } = this.#entry.lanes
    const { isObserved } = this.#entry
    const now = isChoosing || isObserved ? this.#clock.now() : 0
    if (isChoosing && error === undefined && this.#lanesStreams > 0)
      this.#sample(now - this.#headAt, false, now)
    this.#leaveLane()
    if (!isObserved) return
    const { body } = this.#request
    const leasedAt = this.#leasedAt
    this.#entry.onExchangeEnded({
      type: 'exchange-ended',
      origin: this.#entry.origin,
      method: this.#request.method,
      path: this.#request.path,
      status: this.#status,
      protocol: this.#connection?.protocol,
      lane: this.#lane.name,
      connectionId: this.#connection?.id ?? 0,
      reused: this.#reused,
      retries: this.#retries,
      requestBytes: body === null ? 0 : body.length,
      responseBytes: this.#responseBytes,
      earlyData: this.wasEarly ? (this.#connection?.handshake.earlyData ?? 'none') : 'none',
      stallMs: this.#controller?.stallMs,
      queueMs: (leasedAt === 0 ? now : leasedAt) - this.#startedAt,
      ttfbMs: this.#headAt === 0 ? 0 : this.#headAt - leasedAt,
      totalMs: now - this.#startedAt,
      error,
    })
  }

  #sample(bodyMs: number, failed: boolean, now: number = this.#clock.now()): void {
    const lane = this.#lane
    this.#entry.lanes.onSample(
      {
        lane: lane.name,
        ttfbMs: this.ttfbMs,
        bodyMs,
        responseBytes: this.#responseBytes,
        laneStreams: (this.#lanesStreams + lane.streams) / 2,
        laneConnections: lane.pool.live,
        stallMs: this.#controller?.stallMs,
        isFirst: !this.#reused,
        failed,
      },
      now,
    )
  }
}

/** The peer or the way to it failed. */
function speaksAgainstLane(error: TransportError): boolean {
  return !isOfCaller(error) && error.code !== 'MM_REFUSED'
}

/** This side failed, or whoever the request comes from: a service's client is remote as well, and what it does wrong is answered with 4xx. */
function isOfCaller({ fault, code }: TransportError): boolean {
  return fault === 'local' || ERROR_CODES[code].status < 500
}

/** RFC 7838 section 5: who uses an alternative says which one. */
function withAltUsed(request: ExchangeRequest, altUsed: string): ExchangeRequest {
  return { ...request, headers: [...request.headers, 'alt-used', altUsed] }
}
