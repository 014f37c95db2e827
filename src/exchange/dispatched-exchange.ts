import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import type { AttemptRecord, Connection } from '../base/events/connection.ts'
import type { RetryReason } from '../base/events/observer.ts'
import { guardedListener, reportFault } from '../base/guard.ts'
import { cancelSource } from '../base/http/body-upload.ts'
import {
  type ExchangeController,
  type ExchangeHandler,
  type ExchangeRequest,
  isRepeatable,
  isReplayableBody,
  isSafeMethod,
} from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'
import { fitsExtendedConnect } from '../http/multiplex/messages/outgoing-request.ts'
import type { Lane } from '../origin/lanes/lane.ts'
import type { Racer } from '../origin/lanes/lane-race.ts'
import type { OriginEntry } from '../origin/origin-entry.ts'
import type { Http3Path, PathUser } from '../origin/paths/http3-paths.ts'
import type { Waiter } from '../pool/pool.ts'
import type { DispatchHandle } from './dispatch.ts'
import { EarlierTries } from './earlier-tries.ts'
import { exchangeEnded } from './exchange-ended.ts'
import { ExchangeRoute } from './exchange-route.ts'
import { type AnsweredCopy, type HedgedExchange, HedgedRequest, withAltUsed } from './hedged-request.ts'
import { isPathDead, isTooEarly, judgeReplay, needsHttp1, speaksAgainstLane } from './replay-rules.ts'

/**
 * One request from its dispatch to its end: it waits in the pool of a lane (or races in several), is opened
 * on the connection that it is leased, passes everything on to the caller's handler, and is sent again where
 * the replay rules allow it. It is the pool's waiter and the connection's handler itself, so that a request
 * costs this object and its way (and over HTTP/3 a HedgedRequest).
 *
 * `waiting` -> `active` on a lease; back to `waiting` for a replay; `done` from anywhere, once.
 *
 * While it is active over HTTP/3 and nothing comes back, its HedgedRequest may send a second copy beside it;
 * the first of the two that answers becomes the exchange, and whatever the other one still says is not heard.
 */
export class DispatchedExchange
  implements Waiter, ExchangeHandler, DispatchHandle, Racer, HedgedExchange, PathUser
{
  readonly #entry: OriginEntry
  /** Changes when it is sent again: it does not leave in early data twice. */
  #request: ExchangeRequest
  readonly #handler: ExchangeHandler
  readonly #clock: Clock
  readonly #route: ExchangeRoute

  #phase: 'waiting' | 'active' | 'done' = 'waiting'
  #connection: Connection | undefined
  #controller: ExchangeController | undefined
  #path: Http3Path | undefined
  /** Of a request over HTTP/3 that has somewhere else to go. */
  #hedge: HedgedRequest | undefined
  #reused = false
  #retries = 0
  /** Within start(): a lease that comes now was not waited for, and the time need not be looked up again. */
  #isStarting = false
  /** The caller saw something of an answer. */
  #isCommitted = false
  /** Why it was aborted while it was active: an observer of its own events may do so between two tries. */
  #givenUp: TransportError | undefined
  /** The answer is thrown away, since it only asks to send again. */
  #tooEarly: TransportError | undefined
  #status = 0
  #earlierTries: EarlierTries | undefined
  #responseBytes = 0
  #deadline: Timer | undefined
  readonly #startedAt: number
  /** Since when it waits, while it does; and what the waits before this one took. */
  #waitingSince: number
  #waitedMs = 0
  #leasedAt = 0
  #headAt = 0

  constructor(entry: OriginEntry, request: ExchangeRequest, handler: ExchangeHandler, clock: Clock) {
    this.#entry = entry
    this.#request = request
    this.#handler = handler
    this.#clock = clock
    const isUpgrade = request.upgrade !== undefined
    const isHarmless = request.body === null && !isUpgrade && isSafeMethod(request.method)
    this.#route = new ExchangeRoute({ entry, clock, waiter: this, isHarmless, isUpgrade })
    this.#startedAt = clock.now()
    this.#waitingSince = this.#startedAt
  }

  /** Goes to the pool. */
  start(): void {
    const { requestMs } = this.#entry.settings.timeouts
    if (requestMs > 0) {
      const onDue = guardedListener(
        'the deadline of a request',
        () => this.#onDeadline(requestMs),
        fault => this.#failOnce(fault),
      )
      this.#deadline = this.#clock.setTimer(requestMs, onDue)
    }
    this.#entry.hold.take()
    this.#entry.retryBudget.deposit()
    this.#entry.onRequest(this.#startedAt)
    this.#isStarting = true
    this.#route.noteEarlyWaiter(this.#request.mayBeEarly === true)
    this.#route.go(false, false, this.#startedAt)
    this.#isStarting = false
  }

  // The caller's side: DispatchHandle

  abort(error: TransportError): void {
    if (this.#phase === 'waiting') {
      this.#route.cancel()
      this.#fail(error)
    } else if (this.#phase === 'active') {
      this.#isCommitted = true // nothing of it is sent again
      this.#givenUp = error
      const isOut = this.#hedge?.hasOnlySecond !== true
      this.#dropRescue()
      if (isOut) this.#controller?.abort(error)
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
    return this.#phase === 'waiting'
      ? this.#waitedMs + this.#clock.now() - this.#waitingSince
      : this.#waitedMs
  }

  get ttfbMs(): number {
    return this.#headAt === 0 ? 0 : this.#headAt - this.#leasedAt
  }

  get attempts(): readonly AttemptRecord[] {
    return this.#route.attempts
  }

  // The pool's side: Waiter

  onLease(connection: Connection, reused: boolean): void {
    this.#phase = 'active'
    this.#route.noteEarlyWaiter(false)
    this.#connection = connection
    this.#reused = reused
    this.#leasedAt = this.#isStarting ? this.#startedAt : this.#clock.now()
    this.#waitedMs += this.#leasedAt - this.#waitingSince
    if (reused) this.#entry.ledger.onReuse(connection.protocol)
    this.#route.onLease(connection, reused)
    if (this.#route.lane.name === 'h3') this.#onHttp3Lease(connection)
    const { altUsed } = connection
    connection.open(altUsed === undefined ? this.#request : withAltUsed(this.#request, altUsed), this)
  }

  onLeaseFailed(error: TransportError): void {
    if (this.#phase !== 'waiting') return
    this.#route.onLeaseFailed(error)
    if (this.#route.goWithoutHttp3() || this.#tryReplay(error, true)) return
    const { upgrade } = this.#request
    const failure = upgrade === undefined ? error : this.#entry.upgrades.failure(error, this.#route.pool)
    if (!this.#tryWithoutUpgrade(failure)) this.#fail(failure)
  }

  // The race's side: Racer

  onRaceWon(lane: Lane, connection: Connection, reused: boolean): void {
    this.#route.onRaceWon(lane)
    this.onLease(connection, reused)
  }

  onRaceLost(error: TransportError): void {
    this.#route.onRaceLost()
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
    if (this.#phase === 'done') return
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
    if (this.#hedge?.holdsBack(error) === true) return
    this.#dropRescue()
    this.#onTryFailed(error)
  }

  // For the hedged request: HedgedExchange

  onHedgeAnswered(answered: AnsweredCopy, error: TransportError, isFirstOut: boolean): boolean {
    const { lane, connection, controller, reused, leasedAt, queueMs } = answered
    const first = this.#controller
    this.#noteTry('http3-failed', error)
    this.#sampleOvertaken()
    this.#route.onMoved(lane, connection, reused)
    this.#path?.leave(this)
    this.#path = this.#entry.lanes.pathOf(connection)
    this.#hedge = undefined
    this.#controller = controller
    this.#connection = connection
    this.#reused = reused
    this.#leasedAt = leasedAt
    this.#waitedMs += queueMs
    this.#retries += 1
    this.#entry.onRetry(lane.name === 'h3' ? 'unresponsive' : 'http3-failed', error)
    this.#tooEarly = undefined
    if (isFirstOut) first?.abort(error)
    this.#handler.onRequestStart(controller)
    return this.#phase === 'active' // the handler may have aborted it
  }

  onHedgeFailed(error: TransportError): void {
    this.#hedge = undefined
    this.#onTryFailed(error)
  }

  // What is sent over HTTP/3

  #onHttp3Lease(connection: Connection): void {
    const { lanes } = this.#entry
    const path = lanes.pathOf(connection)
    this.#path = path
    path?.join(this)
    if (path === undefined || !this.#route.isHarmless || lanes.fallback === undefined) return
    this.#hedge = this.#makeRescue(path)
    this.#hedge.start()
  }

  /** Whoever can be sent twice is, over another connection; the others wait for what becomes of this one. */
  onPathUnresponsive(): void {
    const { body, upgrade } = this.#request
    const path = this.#path
    if (path === undefined || this.#phase !== 'active' || this.#isCommitted || upgrade !== undefined) return
    if (!isRepeatable(this.#request) || (body !== null && !(body instanceof Uint8Array))) return
    this.#hedge ??= this.#makeRescue(path)
    this.#hedge.onPathUnresponsive()
  }

  #makeRescue(path: Http3Path): HedgedRequest {
    return new HedgedRequest({
      exchange: this,
      entry: this.#entry,
      clock: this.#clock,
      request: this.#request,
      path,
      leasedAt: this.#leasedAt,
      lane: this.#route.lane,
      fallback: this.#entry.lanes.fallback,
    })
  }

  #commit(): void {
    if (this.#isCommitted) return
    this.#isCommitted = true
    this.#path?.leave(this)
    this.#path?.onAnswered()
    this.#dropRescue()
  }

  #dropRescue(): void {
    this.#hedge?.end()
    this.#hedge = undefined
  }

  // Replays and the end

  #onTryFailed(error: TransportError): void {
    this.#path?.leave(this)
    const now = this.#clock.now()
    if (speaksAgainstLane(error) && this.#route.isSample(now)) this.#sample(0, true, now)
    this.#route.leaveLane()
    const tooEarly = this.#tooEarly
    this.#tooEarly = undefined
    if (tooEarly !== undefined) this.#sendAgain('too-early', tooEarly, false)
    else if (!this.#tryDetour(error) && !this.#tryReplay(error, false)) this.#fail(error)
  }

  #tryReplay(error: TransportError, beforeLease: boolean): boolean {
    const { retry } = this.#entry.settings
    const connection = this.#connection
    const verdict = judgeReplay({
      error,
      method: this.#request.method,
      isBodyReplayable: isReplayableBody(this.#request.body),
      beforeLease,
      reused: this.#reused,
      isConnectionEnding: connection?.requestsTaken !== undefined,
      isPathDead: isPathDead(connection?.endedBy),
      isLostInMove: connection?.endedBy === 'protocol-error' && this.#entry.hasMoved(connection),
      isCallerCommitted: this.#isCommitted,
      retries: this.#retries,
      maxRetries: retry.maxRetries,
      maxUnanswered: retry.maxUnanswered,
      wasEarly: this.wasEarly,
      hasOtherLane: this.#route.hasOtherLane,
    })
    if (!verdict.replay) return false
    if (verdict.cost === 'budgeted' && !this.#entry.retryBudget.withdraw(this.#clock.now())) return false
    if (verdict.reason === 'unanswered' && connection !== undefined)
      this.#entry.onUnanswered(connection, error)
    if (!beforeLease) this.#route.onBroken(verdict.reason === 'http3-failed')
    this.#sendAgain(verdict.reason, error, verdict.wantsFresh)
    return true
  }

  /**
   * One that left early waits for the handshake this time: a connection that is within it keeps the request
   * back.
   */
  #sendAgain(reason: RetryReason, error: TransportError, wantsFresh: boolean): void {
    this.#retries += 1
    this.#noteTry(reason, error)
    this.#entry.onRetry(reason, error)
    // An observer of what was just told may have aborted it.
    if (this.#phase !== 'done' && this.#givenUp !== undefined) this.#fail(this.#givenUp)
    if (this.#phase === 'done') return
    if (this.wasEarly) this.#request = { ...this.#request, mayBeEarly: false }
    this.#restart()
    this.#route.go(wantsFresh, true)
  }

  #noteTry(reason: RetryReason, error: TransportError): void {
    const connection = this.#phase === 'active' ? this.#connection : undefined
    const leased = connection && { connection, at: this.#leasedAt, reused: this.#reused }
    this.#earlierTries ??= new EarlierTries(this.#startedAt)
    this.#earlierTries.add(reason, error, this.#route.lane.name, leased, this.#clock.now())
  }

  /**
   * What the connection cannot carry, or its peer will not take over it, goes over HTTP/1.1. Nothing was
   * processed: this is no replay.
   */
  #tryDetour(error: TransportError): boolean {
    if (!needsHttp1(error) || this.#isCommitted) return false
    const connection = this.#connection
    const isUpgrade = error.code === 'MM_UPGRADE_UNAVAILABLE'
    // Before the peer's SETTINGS nobody knows what it offers.
    const isTold = connection !== undefined && connection.isCapacityProvisional !== true
    if (isUpgrade && isTold && fitsExtendedConnect(this.#request)) {
      this.#entry.record.onExtendedConnect(false, this.#clock.now())
    }
    const pool = this.#entry.upgrades.next(this.#route.pool)
    if (pool === undefined) return this.#tryWithoutUpgrade(error)
    if (!isReplayableBody(this.#request.body)) return false
    this.#restart()
    this.#route.goTo(pool)
    return true
  }

  /**
   * Nobody can be asked for the other protocol, and the request does without. Nothing was sent: this is no
   * replay.
   */
  #tryWithoutUpgrade(error: TransportError): boolean {
    const request = this.#request
    if (error.code !== 'MM_UPGRADE_UNAVAILABLE' || request.isUpgradeOptional !== true) return false
    if (request.upgrade === undefined || !isReplayableBody(request.body)) return false
    this.#request = { ...request, upgrade: undefined }
    this.#restart()
    this.#route.goTo(this.#entry.lanes.primary.pool)
    return true
  }

  #restart(): void {
    this.#route.leaveTry()
    if (this.#phase !== 'waiting') this.#waitingSince = this.#clock.now()
    this.#phase = 'waiting'
    this.#controller = undefined
    this.#path = undefined
    this.#route.noteEarlyWaiter(this.#request.mayBeEarly === true)
  }

  #onDeadline(requestMs: number): void {
    const processed = this.#phase === 'waiting' ? 'no' : this.#status === 0 ? 'unknown' : 'yes'
    const message = `the exchange did not end within ${requestMs} ms`
    this.abort(new TransportError('MM_REQUEST_TIMEOUT', message, { processed }))
  }

  #failOnce(error: TransportError): void {
    if (this.#phase !== 'done') this.#fail(error)
  }

  #fail(error: TransportError): void {
    const controller = this.#controller
    const { body } = this.#request
    if (body !== null && !(body instanceof Uint8Array)) {
      // Nobody took it: whatever produces it must not be left hanging. (An upload that began was cancelled by
      // its connection.)
      if (this.#connection === undefined || body.isReplayable()) cancelSource(body)
    }
    this.#end(error)
    this.#handler.onResponseError(controller, error)
  }

  /** What it has taught is nothing to the caller, who is notified of the end whatever goes wrong here. */
  #end(error: TransportError | undefined): void {
    this.#waitedMs = this.queueMs
    this.#phase = 'done'
    try {
      this.#release(error)
    } catch (fault) {
      reportFault('the end of an exchange', fault)
    }
  }

  #release(error: TransportError | undefined): void {
    this.#path?.leave(this)
    this.#route.noteEarlyWaiter(false)
    this.#deadline?.cancel()
    this.#entry.hold.release()
    const { isObserved } = this.#entry
    // Whether anybody wants to know is asked as of the head, which spares most requests a reading of the
    // clock.
    const isSample = error === undefined && this.#route.isSample(this.#headAt)
    const now = isSample || isObserved ? this.#clock.now() : 0
    if (isSample) this.#sample(now - this.#headAt, false, now)
    this.#route.leaveLane()
    if (!isObserved) return
    const event = exchangeEnded(this, {
      origin: this.#entry.origin,
      request: this.#request,
      status: this.#status,
      lane: this.#route.lane.name,
      responseBytes: this.#responseBytes,
      stallMs: this.#controller?.stallMs,
      totalMs: now - this.#startedAt,
      earlierTries: this.#earlierTries?.list,
      error,
    })
    this.#entry.onExchangeEnded(event, now)
  }

  /**
   * HTTP/3 would have taken longer than this: without it, only those of its requests would count that were
   * answered in time.
   */
  #sampleOvertaken(): void {
    const now = this.#clock.now()
    if (!this.#route.isSample(now)) return
    this.#headAt = now
    this.#sample(0, false, now)
  }

  #sample(bodyMs: number, failed: boolean, now: number): void {
    const responseBytes = this.#responseBytes
    const stallMs = this.#controller?.stallMs
    this.#entry.lanes.onSample(this.#route.sample(this, { bodyMs, responseBytes, stallMs, failed }), now)
  }
}
