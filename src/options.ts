import type { Protocol } from './protocol.ts'
import type { SelectOptions } from './select-options.ts'

/**
 * Every limit and timeout of the transport, with its default. The table in README.md is made from this file by a test.
 * A duration is in milliseconds and ends in `Ms`; 0 switches a timeout or an optional limit off unless its comment says otherwise.
 */

/** One pool: the connections to one origin. */
export interface PoolOptions {
  /** Connections to one origin, those that are being made included. */
  maxConnections: number
  /** Our own cap on concurrent streams of one connection; the peer's applies as well. */
  maxStreamsPerConnection: number
  /** Requests that may wait for a connection; one more is refused with MM_QUEUE_FULL. 0: none may wait. */
  maxWaiters: number
  /** How long a request may wait for a connection (connecting included) before MM_QUEUE_TIMEOUT. */
  queueTimeoutMs: number
  /** Connections that are kept ready: made at once, checked, and replaced when lost. */
  warm: number
  /** How often warm connections are checked. */
  warmCheckMs: number
  /** An idle connection above the warm level is closed after this. */
  idleTimeoutMs: number
  /** A connection takes no new requests when older than this. */
  maxAgeMs: number
  /** Each connection's maximum age is shortened by a random share up to this (0 to 1), so that they do not all end at once. */
  maxAgeJitter: number
  /** A connection takes no new requests after this many. */
  maxRequests: number
  /** A connection is recycled after this many failed exchanges in a row. */
  maxErrors: number
  /** A connection that was idle this long is verified (ping) before it is used again. */
  verifyAfterIdleMs: number
  /** A check (ping) that is not answered within this has failed. */
  pingTimeoutMs: number
  /** Taken off the origin's `Keep-Alive: timeout`, since its clock started before ours. Half of the timeout at the most. */
  keepAliveMarginMs: number
  /** After failed connects: the first delay; it doubles for each failure in a row, and the real one is drawn from its upper half. */
  backoffBaseMs: number
  backoffMaxMs: number
  /**
   * A request that comes while the pool backs off and has no connection waits for the next attempt if that is due within this;
   * else it fails at once with the error of the last one. 0: it always fails at once.
   */
  backoffWaitMs: number
}

export const DEFAULT_POOL_OPTIONS: Readonly<PoolOptions> = {
  maxConnections: 64,
  maxStreamsPerConnection: 100,
  maxWaiters: 1024,
  queueTimeoutMs: 10_000,
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
  dnsMs: number
  /** TCP connect, or the whole handshake of QUIC; one attempt. */
  connectMs: number
  /** TLS handshake, one attempt. */
  tlsMs: number
  /** The delay before the next address is tried while the last attempt is still under way (RFC 8305 section 5: 250). */
  attemptDelayMs: number
  /** From the last byte of the request to the head of the final response. */
  headersMs: number
  /** The longest silence within a body, in either direction. */
  bodyMs: number
  /** The whole exchange, waiting and retries included. */
  requestMs: number
}

export const DEFAULT_TIMEOUTS: Readonly<TimeoutOptions> = {
  dnsMs: 5_000,
  connectMs: 5_000,
  tlsMs: 5_000,
  attemptDelayMs: 250,
  headersMs: 60_000,
  bodyMs: 60_000,
  requestMs: 0,
}

/** Replays of requests that surely, or harmlessly, can be sent again (design invariant 1). */
export interface RetryOptions {
  /** Replays of one request at the most. An exchange known unprocessed is always replayed once, whatever stands here. */
  maxRetries: number
  /** Replays allowed per request made, averaged: 0.2 lets one in five be a replay. */
  budgetRatio: number
  /** Replays that are always in the budget, so that a quiet transport can retry at all. */
  budgetMin: number
}

export const DEFAULT_RETRY_OPTIONS: Readonly<RetryOptions> = {
  maxRetries: 2,
  budgetRatio: 0.2,
  budgetMin: 10,
}

/** What an origin's responses may cost us. */
export interface ResponseLimits {
  /** One response head, or the trailers, in bytes. */
  maxHeaderBytes: number
  /** Fields in one response head or in the trailers. */
  maxHeaderCount: number
  /** 1xx responses before the final one. */
  maxInformational: number
}

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
  /** Streams that a peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS). Towards origins none: we take no push. */
  maxConcurrentStreams: number
  /** The window that each stream starts with (SETTINGS_INITIAL_WINDOW_SIZE): what a reader who sleeps from the start makes us hold. */
  streamWindowBytes: number
  /** How far the window of a stream whose reader keeps up may grow: to 1 MiB when it carries bulk, further with the measured bandwidth-delay product. */
  maxStreamWindowBytes: number
  /** The window of the connection as a whole. */
  connectionWindowBytes: number
  /** What a connection may hold for readers that sleep. Beyond it no more credit is given, and all its streams wait. */
  maxBufferedBytes: number
  /** What a connection takes for writing before its producers have to wait. */
  writeAheadBytes: number
  /** The largest frame that we take (SETTINGS_MAX_FRAME_SIZE, 16384 to 16777215). */
  maxFrameBytes: number
  /** The dynamic table that the peer may use towards us (SETTINGS_HEADER_TABLE_SIZE). */
  headerTableBytes: number
  /** The most of the peer's dynamic table that we use. */
  encoderTableBytes: number
  /** Streams that we open before the peer's SETTINGS have come, on the first connection to an origin. 0: always wait for them. */
  streamsBeforeSettings: number
  /** How long the peer may take to acknowledge our SETTINGS, and to send its own. */
  settingsTimeoutMs: number
  /** From the first frame of a field block to its last one. */
  fieldBlockTimeoutMs: number
  /** CONTINUATION frames in one field block. 0: any number. */
  maxContinuations: number
  /** Frames of ours that only answer the peer (acknowledgements, resets) and wait for it to read them. One read may ask for 7,000. */
  maxQueuedReplies: number
  /** PING frames that want an answer. Peers that estimate bandwidth (gRPC, and we) send one per round trip while bulk flows. */
  maxPingsPerSecond: number
  /** SETTINGS frames. */
  maxSettingsPerSecond: number
  /** Streams that the peer opened and reset before they were answered, or made us reset (rapid reset). */
  maxResetsPerSecond: number
  /** DATA frames without a byte of data that do not end their stream either. */
  maxEmptyFramesPerSecond: number
  /** DATA frames below 64 bytes that do not end their stream (slow drip). */
  maxTinyFramesPerSecond: number
  /** WINDOW_UPDATE frames of less than 1024 bytes each (window games). */
  maxTinyWindowUpdatesPerSecond: number
  /** PRIORITY, PRIORITY_UPDATE, ALTSVC, ORIGIN and unknown frames. */
  maxIgnoredFramesPerSecond: number
}

export const DEFAULT_HTTP2_OPTIONS: Readonly<Http2Options> = {
  maxConcurrentStreams: 128,
  streamWindowBytes: 262_144,
  maxStreamWindowBytes: 8_388_608,
  connectionWindowBytes: 16_777_216,
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

/**
 * QUIC, in either role. Windows are small on purpose: what a peer can make us hold is a multiple of them (native-notes/quic-engine.md),
 * so raise them for origins that are yours.
 */
export interface QuicOptions {
  /** The connection is over when nothing came for this long (max_idle_timeout); the peer may ask for less. */
  idleTimeoutMs: number
  /** The window that each stream starts with. */
  streamWindowBytes: number
  /** How far the window of a stream whose reader keeps up may grow. */
  maxStreamWindowBytes: number
  /**
   * The window of the connection as a whole. By default it is as good as none, since with quiche 0.18 readers that sleep on a part of a small
   * one stop all others for good (native-notes/quic-engine.md). What they make us hold is `maxStreamWindowBytes` for each.
   */
  connectionWindowBytes: number
  /** Server role: requests that a client may have under way at once (initial_max_streams_bidi). */
  maxConcurrentStreams: number
  /** Unidirectional streams of the peer. HTTP/3 needs three; the rest is for extensions that we read over. */
  maxUnidirectionalStreams: number
  /** The largest datagram that is sent, 1200 to 16383. There is no path MTU discovery: it must fit everywhere on the way. */
  maxUdpPayloadBytes: number
  /** What leaves in one turn of the event loop at the most, whatever the congestion window says. */
  maxBurstBytes: number
  /** What leaves per second at the most. 0: what congestion control allows. */
  maxSendBytesPerSecond: number
  /** Bytes that may have come without any of them reaching a reader (holes, duplicates, floods), on top of an eighth of those that did. */
  maxSurplusBytes: number
  /** Exchanges are under way and nothing came for this long: the peer is asked for a sign of life. 0: never. */
  livenessIntervalMs: number
  /** Nothing came for this long while exchanges are under way, though asked: the connection is given up. 0: only idleTimeoutMs counts. */
  livenessTimeoutMs: number
  /** A connection takes no new requests after this many, since the engine keeps about 40 bytes for each stream that ever was. */
  maxRequestsPerConnection: number
  /** Datagrams (RFC 9221) that wait for their reader, or for being sent; more are dropped. 0: none are taken. */
  maxQueuedDatagrams: number
}

export const DEFAULT_QUIC_OPTIONS: Readonly<QuicOptions> = {
  idleTimeoutMs: 30_000,
  streamWindowBytes: 262_144,
  maxStreamWindowBytes: 1_048_576,
  connectionWindowBytes: 1_099_511_627_776,
  maxConcurrentStreams: 128,
  maxUnidirectionalStreams: 16,
  maxUdpPayloadBytes: 1350,
  maxBurstBytes: 262_144,
  maxSendBytesPerSecond: 0,
  maxSurplusBytes: 4_194_304,
  livenessIntervalMs: 5_000,
  livenessTimeoutMs: 15_000,
  maxRequestsPerConnection: 100_000,
  maxQueuedDatagrams: 64,
}

/** HTTP/3, in either role. `PerSecond` is as in Http2Options, and ends the connection with H3_EXCESSIVE_LOAD. */
export interface Http3Options {
  /** The dynamic table that the peer may use towards us (SETTINGS_QPACK_MAX_TABLE_CAPACITY). */
  qpackTableBytes: number
  /** Streams of the peer's that may wait for its table updates (SETTINGS_QPACK_BLOCKED_STREAMS). */
  qpackBlockedStreams: number
  /** The most of the peer's dynamic table that we use. */
  encoderTableBytes: number
  /** What a stream takes for writing before its producer has to wait. */
  writeAheadBytes: number
  /** How long the peer may take to send its SETTINGS once the handshake is complete. */
  settingsTimeoutMs: number
  /** Requests that a client resets before they were answered, or makes us reset. */
  maxResetsPerSecond: number
  /** DATA frames without a byte of data. */
  maxEmptyFramesPerSecond: number
  /** PRIORITY_UPDATE, MAX_PUSH_ID, CANCEL_PUSH and unknown frames; streams of unknown types. */
  maxIgnoredFramesPerSecond: number
  /** Datagrams (RFC 9297) for streams that do not exist. */
  maxStrayDatagramsPerSecond: number
}

export const DEFAULT_HTTP3_OPTIONS: Readonly<Http3Options> = {
  qpackTableBytes: 4096,
  qpackBlockedStreams: 16,
  encoderTableBytes: 4096,
  writeAheadBytes: 131_072,
  settingsTimeoutMs: 10_000,
  maxResetsPerSecond: 100,
  maxEmptyFramesPerSecond: 20,
  maxIgnoredFramesPerSecond: 1_000,
  maxStrayDatagramsPerSecond: 1_000,
}

/** Trust and identity towards an origin. */
export interface TlsOptions {
  /** PEM certificates to trust instead of Node's own list. */
  ca?: string | readonly string[]
  /** PEM client certificate chain and key. */
  cert?: string
  key?: string
  passphrase?: string
  /** Sent as SNI and checked against the certificate, instead of the origin's host. */
  serverName?: string
  /** Default true. False accepts any certificate; tickets of such connections stay apart. */
  rejectUnauthorized?: boolean
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  ciphers?: string
  /** TLS session resumption. Default true. */
  resumption?: boolean
}

/** TCP keepalive of idle connections. */
export interface SocketOptions {
  /** Silence before the first keepalive probe; 0 switches keepalive off. */
  keepAliveDelayMs: number
}

export const DEFAULT_SOCKET_OPTIONS: Readonly<SocketOptions> = { keepAliveDelayMs: 30_000 }

/** What may differ from origin to origin. */
export interface OriginOptions {
  /** Allowed protocols, best first. */
  protocols?: readonly Protocol[]
  select?: Partial<SelectOptions>
  pool?: Partial<PoolOptions>
  timeouts?: Partial<TimeoutOptions>
  retry?: Partial<RetryOptions>
  limits?: Partial<ResponseLimits>
  http2?: Partial<Http2Options>
  quic?: Partial<QuicOptions>
  http3?: Partial<Http3Options>
  tls?: TlsOptions
  socket?: Partial<SocketOptions>
  /** `address` or `address:port`: connect here instead of resolving the host. Brackets around IPv6. */
  endpoints?: readonly string[]
  /**
   * Which requests may travel in early data (0-RTT), where they can be replayed by an onlooker (RFC 8470). `off`: those whose caller asks for
   * it; `safe`: every one with a safe method and without a body. Default `off`. HTTP/3 only, so far.
   */
  earlyData?: 'off' | 'safe'
  /**
   * The origin is one of yours: connections to it may use a second path (migration). With an origin that is not, that is refused, since a
   * hostile one could hang the process then (native-notes/quic-engine.md). Default false.
   */
  trusted?: boolean
  /** Not built yet; anything but `off` is refused. */
  tfo?: 'off' | 'auto' | 'on'
}

/** Limits over all origins. */
export interface GlobalLimits {
  /** Connections in all. When reached, the longest idle one of any origin makes room. */
  maxTotalConnections: number
  /** Origins with a pool. When reached, the one that was unused for longest and is idle makes room. */
  maxOrigins: number
}

export const DEFAULT_GLOBAL_LIMITS: Readonly<GlobalLimits> = { maxTotalConnections: 1024, maxOrigins: 1024 }

/** The memory of TLS sessions, over all origins. */
export interface TicketStoreOptions {
  /** Peers (origin and trust settings) whose tickets are kept; the one unused for longest makes room. 0: no resumption. */
  maxPeers: number
  /** Tickets of one peer; the oldest makes room. */
  maxTicketsPerPeer: number
  /** How long a ticket is kept when the server does not say. */
  defaultLifetimeMs: number
  /**
   * How long a ticket is kept at the most, whatever the server says (RFC 8446 4.6.1: seven days). Also how long sessions may be resumed
   * one after the other until a full handshake verifies the certificate again.
   */
  maxLifetimeMs: number
}

export const DEFAULT_TICKET_STORE_OPTIONS: Readonly<TicketStoreOptions> = {
  maxPeers: 1024,
  maxTicketsPerPeer: 4,
  defaultLifetimeMs: 7_200_000,
  maxLifetimeMs: 604_800_000,
}

/** Name resolution, over all origins. The system's resolver tells no TTL, so that the cache is short. */
export interface ResolverOptions {
  /** How long an answer is used again. 0: every connect asks anew (askers at the same time still share one query). */
  dnsCacheMs: number
  /** How long a failure is used again. */
  dnsNegativeCacheMs: number
  /** Host names in the cache; the one unused for longest makes room. */
  maxDnsEntries: number
  /**
   * How often the addresses of this machine are looked at. When they have changed, answers are forgotten and HTTP/3 may be tried again where it failed.
   * 0: never.
   */
  networkCheckMs: number
}

export const DEFAULT_RESOLVER_OPTIONS: Readonly<ResolverOptions> = {
  dnsCacheMs: 30_000,
  dnsNegativeCacheMs: 1_000,
  maxDnsEntries: 1024,
  networkCheckMs: 5_000,
}
