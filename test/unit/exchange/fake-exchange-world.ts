import type { Processed } from '../../../src/base/error-code-info.ts'
import type { ErrorCode } from '../../../src/base/error-codes.ts'
import { TransportError } from '../../../src/base/errors.ts'
import type { AttemptRecord, Connection } from '../../../src/base/events/connection.ts'
import type { ExchangeEnded } from '../../../src/base/events/observer.ts'
import type { ExchangeHandler, ExchangeRequest } from '../../../src/base/http/exchange.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import type { LaneName } from '../../../src/base/http/protocol.ts'
import type { Given, RetryOptions } from '../../../src/base/options/options.ts'
import { DispatchedExchange } from '../../../src/exchange/dispatched-exchange.ts'
import type { Admission } from '../../../src/origin/admission/admission.ts'
import type { OriginConnector } from '../../../src/origin/connecting/origin-connector.ts'
import type { ExchangeOrigin } from '../../../src/origin/exchange-origin.ts'
import type { Hedging } from '../../../src/origin/hedging/hedging.ts'
import { AnswerWatch } from '../../../src/origin/lanes/answer-watch.ts'
import { Lane } from '../../../src/origin/lanes/lane.ts'
import type { LaneRace } from '../../../src/origin/lanes/lane-race.ts'
import { SettingsBook } from '../../../src/origin/origin-settings.ts'
import { Http3Path } from '../../../src/origin/paths/http3-paths.ts'
import { RetryBudget } from '../../../src/origin/retry-budget.ts'
import type { Pool } from '../../../src/pool/pool.ts'
import type { Waiter } from '../../../src/pool/pool-driver.ts'
import type { QuicConnection } from '../../../src/quic/engine.ts'
import type { ExchangeSample } from '../../../src/select/choice/choice-action.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { RecordingHandler } from '../../contract/recorder.ts'
import { FakeController } from '../api/fake-controller.ts'

interface LeaseOptions {
  id?: number
  reused?: boolean
  isCapacityProvisional?: boolean
  wasEarly?: boolean
  earlyData?: string
  /** The peer has told it to end. */
  requestsTaken?: number
  altUsed?: string
  attempts?: readonly AttemptRecord[]
}

/** How long a request over HTTP/3 waits for a proof of liveness. */
export const PATIENCE_MS = 100

export const died = (
  processed: Processed = 'unknown',
  code: ErrorCode = 'MM_CONNECTION_CLOSED',
): TransportError => new TransportError(code, 'it died', { processed })

/** An origin whose lanes, pools and connections are the test's own hands. */
export class FakeExchangeWorld {
  readonly clock = new FakeClock(1_000)
  readonly log: string[] = []
  readonly ended: ExchangeEnded[] = []
  readonly samples: ExchangeSample[] = []
  readonly answers = new AnswerWatch(this.clock)
  hedging: Hedging | undefined
  /** Of all exchanges together. Undefined: each has its own. */
  retryBudget: RetryBudget | undefined
  /** Others who wait in every pool. */
  waiters = 0
  /** New connections that ended without an answer. */
  readonly unanswered: number[] = []
  reuses = 0
  holders = 0
  isObserved = true
  /** The origin's lanes are measured. */
  isChoosing = false
  /** What the record received about extended CONNECT. */
  readonly extendedConnect: boolean[] = []
  /** Exchanges that wait and may leave in early data. */
  earlyWaiters = 0
  /** Where an upgrade goes after its first connection could not carry it. */
  hasDetour = true
  /** Responses are looked at for advertisements: those that were. */
  readsAltSvc = false
  readsHints = false
  /** Heads that were read for hints to preconnect. */
  readonly hinted: string[] = []
  readonly heads: number[] = []
  /** What an observer of what was found there does. */
  onHead: (() => void) | undefined
  /** The lane that requests take; `race`: both of them. */
  way: 'tcp' | 'h3' | 'race' = 'tcp'
  /** There is TCP beside HTTP/3. */
  hasFallback = true
  /** Who waits in the pool of TCP beside the exchange that the test looks at. */
  second: Waiter | undefined
  /** Everybody who waits in a pool, and in which: `` is TCP's. */
  readonly waiting = new Map<Waiter, string>()
  /** Paths over which a response has come, and pings on them. */
  proven = 0
  pings = 0
  /** What is said of paths that TCP has overtaken. */
  readonly blamed: string[] = []
  /** What the QUIC connection of the last lease over HTTP/3 has received. */
  readonly quic = { receivedBytes: 0 }
  /** Of the last lease over HTTP/3. */
  path: Http3Path | undefined
  /** The handler and request of the exchange that was opened last. */
  opened: { handler: ExchangeHandler; request: ExchangeRequest; controller: FakeController } | undefined
  /** Is notified of each exchange that is opened, before that is notified of it. */
  onOpen: ((controller: FakeController, handler: ExchangeHandler) => void) | undefined
  /** What the last dial of a lane has tried, in vain. */
  readonly failedDials: Partial<Record<LaneName, readonly AttemptRecord[]>> = {}
  readonly #origin = parseOrigin('https://shop.test')
  readonly #paths = new WeakMap<Connection, Http3Path>()

  exchange(
    over: Partial<ExchangeRequest> = {},
    options: { requestMs?: number; admission?: Admission } & Given<RetryOptions> = {},
  ): { exchange: DispatchedExchange; handler: RecordingHandler } {
    const { requestMs = 0, admission, ...retry } = options
    const settings = new SettingsBook({
      defaults: { timeouts: { requestMs }, retry: { budgetRatio: 0, ...retry } },
    }).settingsFor(this.#origin)
    const tcp = this.#lane('tcp', '')
    const http3 = this.#lane('h3', ' h3')
    const detour = this.#pool(' upgrade')
    const isChoosing = (): boolean => this.isChoosing
    const isObserved = (): boolean => this.isObserved
    const fallback = (): Lane | undefined => (this.hasFallback ? tcp : undefined)
    const origin = {
      origin: this.#origin,
      settings,
      retryBudget: this.retryBudget ?? new RetryBudget(settings.retry, this.clock.now()),
      answers: this.answers,
      hedging: this.hedging,
      hints: {
        isReading: this.readsHints,
        onHead: (source: string) => void this.hinted.push(source),
      },
      onReuse: () => void this.reuses++,
      onStarted: (now: number) => {
        this.holders++
        return admission?.admit(now)
      },
      onFinished: () => void this.holders--,
      lanes: {
        primary: tcp,
        readsAltSvc: this.readsAltSvc,
        get isChoosing() {
          return isChoosing()
        },
        get fallback() {
          return fallback()
        },
        withoutHttp3: tcp,
        selectLane: () => (this.way === 'race' ? [] : this.way === 'h3' ? http3 : tcp),
        pathOf: (connection: Connection) => this.#paths.get(connection),
        race: (_way: unknown, _racer: unknown, isReplay: boolean) => this.#race(isReplay),
        onResponseHead: (status: number) => {
          this.heads.push(status)
          this.onHead?.()
        },
        isSample: () => true,
        onSample: (sample: ExchangeSample) => void this.samples.push(sample),
      },
      upgrades: {
        first: () => tcp.pool,
        next: (from: unknown) => (this.hasDetour && from === tcp.pool ? detour : undefined),
        failure: (error: TransportError, from: unknown) =>
          from === detour ? new TransportError('MM_UPGRADE_UNAVAILABLE', 'neither', { cause: error }) : error,
      },
      hasMoved: () => false,
      onExtendedConnectMissing: () => void this.extendedConnect.push(false),
      get isObserved() {
        return isObserved()
      },
      onEarlyWaiter: (change: number) => void (this.earlyWaiters += change),
      onRetry: (reason: string) => void this.log.push(`retry ${reason}`),
      onUnanswered: (connection: Connection) => void this.unanswered.push(connection.id),
      onEnded: (event: ExchangeEnded) => void this.ended.push(event),
    } as unknown as ExchangeOrigin // what an exchange looks at
    const handler = new RecordingHandler()
    const request: ExchangeRequest = {
      method: 'GET',
      scheme: 'https',
      authority: 'shop.test',
      path: '/',
      headers: [],
      body: null,
      headersTimeoutMs: 0,
      bodyTimeoutMs: 0,
      ...over,
    }
    const exchange = new DispatchedExchange(origin, request, handler, this.clock)
    this.lanes = { tcp, http3 }
    exchange.start()
    return { exchange, handler }
  }

  /** Of the exchange that was made last. */
  lanes: { tcp: Lane; http3: Lane } | undefined

  /** Leases a connection, on which the exchange is opened. */
  lease(waiter: Waiter, options: LeaseOptions = {}): FakeController {
    this.waiting.delete(waiter)
    return this.#open(options, 'http/1.1', connection => waiter.onLease(connection, options.reused ?? false))
  }

  /** The same over HTTP/3. `isProven`: a request before it was answered. */
  leaseHttp3(waiter: Waiter, { isProven = false, ...options }: LeaseOptions & { isProven?: boolean } = {}) {
    this.waiting.delete(waiter)
    return this.#open(options, 'h3', connection => {
      const host = {
        patienceMs: () => PATIENCE_MS,
        onPathProven: () => void this.proven++,
        onPathFailed: (_path: Http3Path, because: string) => void this.blamed.push(because),
      }
      const quic = this.quic as QuicConnection // what a path looks at
      const path = new Http3Path(connection, quic, 'shop.test:443', host)
      path.isProven = isProven
      this.#paths.set(connection, path)
      this.path = path
      waiter.onLease(connection, options.reused ?? false)
    })
  }

  /** The race that is under way gives the exchange a connection of a lane. */
  winRace(exchange: DispatchedExchange, lane: 'tcp' | 'http3', options: LeaseOptions = {}): FakeController {
    const winner = this.lanes![lane]
    const waiter: Waiter = {
      onLease: (connection, reused) => exchange.onRaceWon(winner, connection, reused),
      onLeaseFailed: () => {},
    }
    return lane === 'tcp' ? this.lease(waiter, options) : this.leaseHttp3(waiter, options)
  }

  /** There will be no lease for who waits. */
  fail(waiter: Waiter, error: TransportError): void {
    this.waiting.delete(waiter)
    waiter.onLeaseFailed(error)
  }

  #open(options: LeaseOptions, protocol: string, lease: (connection: Connection) => void): FakeController {
    const { id = 1, isCapacityProvisional = false, wasEarly = false, earlyData = 'none' } = options
    const controller = new FakeController()
    controller.wasEarly = wasEarly
    const connection = {
      id,
      handshake: { earlyData, attempts: options.attempts ?? [] },
      protocol,
      isCapacityProvisional,
      requestsTaken: options.requestsTaken,
      altUsed: options.altUsed,
      ping: () => {
        this.pings++
        return Promise.reject(new TransportError('MM_PING_FAILED', 'no pong'))
      },
      open: (request: ExchangeRequest, handler: ExchangeHandler) => {
        this.opened = { handler, request, controller }
        controller.onAbort = error => handler.onResponseError(controller, error)
        this.onOpen?.(controller, handler)
        handler.onRequestStart(controller)
      },
    } as unknown as Connection // what an exchange looks at
    lease(connection)
    return controller
  }

  #lane(name: LaneName, label: string): Lane {
    const connector = { attemptsOf: () => this.failedDials[name] ?? [] } as unknown as OriginConnector // what it is asked
    return new Lane(name, this.#pool(label), connector)
  }

  #pool(label: string): Pool {
    const load = (): Pick<Pool['load'], 'waiters'> => ({ waiters: this.waiters })
    return {
      live: 1,
      get load() {
        return load()
      },
      acquire: (waiter: Waiter, fresh = false, isReplay = fresh) => {
        if (!(waiter instanceof DispatchedExchange)) this.second = waiter
        this.waiting.set(waiter, label)
        const who = waiter instanceof DispatchedExchange ? '' : ' second'
        this.log.push(`acquire${label}${who}${fresh ? ' fresh' : isReplay ? ' again' : ''}`)
      },
      release: () => void this.log.push(`release${label}`),
      cancel: (waiter: Waiter) => {
        this.waiting.delete(waiter)
        this.log.push(waiter instanceof DispatchedExchange ? 'cancel' : 'cancel second')
      },
    } as unknown as Pool // what an exchange asks of one
  }

  #race(isReplay: boolean): LaneRace {
    const attempts: AttemptRecord[] = [
      {
        protocol: 'h3',
        endpoint: '192.0.2.1:443',
        startedAtMs: 0,
        outcome: 'overtaken',
        because: 'of the race',
      },
    ]
    return {
      start: () => void this.log.push(isReplay ? 'race again' : 'race'),
      abort: () => void this.log.push('race aborted'),
      attempts: () => attempts,
    } as unknown as LaneRace // what an exchange asks of one
  }
}
