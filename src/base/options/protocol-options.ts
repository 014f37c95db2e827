import { TransportError } from '../errors.ts'
import { checkNotBelow, checkRanges, type OptionRanges } from './check-options.ts'

/**
 * Options of one protocol, in either role, and of what HTTP/2 and HTTP/3 share: fields, defaults and ranges.
 * Conventions are those of options.ts.
 */

/** An HTTP/2 window is at most this (RFC 9113 6.9.1). */
const MAX_HTTP2_WINDOW = 2 ** 31 - 1
/** Varints carry more (RFC 9000 16); nobody means more than 4 GB. */
const MAX_QUIC_WINDOW = 2 ** 32 - 1
/** Fields of 32 bits; the dynamic tables of HTTP/3 are counted in as many here (RFC 9204 allows 62). */
const MAX_UINT32 = 2 ** 32 - 1
/** Node's timers overflow above it. */
const MAX_MS = 2 ** 31 - 1
/** RFC 9000 4.6. */
const MAX_QUIC_STREAMS = 2 ** 60

/**
 * HTTP/2, in either role: towards origins (`http2` of an origin), and towards clients (`http2` of a
 * listener). What ends in `PerSecond` is how often a peer may do, on one connection and averaged over ten
 * seconds, what costs us work and brings nobody further; one that does it more often is a flood and ends its
 * connection with ENHANCE_YOUR_CALM.
 */
export interface Http2Options {
  /**
   * Streams that a peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS). Towards origins none: we
   * take no push. Default 128.
   */
  maxConcurrentStreams: number
  /**
   * The window that each stream starts with (SETTINGS_INITIAL_WINDOW_SIZE): what a reader who sleeps from the
   * start makes us hold. Default 262,144 bytes.
   */
  streamWindowBytes: number
  /**
   * How far the window of a stream whose reader keeps up may grow: to 1 MiB when it carries bulk, further
   * with the measured bandwidth-delay product. Default 8,388,608 bytes.
   */
  maxStreamWindowBytes: number
  /** The window of the connection as a whole. Default 16,777,216 bytes. */
  connectionWindowBytes: number
  /**
   * What a stream may send before its reader takes any of it, while readers of the connection stall: as soon
   * as a part in 64 of `maxBufferedBytes` is held for them, and until half of that is left. Then no stream
   * that stalls grows, and the others grow less. 0: as ever. Default 32,768 bytes.
   */
  stalledWindowBytes: number
  /**
   * What a connection may hold for readers that sleep. Beyond it no more credit is given, and all its streams
   * wait. Default 67,108,864 bytes.
   */
  maxBufferedBytes: number
  /** What a connection takes for writing before its producers have to wait. Default 131,072 bytes. */
  writeAheadBytes: number
  /** The largest frame that we take (SETTINGS_MAX_FRAME_SIZE, 16384 to 16777215). Default 16,384 bytes. */
  maxFrameBytes: number
  /** The dynamic table that the peer may use towards us (SETTINGS_HEADER_TABLE_SIZE). Default 4,096 bytes. */
  headerTableBytes: number
  /** The most of the peer's dynamic table that we use. Default 4,096 bytes. */
  encoderTableBytes: number
  /**
   * Streams that we open before the peer's SETTINGS have come, on the first connection to an origin. 0:
   * always wait for them. Default 4.
   */
  streamsBeforeSettings: number
  /** How long the peer may take to acknowledge our SETTINGS, and to send its own. Default 10,000 ms. */
  settingsTimeoutMs: number
  /** From the first frame of a field block to its last one. Default 10,000 ms. */
  fieldBlockTimeoutMs: number
  /** CONTINUATION frames in one field block. 0: any number. Default 16. */
  maxContinuations: number
  /**
   * Frames of ours that only answer the peer (acknowledgements, resets) and wait for it to read them. One
   * read may ask for 7,000. Default 20,000.
   */
  maxQueuedReplies: number
  /**
   * PING frames that want an answer. Peers that estimate bandwidth (gRPC, and we) send one per round trip
   * while bulk flows. Default 1,000.
   */
  maxPingsPerSecond: number
  /** SETTINGS frames. Default 5. */
  maxSettingsPerSecond: number
  /**
   * Streams that the peer opened and reset before they were answered, or made us reset (rapid reset). A
   * client's request that breaks the rules counts five times, and what a new client may do at once is three
   * seconds' worth. Default 100.
   */
  maxResetsPerSecond: number
  /** DATA frames without a byte of data that do not end their stream either. Default 20. */
  maxEmptyFramesPerSecond: number
  /**
   * DATA frames below 64 bytes that do not end their stream (slow drip). A second's worth may come at once,
   * and 16 bytes of content allow one more. Default 20,000.
   */
  maxTinyFramesPerSecond: number
  /**
   * WINDOW_UPDATE frames of less than 1024 bytes each (window games), and those for streams that are over.
   * Default 20,000.
   */
  maxTinyWindowUpdatesPerSecond: number
  /**
   * PRIORITY, PRIORITY_UPDATE and unknown frames; ALTSVC and ORIGIN, once more for every 256 bytes; GOAWAY;
   * acknowledgements that nobody asked for; HEADERS and resets on streams that are over; changes of the size
   * of HPACK's table. Default 1,000.
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

/** What each HTTP/2 option may be; all are whole numbers. What is not in here is at least 1. */
export const HTTP2_RANGES: OptionRanges<Http2Options> = {
  maxConcurrentStreams: { min: 1, max: MAX_HTTP2_WINDOW }, // stream ids are 31 bits
  streamWindowBytes: { min: 1, max: MAX_HTTP2_WINDOW },
  maxStreamWindowBytes: { min: 1, max: MAX_HTTP2_WINDOW },
  stalledWindowBytes: { min: 0, max: MAX_HTTP2_WINDOW },
  connectionWindowBytes: { min: 65_535, max: MAX_HTTP2_WINDOW }, // its start is the least (RFC 9113 6.9.2)
  maxFrameBytes: { min: 16_384, max: 16_777_215 }, // RFC 9113 6.5.2
  headerTableBytes: { min: 0, max: MAX_UINT32 },
  encoderTableBytes: { min: 0, max: MAX_UINT32 },
  streamsBeforeSettings: { min: 0, max: MAX_HTTP2_WINDOW },
  settingsTimeoutMs: { min: 0, max: MAX_MS },
  fieldBlockTimeoutMs: { min: 0, max: MAX_MS },
  maxContinuations: { min: 0, max: Number.MAX_SAFE_INTEGER },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `GROUP.FIELD`. */
export function checkHttp2Options(group: string, options: Http2Options): Http2Options {
  checkRanges(group, options, HTTP2_RANGES)
  checkNotBelow(group, options, 'maxStreamWindowBytes', 'streamWindowBytes')
  return options
}

/** Who says how much may be under way (RFC 9002 7, RFC 9438, draft-cardwell-iccrg-bbr-congestion-control). */
export type QuicCongestionControl = (typeof QUIC_CONGESTION_CONTROLS)[number]

/** What `quic.congestionControl` may be. */
export const QUIC_CONGESTION_CONTROLS = ['cubic', 'bbr', 'reno'] as const

/**
 * QUIC, in either role. Windows are small on purpose: what a peer can make us hold is a multiple of them
 * (native-notes/quic-engine.md), so raise them for origins that are yours.
 */
export interface QuicOptions {
  /**
   * The connection is over when nothing came for this long (max_idle_timeout); the peer may ask for less.
   * Default 30,000 ms.
   */
  idleTimeoutMs: number
  /** The window that each stream starts with. Default 262,144 bytes. */
  streamWindowBytes: number
  /** How far the window of a stream whose reader keeps up may grow. Default 1,048,576 bytes. */
  maxStreamWindowBytes: number
  /**
   * The window of the connection as a whole. By default it is as good as none, since with quiche 0.18 readers
   * that sleep on a part of a small one stop all others for good (native-notes/quic-engine.md). What they
   * make us hold is `maxStreamWindowBytes` for each. Default 1,099,511,627,776 bytes.
   */
  connectionWindowBytes: number
  /**
   * Server role: requests that a client may have under way at once (initial_max_streams_bidi). Default 128.
   */
  maxConcurrentStreams: number
  /**
   * Unidirectional streams of the peer. HTTP/3 needs three; the rest is for extensions that we read over.
   * Default 16.
   */
  maxUnidirectionalStreams: number
  /**
   * The largest datagram that is sent, 1200 to 16383. There is no path MTU discovery: it must fit everywhere
   * on the way. Default 1,350 bytes.
   */
  maxUdpPayloadBytes: number
  /**
   * Of what we send: `cubic`, `bbr` or `reno`. Where packets are lost at random `bbr` is much faster, and
   * without a loss it is less even (native-notes/quic-engine.md). What comes is the peer's to control.
   * Default `cubic`.
   */
  congestionControl: QuicCongestionControl
  /**
   * What leaves in one turn of the event loop at the most, whatever the congestion window says. Default
   * 262,144 bytes.
   */
  maxBurstBytes: number
  /** What leaves per second at the most. 0: what congestion control allows. Default 0. */
  maxSendBytesPerSecond: number
  /**
   * Bytes that may have come without any of them reaching a reader (holes, duplicates, floods), beyond what
   * honest traffic explains; more end the connection. One that has taken twice as much in small doses takes
   * no new requests. Default 4,194,304 bytes.
   */
  maxSurplusBytes: number
  /**
   * A connection takes no new requests after this many, since the engine keeps about 40 bytes for each stream
   * that ever was. Default 100,000.
   */
  maxRequestsPerConnection: number
  /**
   * Client role: a server that acknowledges nothing for three probe timeouts (RFC 9002 6.2.1), and for this
   * long at the least, gets no new requests on that connection, and those that can be sent again are sent
   * over another one as well. `liveness` ends the connection later. 0: never. Default 500 ms.
   */
  unresponsiveMs: number
  /**
   * Client role: nothing came for a probe timeout, and for this long at the least, or what was sent is not
   * acknowledged in time: a request that cannot be sent again waits for an answer to a PING first, which
   * costs a round trip. 0: it goes at once. Default 250 ms.
   */
  doubtMs: number
  /**
   * Datagrams (RFC 9221) that wait for their reader, or for being sent; more are dropped. 0: none are taken.
   * Default 64.
   */
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

type NumericQuicOptions = Omit<QuicOptions, 'congestionControl'>

/** What each numeric QUIC option may be; all are whole numbers. What is not in here is at least 1. */
export const QUIC_RANGES: OptionRanges<NumericQuicOptions> = {
  idleTimeoutMs: { min: 0, max: MAX_MS }, // 0: none (RFC 9000 10.1)
  streamWindowBytes: { min: 1, max: MAX_QUIC_WINDOW },
  maxStreamWindowBytes: { min: 1, max: MAX_QUIC_WINDOW },
  connectionWindowBytes: { min: 1, max: Number.MAX_SAFE_INTEGER },
  maxConcurrentStreams: { min: 1, max: Math.min(MAX_QUIC_STREAMS, Number.MAX_SAFE_INTEGER) },
  maxUnidirectionalStreams: { min: 3, max: Math.min(MAX_QUIC_STREAMS, Number.MAX_SAFE_INTEGER) }, // 9114 6.2
  maxUdpPayloadBytes: { min: 1200, max: 16_383 }, // RFC 9000 14.1; the engine cuts what is above
  maxBurstBytes: { min: 16_384, max: MAX_QUIC_WINDOW }, // one initial window at least (RFC 9002 7.2)
  maxSendBytesPerSecond: { min: 0, max: Number.MAX_SAFE_INTEGER },
  unresponsiveMs: { min: 0, max: MAX_MS },
  doubtMs: { min: 0, max: MAX_MS },
  maxQueuedDatagrams: { min: 0, max: 65_536 },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `GROUP.FIELD`. */
export function checkQuicOptions(group: string, options: QuicOptions): QuicOptions {
  const { congestionControl, ...numbers } = options
  checkRanges(group, numbers, QUIC_RANGES)
  if (!QUIC_CONGESTION_CONTROLS.includes(congestionControl)) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `${group}.congestionControl must be one of ${QUIC_CONGESTION_CONTROLS.join(', ')}, not ${congestionControl}`,
    )
  }
  checkNotBelow(group, options, 'maxStreamWindowBytes', 'streamWindowBytes')
  return options
}

/**
 * HTTP/3, in either role. `PerSecond` is as in Http2Options, and ends the connection with H3_EXCESSIVE_LOAD.
 */
export interface Http3Options {
  /**
   * The dynamic table that the peer may use towards us (SETTINGS_QPACK_MAX_TABLE_CAPACITY). Default 4,096
   * bytes.
   */
  qpackTableBytes: number
  /**
   * Streams of the peer's that may wait for its table updates (SETTINGS_QPACK_BLOCKED_STREAMS). Default 16.
   */
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
  /**
   * PRIORITY_UPDATE, MAX_PUSH_ID, CANCEL_PUSH, ORIGIN and GOAWAY, once more for every 256 bytes; unknown
   * frames; streams of unknown types. Default 1,000.
   */
  maxIgnoredFramesPerSecond: number
  /** Datagrams (RFC 9297) for streams that do not exist. Default 1,000. */
  maxStrayDatagramsPerSecond: number
  /** WebTransport: sessions that a client may have open on one connection. Default 16. */
  maxSessions: number
  /**
   * WebTransport: streams of a connection that may wait for their session, whose request they have overtaken;
   * one more is refused. Default 32.
   */
  maxEarlyStreams: number
  /** WebTransport: datagrams that may wait likewise; the oldest makes room. Default 32. */
  maxEarlyDatagrams: number
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
  maxSessions: 16,
  maxEarlyStreams: 32,
  maxEarlyDatagrams: 32,
}

/** What each HTTP/3 option may be; all are whole numbers. What is not in here is at least 1. */
export const HTTP3_RANGES: OptionRanges<Http3Options> = {
  qpackTableBytes: { min: 0, max: MAX_UINT32 },
  qpackBlockedStreams: { min: 0, max: 65_535 },
  encoderTableBytes: { min: 0, max: MAX_UINT32 },
  settingsTimeoutMs: { min: 0, max: MAX_MS },
  maxEarlyStreams: { min: 0, max: 65_536 },
  maxEarlyDatagrams: { min: 0, max: 65_536 },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `GROUP.FIELD`. */
export function checkHttp3Options(group: string, options: Http3Options): Http3Options {
  return checkRanges(group, options, HTTP3_RANGES)
}

/**
 * How soon a peer is found that says nothing any more, on HTTP/2 and HTTP/3: after `intervalMs` + `timeoutMs`
 * where exchanges are under way. On TCP the kernel watches beside it, and for HTTP/1.1 alone: see `socket`
 * (native-notes/idle-connections.md has the bound of each protocol).
 */
export interface LivenessOptions {
  /**
   * Exchanges are under way and nothing came for this long: the peer is sent a liveness probe (PING). 0:
   * never. Default 5,000 ms.
   */
  intervalMs: number
  /** Asked, and nothing came for this long: the connection is given up. 0: never. Default 15,000 ms. */
  timeoutMs: number
  /**
   * A connection on which nothing came for this long is asked even if it is idle. 0: never, since servers
   * count pings without a request (those of gRPC end a connection for them), and keepalive and the idle
   * timeout of QUIC find out as well. Default 0 ms.
   */
  idleIntervalMs: number
  /**
   * HTTP/2: a peer that was asked, and has sent neither head nor data of a response since, is asked again
   * after this: servers count pings (those of gRPC end a connection at the third that comes less than five
   * minutes after the one before). 0: it is not. Default 310,000 ms.
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

/** What each `liveness` option may be; all are whole numbers. */
export const LIVENESS_RANGES: Required<OptionRanges<LivenessOptions>> = {
  intervalMs: { min: 0, max: MAX_MS },
  timeoutMs: { min: 0, max: MAX_MS },
  idleIntervalMs: { min: 0, max: MAX_MS },
  quietIntervalMs: { min: 0, max: MAX_MS },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `liveness.FIELD`. */
export function checkLivenessOptions(options: LivenessOptions): LivenessOptions {
  return checkRanges('liveness', options, LIVENESS_RANGES)
}
