/** Where requests for a host and a path prefix go. */
export interface RouteDefinition<Target> {
  /** `shop.example`, `*.example`, or `*` for every host. Lower case, without a port. */
  host: string
  /**
   * `/`, or a prefix that matches at segment boundaries: `/api` takes `/api`, `/api/x`, `/api?x`, not
   * `/apix`.
   */
  path: string
  target: Target
}

interface PrefixRoute<Target> {
  /** Without a slash at the end; '' is everything. */
  prefix: string
  target: Target
}

/** Longest prefix first. */
type HostRoutes<Target> = readonly PrefixRoute<Target>[]

/**
 * Spellings of hosts that are remembered; beyond that the memory starts anew, so that strange hosts cannot
 * fill it.
 */
const MAX_REMEMBERED = 1024

/**
 * Decides by host, then by path, as nginx and Envoy do: (1) the exact host, (2) the longest `*.suffix`, (3)
 * `*`; within the host that matched the longest path prefix. A host that matched decides alone: where none of
 * its prefixes fits, nothing does. Compiled once; a look-up is one Map access for a spelling of the host that
 * was seen before.
 */
export class RouteTable<Target> {
  readonly #exact = new Map<string, HostRoutes<Target>>()
  /** By suffix with its leading dot: `.example`. */
  readonly #wildcards = new Map<string, HostRoutes<Target>>()
  readonly #anyHost: HostRoutes<Target>
  /** By authority as clients spell it, with port and letter case. */
  readonly #remembered = new Map<string, HostRoutes<Target>>()

  constructor(definitions: readonly RouteDefinition<Target>[]) {
    const byHost = new Map<string, PrefixRoute<Target>[]>()
    for (const { host, path, target } of definitions) {
      const routes = byHost.get(host) ?? []
      byHost.set(host, routes)
      routes.push({ prefix: path.replace(/\/+$/, ''), target })
    }
    for (const [host, routes] of byHost) {
      routes.sort((a, b) => b.prefix.length - a.prefix.length)
      if (host.startsWith('*.')) this.#wildcards.set(host.slice(1), routes)
      else if (host !== '*') this.#exact.set(host, routes)
    }
    this.#anyHost = byHost.get('*') ?? []
  }

  /** The target for an authority (host[:port], as sent) and a path with or without its query. */
  match(authority: string, path: string): Target | undefined {
    const routes = this.#remembered.get(authority) ?? this.#remember(authority)
    for (const route of routes) {
      const { prefix } = route
      if (prefix === '') return route.target
      if (!path.startsWith(prefix)) continue
      const next = path.charCodeAt(prefix.length) // NaN at the end of the path
      if (Number.isNaN(next) || next === SLASH || next === QUESTION_MARK) return route.target
    }
    return undefined
  }

  #remember(authority: string): HostRoutes<Target> {
    const routes = this.#routesOf(hostOf(authority))
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
    this.#remembered.set(authority, routes)
    return routes
  }

  #routesOf(host: string): HostRoutes<Target> {
    const exact = this.#exact.get(host)
    if (exact !== undefined) return exact
    for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const wildcard = this.#wildcards.get(host.slice(dot))
      if (wildcard !== undefined) return wildcard
    }
    return this.#anyHost
  }
}

const SLASH = 0x2f
const QUESTION_MARK = 0x3f

/** The host of an authority: lower case, without port and without the dot of a fully qualified name. */
function hostOf(authority: string): string {
  const colon = authority.startsWith('[')
    ? authority.indexOf(':', authority.indexOf(']'))
    : authority.indexOf(':')
  const host = (colon === -1 ? authority : authority.slice(0, colon)).toLowerCase()
  return host.endsWith('.') ? host.slice(0, -1) : host
}
