import type { Protocol } from '../http/protocol.ts'
import type { BreakerOptions, ConcurrencyOptions } from './admission-options.ts'
import type { BalanceOptions, EndpointOptions } from './balance-options.ts'
import type { HealthOptions, OutlierOptions } from './health-options.ts'
import type { HedgeOptions } from './hedge-options.ts'
import type { ObjectiveOptions } from './objective-options.ts'
import type { ProtectionOptions } from './protection-options.ts'
import type { Http2Options, Http3Options, LivenessOptions, QuicOptions } from './protocol-options.ts'
import type { SelectOptions } from './select-options.ts'
import type { SocketOptions } from './socket-options.ts'

/**
 * Every limit and timeout of the transport, with its default. The tables in docs/configuration.md are made
 * from this file (scripts/generate-docs.mjs). A duration is in milliseconds and ends in `Ms`; 0 switches a
 * timeout or an optional limit off unless its comment says otherwise.
 */

/** One pool: the connections to one origin. */
export interface PoolOptions {
  /**
   * Connections to one origin over all protocols, those that are being made or ended and tunnels (WebSocket
   * over HTTP/1.1) included. 1: no other protocol is tried beside the first. Default 64.
   */
  maxConnections: number
  /**
   * Further connections to one origin, which come to be only while requests wait: an HTTP/1.1 connection
   * whose response is paused since its reader stalls (for 100 ms) gives its place in `maxConnections` to
   * one of them, and counts here until its exchange has ended. 0: none, for origins that do not bear more
   * than `maxConnections`; a service has 1024. Default 0.
   */
  maxStalledConnections: number
  /** Our own cap on concurrent streams of one connection; the peer's applies as well. Default 100. */
  maxStreamsPerConnection: number
  /**
   * Requests that may wait for a connection; one more is refused with MM_QUEUE_FULL. 0: none may wait.
   * Default 1,024.
   */
  maxWaiters: number
  /**
   * How long a request may wait for a connection (connecting included) before MM_QUEUE_TIMEOUT. Default
   * 10,000 ms.
   */
  queueTimeoutMs: number
  /**
   * Where requests have to wait for longer than this for `queueIntervalMs`, and no further connection may
   * be made, the pool is overloaded until nobody waits: the newest goes first, and each newcomer ends the
   * wait of up to two that have waited for longer (MM_QUEUE_OVERLOADED). 0: never, since the requests of a
   * program are its own to pace; those of a service are strangers', and it has 500. Default 0 ms.
   */
  queueTargetMs: number
  /** See `queueTargetMs`. 0: at once. Default 100 ms. */
  queueIntervalMs: number
  /** Connections that are kept ready: made at once, checked, and replaced when lost. Default 0. */
  warm: number
  /**
   * The level of warm connections follows the demand between `warm` and `maxConnections`: so many times
   * what is under way at once on average (requests per second x seconds that each takes, Little's law),
   * over the streams of a connection; over HTTP/2 and HTTP/3 one more. Connections are made before they are
   * needed, and those that age are used in turns, so that few have to be made again. 1.5 leaves room for
   * bursts. 0: connections are made when a request needs one. Default 0.
   */
  headroom: number
  /** How often warm connections are checked. Default 30,000 ms. */
  warmCheckMs: number
  /** An idle connection above the warm level is closed after this. Default 90,000 ms. */
  idleTimeoutMs: number
  /** A connection takes no new requests when older than this. Default 3,600,000 ms. */
  maxAgeMs: number
  /**
   * Each connection's maximum age is shortened by a random share up to this (0 to 1), so that they do not
   * all end at once. Default 0.2.
   */
  maxAgeJitter: number
  /** A connection takes no new requests after this many. Default 0. */
  maxRequests: number
  /** A connection is recycled after this many failed exchanges in a row. Default 3. */
  maxErrors: number
  /** A connection that was idle this long is verified (ping) before it is used again. Default 10,000 ms. */
  verifyAfterIdleMs: number
  /** A check (ping) that is not answered within this has failed. Default 2,000 ms. */
  pingTimeoutMs: number
  /**
   * How long before the origin would end an idle connection it is used no more: taken off its
   * `Keep-Alive: timeout`, whose clock started before ours, and off the time that was learned from the idle
   * connections that it ended. Half of that time at the most. Default 1,000 ms.
   */
  keepAliveMarginMs: number
  /**
   * After failed connects: the first delay; it doubles for each failure in a row, and the real one is drawn
   * from its upper half. A request that finds no connection waits for the first one only and tries then,
   * one connect at a time, so that an origin is back with the first request after its outage. Default 100
   * ms.
   */
  backoffBaseMs: number
  /** The longest such delay. Default 10,000 ms. */
  backoffMaxMs: number
  /**
   * A request that comes within that first delay and finds no connection waits for the next attempt if that
   * is due within this; else it fails at once with the error of the last one. 0: it always fails at once.
   * Default 1,000 ms.
   */
  backoffWaitMs: number
}

/** The defaults of `pool`. Durations are in ms, sizes in bytes. */
export const DEFAULT_POOL_OPTIONS: Readonly<PoolOptions> = {
  maxConnections: 64,
  maxStalledConnections: 0,
  maxStreamsPerConnection: 100,
  maxWaiters: 1024,
  queueTimeoutMs: 10_000,
  queueTargetMs: 0,
  queueIntervalMs: 100,
  warm: 0,
  headroom: 0,
  warmCheckMs: 30_000,
  idleTimeoutMs: 90_000,
  maxAgeMs: 3_600_000,
  maxAgeJitter: 0.2,
  maxRequests: 0,
  maxErrors: 3,
  verifyAfterIdleMs: 10_000,
  pingTimeoutMs: 2_000,
  keepAliveMarginMs: 1_000,
  backoffBaseMs: 100,
  backoffMaxMs: 10_000,
  backoffWaitMs: 1_000,
}

/** The phases of a connect and of an exchange. */
export interface TimeoutOptions {
  /** One lookup of a host name, over all its queries. Default 5,000 ms. */
  dnsMs: number
  /** TCP connect, or the whole handshake of QUIC; one attempt. Default 5,000 ms. */
  connectMs: number
  /** TLS handshake, one attempt. Default 5,000 ms. */
  tlsMs: number
  /**
   * A connect with TCP Fast Open whose TLS handshake is not complete after this is made once more without
   * it: a middlebox may have eaten its SYN, and 'connected' means nothing there. Default 1,500 ms.
   */
  fastOpenMs: number
  /**
   * The delay before the next address is tried while the last attempt is still under way (RFC 8305 section
   * 5: 250). Default 250 ms.
   */
  attemptDelayMs: number
  /** From the last byte of the request to the head of the final response. Default 60,000 ms. */
  headersMs: number
  /** The longest silence within a body, in either direction. Default 60,000 ms. */
  bodyMs: number
  /** The whole exchange, waiting and retries included. Default 0 ms. */
  requestMs: number
}

/** The defaults of `timeouts`. Durations are in ms, sizes in bytes. */
export const DEFAULT_TIMEOUTS: Readonly<TimeoutOptions> = {
  dnsMs: 5_000,
  connectMs: 5_000,
  tlsMs: 5_000,
  fastOpenMs: 1_500,
  attemptDelayMs: 250,
  headersMs: 60_000,
  bodyMs: 60_000,
  requestMs: 0,
}

/**
 * Replays of requests that surely, or harmlessly, can be sent again. Those that answers or silence call for
 * (`statuses`, `perTryTimeoutMs`) are made of idempotent methods with a replayable body only.
 */
export interface RetryOptions {
  /**
   * Replays of one request at the most. An exchange known unprocessed is always replayed once, whatever
   * stands here. Default 2.
   */
  maxRetries: number
  /**
   * Replays of one request at the most whose connections end without an answer, new ones too: idempotent
   * methods only. Where `maxRetries` is more, that holds; where it is 0, there are none. Default 6.
   */
  maxUnanswered: number
  /** Replays allowed per request made, averaged: 0.2 lets one in five be a replay. Default 0.2. */
  budgetRatio: number
  /** Replays that are always in the budget, so that a quiet transport can retry at all. Default 10. */
  budgetMin: number
  /**
   * Statuses of answers after which the request is sent again, up to `maxRetries` times and within the
   * budget: 429 and 500 to 599. The last answer is the caller's. Default: none.
   */
  statuses: readonly number[]
  /**
   * From the lease of a connection to the head of the final response, in each try of a request that may be
   * sent again; it is then, or fails with MM_TRY_TIMEOUT. 0: none. Default 0 ms.
   */
  perTryTimeoutMs: number
}

/** The defaults of `retry`. Durations are in ms, sizes in bytes. */
export const DEFAULT_RETRY_OPTIONS: Readonly<RetryOptions> = {
  maxRetries: 2,
  maxUnanswered: 6,
  budgetRatio: 0.2,
  budgetMin: 10,
  statuses: [],
  perTryTimeoutMs: 0,
}

/**
 * Whether an answer with it says that another try may help: 429, or a fault of the server.
 *
 * @example
 * ```ts
 * isRetryableStatus(503) // true
 * ```
 */
export function isRetryableStatus(status: unknown): boolean {
  return status === 429 || (Number.isInteger(status) && Number(status) >= 500 && Number(status) <= 599)
}

/** What an origin's responses may cost us. */
export interface ResponseLimits {
  /** One response head, or the trailers, in bytes. Default 65,536 bytes. */
  maxHeaderBytes: number
  /** Fields in one response head or in the trailers. Default 256. */
  maxHeaderCount: number
  /** 1xx responses before the final one. Default 16. */
  maxInformational: number
}

/** The defaults of `limits` of an origin. Durations are in ms, sizes in bytes. */
export const DEFAULT_RESPONSE_LIMITS: Readonly<ResponseLimits> = {
  maxHeaderBytes: 65_536,
  maxHeaderCount: 256,
  maxInformational: 16,
}

/** Which requests may go over a connection that has carried others: see OriginOptions.reuse. */
export type ReuseMode = 'never' | 'safe' | 'aggressive' | 'always'

/** Every ReuseMode, the most careful first. */
export const REUSE_MODES: readonly ReuseMode[] = ['never', 'safe', 'aggressive', 'always']

/** Trust and identity towards an origin. */
export interface TlsOptions {
  /** PEM certificates to trust. Default: Node's own list. */
  ca?: string | readonly string[] | undefined
  /** The client certificate with its chain, PEM. Needs `key`. Default: none. */
  cert?: string | undefined
  /** The key of the client certificate, PEM. Default: none. */
  key?: string | undefined
  /** Opens `key` where that is encrypted. Default: none. */
  passphrase?: string | undefined
  /** Sent as SNI and checked against the certificate. Default: the origin's host. */
  serverName?: string | undefined
  /** Default true. False accepts any certificate; tickets of such connections stay apart. */
  rejectUnauthorized?: boolean | undefined
  /**
   * SHA-256 of certificates, in hex, with or without colons. The server has to show one of them that is valid
   * now, and then neither its authority nor its name is looked at. Over HTTP/3 only: `protocols` has to be
   * `h3` alone. Default: none.
   */
  certificateHashes?: readonly string[] | undefined
  /** The oldest version of TLS that is spoken over TCP. Default: Node's. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** The newest one. Default: Node's. */
  maxVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Ciphers as OpenSSL writes them. Default: Node's. */
  ciphers?: string | undefined
  /**
   * Groups for the key exchange, best first, as OpenSSL writes them: `X25519:P-256`. Default: those of the
   * TLS library. With OpenSSL 3.5 (Node 22.20 and later) they begin with a post-quantum one, whose
   * ClientHello does not fit into a SYN, so that TCP Fast Open saves nothing: to gain from it, an origin
   * has to give up post-quantum key exchange, and to say so here (native-notes/tcp-fast-open.md).
   */
  groups?: string | undefined
  /** TLS session resumption. Default true. */
  resumption?: boolean | undefined
}

/** Any of the options of a group; undefined means that it is not given. */
export type Given<T> = { [Name in keyof T]?: T[Name] | undefined }

/**
 * The defaults, with what each layer gives over them. What is undefined is not given, as everywhere in
 * JavaScript; a spread would let it win.
 */
export function layered<T extends object>(defaults: T, ...layers: (Given<T> | undefined)[]): T {
  const merged = { ...defaults }
  for (const layer of layers)
    for (const [name, value] of Object.entries(layer ?? {}))
      if (value !== undefined) merged[name as keyof T] = value as T[keyof T] // of that name
  return merged
}

/**
 * What may differ from origin to origin.
 *
 * @example
 * ```ts
 * const shop: OriginOptions = {
 *   protocols: ['h3', 'h2'],
 *   pool: { warm: 2, maxConnections: 8 },
 *   timeouts: { connectMs: 2_000, headersMs: 10_000 },
 *   earlyData: 'safe',
 * }
 * const transport = createTransport({ origins: { 'https://shop.example': shop } })
 * ```
 */
export interface OriginOptions {
  /** Allowed protocols, best first. Default: all: `h3`, `h2`, `http/1.1`. */
  protocols?: readonly Protocol[] | undefined
  /** Which protocol carries requests, and what is done to find out. Default: `DEFAULT_SELECT_OPTIONS`. */
  select?: Given<SelectOptions> | undefined
  /** The connections to the origin: how many, how long, and who waits. Default: `DEFAULT_POOL_OPTIONS`. */
  pool?: Given<PoolOptions> | undefined
  /**
   * Which requests may go over a connection that has carried others (HAProxy's `http-reuse`). `never`: each
   * has its own, which ends with it. `safe`: one that must not be sent twice (by its method, or a body that
   * cannot be repeated) gets a new connection, since one that the origin ends just then would cost its
   * caller an error. `aggressive`: such a request may also go over a connection that was reused before.
   * `always`: all may. HAProxy looks at the first request of a client's connection only; here each counts
   * as the first. Default `always`.
   */
  reuse?: ReuseMode | undefined
  /** What is aimed at with the connections. Default: `DEFAULT_OBJECTIVE_OPTIONS`. */
  objective?: Given<ObjectiveOptions> | undefined
  /** What the origin is spared. Default: `DEFAULT_PROTECTION_OPTIONS`. */
  protection?: Given<ProtectionOptions> | undefined
  /** The longest that each phase of a connect and of an exchange may take. Default: `DEFAULT_TIMEOUTS`. */
  timeouts?: Given<TimeoutOptions> | undefined
  /** Requests that are sent again, where that is safe. Default: `DEFAULT_RETRY_OPTIONS`. */
  retry?: Given<RetryOptions> | undefined
  /** Bounds above which requests fail at once. Default: `DEFAULT_BREAKER_OPTIONS`. */
  breakers?: Given<BreakerOptions> | undefined
  /** A limit of concurrency that follows what the origin bears. Default: `DEFAULT_CONCURRENCY_OPTIONS`. */
  concurrency?: Given<ConcurrencyOptions> | undefined
  /** What a response may cost us. Default: `DEFAULT_RESPONSE_LIMITS`. */
  limits?: Given<ResponseLimits> | undefined
  /** Windows, frames and flood limits of HTTP/2. Default: `DEFAULT_HTTP2_OPTIONS`. */
  http2?: Given<Http2Options> | undefined
  /** Windows and limits of QUIC. Default: `DEFAULT_QUIC_OPTIONS`. */
  quic?: Given<QuicOptions> | undefined
  /** Tables and flood limits of HTTP/3. Default: `DEFAULT_HTTP3_OPTIONS`. */
  http3?: Given<Http3Options> | undefined
  /** How soon an unresponsive peer is found. Default: `DEFAULT_LIVENESS_OPTIONS`. */
  liveness?: Given<LivenessOptions> | undefined
  /** Trust and identity. Default: the roots of Node, no client certificate. */
  tls?: TlsOptions | undefined
  /**
   * Whether requests may go over an open HTTP/2 or HTTP/3 connection of another origin, and those of others
   * over this one's (RFC 9113 9.1.1, RFC 9114 3.3). `auto`: where address and certificate cover both, and
   * nothing else differs; `never`: this origin has connections of its own. Default `auto`.
   */
  coalesce?: 'auto' | 'never' | undefined
  /**
   * Host names that the certificate of this origin is taken to cover as well, `*` for the left-most label:
   * for private networks, whose certificates do not name every host. Requests of those origins may then go
   * over this one's connections; connections of their own are verified as ever. Default: none.
   */
  certificateNames?: readonly string[] | undefined
  /**
   * Whether a response of this origin that names another one of `origins` in `Link: rel=preconnect`, as
   * Early Hints (103) or in its head, opens a connection there, and responses of others open one here (RFC
   * 8297, RFC 8288). `auto`: where there is none, limits leave a place, and the last one was used; one in
   * 10 s at the most, and one in an hour where nobody uses them. `never`: none. Default `auto`.
   */
  preconnectHints?: 'auto' | 'never' | undefined
  /** TCP sockets: keepalive, retransmission, congestion control. Default: `DEFAULT_SOCKET_OPTIONS`. */
  socket?: Given<SocketOptions> | undefined
  /**
   * Connect here: `address` or `host`, or either with `:port`; brackets around IPv6. Without `balance` a
   * connect tries the addresses of each in the order of the list; with it every address that a host name has
   * is an endpoint of its own, and the name is looked up again. Default: the origin's host is resolved.
   */
  endpoints?: readonly (string | EndpointOptions)[] | undefined
  /** How requests are spread over `endpoints`. Default: `DEFAULT_BALANCE_OPTIONS`. */
  balance?: Given<BalanceOptions> | undefined
  /** Checks of `endpoints`, where requests are balanced over them. Default: `DEFAULT_HEALTH_OPTIONS`. */
  health?: Given<HealthOptions> | undefined
  /** When one of `endpoints` takes no requests for a while. Default: `DEFAULT_OUTLIER_OPTIONS`. */
  outlier?: Given<OutlierOptions> | undefined
  /** When a second copy of a slow request is sent. Default: `DEFAULT_HEDGE_OPTIONS`. */
  hedge?: Given<HedgeOptions> | undefined
  /**
   * Which requests may travel in early data (0-RTT), where they can be replayed by an onlooker (RFC 8470).
   * `off`: those whose caller asks for it; `safe`: every one with a safe method and without a body. Default
   * `off`. Over HTTP/3; over TCP as well with `earlyDataOverTcp`.
   */
  earlyData?: 'off' | 'safe' | undefined
  /**
   * The origin is one of yours: connections to it may use a second path (migration). With an origin that is
   * not, that is refused, since a hostile one could hang the process then (native-notes/quic-engine.md).
   * Default false.
   */
  trusted?: boolean | undefined
  /**
   * TCP Fast Open (RFC 7413): the ClientHello leaves with the SYN, which spares a round trip. `on`:
   * wherever the kernel has a cookie; `auto`: only where a probe saw the origin take such data. https only.
   * Default `off`. Needs native calls on Linux; without them connects are as always.
   */
  tfo?: 'off' | 'auto' | 'on' | undefined
  /**
   * Experimental: requests that may travel in early data do so over TCP as well, by HTTP/1.1 and HTTP/2.
   * The TLS of such a connection is OpenSSL's, called through native calls
   * (native-notes/early-data-over-tcp.md). Default false.
   */
  earlyDataOverTcp?: boolean | undefined
  /**
   * The name of a way out in `egress` of the transport. With local addresses connections leave from one of
   * them. With proxies these carry the connections, and nothing goes directly: HTTP/3 is not tried then, and
   * nothing is shared with other origins. Tickets stay on that way. Default: none.
   */
  egress?: string | undefined
  /**
   * Connections of HTTP/3 offer WebTransport, so that the server may open streams: as many at once, of either
   * kind, as `quic.maxConcurrentStreams`. Default false: the first call of webTransport() switches it on, and
   * the connections that were open before drain.
   */
  webTransport?: boolean | undefined
}

/** What `certificateNames` lists: a host name, or one with `*` and two more labels behind it. */
export const CERTIFICATE_NAME = /^(?:\*\.[a-z0-9_-]+\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i

/** The memory of TLS sessions, over all origins. */
export interface TicketStoreOptions {
  /**
   * Peers (origin and trust settings) whose tickets are kept; the one unused for longest makes room. 0: no
   * resumption. Default 1,024.
   */
  maxPeers: number
  /** Tickets of one peer; the oldest makes room. Default 4. */
  maxTicketsPerPeer: number
  /** How long a ticket is kept when the server does not say. Default 7,200,000 ms. */
  defaultLifetimeMs: number
  /**
   * How long a ticket is kept at the most, whatever the server says (RFC 8446 4.6.1: seven days). Also how
   * long sessions may be resumed one after the other until a full handshake verifies the certificate again.
   * Default 604,800,000 ms.
   */
  maxLifetimeMs: number
}

/** The defaults of `tickets`. Durations are in ms, sizes in bytes. */
export const DEFAULT_TICKET_STORE_OPTIONS: Readonly<TicketStoreOptions> = {
  maxPeers: 1024,
  maxTicketsPerPeer: 4,
  defaultLifetimeMs: 7_200_000,
  maxLifetimeMs: 604_800_000,
}
