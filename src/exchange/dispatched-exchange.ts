import { requestKey } from '../balance/request-key.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import type { AttemptRecord, Connection } from '../base/events/connection.ts'
import type { RetryReason } from '../base/events/observer.ts'
import { guardedListener, reportFault } from '../base/guard.ts'
import { cancelUnsent } from '../base/http/body-upload.ts'
import {
  type ExchangeController,
  type ExchangeHandler,
  type ExchangeRequest,
  isSafeMethod,
} from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'
import type { LaneName } from '../base/http/protocol.ts'
import type { StreamSocket } from '../base/socket/stream-socket.ts'
import type { Admitted } from '../origin/admission/admission.ts'
import type { ExchangeOrigin } from '../origin/exchange-origin.ts'
import type { Lane } from '../origin/lanes/lane.ts'
import type { Racer } from '../origin/lanes/lane-race.ts'
import type { PathUser } from '../origin/paths/http3-paths.ts'
import type { Waiter } from '../pool/pool-driver.ts'
import type { DispatchHandle } from './dispatch.ts'
import { exchangeEnded } from './exchange-ended.ts'
import { ExchangeRoute } from './exchange-route.ts'
import {
  controllerOf,
  currentTry,
  type ExchangeState,
  isCommitted,
  isWaiting,
  Try,
  transition,
} from './exchange-state.ts'
import type { HedgedExchange, HedgeReason } from './hedged-request.ts'
import {
  type Detour,
  detourAfter,
  dismissalOf,
  failedTry,
  isDrained,
  isRetried,
  judgeReplay,
  leavesEndpoint,
  MAX_DRAIN_MS,
  requestTimeout,
  speaksAgainstLane,
  tryTimeout,
  withoutUpgrade,
} from './replay-rules.ts'
import { type AnsweredCopy, withAltUsed } from './second-copy.ts'

/**
 * One request from its dispatch to its end: it waits in the pool of a lane (or races in several), is opened
 * on the connection that it is leased, passes everything on to the caller's handler, and is sent again
 * where the replay rules allow it. It is the pool's waiter and the connection's handler itself, so that a
 * request costs this object with its states, and its route (and over HTTP/3 a HedgedRequest).
 *
 * While nothing comes back, its HedgedRequest may send a second copy; the first of the two that answers
 * becomes the exchange, and whatever the other one still says is ignored.
 */
export class DispatchedExchange
  implements Waiter, ExchangeHandler, DispatchHandle, Racer, HedgedExchange, PathUser
{
  readonly #origin: ExchangeOrigin
  /** Changes when it is sent again: it does not leave in early data twice. */
  #request: ExchangeRequest
  readonly #handler: ExchangeHandler
  readonly #clock: Clock
  readonly #route: ExchangeRoute
  readonly #startedAt: number
  #state: ExchangeState
  #deadline: Timer | undefined
  /** Ends the try that is under way, or the reading of an answer that is thrown away. */
  #tryTimer: Timer | undefined
  #admitted: Admitted | undefined // of an origin with bounds
  /** See Waiter. */
  #avoids: Connection | undefined

  // What is counted of it
  #retries = 0
  /** What the waits before this one took. */
  #waitedMs = 0
  /** 0: there is no final answer. */
  #status = 0
  #headAt = 0
  #responseBytes = 0

  constructor(origin: ExchangeOrigin, request: ExchangeRequest, handler: ExchangeHandler, clock: Clock) {
    this.#origin = origin
    this.#request = request
    this.#handler = handler
    this.#clock = clock
    const isUpgrade = request.upgrade !== undefined
    const isHarmless = request.body === null && !isUpgrade && isSafeMethod(request.method)
    const { onlyLane } = request
    this.#route = new ExchangeRoute({ origin, clock, waiter: this, isHarmless, isUpgrade, onlyLane })
    this.#startedAt = clock.now()
    this.#state = { kind: 'starting', since: this.#startedAt, tried: undefined }
  }

  /** Goes to the pool. */
  start(): void {
    const requestMs = this.#request.requestTimeoutMs ?? this.#origin.settings.timeouts.requestMs
    if (requestMs > 0) {
      const onFault = (fault: TransportError): void => void (this.#state.kind === 'done' || this.#fail(fault))
      const abortLate = () =>
        this.abort(requestTimeout(requestMs, currentTry(this.#state) !== undefined, this.#status))
      const onDue = guardedListener('the deadline of a request', abortLate, onFault)
      this.#deadline = this.#clock.setTimer(requestMs, onDue)
    }
    const admitted = this.#origin.onStarted(this.#startedAt)
    if (admitted instanceof TransportError) return this.#fail(admitted)
    this.#admitted = admitted
    this.#route.noteEarlyWaiter(this.#request.mayBeEarly === true)
    this.#route.go(this.#route.wantsFresh(this.#request), false, this.#startedAt)
    if (this.#state.kind === 'starting')
      this.#enter({ kind: 'waiting', since: this.#startedAt, tried: undefined })
  }

  // The caller's side: DispatchHandle

  abort(error: TransportError): void {
    const { kind } = this.#state
    if (kind === 'done') return
    const tried = currentTry(this.#state)
    if (tried === undefined) {
      this.#route.cancel()
      return this.#fail(error)
    }
    if (kind !== 'aborted') this.#enter({ kind: 'aborted', tried, error })
    this.#abortTry(tried, error)
  }

  get lane(): LaneName {
    return this.#route.lane.name
  }

  get connection(): Connection | undefined {
    return this.#state.tried?.connection
  }

  get reused(): boolean {
    return this.#state.tried?.reused === true
  }

  get retries(): number {
    return this.#retries
  }

  get wasEarly(): boolean {
    return controllerOf(this.#state)?.wasEarly === true
  }

  get queueMs(): number {
    const state = this.#state
    return isWaiting(state) ? this.#waitedMs + this.#clock.now() - state.since : this.#waitedMs
  }

  get ttfbMs(): number {
    return this.#headAt === 0 ? 0 : this.#headAt - (this.#state.tried?.leasedAt ?? 0)
  }

  get attempts(): readonly AttemptRecord[] {
    return this.#route.attempts
  }

  // The pool's side: Waiter

  get fairKey(): string | undefined {
    return this.#request.fairKey
  }

  get avoids(): Connection | undefined {
    return this.#avoids
  }

  get isRetry(): boolean {
    return this.#route.isRetry
  }

  onLease(connection: Connection, reused: boolean): void {
    const state = this.#state
    const leasedAt = state.kind === 'starting' ? this.#startedAt : this.#clock.now()
    if (isWaiting(state)) this.#waitedMs += leasedAt - state.since
    const tried = new Try(connection, reused, leasedAt)
    this.#enter({ kind: 'sent', tried })
    this.#route.noteEarlyWaiter(false)
    if (reused) this.#origin.onReuse(connection)
    this.#route.onLease(connection, reused)
    tried.watched = this.#route.watchedTry(this, this.#request, tried)
    tried.watched?.start(this.#route, this.#retries === 0)
    const { altUsed } = connection
    connection.open(altUsed === undefined ? this.#request : withAltUsed(this.#request, altUsed), this)
    const { perTryTimeoutMs } = this.#request.retry ?? this.#origin.settings.retry
    if (perTryTimeoutMs > 0 && this.#state.kind === 'sent' && isRetried(this.#request)) {
      this.#limitTry(perTryTimeoutMs, tryTimeout(perTryTimeoutMs))
    }
  }

  onLeaseFailed(error: TransportError): void {
    if (!isWaiting(this.#state)) return
    this.#route.onLeaseFailed(error)
    if (this.#route.goWithoutHttp3() || this.#tryReplay(error, true)) return
    const { upgrade } = this.#request
    const failure = upgrade === undefined ? error : this.#origin.upgrades.failure(error, this.#route.pool)
    if (!this.#takeDetour(withoutUpgrade(failure, this.#request, this.#origin))) this.#fail(failure)
  }

  balanceKey(hashBy: string): string | undefined {
    return requestKey(hashBy, this.#request)
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
    const tried = currentTry(this.#state)
    if (tried !== undefined) tried.controller = controller
    this.#handler.onRequestStart(controller)
  }

  onInformational(controller: ExchangeController, status: number, headers: HeaderList): void {
    if (controller !== controllerOf(this.#state)) return
    this.#commit()
    this.#handler.onInformational(controller, status, headers)
    const { hints } = this.#origin
    if (status === 103 && hints.isReading) hints.onHead('early-hints', headers, this.#clock.now())
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    if (controller !== controllerOf(this.#state)) return
    const state = this.#state
    const now = this.#clock.now()
    if (state.tried !== undefined && this.#status === 0) this.#route.onAnswered(state.tried, status, now)
    if (state.kind === 'sent' && status >= 400) {
      const dismissed = dismissalOf(status, this, this.#request, this.#origin)
      const isPaid = dismissed?.reason !== 'status' || this.#route.payRetry(this.#admitted)
      if (dismissed !== undefined && isPaid) {
        this.#enter({ kind: 'dismissed', tried: state.tried, ...dismissed })
        if (isDrained(controller, this.#request.method, headers))
          this.#limitTry(MAX_DRAIN_MS, dismissed.error)
        else controller.abort(dismissed.error) // onResponseError follows from within
        return
      }
    }
    this.#commit()
    this.#status = status
    this.#headAt = now
    this.#route.onHead(state.tried, status, headers, now)
    if (this.#state.kind === 'done') return
    this.#handler.onResponseStart(controller, status, headers, statusText)
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    if (this.#state.kind === 'dismissed') return
    this.#responseBytes += chunk.length
    this.#handler.onResponseData(controller, chunk)
  }

  onResponseEnd(controller: ExchangeController, trailers: HeaderList): void {
    if (this.#state.kind === 'dismissed') {
      this.#tryTimer?.cancel() // of its reading
      return this.#onTryOver(this.#state.tried, this.#state.error)
    }
    this.#end(undefined)
    this.#handler.onResponseEnd(controller, trailers)
  }

  onUpgrade(controller: ExchangeController, status: number, headers: HeaderList, tunnel: StreamSocket): void {
    this.#status = status
    this.#headAt = this.#clock.now()
    const { tried } = this.#state
    if (tried !== undefined) this.#route.onAnswered(tried, status, this.#headAt)
    this.#end(undefined)
    this.#handler.onUpgrade(controller, status, headers, tunnel)
  }

  onResponseError(controller: ExchangeController | undefined, error: TransportError): void {
    const tried = currentTry(this.#state)
    if (tried === undefined || controller !== tried.controller) return
    if (this.#status === 0 && this.#state.kind !== 'dismissed')
      this.#route.onFailed(tried, error, this.#clock.now())
    this.#onTryOver(tried, error)
  }

  /** The try is over; where a second copy is out, that one decides what follows. */
  #onTryOver(tried: Try, error: TransportError): void {
    if (tried.watched?.holdsBack(error) === true) return
    tried.watched?.endHedge()
    this.#onTryFailed(error)
  }

  // For the hedged request: HedgedExchange

  onHedgeAnswered(
    answered: AnsweredCopy,
    reason: HedgeReason,
    error: TransportError,
    isFirstOut: boolean,
  ): boolean {
    const { lane, connection, controller, reused, leasedAt, queueMs } = answered
    const first = currentTry(this.#state)
    this.#route.noteTry(reason, error, first, this.#startedAt)
    const now = this.#clock.now()
    if (reason !== 'hedged' && this.#route.isSample(now)) {
      // HTTP/3 would have taken longer than this. Without it, only its quick answers would count.
      this.#headAt = now
      this.#sample(0, false, now)
    }
    this.#route.onMoved(lane, connection, reused)
    first?.watched?.leave()
    const second = new Try(connection, reused, leasedAt, first?.sentAt)
    second.watched = this.#route.watchedTry(this, this.#request, second)
    second.controller = controller
    this.#enter({ kind: 'sent', tried: second })
    this.#waitedMs += queueMs
    this.#retries += 1
    this.#origin.onRetry(reason, error)
    if (isFirstOut) first?.controller?.abort(error)
    this.#handler.onRequestStart(controller)
    return currentTry(this.#state) !== undefined // the handler may have aborted it
  }

  onHedgeFailed(error: TransportError): void {
    currentTry(this.#state)?.watched?.endHedge()
    this.#onTryFailed(error)
  }

  mayHedge(now: number): boolean {
    return this.#admitted?.mayRetry(now) !== false
  }

  // What may be sent twice at a time

  onPathUnresponsive(): void {
    const state = this.#state
    if (state.kind === 'sent' || state.kind === 'dismissed') state.tried.watched?.onPathUnresponsive()
  }

  /** The caller sees something of an answer. */
  #commit(): void {
    const state = this.#state
    if (state.kind !== 'sent' && state.kind !== 'dismissed') return
    const { tried } = state
    this.#enter({ kind: 'answering', tried })
    tried.watched?.onAnswered()
  }

  // Replays and the end

  #onTryFailed(error: TransportError): void {
    const state = this.#state
    state.tried?.watched?.leave()
    const now = this.#clock.now()
    if (speaksAgainstLane(error) && this.#route.isSample(now)) this.#sample(0, true, now)
    this.#route.leaveLane()
    if (state.kind === 'dismissed') this.#sendAgain(state.reason, state.error, false)
    else {
      const refused = { error, request: this.#request, pool: this.#route.pool, connection: this.connection }
      const detour = isCommitted(this.#state) ? undefined : detourAfter(refused, this.#origin, this.#clock)
      if (!this.#takeDetour(detour) && !this.#tryReplay(error, false)) this.#fail(error)
    }
  }

  #tryReplay(error: TransportError, beforeLease: boolean): boolean {
    const { connection } = this
    const { hasOtherLane } = this.#route
    const where = { beforeLease, isCallerCommitted: isCommitted(this.#state), hasOtherLane }
    const verdict = judgeReplay(failedTry(error, this, this.#request, this.#origin, where))
    if (!verdict.replay) return false
    if (verdict.cost === 'budgeted' && !this.#route.payRetry(this.#admitted)) return false
    if (verdict.reason === 'unanswered' && connection !== undefined)
      this.#origin.onUnanswered(connection, error)
    if (!beforeLease) this.#route.onBroken(verdict.reason === 'http3-failed')
    this.#sendAgain(verdict.reason, error, verdict.wantsFresh)
    return true
  }

  /** The try that is under way ends with the error unless the state changes before. */
  #limitTry(ms: number, error: TransportError): void {
    this.#tryTimer = this.#clock.setTimer(ms, () => {
      const tried = currentTry(this.#state)
      if (tried !== undefined) this.#abortTry(tried, error)
    })
  }

  #abortTry(tried: Try, error: TransportError): void {
    const isOut = tried.watched?.hasOnlySecond !== true
    tried.watched?.endHedge()
    if (isOut) tried.controller?.abort(error)
    else this.#onTryFailed(error)
  }

  /**
   * One that left early waits for the handshake this time: a connection that is within it keeps the request
   * back.
   */
  #sendAgain(reason: RetryReason, error: TransportError, wantsFresh: boolean): void {
    this.#retries += 1
    this.#route.noteTry(reason, error, currentTry(this.#state), this.#startedAt)
    this.#admitted?.onRetry(reason)
    this.#origin.onRetry(reason, error)
    // An observer of that event may have aborted it.
    if (this.#state.kind === 'aborted') this.#fail(this.#state.error)
    if (this.#state.kind === 'done') return
    if (this.wasEarly) this.#request = { ...this.#request, mayBeEarly: false }
    this.#avoids = leavesEndpoint(reason) ? this.connection : undefined
    this.#restart()
    this.#route.go(wantsFresh, true)
  }

  #takeDetour(detour: Detour | undefined): boolean {
    if (detour === undefined) return false
    this.#request = detour.request
    this.#restart()
    this.#route.goTo(detour.pool)
    return true
  }

  #restart(): void {
    this.#route.leaveTry()
    const { tried } = this.#state
    if (!isWaiting(this.#state)) this.#enter({ kind: 'waiting', since: this.#clock.now(), tried })
    this.#route.noteEarlyWaiter(this.#request.mayBeEarly === true)
  }

  #fail(error: TransportError): void {
    const controller = controllerOf(this.#state)
    cancelUnsent(this.#request.body, this.connection !== undefined)
    this.#end(error)
    this.#handler.onResponseError(controller, error)
  }

  /** What it has taught is nothing to the caller, who is notified of the end whatever goes wrong here. */
  #end(error: TransportError | undefined): void {
    this.#waitedMs = this.queueMs
    const { tried } = this.#state
    this.#enter({ kind: 'done', tried, wasOut: currentTry(this.#state) !== undefined })
    try {
      this.#release(error)
    } catch (fault) {
      reportFault('the end of an exchange', fault)
    }
  }

  #release(error: TransportError | undefined): void {
    this.#state.tried?.watched?.leave()
    this.#route.noteEarlyWaiter(false)
    this.#deadline?.cancel()
    this.#origin.onFinished()
    this.#admitted?.end(this.#status, this.ttfbMs, error, this.#clock.now())
    const { isObserved } = this.#origin
    // Asked as of the head, which spares most requests a reading of the clock.
    const isSample = error === undefined && this.#route.isSample(this.#headAt)
    const now = isSample || isObserved ? this.#clock.now() : 0
    if (isSample) this.#sample(now - this.#headAt, false, now)
    this.#route.leaveLane()
    if (!isObserved) return
    const event = exchangeEnded(this, {
      origin: this.#origin.origin,
      request: this.#request,
      status: this.#status,
      lane: this.#route.lane.name,
      responseBytes: this.#responseBytes,
      stallMs: controllerOf(this.#state)?.stallMs,
      totalMs: now - this.#startedAt,
      earlierTries: this.#route.earlierTries,
      error,
    })
    this.#origin.onEnded(event, now)
  }

  #sample(bodyMs: number, failed: boolean, now: number): void {
    const stallMs = controllerOf(this.#state)?.stallMs
    this.#origin.lanes.onSample(this.#route.sample(this, bodyMs, this.#responseBytes, stallMs, failed), now)
  }

  /** The one writer of the state. */
  #enter(next: ExchangeState): void {
    this.#tryTimer?.cancel()
    this.#state = transition(this.#state, next)
  }
}
