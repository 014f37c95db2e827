import type { Protocol } from '../../index.ts'

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
  /** The name of the origin. A route has it, `redirect` or `respond`. */
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
