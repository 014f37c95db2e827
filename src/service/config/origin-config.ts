import type {
  BalanceOptions,
  BreakerOptions,
  ConcurrencyOptions,
  EndpointOptions,
  HealthOptions,
  HedgeOptions,
  Http2Options,
  Http3Options,
  LivenessOptions,
  ObjectiveOptions,
  OutlierOptions,
  PoolOptions,
  ProtectionOptions,
  QuicOptions,
  ResponseLimits,
  RetryOptions,
  ReuseMode,
  SelectOptions,
  SocketOptions,
  TimeoutOptions,
  TlsOptions,
} from '../../entry/options.ts'
import type { Protocol } from '../../index.ts'
import type { OptionGroupInput } from './fields/option-group.ts'

/** What may differ from origin to origin, as it is written in a configuration: see OriginOptions. */
export interface OriginOptionsConfig {
  /**
   * The protocols that may be spoken to the origin, best first. Default: all of them; an origin without
   * TLS: `http/1.1`.
   */
  protocols?: Protocol[] | undefined
  /** How the protocol is chosen. */
  select?: OptionGroupInput<SelectOptions> | undefined
  /** The connections to the origin. */
  pool?: OptionGroupInput<PoolOptions> | undefined
  /**
   * Which requests may go over a connection that has carried others, as HAProxy's `http-reuse`: `never`,
   * `safe`, `aggressive` or `always`. Default `always`.
   */
  reuse?: ReuseMode | undefined
  /** What is aimed at with the connections to the origin. */
  objective?: OptionGroupInput<ObjectiveOptions> | undefined
  /** What the origin is spared: a ceiling for its connections, and turns for those who wait. */
  protection?: OptionGroupInput<ProtectionOptions> | undefined
  /** Deadlines of connects and exchanges. */
  timeouts?: OptionGroupInput<TimeoutOptions> | undefined
  /** Replays. */
  retry?: OptionGroupInput<RetryOptions> | undefined
  /** Bounds above which requests to the origin fail at once. */
  breakers?: OptionGroupInput<BreakerOptions> | undefined
  /** A limit of concurrency that follows what the origin bears. */
  concurrency?: OptionGroupInput<ConcurrencyOptions> | undefined
  /** What the responses of the origin may cost. */
  limits?: OptionGroupInput<ResponseLimits> | undefined
  /** HTTP/2 towards the origin. */
  http2?: OptionGroupInput<Http2Options> | undefined
  /** QUIC towards the origin. */
  quic?: OptionGroupInput<QuicOptions> | undefined
  /** HTTP/3 towards the origin. */
  http3?: OptionGroupInput<Http3Options> | undefined
  /** How an unresponsive peer is found. */
  liveness?: OptionGroupInput<LivenessOptions> | undefined
  /**
   * Trust and identity towards the origin. Default: Node's own list of authorities, and certificates are
   * verified.
   */
  tls?: (Omit<TlsOptions, 'ca'> & { ca?: string | string[] | undefined }) | undefined
  /** Options of the kernel for TCP connections. */
  socket?: OptionGroupInput<SocketOptions> | undefined
  /** How requests are spread over `endpoints`. */
  balance?: OptionGroupInput<BalanceOptions> | undefined
  /** Checks of `endpoints`, where requests are balanced over them. */
  health?: OptionGroupInput<HealthOptions> | undefined
  /** When one of `endpoints` takes no requests for a while, where requests are balanced over them. */
  outlier?: OptionGroupInput<OutlierOptions> | undefined
  /** When a second copy of a slow request is sent. */
  hedge?: OptionGroupInput<HedgeOptions> | undefined
  /**
   * Host towards the origin: `origin` (its own authority, the default), `preserve` (the client's), or a
   * fixed host[:port].
   */
  hostHeader?: string | undefined
  /**
   * Which requests may travel in early data (0-RTT): none, or those with a safe method and no body. Default
   * `off`.
   */
  earlyData?: 'off' | 'safe' | undefined
  /**
   * Experimental: such requests leave early over TCP as well, by HTTP/1.1 and HTTP/2. Needs Linux and
   * koffi. Default false.
   */
  earlyDataOverTcp?: boolean | undefined
  /**
   * Whether requests may go over an open HTTP/2 or HTTP/3 connection of another origin, where its address
   * and certificate cover this one, and those of others over this one's: `auto` or `never`. Default `auto`.
   */
  coalesce?: 'auto' | 'never' | undefined
  /**
   * Host names that the certificate of the origin is taken to cover as well, `*` for the left-most label,
   * so that requests of those origins may go over its connections: for private networks.
   */
  certificateNames?: string[] | undefined
  /**
   * Whether a response that names another origin, by its URL or its `hosts`, in `Link: rel=preconnect`
   * opens a connection there ahead, as Early Hints (103) or in its head, and those of others here: `auto`,
   * within bounds, or `never`. Default `auto`.
   */
  preconnectHints?: 'auto' | 'never' | undefined
  /** Connections of HTTP/3 offer WebTransport to the origin. Default false. */
  webTransport?: boolean | undefined
  /** The origin is one of ours: its HTTP/3 connections may move to another path. Default false. */
  trusted?: boolean | undefined
  /** The name of the way out in `egress`. Default: none; connections go directly. */
  egress?: string | undefined
  /**
   * TCP Fast Open: `on`: wherever the kernel has a cookie; `auto`: where a probe saw the origin take data
   * in a SYN. Default `off`.
   */
  tfo?: 'off' | 'auto' | 'on' | undefined
}

/** One origin: its URL, which hosts are routed to it, and its options. */
export interface OriginConfig extends OriginOptionsConfig {
  /** `scheme://host[:port]`, and nothing behind it. */
  url: string
  /**
   * Connect to these addresses, or to those of these host names, instead of resolving the origin's host. What
   * `balance` goes by may stand with each.
   */
  endpoints?: (string | EndpointOptions)[] | undefined
  /** Hosts that are routed here: a name, `*.suffix`, or `*`. */
  hosts?: string[] | undefined
}
