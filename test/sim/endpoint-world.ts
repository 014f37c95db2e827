import { TransportError } from '../../src/base/errors.ts'
import type {
  CloseReason,
  Connection,
  ConnectionListener,
  Connector,
} from '../../src/base/events/connection.ts'
import type { Observer } from '../../src/base/events/observer.ts'
import type { Resolver } from '../../src/base/http/endpoint.ts'
import type { ExchangeController, ExchangeHandler, ExchangeRequest } from '../../src/base/http/exchange.ts'
import { parseOrigin } from '../../src/base/http/origin.ts'
import type { OriginOptions } from '../../src/base/options/options.ts'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { DispatchedExchange } from '../../src/exchange/dispatched-exchange.ts'
import type { OriginConnector } from '../../src/origin/connecting/origin-connector.ts'
import { OriginEndpoints } from '../../src/origin/endpoints/origin-endpoints.ts'
import type { ExchangeOrigin } from '../../src/origin/exchange-origin.ts'
import { Hedging } from '../../src/origin/hedging/hedging.ts'
import { BalancedPool } from '../../src/origin/lanes/balanced-pool.ts'
import { Lane } from '../../src/origin/lanes/lane.ts'
import { type OriginSettings, SettingsBook } from '../../src/origin/origin-settings.ts'
import { RetryBudget } from '../../src/origin/retry-budget.ts'
import type { EndpointStats } from '../../src/origin/stats.ts'
import { Pool } from '../../src/pool/pool.ts'
import { ConnectionBudget } from '../../src/pool/rules/connection-budget.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** What an endpoint does with connects and requests from now on. */
export type Behavior =
  | 'well'
  | 'killed' // connections are reset, connects are refused
  | 'hung' // nothing is answered, connects included
  | 'slow tail' // one answer in five takes twenty times as long
  | 'slow'
  | 'answers 503'
  | 'refuses streams'
  | 'bad certificate' // of new connections; the old ones are ended

const LATENCY_MS = 10
const CAPACITY = 100

/** One endpoint, whose connections carry many requests at a time. */
class SimulatedEndpoint implements Connector {
  behavior: Behavior = 'well'
  requests = 0
  readonly #clock: FakeClock
  readonly #random: () => number
  readonly #connections = new Set<SimulatedConnection>()

  constructor(clock: FakeClock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  become(behavior: Behavior): void {
    this.behavior = behavior
    if (behavior === 'killed' || behavior === 'bad certificate')
      for (const connection of this.#connections) connection.close('network-error')
  }

  connect(listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new TransportError('MM_ABORTED', 'stopped')))
      if (this.behavior === 'hung') return
      this.#clock.setTimer(1, () => {
        if (this.behavior === 'killed') reject(new TransportError('MM_CONNECT_REFUSED', 'refused'))
        else if (this.behavior === 'bad certificate')
          reject(new TransportError('MM_TLS_CERTIFICATE', 'expired'))
        else {
          const connection = new SimulatedConnection(listener, this, () =>
            this.#connections.delete(connection),
          )
          this.#connections.add(connection)
          resolve(connection)
        }
      })
    })
  }

  /** Answers a request, as it is just now. */
  serve(answer: (status: number) => void, refuse: () => void): void {
    this.requests += 1
    const { behavior } = this
    if (behavior === 'hung') return
    if (behavior === 'refuses streams') {
      this.#clock.setTimer(1, refuse)
      return
    }
    const base = LATENCY_MS * (0.5 + this.#random())
    const isSlow = behavior === 'slow' || (behavior === 'slow tail' && this.#random() < 0.2)
    this.#clock.setTimer(isSlow ? base * 20 : base, () => answer(behavior === 'answers 503' ? 503 : 200))
  }
}

let lastId = 0

class SimulatedConnection implements Connection {
  readonly id = (lastId += 1)
  readonly protocol = 'h2'
  readonly endpoint = { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' } as const
  readonly handshake = {
    kind: 'full',
    earlyData: 'none',
    tfo: 'off',
    tlsVersion: 'TLSv1.3',
    timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
    attempts: [],
  } as const
  readonly capacity = CAPACITY
  readonly keepAlive = undefined
  endedBy: CloseReason | undefined
  readonly #listener: ConnectionListener
  readonly #endpoint: SimulatedEndpoint
  readonly #onGone: () => void
  readonly #open = new Map<ExchangeController, ExchangeHandler>()

  constructor(listener: ConnectionListener, endpoint: SimulatedEndpoint, onGone: () => void) {
    this.#listener = listener
    this.#endpoint = endpoint
    this.#onGone = onGone
    this.endedBy = undefined
  }

  open(_request: ExchangeRequest, handler: ExchangeHandler): void {
    const fail = (error: TransportError, failed: boolean): void => {
      if (!this.#open.delete(controller)) return
      this.#listener.onStreamClosed(this, failed)
      handler.onResponseError(controller, error)
    }
    const controller: ExchangeController = {
      protocol: 'h2',
      paused: false,
      aborted: false,
      pause: () => {},
      resume: () => {},
      abort: error => fail(error, false),
      keep: chunk => chunk,
    }
    this.#open.set(controller, handler)
    handler.onRequestStart(controller)
    this.#endpoint.serve(
      status => {
        if (!this.#open.has(controller)) return
        handler.onResponseStart(controller, status, [], '')
        if (!this.#open.delete(controller)) return
        this.#listener.onStreamClosed(this, false)
        handler.onResponseEnd(controller, [])
      },
      () => fail(new TransportError('MM_REFUSED', 'REFUSED_STREAM', { processed: 'no' }), true),
    )
  }

  ping(): Promise<void> {
    return this.#endpoint.behavior === 'hung' ? new Promise(() => {}) : Promise.resolve()
  }

  drain(reason: CloseReason): void {
    this.close(reason)
  }

  close(reason: CloseReason): void {
    if (this.endedBy !== undefined) return
    this.endedBy = reason
    this.#onGone()
    const error = new TransportError('MM_CONNECTION_RESET', 'reset', { processed: 'unknown' })
    const open = [...this.#open]
    this.#open.clear()
    this.#listener.onClosed(this, reason, error)
    for (const [controller, handler] of open) handler.onResponseError(controller, error)
  }

  toString(): string {
    return `simulated#${this.id}`
  }
}

const ORIGIN = parseOrigin('https://shop.test')

function settingsOf(options: OriginOptions): OriginSettings {
  return new SettingsBook({
    defaults: { balance: { policy: 'least-requests' }, ...options },
  }).settingsFor(ORIGIN)
}

/** One request, as its caller saw it. */
export interface Done {
  readonly at: number
  readonly ms: number
  /** 0: it failed. */
  readonly status: number
}

/**
 * An origin of so many endpoints under 500 requests a second, on a clock that a test moves: real exchanges, real
 * pools, real health; only the network is made up.
 */
export class EndpointWorld {
  readonly clock = new FakeClock(1_000)
  /** Those of the configuration, in its order. */
  readonly endpoints: readonly SimulatedEndpoint[]
  readonly done: Done[] = []
  readonly changes: { readonly at: number; readonly index: number; readonly standing: string }[] = []
  /** What the DNS answers for a name; undefined: nobody does. */
  readonly dns = new Map<string, readonly string[]>()
  readonly set: OriginEndpoints
  readonly #byAddress = new Map<string, SimulatedEndpoint>()
  readonly #random = seededRandom(7)
  readonly #options: OriginOptions
  readonly #origin: ExchangeOrigin
  readonly #pool: BalancedPool
  readonly #pools: Pool[] = []
  readonly #retryBudget: RetryBudget

  /** `dns`: what names among `options.endpoints` have from the start. */
  constructor(count: number, options: OriginOptions, dns: Readonly<Record<string, readonly string[]>> = {}) {
    const { clock } = this
    const random = this.#random
    this.#options = options
    for (const [name, addresses] of Object.entries(dns)) this.dns.set(name, addresses)
    const addresses = Array.from({ length: count }, (_, index) => `192.0.2.${index + 1}`)
    this.endpoints = addresses.map(address => this.at(address))
    const settings = settingsOf({ endpoints: addresses, ...options })
    const { balance } = settings
    if (balance === undefined) throw new Error('nothing is balanced')
    const onHealth = (index: number, standing: string): void =>
      void this.changes.push({ at: clock.now(), index, standing })
    this.set = new OriginEndpoints({
      origin: ORIGIN,
      settings,
      balance,
      clock,
      random,
      dnsRefreshMs: 30_000,
      observer: event => {
        if (event.type !== 'endpoint-health') return
        onHealth(this.set.list.find(({ address }) => address === event.endpoint)?.index ?? -1, event.standing)
      },
      resolverOf: name => this.#resolverOf(name),
    })
    const poolOf = (
      connector: Connector,
      observer: Observer = () => {},
      maxWaiters = () => settings.pool.maxWaiters,
    ): Pool => {
      const made = new Pool({
        origin: ORIGIN,
        connector,
        clock,
        random,
        options: { ...settings.pool, warm: 0 },
        maxWaiters,
        budget: new ConnectionBudget(0),
        observer,
        expectedCapacity: CAPACITY,
      })
      this.#pools.push(made)
      return made
    }
    const pool = BalancedPool.make({
      ...balance,
      endpoints: this.set,
      clock,
      random,
      pool: settings.pool,
      attemptDelayMs: settings.timeouts.attemptDelayMs,
      onPanic: () => {},
      endPool: ended => ended.drain(),
      makePool: ({ address }, { observer, maxWaiters }) => poolOf(this.at(address), observer, maxWaiters),
      makeUnresolved: whenKnown => poolOf({ connect: () => whenKnown().then(() => new Promise(() => {})) }),
    })
    if (pool === undefined) throw new Error('no pool')
    this.set.watch()
    this.#pool = pool
    this.#retryBudget = new RetryBudget(settings.retry, clock.now())
    const lane = new Lane('tcp', pool, { attemptsOf: () => [] } as unknown as OriginConnector) // what it is asked
    this.#origin = {
      origin: ORIGIN,
      settings,
      retryBudget: this.#retryBudget,
      hedging: Hedging.of(settings.hedge, clock),
      hints: { isReading: false },
      isObserved: false,
      lanes: {
        primary: lane,
        withoutHttp3: lane,
        isChoosing: false,
        readsAltSvc: false,
        selectLane: () => lane,
        pathOf: () => undefined,
        isSample: () => false,
      },
      upgrades: { failure: (error: TransportError) => error },
      hasMoved: () => false,
      onStarted: () => undefined,
      onFinished: () => {},
      onEarlyWaiter: () => {},
      onReuse: () => {},
      onRetry: () => {},
      onUnanswered: () => {},
    } as unknown as ExchangeOrigin // what an exchange looks at
  }

  /** The endpoint at an address, which answers from the first call on. */
  at(address: string): SimulatedEndpoint {
    const known = this.#byAddress.get(address) ?? new SimulatedEndpoint(this.clock, this.#random)
    this.#byAddress.set(address, known)
    return known
  }

  /** A reload with other endpoints. */
  configure(endpoints: OriginOptions['endpoints']): void {
    const { balance } = settingsOf({ ...this.#options, endpoints })
    if (balance === undefined) throw new Error('nothing is balanced')
    this.set.configure(balance)
  }

  /** How the endpoints stand. */
  get stats(): readonly EndpointStats[] {
    return this.#pool.endpointStats('tcp')
  }

  #resolverOf(name: string): Resolver {
    return {
      resolve: async () => {
        const addresses = this.dns.get(name)
        if (addresses === undefined) throw new TransportError('MM_DNS_FAILED', `nobody answers for ${name}`)
        if (addresses.length === 0) throw new TransportError('MM_DNS_FAILED', `${name} has no address`)
        return { addresses: addresses.map(address => ({ address, family: 4 as const })), source: 'dns' }
      },
    }
  }

  /** An endpoint gets no requests now. */
  isOut(index: number): boolean {
    return this.#pool.endpointStats('tcp')[index]?.isUsed === false
  }

  /** Requests that were sent. */
  sent = 0

  /** Throws unless all pools agree with themselves, and no more wait or are under way than were sent. */
  assertConsistent(): void {
    for (const pool of this.#pools) pool.assertConsistent()
    this.set.health.assertConsistent()
    const { waiters, streams } = this.#pool.load
    if (waiters + streams !== this.sent - this.done.length)
      throw new Error(`${waiters} wait and ${streams} are under way of ${this.sent - this.done.length}`)
  }

  /** Everything that is under way ends, without further requests. */
  async settled(): Promise<void> {
    for (let passed = 0; passed < 1_000; passed += 10) {
      this.clock.advance(10)
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
    }
  }

  /** Requests for so long, one each 2 ms. `onTick`: after each. */
  async run(ms: number, onTick?: (now: number) => void): Promise<void> {
    for (let passed = 0; passed < ms; passed += 2) {
      this.#request()
      this.clock.advance(2)
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve()
      onTick?.(this.clock.now())
    }
  }

  #request(): void {
    this.sent += 1
    const at = this.clock.now()
    const end = (status: number): void => void this.done.push({ at, ms: this.clock.now() - at, status })
    let status = 0
    const handler: ExchangeHandler = {
      onRequestStart: () => {},
      onInformational: () => {},
      onResponseStart: (_controller, of) => {
        status = of
      },
      onResponseData: () => {},
      onResponseEnd: () => end(status),
      onUpgrade: () => {},
      onResponseError: () => end(0),
    }
    const request: ExchangeRequest = {
      method: 'GET',
      scheme: 'https',
      authority: 'shop.test',
      path: '/',
      headers: [],
      body: null,
      headersTimeoutMs: 0,
      bodyTimeoutMs: 0,
    }
    this.#retryBudget.deposit()
    new DispatchedExchange(this.#origin, request, handler, this.clock).start()
  }
}
