import type {
  BalanceOptions,
  BreakerOptions,
  ConcurrencyOptions,
  EndpointOptions,
  GlobalLimits,
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
  ResolverOptions,
  ResponseLimits,
  RetryOptions,
  ReuseMode,
  SelectOptions,
  SocketOptions,
  TimeoutOptions,
  TlsOptions,
} from '../../entry/options.ts'
import type { Protocol } from '../../index.ts'
import type { IngressLimits } from '../../ingress/ingress-limits.ts'
import type { SyslogFacility } from '../access-log/syslog-message.ts'
import type { BufferOptions } from '../forwarding/buffer-options.ts'
import type { ErrorDetail } from '../forwarding/own-response.ts'
import type { CertificateOptions } from '../lifecycle/certificate-watch.ts'
import type { MemoryOptions } from '../lifecycle/unused-memory.ts'
import type { OptionGroupInput } from './fields/option-group.ts'
import type { ListenConfig } from './listen-config.ts'
import type { RouteConfig } from './route-config.ts'
import type { ForwardedMode, LogLevel } from './service-settings.ts'

/**
 * The configuration as it is written, in a file or by a program. A duration is a number of milliseconds or
 * a string such as `30s`, a size a number of bytes or a string such as `64KiB`. Whatever names a PEM file
 * may hold the PEM itself.
 */
export interface ServiceConfig {
  /**
   * The processes that do the work, under a supervisor that replaces those that end, hang or grow too
   * large: `auto`, one for each processor; a number; or `off`, everything in one process without a
   * supervisor. Holds for `middlemile serve -c FILE`, where the default is `auto`; a program that starts a
   * service has it in its own process. Needs Linux and koffi; without them there is one process, and a
   * warning says so.
   */
  workers?: 'auto' | 'off' | number | WorkersConfig | undefined
  /** Where clients connect, one entry for each address. */
  listen: ListenConfig[]
  /** The files of certificates that listeners show. */
  certificates?: OptionGroupInput<CertificateOptions> | undefined
  /** Limits of the listening side, for all listeners. */
  ingress?: OptionGroupInput<IngressLimits> | undefined
  /**
   * Where the admin routes and metrics are. Default: 127.0.0.1:9901, or a free port of the loopback when
   * that is taken.
   */
  admin?: 'off' | AdminConfig | undefined
  /** What is logged, to standard output. */
  log?: LogConfig | undefined
  /** A line for each request, when it has ended. Default: there is none. */
  accessLog?: AccessLogConfig | undefined
  /** How requests are passed on. */
  forwarding?: ForwardingConfig | undefined
  /**
   * How much of an error clients receive, in bodies and `Proxy-Status`. `brief`: the code and its name.
   * `detail`: the message too, which may name addresses and limits behind the connector; the log has it
   * always. Default `brief`.
   */
  errors?: ErrorDetail | undefined
  /** What becomes of memory that is needed no more. */
  memory?: OptionGroupInput<MemoryOptions> | undefined
  /** How a drain goes, and what ends the process. */
  shutdown?: ShutdownConfig | undefined
  /** What is kept from one run to the next. Several processes may share it. */
  state?: StateConfig | undefined
  /** A trace of connections and choices in the format of qlog. */
  qlog?: QlogConfig | undefined
  /** Ways out by name: the proxies that carry the connections of the origins whose `egress` names it. */
  egress?: Record<string, EgressConfig> | undefined
  /** Limits over all origins together. */
  limits?: OptionGroupInput<GlobalLimits> | undefined
  /** How names are looked up, and how often the addresses of this machine are looked at. */
  resolver?: OptionGroupInput<ResolverOptions> | undefined
  /** Fixed addresses: `HOST:PORT` to IP. */
  resolve?: Record<string, string> | undefined
  /**
   * Addresses, with or without a port, of the DNS servers that are asked for HTTPS records. Default: those
   * of the system.
   */
  dnsServers?: string[] | undefined
  /**
   * What holds for every origin that does not say otherwise: the same keys as an origin's, from `protocols`
   * on.
   */
  defaults?: OriginOptionsConfig | undefined
  /**
   * By name; the name is the metric label. No origin can be called `none` or `removed`: metrics count under
   * these what belongs to no origin.
   */
  origins: Record<string, OriginConfig>
  /**
   * Which origin gets a request. An origin's `hosts` are routes too; a single origin without any takes
   * every request.
   */
  routes?: RouteConfig[] | undefined
}

/** `log` of a configuration. */
interface LogConfig {
  /** Connection events are at `info`, requests at `debug`. Default `info`. */
  level?: LogLevel | undefined
  /** Default `text`. */
  format?: 'text' | 'json' | undefined
  /**
   * What waits for a slow reader of the log at the most; what is more is dropped and counted. Default
   * 1MiB.
   */
  maxQueuedBytes?: number | string | undefined
  /** The same in lines. Default 10000. */
  maxQueuedLines?: number | undefined
  /**
   * Requests that took this long or longer have a line of their own, with their tries and waits. Default
   * 0: none has.
   */
  slowRequest?: number | string | undefined
}

/** `accessLog` of a configuration. */
interface AccessLogConfig {
  /**
   * `json`, `common`, `combined`, or a template of text and variables such as `$client $status $totalMs
   * "${header.user-agent}"`. Default `json`.
   */
  format?: string | undefined
  /**
   * `stdout`; a file, relative to that of the configuration, which SIGUSR1 opens anew once it was renamed;
   * or syslog (RFC 5424): `syslog:udp://HOST:PORT`, `syslog:tcp://HOST:PORT`. Default `stdout`.
   */
  to?: string | undefined
  /** Of messages to syslog. Default `local7`. */
  facility?: SyslogFacility | undefined
  /**
   * The share of requests that have a line, from 0 to 1; those that failed always have one. Default 1.
   */
  sample?: number | undefined
  /**
   * The field that names a request, towards the origin as well: the client's own where it is well-formed,
   * else a new one. It ends in `-id`. `off`: it is neither read nor made. Default `x-request-id`.
   */
  requestId?: string | undefined
  /** What waits to be written at the most; what is more is dropped and counted. Default 4MiB. */
  maxQueuedBytes?: number | string | undefined
}

/** `forwarding` of a configuration. */
interface ForwardingConfig {
  /** Our name in Via and Proxy-Status. Default `middlemile`. */
  via?: string | undefined
  /** Which fields tell an origin about the client. Default `both`. */
  forwarded?: ForwardedMode | undefined
  /**
   * Whose Forwarded and X-Forwarded-* are believed and extended, instead of dropped: addresses and
   * networks of the proxies in front, such as `[10.0.0.0/8, "2001:db8::/32"]`; true: everybody's. Both
   * families then say the same; where they disagree X-Forwarded-For counts. Default false: nobody's.
   */
  trustForwarded?: boolean | string[] | undefined
  /** The `by` of Forwarded: `_name` or `off`. Default `off`. */
  by?: string | undefined
  /**
   * Paths are matched, and go on, with needless escapes undone and dot segments resolved (RFC 3986 6.2.2).
   * False: as they came. Default true.
   */
  normalizePaths?: boolean | undefined
  /**
   * What becomes of a path with an escaped slash, a backslash, an empty segment or parameters of segments,
   * where a server that reads it otherwise would see one of another route: `refuse` it (400), or `pass` it
   * on. Default `refuse`.
   */
  ambiguousPaths?: 'refuse' | 'pass' | undefined
  /** How much of responses is buffered for slow clients, and when such a client is ended. */
  buffering?: OptionGroupInput<BufferOptions> | undefined
}

/** `shutdown` of a configuration. */
interface ShutdownConfig {
  /**
   * How long the listeners go on after `/readyz` has turned 503, so that a load balancer finds out first.
   * Default 0.
   */
  delay?: number | string | undefined
  /** How long a drain waits before it closes what is left. Default 30s. */
  drainTimeout?: number | string | undefined
  /**
   * Keeps the admin port while a drain lasts, to watch it; a successor on the same port then has to wait.
   * Default false.
   */
  keepAdmin?: boolean | undefined
  /**
   * Defects that nobody caught, within `faultWindow`, with which the process drains and ends. 0: it never
   * does. Default 10.
   */
  maxFaults?: number | undefined
  /** The time within which `maxFaults` are counted. Default 60s. */
  faultWindow?: number | string | undefined
}

/** `state` of a configuration. */
interface StateConfig {
  /**
   * Where tickets (sealed) and what is known of origins are kept, relative to the file. Default: nowhere.
   */
  directory?: string | undefined
  /**
   * The key that seals the tickets: 32 random bytes, also as `openssl rand -hex 32` writes them, in a
   * file that only its owner can read. Default: one that is made in the directory on first use.
   */
  keyFile?: string | undefined
  /** What all hosts of a fleet share: the ceilings of protected origins. Default: each host has its own. */
  redis?: RedisConfig | undefined
}

/** `state.redis` of a configuration. See docs/connection-economy.md. */
interface RedisConfig {
  /**
   * `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS: one server, or the primary of
   * several, version 5 or newer; no cluster. No log and no page shows the password.
   */
  url: string
  /** How all keys begin: hosts share what they have under the same one. Default `middlemile:`. */
  prefix?: string | undefined
  /** With `rediss://`: whom to trust instead of the authorities that Node brings; PEM or files of it. */
  ca?: string | string[] | undefined
  /** With `rediss://`: our own certificate, PEM or a file of it, with `key`. */
  cert?: string | undefined
  /** Its key. */
  key?: string | undefined
  /** How long a connection may take, with TLS and password. Default 2s. */
  connectTimeout?: number | string | undefined
  /** How long an answer may take; then the connection is made anew. Default 1s. */
  answerTimeout?: number | string | undefined
  /**
   * What a host had is free so long after its last word: at least 3s. Two thirds of it without an answer a
   * host goes on with what it may have; then it has `protection.floor`, and the rest of the time for what is
   * beyond it to end. Default 15s.
   */
  lease?: number | string | undefined
}

/** `qlog` of a configuration. */
interface QlogConfig {
  /** Where it is written, relative to the file; one file per run. Default: nowhere. */
  directory: string
}

/** The processes of a service, where their number is not all that there is to say. */
interface WorkersConfig {
  /** How many. Default `auto`. */
  count?: 'auto' | 'off' | number | undefined
  /** Without a sign from it for so long a worker is ended and replaced. At least 1s. Default 3s. */
  hangTimeout?: number | string | undefined
  /**
   * Resident memory with which a worker is replaced. Default: 0.8 of the memory of the machine or
   * container, divided by the number of workers.
   */
  maxMemoryBytes?: number | string | undefined
}

/** `admin.tls` of a configuration. */
interface AdminTlsConfig {
  cert: string
  key: string
  clientCa?: string | string[] | undefined
  changeNames?: string[] | undefined
}

/** The admin server. Beyond loopback it asks for a token or a client certificate. */
interface AdminConfig {
  /** `127.0.0.1:9901`; `:9901` means loopback. Default 127.0.0.1:9901. */
  address?: string | undefined
  /**
   * Files that hold a token of 16 characters or more, which requests have to show (`Authorization:
   * Bearer`): `read` for what changes nothing, `change` for everything. `/healthz` and `/readyz` are for
   * everybody.
   */
  tokens?: { read?: string | undefined; change?: string | undefined } | undefined
  /**
   * HTTPS, with certificate and key, PEM or files of it. With `clientCa`, certificates of that authority
   * count as a token: for everything, or, where `changeNames` lists names of certificates, for reading but
   * with those.
   */
  tls?: AdminTlsConfig | undefined
}

/** The proxies of one way out, as they are written in a configuration: see EgressOptions. */
interface EgressConfig {
  /**
   * URLs: `http://` and `https://` (CONNECT over HTTP/1.1), `h2://` and `h3://` (CONNECT over HTTP/2 and
   * HTTP/3), `socks5h://` (the proxy resolves names), `socks5://` (we do), with `user:password@` where the
   * proxy asks for them. Port 1080 where none is given, 443 where TLS is spoken to the proxy.
   */
  proxies: string[]
  /**
   * How long one carries an origin's new connections before the next does; 0: until it fails. Default 2m.
   */
  sticky?: number | string | undefined
  /**
   * PEM of the authorities of proxies to which TLS is spoken, or a file of it. Default: Node's own list of
   * authorities.
   */
  ca?: string | string[] | undefined
}

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
   * Connect to these addresses instead of resolving the host. What `balance` goes by may stand with each.
   */
  endpoints?: (string | EndpointOptions)[] | undefined
  /** Hosts that are routed here: a name, `*.suffix`, or `*`. */
  hosts?: string[] | undefined
}
