import type { Protocol } from '../../index.ts'
import type { OriginOptionsConfig } from './origin-config.ts'

/**
 * Which requests, and what becomes of them: docs/routing.md. The most specific route wins: a full host before
 * `*.suffix` before `*`; then the path, segment by segment; then methods, more headers, more of the query;
 * then the first in the file.
 */
export interface RouteConfig {
  /** What the access log calls it. Default: its place, `routes[0]`. */
  name?: string | undefined
  /** A name, `*.suffix`, or `*`; or a list of them. Default: every host. */
  host?: string | string[] | undefined
  /** The beginning of the path, by whole segments. Default: every path. */
  path?: string | undefined
  /**
   * The whole path, instead of `path`: `{name}` is a segment or a part of one, `{name...}` at the end all
   * that follows, as in `/users/{id}/files/{rest...}`.
   */
  pathPattern?: string | undefined
  /** Any of these. Default: every method. */
  methods?: string[] | undefined
  /**
   * Fields of the request that all have to fit, by name: a text is the value, or `{ exact }`, `{ prefix }`,
   * `{ present }`.
   */
  headers?: Record<string, ValueRuleConfig> | undefined
  /** The same of parameters of the query; of several of one name the first counts. */
  query?: Record<string, ValueRuleConfig> | undefined
  /** The name of the origin. A route has it, `redirect`, `respond` or `forward`. */
  origin?: string | undefined
  /**
   * With variables: what `path` is replaced by, or the whole path that `pathPattern` matched (the query
   * stays, unless there is another one); and the host that the origin receives.
   */
  rewrite?: RewriteConfig | undefined
  /** Fields of the request that the origin gets. */
  requestFields?: FieldEditsConfig | undefined
  /** Fields of the response that the client gets. */
  responseFields?: FieldEditsConfig | undefined
  /** Instead of those of the origin. */
  timeouts?: RouteTimeoutsConfig | undefined
  /** Replays, instead of those of the origin; the budget is that of the origin. */
  retry?: RouteRetryConfig | undefined
  /**
   * Those of the origin's protocols that may carry the requests: all but `h3`, `h3` alone, or `http/1.1`
   * alone.
   */
  protocols?: Protocol[] | undefined
  /**
   * The name of the way out in `egress` that connections for the requests take, instead of that of the
   * origin: they have pools and tickets of their own, and stand as `ORIGIN@EGRESS` in metrics and logs.
   */
  egress?: string | undefined
  /** Whether requests may travel in early data, instead of what the origin says. */
  earlyData?: 'off' | 'safe' | undefined
  /**
   * Larger bodies of requests are refused (413), at once where the length is known. Default 0: none is; but
   * see `ingress.maxBodyBytes`.
   */
  maxBodyBytes?: number | string | undefined
  /** Copies of requests go to another origin as well, whose answers are thrown away. */
  mirror?: MirrorConfig | undefined
  /** Sends the client elsewhere: `status` is 301, 302 (the default), 303, 307 or 308. */
  redirect?: RedirectConfig | undefined
  /** Answers without an origin: `status` is 200 by default. */
  respond?: RespondConfig | undefined
  /**
   * Requests name their origins themselves (`GET http://host/path`, `:scheme` and `:authority`), or ask for a
   * tunnel (CONNECT): see docs/routing.md.
   */
  forward?: ForwardConfig | undefined
}

/** `forward` of a route. */
interface ForwardConfig {
  /**
   * What clients may name: `host`, `*.suffix`, an address, or `*` where there is `auth`; with ports where
   * they are not the usual ones (80 of http, 443 of https and CONNECT), as in `host:8080,8443`, and with
   * `http://`, `https://` or `connect://` where only that is meant. Tunnels of UDP are allowed by entries
   * with `udp://` only (443 where no port is given).
   */
  allow: string[]
  /**
   * Addresses and networks that are dialed though they are private, loopback, link-local, reserved, or this
   * machine's own: `[10.1.0.0/16]`. Listeners of this service and its admin server are not. Default: none.
   */
  allowPrivate?: string[] | undefined
  /** Who may use it. Default: every client of the listener. */
  auth?: ForwardAuthConfig | undefined
  /**
   * Origins at once, each with pools of its own; the one that was unused for longest makes room. In each
   * worker. Default 1,000.
   */
  maxOrigins?: number | undefined
  /** Connections to all of them, in each worker. Default: as `limits.maxTotalConnections`. */
  maxConnections?: number | undefined
  /** Tunnels at once, those of UDP among them, in each worker. 0: CONNECT is refused. Default 1,000. */
  maxTunnels?: number | undefined
  /** A tunnel through which nothing goes for so long is ended. 0: none is. Default 10m. */
  tunnelIdleTimeout?: number | string | undefined
  /**
   * Where clients ask for tunnels of UDP (CONNECT-UDP, RFC 9298): a URI template with `{target_host}` and
   * `{target_port}`. Default `/.well-known/masque/udp/{target_host}/{target_port}/`.
   */
  udpTemplate?: string | undefined
  /** A tunnel of UDP through which nothing goes for so long is ended. 0: none is. Default 2m. */
  udpIdleTimeout?: number | string | undefined
  /**
   * What of a tunnel of UDP may wait for a client that takes datagrams as part of a stream (HTTP/2, HTTP/1.1,
   * or datagrams that are too long for others); more is dropped. Default 131,072 bytes.
   */
  udpQueueBytes?: number | undefined
  /**
   * What those origins have otherwise than `defaults`: `protocols`, `timeouts`, `tls`, `pool` and the other
   * keys of origins, but for those about endpoints and names.
   */
  origins?: NamedOriginConfig | undefined
}

/** What an origin may have that nobody has configured. */
type NamedOriginConfig = Omit<
  OriginOptionsConfig,
  | 'hostHeader'
  | 'egress'
  | 'balance'
  | 'health'
  | 'outlier'
  | 'protection'
  | 'certificateNames'
  | 'preconnectHints'
  | 'trusted'
>

/** `auth` of `forward`: user and password of clients (Proxy-Authorization, Basic). */
interface ForwardAuthConfig {
  /** `NAME:HASH`, where the hash is the SHA-256 of the password in hexadecimal. */
  users?: string[] | undefined
  /** A file with one such user a line. Read at the start and at a reload. Default: none. */
  file?: string | undefined
  /** What clients show to who is to enter a password. Default `middlemile`. */
  realm?: string | undefined
}

/** `timeouts` of a route. */
interface RouteTimeoutsConfig {
  /** As `timeouts.headers` of an origin. */
  headers?: number | string | undefined
  /** As `timeouts.body` of an origin. */
  body?: number | string | undefined
  /** As `timeouts.request` of an origin. */
  request?: number | string | undefined
}

/** `retry` of a route. */
interface RouteRetryConfig {
  /** As `retry.maxRetries` of an origin. */
  maxRetries?: number | undefined
  /** As `retry.maxUnanswered` of an origin. */
  maxUnanswered?: number | undefined
  /** As `retry.statuses` of an origin. */
  statuses?: number[] | undefined
  /** As `retry.perTryTimeout` of an origin. */
  perTryTimeout?: number | string | undefined
}

/** `mirror` of a route. */
interface MirrorConfig {
  /** The name of the origin. */
  origin: string
  /** The share of the requests that is copied. Default 1. */
  share?: number | undefined
  /** Requests with larger bodies are not copied; 1MiB at the most. Default 64KiB. */
  maxBodyBytes?: number | string | undefined
  /** Copies at once; while there are as many, no more are made. Default 64. */
  maxUnderWay?: number | undefined
}

/** `rewrite` of a route. */
interface RewriteConfig {
  /** What the origin gets as Host. */
  host?: string | undefined
  /** Takes the place of the prefix `path`, or of the whole path. */
  path?: string | undefined
}

/** Fields to remove, then to set, then to add; values with variables, and left out where they are empty. */
interface FieldEditsConfig {
  /** By name, instead of what there is. */
  set?: Record<string, string> | undefined
  /** By name, behind what there is. */
  add?: Record<string, string> | undefined
  /** Names. */
  remove?: string[] | undefined
}

/** `redirect` of a route; `location` with variables. */
interface RedirectConfig {
  /** 301, 302, 303, 307 or 308. Default 302. */
  status?: number | undefined
  /** A URL or a path, with variables. */
  location: string
  /** The query goes along. Default false. */
  keepQuery?: boolean | undefined
}

/** `respond` of a route; values of headers with variables. */
interface RespondConfig {
  /** Default 200. */
  status?: number | undefined
  /** By name, with variables. */
  headers?: Record<string, string> | undefined
  /** As it is. Default: none. */
  body?: string | undefined
}

/** What a field or a parameter has to be. */
type ValueRuleConfig = string | { exact: string } | { prefix: string } | { present: boolean }
