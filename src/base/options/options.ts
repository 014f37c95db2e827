import type { Protocol } from '../http/protocol.ts'
import type { SelectOptions } from './select-options.ts'
import type { SocketOptions } from './socket-options.ts'

export { DEFAULT_SOCKET_OPTIONS, type SocketOptions } from './socket-options.ts'

/**
 * Every limit and timeout of the transport, with its default. The tables in docs/configuration.md are made from this file (scripts/generate-docs.mjs).
 * A duration is in milliseconds and ends in `Ms`; 0 switches a timeout or an optional limit off unless its comment says otherwise.
 */

/** One pool: the connections to one origin. */
export interface PoolOptions {
  /** Connections to one origin, those that are being made and tunnels (WebSocket over HTTP/1.1) included. Default 64. */
  maxConnections: number
  /**
   * Further connections to one origin, which come to be only while requests wait: an HTTP/1.1 connection whose response is paused since its reader stalls
   * (for 100 ms) gives its place in `maxConnections` to one of them, and counts here until its exchange has ended. 0: none, for origins that do not bear
   * more than `maxConnections`; a service has 1024. Default 0.
   */
  maxStalledConnections: number
  /** Our own cap on concurrent streams of one connection; the peer's applies as well. Default 100. */
  maxStreamsPerConnection: number
  /** Requests that may wait for a connection; one more is refused with MM_QUEUE_FULL. 0: none may wait. Default 1,024. */
  maxWaiters: number
  /** How long a request may wait for a connection (connecting included) before MM_QUEUE_TIMEOUT. Default 10,000 ms. */
  queueTimeoutMs: number
  /**
   * Where requests have to wait for longer than this for `queueIntervalMs`, and no further connection may be made, the pool is overloaded until nobody
   * waits: the newest goes first, and each newcomer ends the wait of up to two that have waited for longer (MM_QUEUE_OVERLOADED). 0: never, since the
   * requests of a program are its own to pace; those of a service are strangers', and it has 500. Default 0 ms.
   */
  queueTargetMs: number
  /** See `queueTargetMs`. 0: at once. Default 100 ms. */
  queueIntervalMs: number
  /** Connections that are kept ready: made at once, checked, and replaced when lost. Default 0. */
  warm: number
  /** How often warm connections are checked. Default 30,000 ms. */
  warmCheckMs: number
  /** An idle connection above the warm level is closed after this. Default 90,000 ms. */
  idleTimeoutMs: number
  /** A connection takes no new requests when older than this. Default 3,600,000 ms. */
  maxAgeMs: number
  /** Each connection's maximum age is shortened by a random share up to this (0 to 1), so that they do not all end at once. Default 0.2. */
  maxAgeJitter: number
  /** A connection takes no new requests after this many. Default 0. */
  maxRequests: number
  /** A connection is recycled after this many failed exchanges in a row. Default 3. */
  maxErrors: number
  /** A connection that was idle this long is verified (ping) before it is used again. Default 10,000 ms. */
  verifyAfterIdleMs: number
  /** A check (ping) that is not answered within this has failed. Default 2,000 ms. */
  pingTimeoutMs: number
  /** Taken off the origin's `Keep-Alive: timeout`, since its clock started before ours. Half of the timeout at the most. Default 1,000 ms. */
  keepAliveMarginMs: number
  /** After failed connects: the first delay; it doubles for each failure in a row, and the real one is drawn from its upper half. Default 100 ms. */
  backoffBaseMs: number
  /** The longest such delay. Default 10,000 ms. */
  backoffMaxMs: number
  /**
   * A request that comes while the pool backs off and has no connection waits for the next attempt if that is due within this;
   * else it fails at once with the error of the last one. 0: it always fails at once. Default 1,000 ms.
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
   * A connect with TCP Fast Open whose TLS handshake is not complete after this is made once more without it: a middlebox may have eaten its SYN,
   * and 'connected' means nothing there. Default 1,500 ms.
   */
  fastOpenMs: number
  /** The delay before the next address is tried while the last attempt is still under way (RFC 8305 section 5: 250). Default 250 ms. */
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

/** Replays of requests that surely, or harmlessly, can be sent again. */
export interface RetryOptions {
  /** Replays of one request at the most. An exchange known unprocessed is always replayed once, whatever stands here. Default 2. */
  maxRetries: number
  /**
   * Replays of one request at the most whose connections end without an answer, new ones too: idempotent methods only. Where `maxRetries` is more, that
   * holds; where it is 0, there are none. Default 6.
   */
  maxUnanswered: number
  /** Replays allowed per request made, averaged: 0.2 lets one in five be a replay. Default 0.2. */
  budgetRatio: number
  /** Replays that are always in the budget, so that a quiet transport can retry at all. Default 10. */
  budgetMin: number
}

/** The defaults of `retry`. Durations are in ms, sizes in bytes. */
export const DEFAULT_RETRY_OPTIONS: Readonly<RetryOptions> = {
  maxRetries: 2,
  maxUnanswered: 6,
  budgetRatio: 0.2,
  budgetMin: 10,
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

/**
 * HTTP/2, in either role: towards origins (`http2` of an origin), and towards clients (`http2` of a listener).
 * What ends in `PerSecond` is how often a peer may do, on one connection and averaged over ten seconds, what costs us work and brings
 * nobody further; one that does it more often is a flood and ends its connection with ENHANCE_YOUR_CALM.
 */
export interface Http2Options {
  /** Streams that a peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS). Towards origins none: we take no push. Default 128. */
  maxConcurrentStreams: number
  /** The window that each stream starts with (SETTINGS_INITIAL_WINDOW_SIZE): what a reader who sleeps from the start makes us hold. Default 262,144 bytes. */
  streamWindowBytes: number
  /** How far the window of a stream whose reader keeps up may grow: to 1 MiB when it carries bulk, further with the measured bandwidth-delay product. Default 8,388,608 bytes. */
  maxStreamWindowBytes: number
  /** The window of the connection as a whole. Default 16,777,216 bytes. */
  connectionWindowBytes: number
  /**
   * What a stream may send before its reader takes any of it, while readers of the connection stall: as soon as a part in 64 of `maxBufferedBytes` is held
   * for them, and until half of that is left. Then no stream that stalls grows, and the others grow less. 0: as ever. Default 32,768 bytes.
   */
  stalledWindowBytes: number
  /** What a connection may hold for readers that sleep. Beyond it no more credit is given, and all its streams wait. Default 67,108,864 bytes. */
  maxBufferedBytes: number
  /** What a connection takes for writing before its producers have to wait. Default 131,072 bytes. */
  writeAheadBytes: number
  /** The largest frame that we take (SETTINGS_MAX_FRAME_SIZE, 16384 to 16777215). Default 16,384 bytes. */
  maxFrameBytes: number
  /** The dynamic table that the peer may use towards us (SETTINGS_HEADER_TABLE_SIZE). Default 4,096 bytes. */
  headerTableBytes: number
  /** The most of the peer's dynamic table that we use. Default 4,096 bytes. */
  encoderTableBytes: number
  /** Streams that we open before the peer's SETTINGS have come, on the first connection to an origin. 0: always wait for them. Default 4. */
  streamsBeforeSettings: number
  /** How long the peer may take to acknowledge our SETTINGS, and to send its own. Default 10,000 ms. */
  settingsTimeoutMs: number
  /** From the first frame of a field block to its last one. Default 10,000 ms. */
  fieldBlockTimeoutMs: number
  /** CONTINUATION frames in one field block. 0: any number. Default 16. */
  maxContinuations: number
  /** Frames of ours that only answer the peer (acknowledgements, resets) and wait for it to read them. One read may ask for 7,000. Default 20,000. */
  maxQueuedReplies: number
  /** PING frames that want an answer. Peers that estimate bandwidth (gRPC, and we) send one per round trip while bulk flows. Default 1,000. */
  maxPingsPerSecond: number
  /** SETTINGS frames. Default 5. */
  maxSettingsPerSecond: number
  /**
   * Streams that the peer opened and reset before they were answered, or made us reset (rapid reset). A client's request that breaks the rules counts five
   * times, and what a new client may do at once is three seconds' worth. Default 100.
   */
  maxResetsPerSecond: number
  /** DATA frames without a byte of data that do not end their stream either. Default 20. */
  maxEmptyFramesPerSecond: number
  /** DATA frames below 64 bytes that do not end their stream (slow drip). A second's worth may come at once, and 16 bytes of content allow one more. Default 20,000. */
  maxTinyFramesPerSecond: number
  /** WINDOW_UPDATE frames of less than 1024 bytes each (window games), and those for streams that are over. Default 20,000. */
  maxTinyWindowUpdatesPerSecond: number
  /**
   * PRIORITY, PRIORITY_UPDATE and unknown frames; ALTSVC and ORIGIN, once more for every 256 bytes; GOAWAY; acknowledgements that nobody asked
   * for; HEADERS and resets on streams that are over; changes of the size of HPACK's table. Default 1,000.
   */
  maxIgnoredFramesPerSecond: number
}

/** The defaults of `http2`. Durations are in ms, sizes in bytes. */
export const DEFAULT_HTTP2_OPTIONS: Readonly<Http2Options> = {
  maxConcurrentStreams: 128,
  streamWindowBytes: 262_144,
  maxStreamWindowBytes: 8_388_608,
  connectionWindowBytes: 16_777_216,
  stalledWindowBytes: 32_768,
  maxBufferedBytes: 67_108_864,
  writeAheadBytes: 131_072,
  maxFrameBytes: 16_384,
  headerTableBytes: 4096,
  encoderTableBytes: 4096,
  streamsBeforeSettings: 4,
  settingsTimeoutMs: 10_000,
  fieldBlockTimeoutMs: 10_000,
  maxContinuations: 16,
  maxQueuedReplies: 20_000,
  maxPingsPerSecond: 1_000,
  maxSettingsPerSecond: 5,
  maxResetsPerSecond: 100,
  maxEmptyFramesPerSecond: 20,
  maxTinyFramesPerSecond: 20_000,
  maxTinyWindowUpdatesPerSecond: 20_000,
  maxIgnoredFramesPerSecond: 1_000,
}

/** Who says how much may be under way (RFC 9002 7, RFC 9438, draft-cardwell-iccrg-bbr-congestion-control). */
export type QuicCongestionControl = (typeof QUIC_CONGESTION_CONTROLS)[number]

/** What `quic.congestionControl` may be. */
export const QUIC_CONGESTION_CONTROLS = ['cubic', 'bbr', 'reno'] as const

/**
 * QUIC, in either role. Windows are small on purpose: what a peer can make us hold is a multiple of them (native-notes/quic-engine.md),
 * so raise them for origins that are yours.
 */
export interface QuicOptions {
  /** The connection is over when nothing came for this long (max_idle_timeout); the peer may ask for less. Default 30,000 ms. */
  idleTimeoutMs: number
  /** The window that each stream starts with. Default 262,144 bytes. */
  streamWindowBytes: number
  /** How far the window of a stream whose reader keeps up may grow. Default 1,048,576 bytes. */
  maxStreamWindowBytes: number
  /**
   * The window of the connection as a whole. By default it is as good as none, since with quiche 0.18 readers that sleep on a part of a small
   * one stop all others for good (native-notes/quic-engine.md). What they make us hold is `maxStreamWindowBytes` for each. Default 1,099,511,627,776 bytes.
   */
  connectionWindowBytes: number
  /** Server role: requests that a client may have under way at once (initial_max_streams_bidi). Default 128. */
  maxConcurrentStreams: number
  /** Unidirectional streams of the peer. HTTP/3 needs three; the rest is for extensions that we read over. Default 16. */
  maxUnidirectionalStreams: number
  /** The largest datagram that is sent, 1200 to 16383. There is no path MTU discovery: it must fit everywhere on the way. Default 1,350 bytes. */
  maxUdpPayloadBytes: number
  /**
   * Of what we send: `cubic`, `bbr` or `reno`. Where packets are lost at random `bbr` is much faster, and without a loss it is less even
   * (native-notes/quic-engine.md). What comes is the peer's to control. Default `cubic`.
   */
  congestionControl: QuicCongestionControl
  /** What leaves in one turn of the event loop at the most, whatever the congestion window says. Default 262,144 bytes. */
  maxBurstBytes: number
  /** What leaves per second at the most. 0: what congestion control allows. Default 0. */
  maxSendBytesPerSecond: number
  /**
   * Bytes that may have come without any of them reaching a reader (holes, duplicates, floods), beyond what honest traffic explains; more end the
   * connection. One that has taken twice as much in small doses takes no new requests. Default 4,194,304 bytes.
   */
  maxSurplusBytes: number
  /** A connection takes no new requests after this many, since the engine keeps about 40 bytes for each stream that ever was. Default 100,000. */
  maxRequestsPerConnection: number
  /**
   * Client role: a server that acknowledges nothing for three probe timeouts (RFC 9002 6.2.1), and for this long at the least, gets no new requests on that
   * connection, and those that can be sent again are sent over another one as well. `liveness` ends the connection later. 0: never. Default 500 ms.
   */
  unresponsiveMs: number
  /**
   * Client role: nothing came for a probe timeout, and for this long at the least, or what was sent is not acknowledged in time: a request that cannot be
   * sent again waits for an answer to a PING first, which costs a round trip. 0: it goes at once. Default 250 ms.
   */
  doubtMs: number
  /** Datagrams (RFC 9221) that wait for their reader, or for being sent; more are dropped. 0: none are taken. Default 64. */
  maxQueuedDatagrams: number
}

/** The defaults of `quic`. Durations are in ms, sizes in bytes. */
export const DEFAULT_QUIC_OPTIONS: Readonly<QuicOptions> = {
  idleTimeoutMs: 30_000,
  streamWindowBytes: 262_144,
  maxStreamWindowBytes: 1_048_576,
  connectionWindowBytes: 1_099_511_627_776,
  maxConcurrentStreams: 128,
  maxUnidirectionalStreams: 16,
  maxUdpPayloadBytes: 1350,
  congestionControl: 'cubic',
  maxBurstBytes: 262_144,
  maxSendBytesPerSecond: 0,
  maxSurplusBytes: 4_194_304,
  maxRequestsPerConnection: 100_000,
  unresponsiveMs: 500,
  doubtMs: 250,
  maxQueuedDatagrams: 64,
}

/** HTTP/3, in either role. `PerSecond` is as in Http2Options, and ends the connection with H3_EXCESSIVE_LOAD. */
export interface Http3Options {
  /** The dynamic table that the peer may use towards us (SETTINGS_QPACK_MAX_TABLE_CAPACITY). Default 4,096 bytes. */
  qpackTableBytes: number
  /** Streams of the peer's that may wait for its table updates (SETTINGS_QPACK_BLOCKED_STREAMS). Default 16. */
  qpackBlockedStreams: number
  /** The most of the peer's dynamic table that we use. Default 4,096 bytes. */
  encoderTableBytes: number
  /** What a stream takes for writing before its producer has to wait. Default 131,072 bytes. */
  writeAheadBytes: number
  /** How long the peer may take to send its SETTINGS once the handshake is complete. Default 10,000 ms. */
  settingsTimeoutMs: number
  /** Requests that a client resets before they were answered, or makes us reset. Default 100. */
  maxResetsPerSecond: number
  /** DATA frames without a byte of data. Default 20. */
  maxEmptyFramesPerSecond: number
  /** DATA frames below 64 bytes behind the first of their stream, as in `http2`. Default 20,000. */
  maxTinyFramesPerSecond: number
  /** PRIORITY_UPDATE, MAX_PUSH_ID, CANCEL_PUSH, ORIGIN and GOAWAY, once more for every 256 bytes; unknown frames; streams of unknown types. Default 1,000. */
  maxIgnoredFramesPerSecond: number
  /** Datagrams (RFC 9297) for streams that do not exist. Default 1,000. */
  maxStrayDatagramsPerSecond: number
}

/** The defaults of `http3`. Durations are in ms, sizes in bytes. */
export const DEFAULT_HTTP3_OPTIONS: Readonly<Http3Options> = {
  qpackTableBytes: 4096,
  qpackBlockedStreams: 16,
  encoderTableBytes: 4096,
  writeAheadBytes: 131_072,
  settingsTimeoutMs: 10_000,
  maxResetsPerSecond: 100,
  maxEmptyFramesPerSecond: 20,
  maxTinyFramesPerSecond: 20_000,
  maxIgnoredFramesPerSecond: 1_000,
  maxStrayDatagramsPerSecond: 1_000,
}

/**
 * How soon a peer is found that says nothing any more, on HTTP/2 and HTTP/3: after `intervalMs` + `timeoutMs` where exchanges are under way. On TCP the
 * kernel watches beside it, and for HTTP/1.1 alone: see `socket` (native-notes/idle-connections.md has the bound of each protocol).
 */
export interface LivenessOptions {
  /** Exchanges are under way and nothing came for this long: the peer is asked for a sign of life (PING). 0: never. Default 5,000 ms. */
  intervalMs: number
  /** Asked, and nothing came for this long: the connection is given up. 0: never. Default 15,000 ms. */
  timeoutMs: number
  /**
   * A connection on which nothing came for this long is asked even if it is idle. 0: never, since servers count pings without a request (those of gRPC
   * end a connection for them), and keepalive and the idle timeout of QUIC find out as well. Default 0 ms.
   */
  idleIntervalMs: number
  /**
   * HTTP/2: a peer that was asked, and has sent neither head nor data of a response since, is asked again after this: servers count pings (those
   * of gRPC end a connection at the third that comes less than five minutes after the one before). 0: it is not. Default 310,000 ms.
   */
  quietIntervalMs: number
}

/** The defaults of `liveness`. Durations are in ms, sizes in bytes. */
export const DEFAULT_LIVENESS_OPTIONS: Readonly<LivenessOptions> = {
  intervalMs: 5_000,
  timeoutMs: 15_000,
  idleIntervalMs: 0,
  quietIntervalMs: 310_000,
}

/** Trust and identity towards an origin. */
export interface TlsOptions {
  /** PEM certificates to trust instead of Node's own list. */
  ca?: string | readonly string[]
  /** The client certificate with its chain, PEM. Needs `key`. */
  cert?: string
  /** The key of the client certificate, PEM. Default: none. */
  key?: string
  /** Opens `key` where that is encrypted. Default: none. */
  passphrase?: string
  /** Sent as SNI and checked against the certificate, instead of the origin's host. */
  serverName?: string
  /** Default true. False accepts any certificate; tickets of such connections stay apart. */
  rejectUnauthorized?: boolean
  /** The oldest version of TLS that is spoken over TCP. Default: Node's. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** The newest one. Default: Node's. */
  maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** Ciphers as OpenSSL writes them. Default: Node's. */
  ciphers?: string
  /**
   * Groups for the key exchange, best first, as OpenSSL writes them: `X25519:P-256`. Default: those of the TLS library. With OpenSSL 3.5 (Node 22.20
   * and later) they begin with a post-quantum one, whose ClientHello does not fit into a SYN, so that TCP Fast Open saves nothing: to gain from it,
   * an origin has to give up post-quantum key exchange, and to say so here (native-notes/tcp-fast-open.md).
   */
  groups?: string
  /** TLS session resumption. Default true. */
  resumption?: boolean
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
  /** Allowed protocols, best first. */
  protocols?: readonly Protocol[]
  /** Which protocol carries requests, and what is done to find out. */
  select?: Partial<SelectOptions>
  /** The connections to the origin: how many, how long, and who waits for them. */
  pool?: Partial<PoolOptions>
  /** The longest that each phase of a connect and of an exchange may take. */
  timeouts?: Partial<TimeoutOptions>
  /** Requests that are sent again, where that is safe. */
  retry?: Partial<RetryOptions>
  /** What a response may cost us. */
  limits?: Partial<ResponseLimits>
  /** Windows, frames and flood limits of HTTP/2. */
  http2?: Partial<Http2Options>
  /** Windows and limits of QUIC. */
  quic?: Partial<QuicOptions>
  /** Tables and flood limits of HTTP/3. */
  http3?: Partial<Http3Options>
  /** How soon an unresponsive peer is found. */
  liveness?: Partial<LivenessOptions>
  /** Trust and identity. Default: the roots of Node, no client certificate. */
  tls?: TlsOptions
  /** TCP sockets: keepalive, retransmission, congestion control. */
  socket?: Partial<SocketOptions>
  /** `address` or `address:port`: connect here instead of resolving the host. Brackets around IPv6. */
  endpoints?: readonly string[]
  /**
   * Which requests may travel in early data (0-RTT), where they can be replayed by an onlooker (RFC 8470). `off`: those whose caller asks for
   * it; `safe`: every one with a safe method and without a body. Default `off`. Over HTTP/3; over TCP as well with `earlyDataOverTcp`.
   */
  earlyData?: 'off' | 'safe'
  /**
   * The origin is one of yours: connections to it may use a second path (migration). With an origin that is not, that is refused, since a
   * hostile one could hang the process then (native-notes/quic-engine.md). Default false.
   */
  trusted?: boolean
  /**
   * TCP Fast Open (RFC 7413): the ClientHello leaves with the SYN, which spares a round trip. `on`: wherever the kernel has a cookie; `auto`: only where
   * a probe saw the origin take such data. https only. Default `off`. Needs native calls on Linux; without them connects are as always.
   */
  tfo?: 'off' | 'auto' | 'on'
  /**
   * Experimental: requests that may travel in early data do so over TCP as well, by HTTP/1.1 and HTTP/2. The TLS of such a connection is OpenSSL's, called
   * through native calls (native-notes/early-data-over-tcp.md). Default false.
   */
  earlyDataOverTcp?: boolean
}

/** The memory of TLS sessions, over all origins. */
export interface TicketStoreOptions {
  /** Peers (origin and trust settings) whose tickets are kept; the one unused for longest makes room. 0: no resumption. Default 1,024. */
  maxPeers: number
  /** Tickets of one peer; the oldest makes room. Default 4. */
  maxTicketsPerPeer: number
  /** How long a ticket is kept when the server does not say. Default 7,200,000 ms. */
  defaultLifetimeMs: number
  /**
   * How long a ticket is kept at the most, whatever the server says (RFC 8446 4.6.1: seven days). Also how long sessions may be resumed
   * one after the other until a full handshake verifies the certificate again. Default 604,800,000 ms.
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
