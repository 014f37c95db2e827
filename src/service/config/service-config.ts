import type { GlobalLimits, ResolverOptions } from '../../entry/options.ts'
import type { IngressLimits } from '../../ingress/ingress-limits.ts'
import type { SyslogFacility } from '../access-log/syslog-message.ts'
import type { BufferOptions } from '../forwarding/buffer-options.ts'
import type { ErrorDetail } from '../forwarding/own-response.ts'
import type { CertificateOptions } from '../lifecycle/certificate-watch.ts'
import type { MemoryOptions } from '../lifecycle/unused-memory.ts'
import type { OptionGroupInput } from './fields/option-group.ts'
import type { ListenConfig } from './listen-config.ts'
import type { OriginConfig, OriginOptionsConfig } from './origin-config.ts'
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
  /**
   * Ways out by name: the local addresses that connections leave from, or the proxies that carry them, of the
   * origins whose `egress` names it.
   */
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
   * these what belongs to no origin. May be left out where a route has `forward`.
   */
  origins?: Record<string, OriginConfig> | undefined
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
   * A Unix socket in place of an address: a path, relative to that of the file. Who may open it may do
   * everything, as on loopback.
   */
  unix?: string | undefined
  /** Permissions of that file, in quotes. Default `0660`. */
  mode?: string | undefined
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

/** One way out, as it is written in a configuration: see EgressOptions. It has `proxies` or `addresses`. */
interface EgressConfig {
  /**
   * Local addresses that connections leave from, or prefixes (`2001:db8:7::/64`) from which addresses are
   * drawn. What an origin has of a family that is not among them is left out. Default: the kernel chooses.
   */
  addresses?: string[] | undefined
  /**
   * URLs: `http://` and `https://` (CONNECT over HTTP/1.1), `h2://` and `h3://` (CONNECT over HTTP/2 and
   * HTTP/3), `socks5h://` (the proxy resolves names), `socks5://` (we do), with `user:password@` where the
   * proxy asks for them. Port 1080 where none is given, 443 where TLS is spoken to the proxy. Default: none.
   */
  proxies?: string[] | undefined
  /**
   * How long one carries an origin's new connections before the next does; 0: until it fails. Default 2m.
   */
  sticky?: number | string | undefined
  /**
   * PEM of the authorities of proxies to which TLS is spoken, or a file of it. Default: Node's own list of
   * authorities.
   */
  ca?: string | string[] | undefined
  /**
   * Where `h2` and `h3` proxies take tunnels for UDP, which carry HTTP/3: a URI template with `{target_host}`
   * and `{target_port}` (RFC 9298 2). Default `/.well-known/masque/udp/{target_host}/{target_port}/`.
   */
  udpTemplate?: string | undefined
}
