import type {
  GlobalLimits,
  Http2Options,
  Http3Options,
  LivenessOptions,
  PoolOptions,
  Protocol,
  QuicOptions,
  ResolverOptions,
  ResponseLimits,
  RetryOptions,
  SelectOptions,
  SocketOptions,
  TimeoutOptions,
  TlsOptions,
} from '../../index.ts'
import type { IngressLimits } from '../../ingress/ingress-limits.ts'
import type { IngressProtocol } from '../../ingress/ingress-stats.ts'
import type { BufferOptions } from '../forwarding/buffer-options.ts'
import type { MemoryOptions } from '../lifecycle/unused-memory.ts'
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
  log?: {
    level?: LogLevel
    format?: 'text' | 'json'
    /** What waits for a slow reader of the log at the most; what is more is dropped and counted. Default 1MiB. */
    maxQueuedBytes?: number | string
    /** The same in lines. Default 10000. */
    maxQueuedLines?: number
    /** Requests that took this long or longer have a line of their own, with their tries and waits. Default 0: none has. */
    slowRequest?: number | string
  }
  forwarding?: {
    /** Our name in Via and Proxy-Status. Default `middlemile`. */
    via?: string
    /** Which fields tell an origin about the client. Default `both`. */
    forwarded?: ForwardedMode
    /** Believe and extend what clients send of them, instead of dropping it. Default false. */
    trustForwarded?: boolean
    /** The `by` of Forwarded: `_name` or `off`. Default `off`. */
    by?: string
    /** How much of responses is buffered for slow clients, and when such a client is ended. */
    buffering?: OptionGroupInput<BufferOptions>
  }
  /** What becomes of memory that is needed no more. */
  memory?: OptionGroupInput<MemoryOptions>
  shutdown?: {
    /** How long a drain waits before it closes what is left. Default 30s. */
    drainTimeout?: number | string
    /** Keeps the admin port while a drain lasts, to watch it; a successor on the same port then has to wait. Default false. */
    keepAdmin?: boolean
    /** Defects that nobody caught, within `faultWindow`, with which the process drains and ends. 0: it never does. Default 10. */
    maxFaults?: number
    /** Default 60s. */
    faultWindow?: number | string
  }
  /**
   * Where tickets and what is known of origins are kept between runs, relative to the file. Default: nowhere. `keyFile`: the key that seals the tickets
   * (32 random bytes, also as `openssl rand -hex 32` writes them); default: one that is made in the directory.
   */
  state?: { directory: string; keyFile?: string }
  /** Where a trace of connections and choices is written (qlog), relative to the file; one file per run. Default: nowhere. */
  qlog?: { directory: string }
  limits?: OptionGroupInput<GlobalLimits>
  /** How names are looked up, and how often the addresses of this machine are looked at. */
  resolver?: OptionGroupInput<ResolverOptions>
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
  /**
   * TCP Fast Open: how many clients may wait at once whose data came with their SYN, e.g. 256. Default 0: off. Only with `tls`. Where the kernel does not
   * allow it (net.ipv4.tcp_fastopen without 0x2) or native calls are missing, a warning says so, and the listener works without.
   */
  fastOpen?: number
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
  liveness?: OptionGroupInput<LivenessOptions>
  tls?: Omit<TlsOptions, 'ca'> & { ca?: string | string[] }
  socket?: OptionGroupInput<SocketOptions>
  /** Host towards the origin: `origin` (its own authority, the default), `preserve` (the client's), or a fixed host[:port]. */
  hostHeader?: string
  /** Which requests may travel in early data (0-RTT). Default `off`. */
  earlyData?: 'off' | 'safe'
  /** Experimental: such requests leave early over TCP as well, by HTTP/1.1 and HTTP/2. Default false. */
  earlyDataOverTcp?: boolean
  /** The origin is one of ours: connections to it may use a second path. Default false. */
  trusted?: boolean
  /** TCP Fast Open: `on`: wherever the kernel has a cookie; `auto`: where a probe saw the origin take data in a SYN. Default `off`. */
  tfo?: 'off' | 'auto' | 'on'
}

export interface OriginConfig extends OriginOptionsConfig {
  /** scheme://host[:port] */
  url: string
  /** Connect to these addresses instead of resolving the host. */
  endpoints?: string[]
  /** Hosts that are routed here: a name, `*.suffix`, or `*`. */
  hosts?: string[]
}
