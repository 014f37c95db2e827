import type { Clock } from '../clock.ts'
import { TransportError } from '../errors.ts'
import type { ExchangeHandler, ExchangeRequest } from '../exchange.ts'
import type { AwaitedAnswer } from './answer-watch.ts'
import { isOfCaller } from './failure-blame.ts'
import type { Http3Path } from './http3-paths.ts'
import type { Lane } from './lane.ts'
import type { OriginEntry } from './origin-entry.ts'
import { type AnsweredTry, SecondTry, type SecondTryJudge } from './second-try.ts'

/** The exchange whose request is out: what only it can do. */
export interface RescuedExchange extends ExchangeHandler {
  /**
   * The second copy was answered first: its connection is the exchange's from now on. `error`: why the first copy does not count; it has ended by
   * itself, or `isFirstOut`. False: the caller has given up over it.
   */
  onRescued(answered: AnsweredTry, error: TransportError, isFirstOut: boolean): boolean
  /** The first copy had failed with this, and the second one came to nothing as well. */
  onRescueFailed(error: TransportError): void
}

export interface RescueParts {
  readonly exchange: RescuedExchange
  readonly entry: OriginEntry
  readonly clock: Clock
  /** What was sent over `path`, at `leasedAt`: safe, and without a body. */
  readonly request: ExchangeRequest
  readonly path: Http3Path
  readonly leasedAt: number
  /** Where the second copy goes. */
  readonly fallback: Lane
}

/**
 * What stands by a request over HTTP/3 until it is answered. When nothing comes in time, and the way looks as if it were to blame, it sends a second
 * copy over TCP, and says which of the two counts: the first that answers.
 *
 * `watching` -> `trying` when the second copy goes -> `over` when either has an answer, when the second one fails, or when the exchange does not
 * wait for this any more (`watching` -> `over`, too). There is one second copy at most.
 */
export class Rescue implements AwaitedAnswer, SecondTryJudge {
  readonly #parts: RescueParts
  #phase: 'watching' | 'trying' | 'over' = 'watching'
  /** What had come over the path when the request left, or when it was looked at last. */
  #receivedBytes: number
  #second: SecondTry | undefined
  /** Of the first copy, which has failed while the second one is out. */
  #firstError: TransportError | undefined

  constructor(parts: RescueParts) {
    this.#parts = parts
    this.#receivedBytes = parts.path.receivedBytes
  }

  start(): void {
    const { entry, path, leasedAt } = this.#parts
    entry.lanes.answers.add(this, leasedAt + path.patienceMs)
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
    const { entry, clock, path } = this.#parts
    const now = clock.now()
    if (!path.isSuspect(this.#receivedBytes)) {
      this.#receivedBytes = path.receivedBytes
      path.check()
    } else if (path.hasFailed || entry.retryBudget.withdraw(now)) {
      // On a path that has failed it is free, as on a connection that broke (rule 7 of the replays).
      this.#sendAgain()
      return
    }
    entry.lanes.answers.add(this, now + path.patienceMs)
  }

  #sendAgain(): void {
    const { exchange, clock, request, fallback } = this.#parts
    this.#phase = 'trying'
    const copy = request.mayBeEarly === true ? { ...request, mayBeEarly: false } : request
    this.#second = new SecondTry(this, exchange, fallback, copy, () => clock.now())
    this.#second.start()
  }

  // The second try's side: SecondTryJudge

  onSecondTryAnswered(answered: AnsweredTry): boolean {
    if (this.#phase !== 'trying') return false
    this.#phase = 'over'
    this.#second = undefined // it is the exchange now
    const { exchange, clock, path, leasedAt } = this.#parts
    const now = clock.now()
    path.onOvertaken(this.#receivedBytes, now - leasedAt, now - answered.leasedAt)
    if (this.#firstError !== undefined) return exchange.onRescued(answered, this.#firstError, false)
    const error = new TransportError('MM_HEADERS_TIMEOUT', 'HTTP/3 gave no answer, and TCP did', {
      processed: 'unknown',
    })
    return exchange.onRescued(answered, error, true)
  }

  onSecondTryFailed(): void {
    if (this.#phase !== 'trying') return
    this.#phase = 'over'
    this.#second = undefined
    if (this.#firstError !== undefined) this.#parts.exchange.onRescueFailed(this.#firstError)
  }
}
