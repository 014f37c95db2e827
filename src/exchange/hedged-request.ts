import type { Clock } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import type { RetryReason } from '../base/events/observer.ts'
import type { ExchangeHandler, ExchangeRequest } from '../base/http/exchange.ts'
import type { ExchangeOrigin } from '../origin/exchange-origin.ts'
import type { AwaitedAnswer } from '../origin/lanes/answer-watch.ts'
import type { Lane } from '../origin/lanes/lane.ts'
import type { Http3Path } from '../origin/paths/http3-paths.ts'
import { isOfCaller } from './replay-rules.ts'
import { type AnsweredCopy, SecondCopy, type SecondCopyOwner } from './second-copy.ts'

/** Why there was a second copy. */
export type HedgeReason = Extract<RetryReason, 'http3-failed' | 'unresponsive' | 'hedged'>

/** The exchange whose request is out: what only it can do. */
export interface HedgedExchange extends ExchangeHandler {
  /**
   * The second copy was answered first: its connection is the exchange's from now on. `error`: why the
   * first copy does not count; it has ended by itself, or `isFirstOut`. False: the caller has given up over
   * it.
   */
  onHedgeAnswered(
    answered: AnsweredCopy,
    reason: HedgeReason,
    error: TransportError,
    isFirstOut: boolean,
  ): boolean
  /** The first copy had failed with this, and the second one came to nothing as well. */
  onHedgeFailed(error: TransportError): void
  /** Too few of those that are under way were sent twice to refuse this one. */
  mayHedge(now: number): boolean
}

export interface HedgedRequestParts {
  readonly exchange: HedgedExchange
  readonly origin: Pick<ExchangeOrigin, 'answers' | 'retryBudget' | 'lanes' | 'hedging'>
  readonly clock: Clock
  /** What was sent over `connection`, at `leasedAt`: it may be sent twice, and its body is in memory. */
  readonly request: ExchangeRequest
  readonly connection: Connection
  readonly leasedAt: number
  /** The lane of the connection. */
  readonly lane: Lane
  /** Its path. Undefined: it is not over HTTP/3. */
  readonly path: Http3Path | undefined
}

/**
 * A hedged request (Dean and Barroso, "The Tail at Scale", 2013): watches a request until it is answered.
 * When nothing comes for too long, it sends a second copy. The first copy that is answered counts. When,
 * and where the second one goes:
 * 1. Over HTTP/3, when nothing comes within the hedge delay of the path, and the path looks as if it were
 *    to blame: over TCP, where there is TCP and the budget allows it; where the path was blamed already
 *    that is free, as on a connection that broke (rule 7 of the replays).
 * 2. Over HTTP/3, when the path is unresponsive (QuicOptions.unresponsiveMs): over a new connection. The
 *    first time is free: a handshake that was answered while the path is still silent says that the origin
 *    is there and the connection is not.
 * 3. With `hedge`, when it has waited longer than most requests do: over the same lane, to another endpoint
 *    where there are several, once, if its own budget allows it and nobody waits for a connection.
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
  /** Of the second copy. */
  #reason: HedgeReason = 'hedged'

  constructor(parts: HedgedRequestParts) {
    this.#parts = parts
    this.#receivedBytes = parts.path?.receivedBytes ?? 0
  }

  /** Rules 1 and 2. */
  watchPath(): void {
    const { origin, path, leasedAt } = this.#parts
    if (path !== undefined) origin.answers.add(this, leasedAt + path.patienceMs)
  }

  /** Rule 3. */
  watchTail(): void {
    const isAwaited = (): boolean => this.isAwaited
    const answer: AwaitedAnswer = {
      get isAwaited() {
        return isAwaited()
      },
      onOverdue: () => this.#onSlow(),
    }
    this.#parts.origin.hedging?.watch(answer, this.#parts.leasedAt)
  }

  /** The path is unresponsive. */
  onPathUnresponsive(): void {
    const { path, clock } = this.#parts
    if (this.#phase === 'watching' && path !== undefined) this.#leavePath(path, clock.now())
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
    if (this.#phase === 'trying' && this.#reason === 'hedged') this.#parts.origin.hedging?.onEnded('lost')
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
    if (path === undefined) return
    const now = clock.now()
    if (path.isSuspect(this.#receivedBytes)) {
      if (this.#leavePath(path, now)) return
    } else {
      this.#receivedBytes = path.receivedBytes
      path.check()
    }
    origin.answers.add(this, now + path.patienceMs)
  }

  #leavePath(path: Http3Path, now: number): boolean {
    const { origin, lane } = this.#parts
    const { fallback } = origin.lanes // TCP, if there is one
    const { retryBudget } = origin
    if (fallback !== undefined && (path.hasFailed || retryBudget.withdraw(now)))
      this.#send(fallback, 'http3-failed') // 1
    else if (path.isUnresponsive && (this.#tries === 0 || retryBudget.withdraw(now)))
      this.#send(lane, 'unresponsive') // 2
    else return false
    return true
  }

  #onSlow(): void {
    const { exchange, origin, clock, lane, connection } = this.#parts
    const now = clock.now()
    if (lane.pool.load.waiters > 0 || lane.balanced?.hasBeside(connection, now) === false) return
    if (!exchange.mayHedge(now) || origin.hedging?.take(now) !== true) return
    this.#send(lane, 'hedged') // 3
  }

  #send(lane: Lane, reason: HedgeReason): void {
    const { exchange, clock, request, connection } = this.#parts
    this.#phase = 'trying'
    this.#tries += 1
    this.#reason = reason
    const copy = request.mayBeEarly === true ? { ...request, mayBeEarly: false } : request
    const avoids = reason === 'hedged' ? connection : undefined
    this.#second = new SecondCopy(this, exchange, lane, copy, avoids, () => clock.now())
    this.#second.start(reason === 'unresponsive')
  }

  // For the second copy: SecondCopyOwner

  onCopyAnswered(answered: AnsweredCopy): boolean {
    if (this.#phase !== 'trying') return false
    this.#phase = 'over'
    this.#second = undefined // it is the exchange now
    const { exchange, origin, clock, path, leasedAt, connection, lane } = this.#parts
    const now = clock.now()
    const reason = this.#reason
    if (reason === 'http3-failed')
      path?.onOvertaken(this.#receivedBytes, now - leasedAt, now - answered.leasedAt)
    const isFirstOut = this.#firstError === undefined
    if (reason === 'hedged') {
      origin.hedging?.onEnded('won')
      if (isFirstOut) lane.balanced?.onOvertaken(connection, now)
    }
    return exchange.onHedgeAnswered(answered, reason, this.#firstError ?? overtaken(reason), isFirstOut)
  }

  onCopyFailed(): void {
    if (this.#phase !== 'trying') return
    this.#second = undefined
    const { exchange, origin, clock, path } = this.#parts
    const isHedge = this.#reason === 'hedged'
    if (isHedge) origin.hedging?.onEnded('failed')
    if (this.#firstError === undefined && (isHedge || path?.isUnresponsive === true)) {
      this.#phase = 'watching'
      if (path !== undefined) origin.answers.add(this, clock.now() + path.patienceMs)
      return
    }
    this.#phase = 'over'
    if (this.#firstError !== undefined) exchange.onHedgeFailed(this.#firstError)
  }

  isCopyWanted(): boolean {
    const isNeeded = this.#firstError !== undefined || this.#parts.path?.isUnresponsive === true
    return this.#reason !== 'unresponsive' || isNeeded
  }

  /** A refusal that comes at once is no better than the answer that others still work on. */
  isAnswerWanted(status: number): boolean {
    return this.#reason !== 'hedged' || status < 500 || this.#firstError !== undefined
  }
}

/** What the first copy ends with. */
function overtaken(reason: HedgeReason): TransportError {
  // That it is slower than others speaks neither against its connection nor against its lane.
  if (reason === 'hedged')
    return new TransportError('MM_ABORTED', 'the second copy of the request was answered')
  const message =
    reason === 'unresponsive'
      ? 'the connection gave no answer, and a new one did'
      : 'HTTP/3 gave no answer, and TCP did'
  return new TransportError('MM_HEADERS_TIMEOUT', message, { processed: 'unknown' })
}
