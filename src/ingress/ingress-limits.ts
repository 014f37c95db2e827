import { TransportError } from '../base/errors.ts'
import { type HeaderList, NO_HEADERS } from '../base/http/headers.ts'
import {
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  type Http2Options,
  type Http3Options,
  type LivenessOptions,
  type QuicOptions,
} from '../base/options/protocol-options.ts'

/**
 * Every limit and timeout of the listening side. A duration is in milliseconds; 0 switches a timeout or an
 * optional limit off.
 */
export interface IngressLimits {
  /** The request line. A longer one is answered with 414. Default 16,384 bytes. */
  maxLineBytes: number
  /** A request head. A larger one is answered with 431. Default 65,536 bytes. */
  maxHeaderBytes: number
  /** Fields in a request head, and fields in its trailers. More are answered with 431. Default 128. */
  maxHeaderCount: number
  /**
   * Request fields, trailers among them, with an underscore in their name. Applications behind CGI, WSGI and
   * the like read `X_Forwarded_For` as `X-Forwarded-For`, so that a client could speak in our name. `drop`:
   * they are left out, as nginx does; `refuse`: the request is answered with 400; `pass`: they go on as they
   * are. Default `drop`.
   */
  underscoredFields: UnderscoreRule
  /**
   * A request body. A larger one is answered with 413: at once when content-length tells, else as soon as it
   * is exceeded. 0: any size. Default 0 bytes.
   */
  maxBodyBytes: number
  /** From the first byte of a request to the end of its head: else 408 (slow loris). Default 10,000 ms. */
  headerTimeoutMs: number
  /**
   * The longest silence of a client within a request body that we wait for: else 408. Keep it below the
   * `timeouts.bodyMs` of the origins, which the same silence runs into: that would be a 504, and blame the
   * origin. Default 50,000 ms.
   */
  requestTimeoutMs: number
  /**
   * A connection is closed when no byte of a request came for this long, be it a new one or one that carried
   * requests before. Default 75,000 ms.
   */
  keepAliveTimeoutMs: number
  /**
   * How long a drain waits for a request on an idle connection of HTTP/1.1, since one may be on its way; it
   * is answered with `Connection: close`. 0: idle connections end at once, and such a request is lost. A
   * service with workers has 1,000 ms where nothing else is given. Default 0 ms.
   */
  drainIdleTimeoutMs: number
  /**
   * The longest time for which a client may take nothing of a response that waits for it. Default 60,000 ms.
   */
  writeTimeoutMs: number
  /**
   * Bytes a second that a client has to send of its request bodies, on average, while we wait for it: else
   * 408. A connection of HTTP/2 or HTTP/3 is measured as a whole. Clients that send when they have something
   * to say (gRPC streams) are slow too. 0: any rate. Default 0.
   */
  minRequestRate: number
  /**
   * Bytes a second that a client has to take of the responses that wait for it: else its connection, or what
   * waits on it, is ended (MM_CLIENT_TOO_SLOW). What kernels hold counts as taken. 0: any rate. Default 0.
   */
  minResponseRate: number
  /** What a client may be late by at these rates, each time that it has caught up. Default 5,000 ms. */
  rateGraceMs: number
  /** A connection is closed after this many requests. Default 0. */
  maxRequestsPerConnection: number
  /**
   * Connections of one listener. One more is closed at once. Where it is not given and the process has few
   * descriptors (`ulimit -n`, Linux), their share holds instead, and one more waits; see AcceptGate. Default
   * 16,384.
   */
  maxConnections: number
  /**
   * Connections that one listener on TCP accepts in a turn of the event loop: what else waits has its turn in
   * the next one. Linux, with native calls; without them, and with 0 or 1, it is one, as Node has it.
   * Default 16.
   */
  maxAcceptsPerTurn: number
  /** A TLS handshake. Default 10,000 ms. */
  tlsHandshakeTimeoutMs: number
  /**
   * What is read and thrown away of a request body that nobody wants, to keep the connection. Of a longer one
   * it is closed. Default 65,536 bytes.
   */
  maxDiscardBytes: number
  /**
   * How long, after the last byte of the last response, we wait for the client to close first (RFC 9112 9.6).
   * A connection of HTTP/2 that a defence has ended stays open for so long on our side as well, unread beyond
   * `maxDiscardBytes`: a flooder that waits for its end does nothing else meanwhile. Default 1,000 ms.
   */
  lingerTimeoutMs: number
  /**
   * Where every turn of the event loop is busy with requests for longer than this, for `shedIntervalMs`, the
   * process is overloaded until one is not: what is read beyond this in a turn is answered with 503 before
   * any work is done on it (MM_OVERLOADED). Busy is CPU time: a process that is put aside is not overloaded.
   * 0: never. Default 200 ms.
   */
  shedTargetMs: number
  /** See `shedTargetMs`. 0: at once. Default 500 ms. */
  shedIntervalMs: number
  /**
   * Connections of one client address (IPv6: of one /64) that a defence may end within a minute, for a flood,
   * before new ones from there are refused. 0: none are. Clients on loopback are not counted. Switch it off
   * behind a proxy that hides the addresses of its clients. Default 20.
   */
  maxFloodsPerMinute: number
  /** For how long such an address is refused, from its last flood on. 0: it is not. Default 60,000 ms. */
  floodRefusalMs: number
  /**
   * Addresses that a listener remembers for that; the one whose last flood is longest ago makes room. 0:
   * none. Default 4,096.
   */
  maxFlooders: number
  /**
   * Connections that one client address (IPv6: one /64) may have open at a listener; one more is closed at
   * once. Behind a proxy give `proxyProtocol`, or it is the proxy that is limited. With workers it holds for
   * each. 0: any number. Default 0.
   */
  maxConnectionsPerClient: number
  /**
   * New connections, and so handshakes, of one client address in a second, on average over ten; more are
   * closed before their handshake. 0: any number. Default 0.
   */
  connectionRatePerClient: number
  /**
   * Requests of one client address in a second, on average over ten; more are answered with 429
   * (MM_CLIENT_RATE). 0: any number. Default 0.
   */
  requestRatePerClient: number
  /** HTTP/2 with clients: the options of the group `http2`. Only the defaults that differ are listed here. */
  http2: Http2Options
  /**
   * How soon a client is found that says nothing any more. Of HTTP/2, while requests are under way: asked by
   * PING, as origins are, by the options of the group `liveness`. Clients do not count pings, so that they
   * are asked again after `intervalMs`. Of any protocol over TCP, tunnels included: within the sum of
   * `intervalMs` and `timeoutMs`, by keepalive while nothing is sent, else when nothing is acknowledged. A
   * connection without requests is left to `keepAliveTimeoutMs` as well, and one that takes nothing of a
   * response, though its kernel answers, to `writeTimeoutMs`.
   */
  liveness: LivenessOptions
  /** QUIC with clients: the options of the group `quic`. Only the defaults that differ are listed here. */
  quic: QuicOptions
  /** HTTP/3 with clients: the options of the group `http3`. */
  http3: Http3Options
}

/** The same where every limit may be left out. */
export type IngressLimitsInput = Partial<Omit<IngressLimits, 'http2' | 'liveness' | 'quic' | 'http3'>> & {
  http2?: Partial<Http2Options>
  liveness?: Partial<LivenessOptions>
  quic?: Partial<QuicOptions>
  http3?: Partial<Http3Options>
}

/**
 * Clients are many and strangers, origins are few and ours: what one connection can make us hold is 4 MiB
 * instead of 64. A stream begins with what HTTP/1.1 reads ahead of a handler; one whose handler keeps up
 * grows with the path, up to 200 Mbit/s at 40 ms. Request bodies are the only bulk in this direction;
 * responses are bounded by the windows that the clients open. `maxBufferedBytes` lets more than forty streams
 * sleep on full windows before the others of the connection feel it.
 */
export const DEFAULT_INGRESS_HTTP2_OPTIONS: Readonly<Http2Options> = {
  ...DEFAULT_HTTP2_OPTIONS,
  streamWindowBytes: 65_536,
  maxStreamWindowBytes: 1_048_576,
  connectionWindowBytes: 1_048_576,
  maxBufferedBytes: 4_194_304,
}

export const DEFAULT_INGRESS_LIVENESS_OPTIONS: Readonly<LivenessOptions> = {
  ...DEFAULT_LIVENESS_OPTIONS,
  quietIntervalMs: 5_000,
}

/**
 * As for HTTP/2, a client can make us hold a fraction of what an origin can: a stream begins with 64 KiB and
 * grows, while its handler keeps up, to what 200 Mbit/s at 40 ms need. What it can send without any of it
 * reaching a reader is less too.
 *
 * `idleTimeoutMs` stays below keepAliveTimeoutMs: a client that says nothing at all is forgotten after the
 * former, one that only sends proofs of liveness after the latter.
 */
export const DEFAULT_INGRESS_QUIC_OPTIONS: Readonly<QuicOptions> = {
  ...DEFAULT_QUIC_OPTIONS,
  streamWindowBytes: 65_536,
  maxStreamWindowBytes: 1_048_576,
  maxSurplusBytes: 1_048_576,
  // Of all its tunnels: about what a router holds.
  maxQueuedDatagrams: 1_024,
}

export const DEFAULT_INGRESS_LIMITS: Readonly<IngressLimits> = {
  maxLineBytes: 16_384,
  maxHeaderBytes: 65_536,
  maxHeaderCount: 128,
  underscoredFields: 'drop',
  maxBodyBytes: 0,
  headerTimeoutMs: 10_000,
  requestTimeoutMs: 50_000,
  keepAliveTimeoutMs: 75_000,
  drainIdleTimeoutMs: 0,
  writeTimeoutMs: 60_000,
  minRequestRate: 0,
  minResponseRate: 0,
  rateGraceMs: 5_000,
  maxRequestsPerConnection: 0,
  maxConnections: 16_384,
  maxAcceptsPerTurn: 16,
  tlsHandshakeTimeoutMs: 10_000,
  maxDiscardBytes: 65_536,
  lingerTimeoutMs: 1_000,
  shedTargetMs: 200,
  shedIntervalMs: 500,
  maxFloodsPerMinute: 20,
  floodRefusalMs: 60_000,
  maxFlooders: 4_096,
  maxConnectionsPerClient: 0,
  connectionRatePerClient: 0,
  requestRatePerClient: 0,
  http2: DEFAULT_INGRESS_HTTP2_OPTIONS,
  liveness: DEFAULT_INGRESS_LIVENESS_OPTIONS,
  quic: DEFAULT_INGRESS_QUIC_OPTIONS,
  http3: DEFAULT_HTTP3_OPTIONS,
}

/** The limits of a listener: what is given, and the defaults for the rest. */
export function ingressLimits(given: IngressLimitsInput = {}): IngressLimits {
  return {
    ...DEFAULT_INGRESS_LIMITS,
    ...given,
    http2: { ...DEFAULT_INGRESS_HTTP2_OPTIONS, ...given.http2 },
    liveness: { ...DEFAULT_INGRESS_LIVENESS_OPTIONS, ...given.liveness },
    quic: { ...DEFAULT_INGRESS_QUIC_OPTIONS, ...given.quic },
    http3: { ...DEFAULT_HTTP3_OPTIONS, ...given.http3 },
  }
}

/** See IngressLimits. */
export const UNDERSCORE_RULES = ['drop', 'refuse', 'pass'] as const
export type UnderscoreRule = (typeof UNDERSCORE_RULES)[number]

export function hasUnderscore(fields: HeaderList): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i]?.includes('_') === true) return true
  return false
}

/** The fields, head or trailers, without those whose name has an underscore. */
export function withoutUnderscored(fields: HeaderList): HeaderList {
  const kept: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string // even indexes are names
    if (!name.includes('_')) kept.push(name, fields[i + 1] as string) // odd indexes are values
  }
  return kept.length === 0 ? NO_HEADERS : kept
}

/** The error for a request that has such a field, under the rule `refuse`. */
export function underscoreRefused(): TransportError {
  return new TransportError(
    'MM_BAD_REQUEST',
    'a field name has an underscore, which ingress.underscoredFields refuses',
  )
}
