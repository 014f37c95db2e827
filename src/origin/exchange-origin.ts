import type { Clock } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import type { ExchangeEnded, Observer, RetryReason } from '../base/events/observer.ts'
import { formatEndpoint } from '../base/http/endpoint.ts'
import type { Origin } from '../base/http/origin.ts'
import type { OriginRecord } from '../select/record/origin-record.ts'
import { Admission, type AdmissionFigures, type Admitted, NO_ADMISSION } from './admission/admission.ts'
import type { DialTurns } from './connecting/dial-turns.ts'
import type { OriginEconomy } from './economy/origin-economy.ts'
import type { EventLoopReference } from './event-loop-reference.ts'
import { Hedging } from './hedging/hedging.ts'
import type { OriginHints } from './hints/origin-hints.ts'
import { AnswerWatch } from './lanes/answer-watch.ts'
import type { Lanes } from './lanes/lanes.ts'
import type { HandshakeLedger } from './ledger/handshake-ledger.ts'
import type { OriginSettings } from './origin-settings.ts'
import { RetryBudget, type RetryBudgetFigures } from './retry-budget.ts'
import type { UpgradeRoute } from './upgrade-route.ts'

/** The lanes of an origin as its exchanges use them. */
type ExchangeLanes = Pick<
  Lanes,
  | 'primary'
  | 'fallback'
  | 'withoutHttp3'
  | 'named'
  | 'isChoosing'
  | 'readsAltSvc'
  | 'selectLane'
  | 'race'
  | 'pathOf'
  | 'isSample'
  | 'onSample'
  | 'onResponseHead'
>

/** What an exchange sees of its origin, and what it reports to it. */
export interface ExchangeOrigin {
  readonly origin: Origin
  readonly settings: Pick<OriginSettings, 'timeouts' | 'retry' | 'reuse'>
  readonly lanes: ExchangeLanes
  readonly upgrades: Pick<UpgradeRoute, 'first' | 'next' | 'failure'>
  /** Calls the requests over HTTP/3 that have waited for an answer for too long. */
  readonly answers: Pick<AnswerWatch, 'add'>
  readonly retryBudget: Pick<RetryBudget, 'withdraw'>
  /** Undefined: requests are not sent twice for being slow. */
  readonly hedging: Pick<Hedging, 'onRequest' | 'watch' | 'take' | 'onAnswered' | 'onEnded'> | undefined
  /** Reads hints to preconnect. */
  readonly hints: Pick<OriginHints, 'isReading' | 'onHead'>
  /** Whether anybody is notified of exchanges: an event that nobody is notified of need not be made. */
  readonly isObserved: boolean
  /** The connection has left its first path, or tried to. */
  hasMoved(connection: Connection): boolean
  /**
   * An exchange begins: until onFinished() it keeps the process alive. An error: it is not let in;
   * undefined: nothing is bounded.
   */
  onStarted(now: number): Admitted | TransportError | undefined
  /** It waits for no more. */
  onFinished(): void
  /** One begins (1) or ends (-1) to wait for a connection whose request may leave in early data. */
  onEarlyWaiter(change: 1 | -1): void
  /** It was leased a connection that had carried an exchange before. */
  onReuse(connection: Connection): void
  /** It is sent again. */
  onRetry(reason: RetryReason, error: TransportError): void
  /** A new connection ended without an answer: other endpoints of the origin come first for a while. */
  onUnanswered(connection: Connection, error: TransportError): void
  /** Its request was answered with 421 (Misdirected Request) over another origin's connection. */
  onMisdirected(connection: Connection): void
  /** The peer of a connection takes no extended CONNECT. */
  onExtendedConnectMissing(now: number): void
  onEnded(event: ExchangeEnded, now: number): void
}

export interface OriginExchangesParts {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly lanes: Lanes
  readonly upgrades: UpgradeRoute
  readonly hints: OriginHints
  readonly ledger: HandshakeLedger
  readonly economy: Pick<OriginEconomy, 'onRequest'>
  readonly hold: EventLoopReference
  readonly dialTurns: DialTurns
  readonly clock: Clock
  readonly observer: Observer
  readonly isObserved: () => boolean
  readonly hasMoved: (connection: Connection) => boolean
  readonly onMisdirected: (connection: Connection) => void
}

/** The exchanges of one origin: what they share, and what is counted of them. */
export class OriginExchanges implements ExchangeOrigin {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly lanes: Lanes
  readonly upgrades: UpgradeRoute
  readonly answers: AnswerWatch
  readonly retryBudget: RetryBudget
  readonly hedging: Hedging | undefined
  readonly hints: OriginHints
  readonly #parts: OriginExchangesParts
  readonly #admission: Admission | undefined
  #retries = 0
  #earlyWaiters = 0

  constructor(parts: OriginExchangesParts) {
    const { origin, settings, lanes, upgrades, hints, clock } = parts
    this.#parts = parts
    this.origin = origin
    this.settings = settings
    this.lanes = lanes
    this.upgrades = upgrades
    this.hints = hints
    this.answers = new AnswerWatch(clock)
    this.retryBudget = new RetryBudget(settings.retry, clock.now())
    this.hedging = Hedging.of(settings.hedge, clock)
    this.#admission = Admission.of(settings, clock.now(), (by, limit) =>
      parts.observer({ type: 'requests-refused', origin, by, limit }),
    )
  }

  /** How often one was sent again. */
  get retries(): number {
    return this.#retries
  }

  /** What bounds them, and what was turned away. */
  bounds(now: number): AdmissionFigures & { readonly retryBudget: RetryBudgetFigures } {
    return { ...(this.#admission?.figures() ?? NO_ADMISSION), retryBudget: this.retryBudget.figures(now) }
  }

  /** One waits for a connection whose request may leave in early data. */
  get wantsEarlyData(): boolean {
    return this.#earlyWaiters > 0
  }

  get isObserved(): boolean {
    return this.#parts.isObserved()
  }

  hasMoved(connection: Connection): boolean {
    return this.#parts.hasMoved(connection)
  }

  onStarted(now: number): Admitted | TransportError | undefined {
    const { hold, dialTurns, economy } = this.#parts
    hold.take()
    const admitted = this.#admission?.admit(now)
    if (admitted instanceof TransportError) return admitted
    this.retryBudget.deposit()
    dialTurns.onRequest(this.origin.key, now)
    economy.onRequest(now)
    return admitted
  }

  onFinished(): void {
    this.#parts.hold.release()
  }

  onEarlyWaiter(change: 1 | -1): void {
    this.#earlyWaiters += change
  }

  onReuse(connection: Connection): void {
    this.#parts.ledger.onReuse(connection)
  }

  onRetry(reason: RetryReason, error: TransportError): void {
    this.#retries += 1
    this.#parts.observer({ type: 'exchange-retried', origin: this.origin, reason, error })
  }

  onUnanswered({ protocol, endpoint }: Connection, error: TransportError): void {
    const { record, clock } = this.#parts
    const failed = {
      protocol,
      endpoint: formatEndpoint(endpoint),
      startedAtMs: 0,
      outcome: 'failed',
    } as const
    const attempt = { ...failed, because: 'a new connection', error: error.message }
    record.onAttempts([attempt], clock.now())
  }

  onMisdirected(connection: Connection): void {
    this.#parts.onMisdirected(connection)
  }

  onExtendedConnectMissing(now: number): void {
    this.#parts.record.onExtendedConnect(false, now)
  }

  onEnded(event: ExchangeEnded, now: number): void {
    this.#parts.observer(event)
    this.lanes.onObserved(event.lane, now)
  }

  /** No more requests are hedged. */
  close(): void {
    this.answers.close()
    this.hedging?.close()
  }
}
