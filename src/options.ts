import type { Protocol } from './protocol.ts'
import type { SelectOptions } from './select-options.ts'
import type { SocketOptions } from './socket-options.ts'

export { DEFAULT_SOCKET_OPTIONS, type SocketOptions } from './socket-options.ts'

/**
 * Every limit and timeout of the transport, with its default. The table in README.md is made from this file by a test.
 * A duration is in milliseconds and ends in `Ms`; 0 switches a timeout or an optional limit off unless its comment says otherwise.
 */

/** One pool: the connections to one origin. */
export interface PoolOptions {
  /** Connections to one origin, those that are being made and tunnels (WebSocket over HTTP/1.1) included. */
  maxConnections: number
  /** Our own cap on concurrent streams of one connection; the peer's applies as well. */
  maxStreamsPerConnection: number
  /** Requests that may wait for a connection; one more is refused with MM_QUEUE_FULL. 0: none may wait. */
  maxWaiters: number
  /** How long a request may wait for a connection (connecting included) before MM_QUEUE_TIMEOUT. */
  queueTimeoutMs: number
  /**
   * Where requests have to wait for longer than this for `queueIntervalMs`, and no further connection may be made, the pool is overloaded until nobody
   * waits: the newest goes first, and each newcomer ends the wait of up to two that have waited for longer (MM_QUEUE_OVERLOADED). 0: never, since the
   * requests of a program are its own to pace; those of a service are strangers', and it has 500.
   */
  queueTargetMs: number
  /** See `queueTargetMs`. 0: at once. */
  queueIntervalMs: number
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
  dnsMs: number
  /** TCP connect, or the whole handshake of QUIC; one attempt. */
  connectMs: number
  /** TLS handshake, one attempt. */
  tlsMs: number
  /**
   * A connect with TCP Fast Open whose TLS handshake is not complete after this is made once more without it: a middlebox may have eaten its SYN,
   * and 'connected' means nothing there.
   */
  fastOpenMs: number
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
  fastOpenMs: 1_500,
  attemptDelayMs: 250,
  headersMs: 60_000,
  bodyMs: 60_000,
  requestMs: 0,
}

/** Replays of requests that surely, or harmlessly, can be sent again (design invariant 1). */
export interface RetryOptions {
  /** Replays of one request at the most. An exchange known unprocessed is always replayed once, whatever stands here. */
  maxRetries: number
  /**
   * Replays of one request at the most whose connections end without an answer, new ones too: idempotent methods only. Where `maxRetries` is more, that
   * holds; where it is 0, there are none.
   */
  maxUnanswered: number
  /** Replays allowed per request made, averaged: 0.2 lets one in five be a replay. */
  budgetRatio: number
  /** Replays that are always in the budget, so that a quiet transport can retry at all. */
  budgetMin: number
}

export const DEFAULT_RETRY_OPTIONS: Readonly<RetryOptions> = {
  maxRetries: 2,
  maxUnanswered: 6,
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
  /**
   * What a stream may send before its reader takes any of it, while readers of the connection stall: as soon as a part in 64 of `maxBufferedBytes` is held
   * for them, and until half of that is left. Then no stream that stalls grows, and the others grow less. 0: as ever.
   */
  stalledWindowBytes: number
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
  /** DATA frames below 64 bytes that do not end their stream (slow drip). A second's worth may come at once, and 16 bytes of content allow one more. */
  maxTinyFramesPerSecond: number
  /** WINDOW_UPDATE frames of less than 1024 bytes each (window games), and those for streams that are over. */
  maxTinyWindowUpdatesPerSecond: number
  /**
   * PRIORITY, PRIORITY_UPDATE and unknown frames; ALTSVC and ORIGIN, once more for every 256 bytes; GOAWAY; acknowledgements that nobody asked
   * for; HEADERS and resets on streams that are over; changes of the size of HPACK's table.
   */
  maxIgnoredFramesPerSecond: number
}

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

export const QUIC_CONGESTION_CONTROLS = ['cubic', 'bbr', 'reno'] as const

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
  /**
   * Of what we send: `cubic`, `bbr` or `reno`. Where packets are lost at random `bbr` is much faster, and without a loss it is less even
   * (native-notes/quic-engine.md). What comes is the peer's to control.
   */
  congestionControl: QuicCongestionControl
  /** What leaves in one turn of the event loop at the most, whatever the congestion window says. */
  maxBurstBytes: number
  /** What leaves per second at the most. 0: what congestion control allows. */
  maxSendBytesPerSecond: number
  /**
   * Bytes that may have come without any of them reaching a reader (holes, duplicates, floods), beyond what honest traffic explains; more end the
   * connection. One that has taken twice as much in small doses takes no new requests.
   */
  maxSurplusBytes: number
  /** A connection takes no new requests after this many, since the engine keeps about 40 bytes for each stream that ever was. */
  maxRequestsPerConnection: number
  /**
   * Client role: a server that acknowledges nothing for three probe timeouts (RFC 9002 6.2.1), and for this long at the least, gets no new requests on that
   * connection, and those that can be sent again are sent over another one as well. `liveness` ends the connection later. 0: never.
   */
  unresponsiveMs: number
  /**
   * Client role: nothing came for a probe timeout, and for this long at the least, or what was sent is not acknowledged in time: a request that cannot be
   * sent again waits for an answer to a PING first, which costs a round trip. 0: it goes at once.
   */
  doubtMs: number
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
  /** DATA frames below 64 bytes behind the first of their stream, as in `http2`. */
  maxTinyFramesPerSecond: number
  /** PRIORITY_UPDATE, MAX_PUSH_ID, CANCEL_PUSH, ORIGIN and GOAWAY, once more for every 256 bytes; unknown frames; streams of unknown types. */
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
  maxTinyFramesPerSecond: 20_000,
  maxIgnoredFramesPerSecond: 1_000,
  maxStrayDatagramsPerSecond: 1_000,
}

/**
 * How soon a peer is found that says nothing any more, on HTTP/2 and HTTP/3: after `intervalMs` + `timeoutMs` where exchanges are under way. On TCP the
 * kernel watches beside it, and for HTTP/1.1 alone: see `socket` (native-notes/idle-connections.md has the bound of each protocol).
 */
export interface LivenessOptions {
  /** Exchanges are under way and nothing came for this long: the peer is asked for a sign of life (PING). 0: never. */
  intervalMs: number
  /** Asked, and nothing came for this long: the connection is given up. 0: never. */
  timeoutMs: number
  /**
   * A connection on which nothing came for this long is asked even if it is idle. 0: never, since servers count pings without a request (those of gRPC
   * end a connection for them), and keepalive and the idle timeout of QUIC find out as well.
   */
  idleIntervalMs: number
  /**
   * HTTP/2: a peer that was asked, and has sent neither head nor data of a response since, is asked again after this: servers count pings (those
   * of gRPC end a connection at the third that comes less than five minutes after the one before). 0: it is not.
   */
  quietIntervalMs: number
}

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
  /**
   * Groups for the key exchange, best first, as OpenSSL writes them: `X25519:P-256`. Default: those of the TLS library. With OpenSSL 3.5 (Node 22.20
   * and later) they begin with a post-quantum one, whose ClientHello does not fit into a SYN, so that TCP Fast Open saves nothing: to gain from it,
   * an origin has to give up post-quantum key exchange, and to say so here (native-notes/tcp-fast-open.md).
   */
  groups?: string
  /** TLS session resumption. Default true. */
  resumption?: boolean
}

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
  liveness?: Partial<LivenessOptions>
  tls?: TlsOptions
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
