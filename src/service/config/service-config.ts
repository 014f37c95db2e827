import type {
  GlobalLimits,
  Http2Options,
  Http3Options,
  PoolOptions,
  Protocol,
  QuicOptions,
  ResponseLimits,
  RetryOptions,
  SelectOptions,
  SocketOptions,
  TimeoutOptions,
  TlsOptions,
} from '../../index.ts'
import type { IngressLimits } from '../../ingress/ingress-limits.ts'
import type { IngressProtocol } from '../../ingress/ingress-stats.ts'
import type { OptionGroupInput } from './option-group.ts'
import type { ForwardedMode, LogLevel } from './service-settings.ts'

/**
 * The configuration as it is written, in a file or by a program. A duration is a number of milliseconds or a string such as `30s`, a
 * size a number of bytes or a string such as `64KiB`. Whatever names a PEM file may hold the PEM itself.
 */
export interface ServiceConfig {
  listen: ListenConfig[]
  /** Limits of the listening side. */
  ingress?: OptionGroupInput<IngressLimits>
  /** Default: 127.0.0.1:9901, or a free port of the loopback when that is taken. */
  admin?: 'off' | { address: string }
  log?: { level?: LogLevel; format?: 'text' | 'json' }
  forwarding?: {
    /** Our name in Via and Proxy-Status. Default `middlemile`. */
    via?: string
    /** Which fields tell an origin about the client. Default `both`. */
    forwarded?: ForwardedMode
    /** Believe and extend what clients send of them, instead of dropping it. Default false. */
    trustForwarded?: boolean
    /** The `by` of Forwarded: `_name` or `off`. Default `off`. */
    by?: string
  }
  /** How long a drain waits before it closes what is left. Default 30s. */
  shutdown?: { drainTimeout?: number | string }
  /** Where tickets are kept between runs, relative to the file. Default: nowhere. */
  state?: { directory: string }
  /** Where a trace of connections and choices is written (qlog), relative to the file; one file per run. Default: nowhere. */
  qlog?: { directory: string }
  limits?: OptionGroupInput<GlobalLimits>
  /** Fixed addresses: `HOST:PORT` to IP. */
  resolve?: Record<string, string>
  /** Addresses, with or without a port, of the DNS servers that are asked for HTTPS records. Default: those of the system. */
  dnsServers?: string[]
  defaults?: OriginOptionsConfig
  /** By name; the name is the metric label. */
  origins: Record<string, OriginConfig>
  /** An origin's hosts are routes too; a single origin without any takes every request. */
  routes?: { host?: string; path?: string; origin: string }[]
}

export interface ListenConfig {
  /** `127.0.0.1:8080`, `[::1]:8080`, `:8080` for every address; port 0 takes a free one. */
  address: string
  tls?: { cert: string; key: string }
  /** What clients may speak. Default: h2 and http/1.1; with TLS by ALPN, without it h2 by prior knowledge. */
  protocols?: IngressProtocol[]
}

export interface OriginOptionsConfig {
  /** Best first. */
  protocols?: Protocol[]
  select?: OptionGroupInput<SelectOptions>
  pool?: OptionGroupInput<PoolOptions>
  timeouts?: OptionGroupInput<TimeoutOptions>
  retry?: OptionGroupInput<RetryOptions>
  limits?: OptionGroupInput<ResponseLimits>
  http2?: OptionGroupInput<Http2Options>
  quic?: OptionGroupInput<QuicOptions>
  http3?: OptionGroupInput<Http3Options>
  tls?: Omit<TlsOptions, 'ca'> & { ca?: string | string[] }
  socket?: OptionGroupInput<SocketOptions>
  /** Host towards the origin: `origin` (its own authority, the default), `preserve` (the client's), or a fixed host[:port]. */
  hostHeader?: string
  /** Which requests may travel in early data (0-RTT). Default `off`. */
  earlyData?: 'off' | 'safe'
  /** The origin is one of ours: connections to it may use a second path. Default false. */
  trusted?: boolean
  tfo?: 'off'
}

export interface OriginConfig extends OriginOptionsConfig {
  /** scheme://host[:port] */
  url: string
  /** Connect to these addresses instead of resolving the host. */
  endpoints?: string[]
  /** Hosts that are routed here: a name, `*.suffix`, or `*`. */
  hosts?: string[]
}
