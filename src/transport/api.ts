import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { AttemptRecord, Connection } from '../connection.ts'
import type { Decision } from '../decision.ts'
import type { ResolverCounts } from '../dns/address-resolver.ts'
import type { TransportError } from '../errors.ts'
import type { ExchangeHandler, RequestBody } from '../exchange.ts'
import type { GlobalLimits } from '../global-limits.ts'
import type { HeaderList } from '../headers.ts'
import type { LaneName } from '../lane.ts'
import type { MigrationOutcome, MigrationReport } from '../migration-report.ts'
import type { Observer } from '../observer.ts'
import type { OriginOptions, TicketStoreOptions } from '../options.ts'
import type { Origin } from '../origin.ts'
import type { ProtocolCounts } from '../pool/protocol-counts.ts'
import type { Protocol } from '../protocol.ts'
import type { ResolverOptions } from '../resolver-options.ts'
import type { ProbeReport } from '../select/probe/probe-report.ts'
import type { ConnectionHandshake, HandshakeFigures } from './ledger/handshake-figures.ts'
import type { BodyInput } from './request-body.ts'
import type { HeaderInput } from './request-headers.ts'

/**
 * Options of a transport: `defaults` for every origin, `origins` by URL where one differs.
 *
 * @example
 * ```ts
 * const options: TransportOptions = {
 *   defaults: { pool: { warm: 2 } },
 *   origins: { 'https://origin.example': { tls: { ca: readFileSync('ca.pem', 'utf8') } } },
 *   limits: { maxTotalConnections: 256 },
 *   state: { directory: './state' },
 * }
 * ```
 */
export interface TransportOptions {
  /** Of every origin. Default: the defaults of each group (`middlemile/options`). */
  defaults?: OriginOptions
  /** Keyed by origin URL (`https://origin.example`). Merged over `defaults`, group by group. */
  origins?: Readonly<Record<string, OriginOptions>>
  /** Over all origins. Default: at most 1,024 connections, fewer where descriptors are few. */
  limits?: Partial<GlobalLimits>
  /** TLS session tickets. Read when the transport is made, not by configure(). */
  tickets?: Partial<TicketStoreOptions>
  /** What is kept between runs. Default: nothing. Read when the transport is made, not by configure(). */
  state?: StateOptions
  /** Name resolution. Read when the transport is made, not by configure(). */
  resolver?: Partial<ResolverOptions>
  /**
   * DNS servers (`address` or `address:port`, brackets around IPv6) that are asked for HTTPS records, and for addresses unless `resolver.addresses` is
   * `system`. Default: those of the system. Read when the transport is made, not by configure().
   */
  dnsServers?: readonly string[]
  /** Fixed addresses, `HOST:PORT` to IP, as curl's --resolve. */
  resolve?: Readonly<Record<string, string>>
  /** Called with every event, synchronously. Default: none. */
  observer?: Observer
  /** Gets the secrets of every TLS connection as lines of an SSLKEYLOGFILE. Whoever has them can read the traffic. */
  keylog?: ((line: Buffer) => void) | undefined
}

/**
 * What is kept between runs: TLS tickets, and what was learned of origins.
 *
 * @example
 * ```ts
 * const transport = createTransport({ state: { directory: './state' } })
 * ```
 */
export interface StateOptions {
  /**
   * A directory of our own, made when it is not there (mode 0700). TLS tickets are kept in it, sealed by a key that lies beside them
   * (mode 0600): who can read the directory can resume our sessions. Several processes may share it; each ticket goes to one of them. What is known of
   * origins lies beside them, as readable JSON, and is put together from what all of them learned.
   */
  directory: string
  /**
   * A file with the key that seals the tickets, instead of one that is made in the directory: 32 random bytes, plain, in hexadecimal
   * (`openssl rand -hex 32`) or in base64, with or without a line break. Nobody but us may read it; a file that root owns may be readable by a group.
   * Read when the transport is made. One that is missing, too short or open to others gives a `state-fault`, and tickets that end with the transport.
   */
  keyFile?: string | undefined
}

/** A request for dispatch(): the lowest door, on which all the others stand. */
export interface DispatchRequest {
  method: string
  /** Origin-form. */
  path: string
  /** Lower-case names; end-to-end fields only. */
  headers: HeaderList
  body: RequestBody
  /** What Host and :authority carry; default: the origin's own. */
  authority?: string | undefined
  upgrade?: string | undefined
  /** Where the connection cannot ask for `upgrade`, the request goes without it. Default false: it fails with MM_UPGRADE_UNAVAILABLE. */
  isUpgradeOptional?: boolean | undefined
  /** The caller takes trailers: says `te: trailers`. Default: over HTTP/2 and HTTP/3 only. */
  acceptsTrailers?: boolean | undefined
  /** May travel in early data (0-RTT), if its method is safe and it has no body. Default: what `earlyData` of the origin says. */
  earlyData?: boolean | undefined
  /** Overrides of the origin's timeouts, in ms. */
  headersTimeoutMs?: number | undefined
  bodyTimeoutMs?: number | undefined
}

/** The caller's hold on a dispatched request, and what became of it so far. */
export interface DispatchHandle {
  /** Gives up, in whatever phase. The handler gets onResponseError with this error, synchronously, unless it has ended already. */
  abort(error: TransportError): void
  /** The connection that carries it, or carried it last. */
  readonly connection: Connection | undefined
  /** That connection had carried an exchange before. */
  readonly reused: boolean
  readonly retries: number
  /** It left in early data, when it was sent last. */
  readonly wasEarly: boolean
  /** Waiting for connections, so far or in all: what tries took that failed is no part of it. */
  readonly queueMs: number
  /** From the lease to the head of the final response; 0 before. */
  readonly ttfbMs: number
  /**
   * What was tried to get its connections, over all lanes that were asked, and by all tries of the exchange in their order: a race or a dial that failed,
   * then what came after it. Times count from the start of each race or dial. Empty: the connection was there.
   */
  readonly attempts: readonly AttemptRecord[]
}

/**
 * A request as request() takes it. Every part has a default: without any it is a GET.
 *
 * @example
 * ```ts
 * const response = await transport.request('https://origin.example/api', {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ a: 1 }),
 *   signal: AbortSignal.timeout(5_000),
 * })
 * ```
 */
export interface RequestOptions {
  /** Default GET. */
  method?: string
  /** A plain object, a flat list of name, value, …, or a Headers. `host` sets the authority; connection-specific fields are dropped. */
  headers?: HeaderInput
  /** Default: none. A stream is sent once; what is in memory may be sent again where that is safe. */
  body?: BodyInput
  /** Gives the request up, in whatever phase: it rejects with MM_ABORTED. Default: none. */
  signal?: AbortSignal
  /**
   * The request may travel in early data (0-RTT), where an onlooker can replay it (RFC 8470). It does so over HTTP/3 with a ticket that
   * nobody has used, and only if its method is safe and it has no body. Default: what `earlyData` of the origin says.
   */
  earlyData?: boolean
  /** Overrides of the origin's timeouts, in ms; 0 = no limit. */
  headersTimeoutMs?: number
  /** The longest silence within a body, in ms; 0 = no limit. Default: `timeouts.bodyMs` of the origin. */
  bodyTimeoutMs?: number
}

/**
 * A response whose head has come. Its body has to be read, dumped or destroyed: the connection waits for
 * that.
 *
 * @example
 * ```ts
 * const response = await transport.request('https://origin.example/api')
 * if (response.status === 200) console.log(await response.json(), response.info.timings.ttfbMs)
 * else await response.dump()
 * ```
 */
export interface TransportResponse {
  readonly status: number
  readonly statusText: string
  /** Lower-case names; a name that came more than once has an array. */
  readonly headers: Record<string, string | string[]>
  /** Made when it is first asked for. Read it to its end, dump() it or destroy it: the connection waits for that. */
  readonly body: Readable
  /** Complete when the body has ended. */
  readonly trailers: Record<string, string | string[]>
  readonly info: ExchangeInfo
  /** The whole body, without a stream. Each rejects when it is longer than `maxBytes` (default 64 MiB). */
  bytes(maxBytes?: number): Promise<Buffer>
  text(maxBytes?: number): Promise<string>
  json(maxBytes?: number): Promise<unknown>
  /** Reads the body to its end and throws it away. */
  dump(): Promise<void>
}

/**
 * How an exchange went. Timings are milliseconds; `totalMs` is set when the body has ended.
 *
 * @example
 * ```ts
 * const { info } = await transport.request('https://origin.example/')
 * console.log(info.protocol, info.reused, info.timings.ttfbMs, info.attempts)
 * ```
 */
export interface ExchangeInfo {
  /** What carried it. */
  protocol: Protocol
  /** The number of its connection, as `stats()` and logs have it. */
  connectionId: number
  /** The connection had carried an exchange before. */
  reused: boolean
  /** The handshake of the connection resumed a TLS session. */
  resumed: boolean
  /** What became of the early data that the request left in; `none`: it did not. */
  earlyData: 'none' | 'accepted' | 'rejected'
  /** Whether TCP Fast Open was asked for, and whether the origin took the data of the SYN. */
  tfo: 'off' | 'used' | 'fallback'
  /** Why TCP Fast Open did not help, or how far; only of the exchange that had its connection made, and where it was asked for. */
  tfoBecause?: string | undefined
  /** The address and port that answered. */
  remoteAddress: string
  /** What was tried to get its connection, with the reason of each attempt. Empty: it was open. */
  attempts: readonly AttemptRecord[]
  /** How often the request was sent again. */
  retries: number
  /** 1xx responses before the final one. */
  informational: { status: number; headers: Record<string, string | string[]> }[]
  /** Milliseconds. Those of a connect are 0 but for the first exchange of its connection. */
  timings: {
    /** Waiting for a connection; what attempts took that failed is no part of it. */
    queueMs: number
    /** Looking up the host name. */
    dnsMs: number
    /** The TCP connect; 0 over QUIC. */
    connectMs: number
    /** The handshake of TLS, or of QUIC; 0 for a request that left in early data. */
    tlsMs: number
    /** From the lease of the connection to the head of the final response. */
    ttfbMs: number
    /** The whole exchange; 0 before the body has ended. */
    totalMs: number
  }
}

/**
 * One pool as `stats()` and `GET /pools` show it.
 *
 * @example
 * ```ts
 * for (const { origin, connections, waiters, reuseRatio } of transport.stats().pools)
 *   console.log(origin, connections.leased, connections.idle, waiters, reuseRatio)
 * ```
 */
export interface PoolStats {
  origin: string
  /** How many are in each state. */
  connections: { connecting: number; idle: number; leased: number; draining: number }
  /**
   * The open ones by what they speak, with the exchanges under way on them, and the streams that may be open at once on those that take
   * requests. A protocol without a connection is left out.
   */
  byProtocol: ProtocolCounts
  backingOff: boolean
  waiters: number
  /** More requests come than are served, and the newest go first: see PoolOptions.queueTargetMs. */
  overloaded: boolean
  streams: number
  /** Of the connections that are leased or draining, those that do not count against `maxConnections`: see PoolOptions.maxStalledConnections. */
  stalled: number
  /** Counters since the pool was made. */
  opened: { full: number; resumed: number; earlyData: number; cleartext: number }
  closed: Readonly<Record<string, number>>
  connectFailures: number
  /** Requests that made room for newer ones while the pool was overloaded. */
  shed: number
  requests: number
  reused: number
  retries: number
  /** 1 - connections opened / requests; 0 before the first request. */
  reuseRatio: number
  /** Round trips and seconds of handshakes that were avoided, by all means together, by what handshakes cost here: the sums of `handshakes.avoided`. */
  handshakeRttsSaved: number
  handshakeSecondsSaved: number
  /** What handshakes cost, what was avoided by which means, and what that comes to in a day. */
  handshakes: HandshakeFigures & {
    /** The open connections, but for those that are still in early data. */
    readonly connections: readonly ConnectionHandshake[]
  }
  /**
   * How the way to the origin is, over the open connections that measure it: those of HTTP/3, and those over TCP where native calls can be made.
   * Undefined: there is none.
   */
  path: PathHealth | undefined
  /** The same for each protocol. One without such a connection is left out. */
  pathByProtocol: PathsByProtocol
  /** What became of connections that moved to another path, or were to. */
  migrations: MigrationFigures
  /** One line per connection. */
  list: readonly string[]
}

/** Moves of an origin's HTTP/3 connections to other paths. */
export interface MigrationFigures {
  /** Since the pool was made. */
  readonly outcomes: Readonly<Record<MigrationOutcome, number>>
  /** The last few, the oldest first. */
  readonly last: readonly { readonly connectionId: number; readonly report: MigrationReport }[]
}

/**
 * Where connections move to: an address and a port of this machine. The system chooses what is left out.
 *
 * @example
 * ```ts
 * await transport.migrate('https://origin.example', { address: '192.0.2.7' })
 * ```
 */
export interface MigrateOptions {
  address?: string | undefined
  /** With more than one connection to the same peer only one of them can have it. */
  port?: number | undefined
}

/**
 * What became of one connection that was to move.
 *
 * @example
 * ```ts
 * const results: readonly MigrationResult[] = await transport.migrate('https://origin.example')
 * for (const { connectionId, report, because } of results)
 *   console.log(connectionId, report?.outcome ?? 'not tried', because)
 * ```
 */
export interface MigrationResult {
  readonly connectionId: number
  readonly protocol: Protocol
  /** Undefined: it cannot move, and nothing was tried. */
  readonly report: MigrationReport | undefined
  /** One line that says why, for people. */
  readonly because: string
}

/**
 * How the requests to one origin stand now, over all its connections.
 *
 * @example
 * ```ts
 * const load = transport.load(parseOrigin('https://origin.example'))
 * if (load?.isFull && load.waiters > 100) console.log('busy')
 * ```
 */
export interface OriginLoad {
  /** Requests that wait for a connection. */
  readonly waiters: number
  /** Requests under way. */
  readonly streams: number
  /** No connection can be added, and none is being made; of those whose readers stall none can be set aside. */
  readonly isFull: boolean
  /** Connections that were set aside: see PoolOptions.maxStalledConnections. */
  readonly stalled: number
}

/**
 * What the open connections of a pool have measured of their path, taken together.
 *
 * @example
 * ```ts
 * for (const { origin, path } of transport.stats().pools)
 *   if (path !== undefined) console.log(origin, path.rttMs, path.lossRatio)
 * ```
 */
export interface PathHealth {
  connections: number
  /** The mean of the smoothed round trips. */
  rttMs: number
  /** Packets of ours that were lost / packets that were sent; for TCP segments with data, as far as they were sent again and not in vain. */
  lossRatio: number
  /**
   * Packets that came behind a gap / packets that came: what a receiver sees of losses. One loss makes for many of them. Undefined: it is not
   * told (HTTP/3).
   */
  outOfOrderRatio: number | undefined
}

/** PathHealth for each protocol that has a connection which measures it. */
export type PathsByProtocol = Partial<Record<Protocol, PathHealth>>

/**
 * Counters of all pools at one moment, as `GET /pools` shows them.
 *
 * @example
 * ```ts
 * const { pools, totalConnections }: TransportStats = transport.stats()
 * console.log(totalConnections, pools.map(pool => `${pool.origin} ${pool.requests}`))
 * ```
 */
export interface TransportStats {
  pools: readonly PoolStats[]
  /** Those that configure() has put out of use, until their last exchange has ended. */
  leaving: readonly PoolStats[]
  totalConnections: number
  /** Dials that waited for their turn, since the transport was made: see GlobalLimits.dialShare. */
  deferredDials: number
  resolver: ResolverCounts
}

/**
 * What is known of an origin and what would be tried next.
 *
 * @example
 * ```ts
 * const { decision, plan }: Explanation = await transport.explain('https://origin.example')
 * console.log(decision.because)
 * for (const { protocol, endpoint, startAfterMs, because } of plan) console.log(protocol, endpoint, startAfterMs, because)
 * ```
 */
export interface Explanation {
  origin: string
  /** Which lane carries requests, and why. */
  decision: Decision
  protocols: readonly { protocol: Protocol; allowed: boolean; because: string }[]
  /** What a request that met no open connection would try, over all lanes, in the order of their start. */
  plan: readonly {
    lane: LaneName
    protocol: Protocol
    endpoint: string
    startAfterMs: number
    because: string
  }[]
  known: readonly { fact: string; evidence: string }[]
  unavailable: readonly { feature: string; because: string }[]
  pool: PoolStats | undefined
}

/**
 * The init of fetch(), and whether the request may travel in early data: see RequestOptions.
 *
 * @example
 * ```ts
 * const response = await transport.fetch('https://origin.example/', { redirect: 'manual', earlyData: true })
 * ```
 */
export interface FetchInit extends RequestInit {
  earlyData?: boolean
}

/**
 * What an undici dispatcher of a transport does by default.
 *
 * @example
 * ```ts
 * setGlobalDispatcher(transport.dispatcher({ earlyData: true }))
 * ```
 */
export interface DispatcherOptions {
  /** See RequestOptions. */
  earlyData?: boolean
}

/**
 * Requests to any number of origins, over pools of connections that are shared by all ways of asking. Made by
 * createTransport().
 *
 * @example
 * ```ts
 * const response = await transport.request('https://origin.example/api', { method: 'POST', body: 'hello' })
 * const web = await transport.fetch('https://origin.example/page')
 * setGlobalDispatcher(transport.dispatcher())
 * console.log(transport.stats().totalConnections)
 * await transport.close()
 * ```
 */
export interface Transport extends AsyncDisposable {
  /** A response with its body as a stream. Rejects with a TransportError. */
  request(url: string | URL, options?: RequestOptions): Promise<TransportResponse>
  /** The same as fetch(): a Response, redirects followed as `redirect` says. */
  fetch(input: string | URL | Request, init?: FetchInit): Promise<Response>
  /** The transport as an undici 7 Dispatcher. Its requests may set `earlyData` among their options; the given one is the default. */
  dispatcher(options?: DispatcherOptions): Dispatcher
  /** Push style, nothing allocated that was not asked for: the service's hot path. Never throws: failures go to the handler. */
  dispatch(origin: Origin, request: DispatchRequest, handler: ExchangeHandler): DispatchHandle
  /** Makes `connections` ready. Resolves when they are, rejects when the first fails. */
  preconnect(origin: string | URL, options?: { connections?: number }): Promise<void>
  /**
   * Looks at everything that the origin can do, now: addresses, TCP, TLS, QUIC, HTTP/3. It sends one HEAD request for `/`, for what its response
   * advertises. Resolves with what was found, however little; rejects after an abort only.
   */
  probe(origin: string | URL, options?: { signal?: AbortSignal }): Promise<ProbeReport>
  /**
   * Moves the open connections to the origin to another local port, or to the address and port that are given (RFC 9000 9). Resolves when it is known of
   * each what became of it; those that cannot move (TCP, an origin that is not `trusted`, a peer that forbids it) say why and go on as they are.
   * Nothing is open: an empty list. Rejects with MM_INVALID_ARGUMENT for what is no IP address or no port.
   */
  migrate(origin: string | URL, to?: MigrateOptions): Promise<readonly MigrationResult[]>
  /**
   * The network of this machine has changed: names are looked up anew, HTTP/3 may be tried where it failed before, and connections from an address that is
   * gone move to another one, where they may. Noticed by itself as well.
   */
  networkChanged(): void
  /**
   * What is known of an origin, which protocol carries its requests and why, and what would be tried next.
   * Sends nothing.
   */
  explain(origin: string | URL): Promise<Explanation>
  /** Every pool with its connections, counters and handshakes, at this moment. */
  stats(): TransportStats
  /** A few counters, cheap enough to be asked for many times a second. Undefined: the origin has no connections and never had. */
  load(origin: Origin): OriginLoad | undefined
  /**
   * Replaces the options. Pools of origins whose options changed, or that `origins` does not name any more, drain, and are made anew by the next request;
   * the others keep their connections.
   */
  configure(options: TransportOptions): void
  /** Takes no more requests; resolves when every exchange has ended and every connection is closed. */
  drain(): Promise<void>
  /** Ends everything now. Open exchanges fail with MM_TRANSPORT_CLOSED or the given error. */
  close(error?: TransportError): Promise<void>
}
