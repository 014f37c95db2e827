import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { TransportError } from '../base/errors.ts'
import type { AttemptRecord } from '../base/events/connection.ts'
import type { Decision } from '../base/events/decision.ts'
import type { ProbeReport } from '../base/events/probe-report.ts'
import type { ExchangeHandler } from '../base/http/exchange.ts'
import type { Origin } from '../base/http/origin.ts'
import type { LaneName, Protocol } from '../base/http/protocol.ts'
import type { RequestRetry } from '../base/options/request-options.ts'
import type { TransportOptions } from '../base/options/transport-options.ts'
import type { PortFigures } from '../connect/local/port-budget.ts'
import type { ResolverCounts } from '../dns/address-resolver.ts'
import type { DispatchHandle, DispatchRequest } from '../exchange/dispatch.ts'
import type { RawConnection } from '../origin/connecting/raw-connect.ts'
import type { RawUdp } from '../origin/connecting/raw-udp.ts'
import type { Economy } from '../origin/economy/economy-figures.ts'
import type { MigrateOptions, MigrationResult, OriginLoad, PoolStats } from '../origin/stats.ts'
import type { WebTransportSession } from '../webtransport/types.ts'
import type { BodyInput } from './request-body.ts'
import type { HeaderInput } from './request-headers.ts'

/**
 * How a session of WebTransport is opened.
 *
 * @example
 * ```ts
 * const session = transport.webTransport('https://origin.example/app', {
 *   headers: { authorization: 'Bearer …' },
 *   protocols: ['chat-2', 'chat-1'],
 *   signal: AbortSignal.timeout(5_000),
 * })
 * ```
 */
export interface WebTransportOptions {
  /** As those of a request. Default: none. */
  headers?: HeaderInput
  /** Protocols that the application can speak, best first; the origin chooses one. Default: none. */
  protocols?: readonly string[] | undefined
  /** Sessions run over HTTP/3 only, which has datagrams: true and false are the same here. Default true. */
  requireUnreliable?: boolean | undefined
  /** Gives the session up while it is being opened. Default: none. */
  signal?: AbortSignal | undefined
  /** From the CONNECT to its answer, in ms; 0 = no limit. Default: `timeouts.headersMs` of the origin. */
  headersTimeoutMs?: number | undefined
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
  method?: string | undefined
  /**
   * A plain object, a flat list of name, value, …, or a Headers. `host` sets the authority;
   * connection-specific fields are dropped. Default: none.
   */
  headers?: HeaderInput
  /** Default: none. A stream is sent once; what is in memory may be sent again where that is safe. */
  body?: BodyInput
  /**
   * Gives the request up, in whatever phase. request(), and whoever reads the body, then rejects with the
   * reason of the signal itself: an AbortError, a TimeoutError, or what abort() was given. Default: none.
   */
  signal?: AbortSignal | undefined
  /**
   * The request may travel in early data (0-RTT), where an onlooker can replay it (RFC 8470). It does so over
   * HTTP/3 with a ticket that nobody has used, and only if its method is safe and it has no body. Default:
   * what `earlyData` of the origin says.
   */
  earlyData?: boolean | undefined
  /**
   * Whose turn the request takes where requests to a protected origin wait for a connection
   * (`protection.maxConnections`): a tenant, a job. Default: one turn for all that say none.
   */
  fairKey?: string | undefined
  /**
   * From the last byte of the request to the head of the response, in ms; 0 = no limit. Default:
   * `timeouts.headersMs` of the origin.
   */
  headersTimeoutMs?: number | undefined
  /** The longest silence within a body, in ms; 0 = no limit. Default: `timeouts.bodyMs` of the origin. */
  bodyTimeoutMs?: number | undefined
  /**
   * The whole exchange, waiting and replays included, in ms; 0 = no limit. Default: `timeouts.requestMs` of
   * the origin.
   */
  requestTimeoutMs?: number | undefined
  /** What of `retry` of the origin this request has otherwise. Default: nothing. */
  retry?: RequestRetry | undefined
  /**
   * Those of the origin's `protocols` that may carry the request: all but `h3`, `h3` alone, or `http/1.1`
   * alone; else MM_INVALID_ARGUMENT. Default: all of them.
   */
  protocols?: readonly Protocol[] | undefined
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
  /**
   * Made when it is first asked for. Read it to its end, dump() it or destroy it: the connection waits for
   * that.
   */
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
  /**
   * Why TCP Fast Open did not help, or how far; only of the exchange that had its connection made, and where
   * it was asked for.
   */
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
  /** How few connections carried the requests, over all origins in `pools`. */
  economy: Economy
  /** Dials that waited for their turn, since the transport was made: see GlobalLimits.dialShare. */
  deferredDials: number
  /** Local ports of connections to origins, over all of them: see GlobalLimits.maxPortShare. */
  ports: PortFigures
  resolver: ResolverCounts
}

/**
 * What is known of an origin and what would be tried next.
 *
 * @example
 * ```ts
 * const { decision, plan }: Explanation = await transport.explain('https://origin.example')
 * console.log(decision.because)
 * for (const { protocol, endpoint, because } of plan) console.log(protocol, endpoint, because)
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
  /** Savings of connections that are possible and not taken, and why. */
  savings: readonly { saving: string; because: string }[]
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
  /** Default: what `earlyData` of the origin says. */
  earlyData?: boolean | undefined
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
  /** See RequestOptions. Default: what `earlyData` of the origin says. */
  earlyData?: boolean | undefined
}

/**
 * Where connect() goes.
 *
 * @example
 * ```ts
 * const target: ConnectTarget = { host: 'mail.example', port: 25 }
 * const { stream } = await transport.connect(target)
 * ```
 */
export interface ConnectTarget {
  /** A name or an IP address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * The options of connect().
 *
 * @example
 * ```ts
 * const options: ConnectOptions = { signal: AbortSignal.timeout(5_000) }
 * const { stream } = await transport.connect({ host: 'mail.example', port: 25 }, options)
 * ```
 */
export interface ConnectOptions {
  /** Gives it up. Default: none. */
  signal?: AbortSignal | undefined
}

/** What the `fetch` of Node takes as a dispatcher, by the types of Node that a program compiles with. */
type FetchDispatcher = RequestInit extends { dispatcher?: infer Given } ? NonNullable<Given> : unknown

/**
 * An undici 7 Dispatcher by the types of undici, and of the copy of them that types of Node bring: it goes
 * into `fetch(url, { dispatcher })`, and into whatever takes a Dispatcher of undici.
 *
 * @example
 * ```ts
 * const dispatcher: TransportDispatcher = transport.dispatcher()
 * const response = await fetch('https://origin.example/', { dispatcher })
 * ```
 */
export type TransportDispatcher = Dispatcher & FetchDispatcher

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
  /**
   * The transport as an undici 7 Dispatcher. Its requests may set `earlyData` among their options; the given
   * one is the default.
   */
  dispatcher(options?: DispatcherOptions): TransportDispatcher
  /**
   * Push style, nothing allocated that was not asked for: the service's hot path. Never throws: failures go
   * to the handler.
   */
  dispatch(origin: Origin, request: DispatchRequest, handler: ExchangeHandler): DispatchHandle
  /**
   * Opens a session of WebTransport over the HTTP/3 connections of its origin, beside ordinary requests. It
   * keeps the process alive until it ends. Throws MM_INVALID_ARGUMENT; `ready` rejects with
   * MM_WEBTRANSPORT_UNAVAILABLE where the origin has none, and with MM_WEBTRANSPORT_REFUSED where it says no.
   */
  webTransport(url: string | URL, options?: WebTransportOptions): WebTransportSession
  /**
   * Makes `connections` ready, 1 by default. Resolves when they are, rejects when the first fails. With 0 it
   * prepares what needs no network: settings, the lists of trust, the engine of HTTP/3.
   */
  preconnect(origin: string | URL | Origin, options?: { connections?: number | undefined }): Promise<void>
  /**
   * A connection of TCP to a host and port, for something else than HTTP: its name is looked up, and its
   * addresses are checked and raced, as those of origins are, with `timeouts` and `socket` of `defaults`. It
   * is the caller's own. Rejects with a TransportError.
   */
  connect(target: ConnectTarget, options?: ConnectOptions): Promise<RawConnection>
  /**
   * A socket of UDP that is connected to a host and port, whose name is looked up and whose addresses are
   * checked likewise. It is the caller's own. Rejects with a TransportError.
   */
  connectUdp(target: ConnectTarget, options?: ConnectOptions): Promise<RawUdp>
  /**
   * Looks at everything that the origin can do, now: addresses, TCP, TLS, QUIC, HTTP/3. It sends one HEAD
   * request for `/`, for what its response advertises. Resolves with what was found, however little; rejects
   * after an abort only.
   */
  probe(origin: string | URL | Origin, options?: { signal?: AbortSignal | undefined }): Promise<ProbeReport>
  /**
   * Moves the open connections to the origin to another local port, or to the address and port that are given
   * (RFC 9000 9). Resolves when it is known of each what became of it; those that cannot move (TCP, an origin
   * that is not `trusted`, a peer that forbids it) say why and go on as they are. Nothing is open: an empty
   * list. Rejects with MM_INVALID_ARGUMENT for what is no IP address or no port.
   */
  migrate(origin: string | URL | Origin, to?: MigrateOptions): Promise<readonly MigrationResult[]>
  /**
   * The network of this machine has changed: names are looked up anew, HTTP/3 may be tried where it failed
   * before, and connections from an address that is gone move to another one, where they may. Noticed by
   * itself as well.
   */
  networkChanged(): void
  /**
   * What is known of an origin, which protocol carries its requests and why, and what would be tried next.
   * Sends nothing.
   */
  explain(origin: string | URL | Origin): Promise<Explanation>
  /** Every pool with its connections, counters and handshakes, at this moment. */
  stats(): TransportStats
  /**
   * A few counters, cheap enough to be asked for many times a second. Undefined: the origin has no
   * connections and never had.
   */
  load(origin: Origin): OriginLoad | undefined
  /**
   * Replaces the options. Pools of origins whose options changed, or that `origins` does not name any more,
   * drain, and are made anew by the next request; the others keep their connections.
   */
  configure(options: TransportOptions): void
  /** Takes no more requests; resolves when every exchange has ended and every connection is closed. */
  drain(): Promise<void>
  /** Ends everything now. Open exchanges fail with MM_TRANSPORT_CLOSED or the given error. */
  close(error?: TransportError): Promise<void>
}
