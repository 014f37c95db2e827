import type { Duplex } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import type { ExchangeController, ExchangeHandler, ExchangeRequest } from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'
import type { ExchangeOrigin } from '../origin/exchange-origin.ts'
import type { AwaitedAnswer } from '../origin/lanes/answer-watch.ts'
import type { Lane } from '../origin/lanes/lane.ts'
import type { Http3Path } from '../origin/paths/http3-paths.ts'
import type { Waiter } from '../pool/pool-driver.ts'
import { isOfCaller } from './replay-rules.ts'

/** The exchange whose request is out: what only it can do. */
export interface HedgedExchange extends ExchangeHandler {
  /**
   * The second copy was answered first: its connection is the exchange's from now on. `error`: why the first
   * copy does not count; it has ended by itself, or `isFirstOut`. False: the caller has given up over it.
   */
  onHedgeAnswered(answered: AnsweredCopy, error: TransportError, isFirstOut: boolean): boolean
  /** The first copy had failed with this, and the second one came to nothing as well. */
  onHedgeFailed(error: TransportError): void
}

export interface HedgedRequestParts {
  readonly exchange: HedgedExchange
  readonly origin: Pick<ExchangeOrigin, 'answers' | 'retryBudget' | 'lanes'>
  readonly clock: Clock
  /** What was sent over `path`, at `leasedAt`: it may be sent twice, and its body is in memory. */
  readonly request: ExchangeRequest
  readonly path: Http3Path
  readonly leasedAt: number
  /** The lane of the path. */
  readonly lane: Lane
}

/**
 * A hedged request (Dean and Barroso, "The Tail at Scale", 2013): watches a request over HTTP/3 until it is
 * answered. When nothing comes within the hedge delay, and the path looks as if it were to blame, it sends a
 * second copy. The first copy that is answered counts. Where the second one goes:
 * 1. Over TCP, where there is TCP and the budget allows it; where the path was blamed already that is free,
 *    as on a connection that broke (rule 7 of the replays).
 * 2. Over a new connection of HTTP/3, when the path is unresponsive (QuicOptions.unresponsiveMs). The first
 *    time is free: a handshake that was answered while the path is still silent says that the origin is there
 *    and the connection is not.
 *
 * `watching` -> `trying` when the second copy goes -> `over` when either has an answer, when the second one
 * fails, or when the exchange does not wait for this any more (`watching` -> `over`, too). There is one
 * second copy at a time; of an unresponsive path it is tried again when it came to nothing.
 */
export class HedgedRequest implements AwaitedAnswer, SecondCopyOwner {
  readonly #parts: HedgedRequestParts
  #phase: 'watching' | 'trying' | 'over' = 'watching'
  /** What had come over the path when the request left, or when it was looked at last. */
  #receivedBytes: number
  #second: SecondCopy | undefined
  /** Of the first copy, which has failed while the second one is out. */
  #firstError: TransportError | undefined
  #tries = 0
  /** Rule 2. */
  #isFresh = false

  constructor(parts: HedgedRequestParts) {
    this.#parts = parts
    this.#receivedBytes = parts.path.receivedBytes
  }

  start(): void {
    const { origin, path, leasedAt } = this.#parts
    origin.answers.add(this, leasedAt + path.patienceMs)
  }

  /** The path is unresponsive. */
  onPathUnresponsive(): void {
    if (this.#phase === 'watching') this.#sendAgain(this.#parts.clock.now())
  }

  /** The first copy is over, and the second one decides. */
  get hasOnlySecond(): boolean {
    return this.#phase === 'trying' && this.#firstError !== undefined
  }

  /** The first copy failed. True: nothing follows from that before the second one has ended. */
  holdsBack(error: TransportError): boolean {
    if (this.#phase !== 'trying' || isOfCaller(error)) return false
    this.#firstError = error
    return true
  }

  /** The exchange has its answer, or does not wait for this one any more. */
  end(): void {
    this.#phase = 'over'
    this.#second?.cancel()
    this.#second = undefined
  }

  // The watch's side: AwaitedAnswer

  get isAwaited(): boolean {
    return this.#phase === 'watching'
  }

  onOverdue(): void {
    const { origin, clock, path } = this.#parts
    const now = clock.now()
    if (path.isSuspect(this.#receivedBytes)) {
      if (this.#sendAgain(now)) return
    } else {
      this.#receivedBytes = path.receivedBytes
      path.check()
    }
    origin.answers.add(this, now + path.patienceMs)
  }

  #sendAgain(now: number): boolean {
    const { origin, path, lane } = this.#parts
    const { fallback } = origin.lanes // TCP, if there is one
    const { retryBudget } = origin
    if (fallback !== undefined && (path.hasFailed || retryBudget.withdraw(now)))
      this.#send(fallback, false) // 1
    else if (path.isUnresponsive && (this.#tries === 0 || retryBudget.withdraw(now)))
      this.#send(lane, true) // 2
    else return false
    return true
  }

  #send(lane: Lane, fresh: boolean): void {
    const { exchange, clock, request } = this.#parts
    this.#phase = 'trying'
    this.#tries += 1
    this.#isFresh = fresh
    const copy = request.mayBeEarly === true ? { ...request, mayBeEarly: false } : request
    this.#second = new SecondCopy(this, exchange, lane, copy, () => clock.now())
    this.#second.start(fresh)
  }

  // For the second copy: SecondCopyOwner

  onCopyAnswered(answered: AnsweredCopy): boolean {
    if (this.#phase !== 'trying') return false
    this.#phase = 'over'
    this.#second = undefined // it is the exchange now
    const { exchange, clock, path, leasedAt } = this.#parts
    const now = clock.now()
    if (!this.#isFresh) path.onOvertaken(this.#receivedBytes, now - leasedAt, now - answered.leasedAt)
    if (this.#firstError !== undefined) return exchange.onHedgeAnswered(answered, this.#firstError, false)
    const message = this.#isFresh
      ? 'the connection gave no answer, and a new one did'
      : 'HTTP/3 gave no answer, and TCP did'
    const error = new TransportError('MM_HEADERS_TIMEOUT', message, { processed: 'unknown' })
    return exchange.onHedgeAnswered(answered, error, true)
  }

  onCopyFailed(): void {
    if (this.#phase !== 'trying') return
    this.#second = undefined
    const { exchange, origin, clock, path } = this.#parts
    if (this.#firstError === undefined && path.isUnresponsive) {
      this.#phase = 'watching'
      origin.answers.add(this, clock.now() + path.patienceMs)
      return
    }
    this.#phase = 'over'
    if (this.#firstError !== undefined) exchange.onHedgeFailed(this.#firstError)
  }

  isCopyWanted(): boolean {
    return !this.#isFresh || this.#firstError !== undefined || this.#parts.path.isUnresponsive
  }
}

/** A second copy with an answer. */
export interface AnsweredCopy {
  readonly lane: Lane
  readonly connection: Connection
  readonly controller: ExchangeController
  readonly reused: boolean
  readonly leasedAt: number
  /** It waited for that. */
  readonly queueMs: number
}

/** Who says what becomes of a second copy. */
interface SecondCopyOwner {
  /**
   * It has an answer. False: that comes too late, or is not wanted. After true everything goes to the
   * exchange.
   */
  onCopyAnswered(answered: AnsweredCopy): boolean
  /** It came to nothing. */
  onCopyFailed(): void
  /** It has a connection: whether it is to be sent still. */
  isCopyWanted(): boolean
}

/**
 * Where it stands. `waiting` for a connection; `sent`; `adopted`: its answer is the exchange's; `over`: given
 * up or failed.
 */
type Phase = 'waiting' | 'sent' | 'adopted' | 'over'

/**
 * A second copy of a request that may be sent twice, over another lane or another connection, while the first
 * one is still out. The first answer of the two is the exchange's. Its body, if it has one, is in memory, and
 * it says nothing to the caller before it has an answer.
 */
class SecondCopy implements Waiter, ExchangeHandler {
  readonly #owner: SecondCopyOwner
  readonly #exchange: ExchangeHandler
  readonly #lane: Lane
  readonly #request: ExchangeRequest
  #phase: Phase = 'waiting'
  #connection: Connection | undefined
  #controller: ExchangeController | undefined
  #reused = false
  #startedAt = 0
  #leasedAt = 0
  readonly #now: () => number

  /** `exchange`: who receives the answer, if it is taken. */
  constructor(
    owner: SecondCopyOwner,
    exchange: ExchangeHandler,
    lane: Lane,
    request: ExchangeRequest,
    now: () => number,
  ) {
    this.#owner = owner
    this.#exchange = exchange
    this.#lane = lane
    this.#request = request
    this.#now = now
  }

  get fairKey(): string | undefined {
    return this.#request.fairKey
  }

  /** `fresh`: only a new connection will do. */
  start(fresh: boolean): void {
    this.#startedAt = this.#now()
    this.#lane.pool.acquire(this, fresh, true)
  }

  /** The exchange has its answer, or has ended. */
  cancel(): void {
    const before = this.#phase
    if (before === 'adopted' || before === 'over') return
    this.#phase = 'over'
    if (before === 'waiting') this.#lane.pool.cancel(this)
    else
      this.#controller?.abort(new TransportError('MM_ABORTED', 'the first copy of the request was answered'))
  }

  onLease(connection: Connection, reused: boolean): void {
    if (!this.#owner.isCopyWanted()) {
      this.#lane.pool.release(connection)
      this.#fail()
      return
    }
    this.#phase = 'sent'
    this.#connection = connection
    this.#reused = reused
    this.#leasedAt = this.#now()
    const { altUsed } = connection
    connection.open(altUsed === undefined ? this.#request : withAltUsed(this.#request, altUsed), this)
  }

  onLeaseFailed(): void {
    this.#fail()
  }

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
  }

  onInformational(controller: ExchangeController, status: number, headers: HeaderList): void {
    if (this.#takesOver(controller)) this.#exchange.onInformational(controller, status, headers)
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    if (this.#takesOver(controller)) this.#exchange.onResponseStart(controller, status, headers, statusText)
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    if (this.#phase === 'adopted') this.#exchange.onResponseData(controller, chunk)
  }

  onResponseEnd(controller: ExchangeController, trailers: HeaderList): void {
    if (this.#phase === 'adopted') this.#exchange.onResponseEnd(controller, trailers)
  }

  /** It asks for none: the request has no `upgrade`. */
  onUpgrade(controller: ExchangeController, _status: number, _headers: HeaderList, tunnel: Duplex): void {
    tunnel.destroy()
    this.onResponseError(
      controller,
      new TransportError('MM_PROTOCOL_ERROR', 'an upgrade that nobody asked for'),
    )
  }

  onResponseError(controller: ExchangeController | undefined, error: TransportError): void {
    if (this.#phase === 'adopted') this.#exchange.onResponseError(controller, error)
    else this.#fail()
  }

  /** Whether an answer is the exchange's. Asked with its first sign. */
  #takesOver(controller: ExchangeController): boolean {
    if (this.#phase === 'adopted') return true
    const connection = this.#connection
    if (this.#phase !== 'sent' || connection === undefined) return false
    this.#phase = 'adopted' // before the caller is notified of it: an abort from there is the exchange's
    const answered: AnsweredCopy = {
      lane: this.#lane,
      connection,
      controller,
      reused: this.#reused,
      leasedAt: this.#leasedAt,
      queueMs: this.#leasedAt - this.#startedAt,
    }
    if (this.#owner.onCopyAnswered(answered)) return true
    this.#phase = 'over'
    controller.abort(new TransportError('MM_ABORTED', 'the first copy of the request was answered'))
    return false
  }

  #fail(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#owner.onCopyFailed()
  }
}

/** RFC 7838 section 5: who uses an alternative says which one. */
export function withAltUsed(request: ExchangeRequest, altUsed: string): ExchangeRequest {
  return { ...request, headers: [...request.headers, 'alt-used', altUsed] }
}
