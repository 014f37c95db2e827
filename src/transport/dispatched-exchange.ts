import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../clock.ts'
import type { Connection } from '../connection.ts'
import { TransportError } from '../errors.ts'
import {
  type ExchangeController,
  type ExchangeHandler,
  type ExchangeRequest,
  isReplayableBody,
} from '../exchange.ts'
import type { HeaderList } from '../headers.ts'
import type { Pool, Waiter } from '../pool/pool.ts'
import type { DispatchHandle } from './api.ts'
import type { OriginEntry } from './origin-entry.ts'
import { isTooEarly, judgeReplay, needsHttp1 } from './replay-rules.ts'

/**
 * One request from its dispatch to its end: it waits in the pool, is opened on the connection that it is leased, passes everything
 * on to the caller's handler, and is sent again where the replay rules allow it. It is the pool's waiter and the connection's
 * handler itself, so that a request costs this one object.
 *
 * `waiting` -> `active` on a lease; back to `waiting` for a replay; `done` from anywhere, once.
 */
export class DispatchedExchange implements Waiter, ExchangeHandler, DispatchHandle {
  readonly #entry: OriginEntry
  /** Changes when it is sent again: it does not leave in early data twice. */
  #request: ExchangeRequest
  readonly #handler: ExchangeHandler
  readonly #clock: Clock

  #phase: 'waiting' | 'active' | 'done' = 'waiting'
  /** Where it waits, or comes from. */
  #pool: Pool
  #connection: Connection | undefined
  #controller: ExchangeController | undefined
  #reused = false
  #retries = 0
  /** Within start(): a lease that comes now was not waited for, and the time need not be looked up again. */
  #isStarting = false
  /** The caller saw something of an answer. */
  #isCommitted = false
  /** Counted by the entry as one who would leave in early data. */
  #isEarlyWaiter = false
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
    this.#pool = request.upgrade === undefined ? entry.pool : entry.upgrades.first()
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
    this.#pool.acquire(this, false, false, this.#startedAt)
    this.#isStarting = false
  }

  // The caller's side: DispatchHandle

  abort(error: TransportError): void {
    if (this.#phase === 'waiting') {
      this.#pool.cancel(this)
      this.#fail(error)
    } else if (this.#phase === 'active') {
      this.#isCommitted = true // nothing of it is sent again
      this.#controller?.abort(error)
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

  // The pool's side: Waiter

  onLease(connection: Connection, reused: boolean): void {
    this.#phase = 'active'
    this.#noteEarlyWaiter(false)
    this.#connection = connection
    this.#reused = reused
    this.#leasedAt = this.#isStarting ? this.#startedAt : this.#clock.now()
    if (reused) this.#entry.ledger.onReuse()
    connection.open(this.#request, this)
  }

  onLeaseFailed(error: TransportError): void {
    if (this.#phase !== 'waiting') return
    if (this.#tryReplay(error, true)) return
    this.#fail(this.#request.upgrade === undefined ? error : this.#entry.upgrades.failure(error, this.#pool))
  }

  // The connection's side: ExchangeHandler

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
    this.#handler.onRequestStart(controller)
  }

  onInformational(controller: ExchangeController, status: number, headers: HeaderList): void {
    this.#isCommitted = true
    this.#handler.onInformational(controller, status, headers)
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    if (!this.#isCommitted && isTooEarly(status, this.wasEarly, this.#request.headers)) {
      this.#tooEarly = new TransportError('MM_REFUSED', 'the origin answered 425 (Too Early) to early data')
      controller.abort(this.#tooEarly) // onResponseError follows from within
      return
    }
    this.#isCommitted = true
    this.#status = status
    this.#headAt = this.#clock.now()
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

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    if (this.#phase !== 'active') return
    if (this.#tooEarly !== undefined) this.#sendAfterHandshake(this.#tooEarly)
    else if (!this.#tryDetour(error) && !this.#tryReplay(error, false)) this.#fail(error)
  }

  // Replays and the end

  #tryReplay(error: TransportError, beforeLease: boolean): boolean {
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
    })
    if (!verdict.replay) return false
    if (verdict.cost === 'budgeted' && !this.#entry.retryBudget.withdraw(this.#clock.now())) return false
    this.#retries += 1
    this.#entry.onRetry(verdict.reason, error)
    if (this.wasEarly) this.#request = { ...this.#request, mayBeEarly: false }
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
    this.#pool = pool
    this.#acquireAgain(false)
    return true
  }

  #acquireAgain(wantsFresh: boolean): void {
    this.#phase = 'waiting'
    this.#controller = undefined
    this.#noteEarlyWaiter(this.#request.mayBeEarly === true)
    this.#pool.acquire(this, wantsFresh, true)
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
    if (!this.#entry.isObserved) return
    const { body } = this.#request
    const leasedAt = this.#leasedAt
    const now = this.#clock.now()
    this.#entry.onExchangeEnded({
      type: 'exchange-ended',
      origin: this.#entry.origin,
      method: this.#request.method,
      path: this.#request.path,
      status: this.#status,
      protocol: this.#connection?.protocol,
      lane: 'tcp',
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
}
