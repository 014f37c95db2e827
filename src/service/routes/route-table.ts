import { type PathPattern, patternShape } from './path-pattern.ts'
import { NO_CAPTURES, type PathMatch, PathTree } from './path-tree.ts'
import {
  type ConditionedRequest,
  compareConditions,
  impliesConditions,
  isUnconditional,
  meetsConditions,
  type RouteConditions,
} from './route-conditions.ts'

/** Which requests a route takes. */
export interface RouteMatcher {
  /** `shop.example`, `*.example`, or `*` for every host. Lower case, without a port. */
  readonly host: string
  readonly path: PathPattern
  readonly conditions: RouteConditions
}

export interface RouteDefinition<Target> extends RouteMatcher {
  readonly target: Target
}

/** The route of a request, and what its pattern captured. */
export interface RouteMatch<Target> {
  readonly target: Target
  readonly captures: PathMatch<unknown>['captures']
}

/** Routes of one host and one place in its paths, in the order in which they are asked. */
interface Place<Target> {
  readonly path: PathPattern
  readonly routes: RouteDefinition<Target>[]
}

/** What one host leads to. */
interface HostRoutes<Target> {
  readonly tree: PathTree<RouteDefinition<Target>>
  /** Where it has one route, for everything: most hosts do. */
  readonly only: RouteMatch<Target> | undefined
}

/**
 * Spellings of hosts that are remembered; beyond that the memory starts anew, so that strange hosts cannot
 * fill it.
 */
const MAX_REMEMBERED = 1024

/**
 * Decides as nginx, Envoy and the Gateway API of Kubernetes do, the most specific first:
 *
 * 1. the host: the exact one, the longest `*.suffix`, `*`. A host that matched decides alone: where none of
 *    its routes fits, nothing does;
 * 2. the path, segment by segment from the left: see PathTree;
 * 3. routes with methods, then those with more fields, then those with more parameters of the query;
 * 4. the order of the definitions.
 *
 * Compiled once; a look-up is one Map access for a spelling of the host that was seen before, and a walk
 * through the tree of its paths.
 */
export class RouteTable<Target> {
  readonly #exact = new Map<string, HostRoutes<Target>>()
  /** By suffix with its leading dot: `.example`. */
  readonly #wildcards = new Map<string, HostRoutes<Target>>()
  readonly #anyHost: HostRoutes<Target> | undefined
  /** By authority as clients spell it, with port and letter case. */
  readonly #remembered = new Map<string, HostRoutes<Target> | undefined>()

  constructor(definitions: readonly RouteDefinition<Target>[]) {
    for (const [host, places] of placesByHost(definitions)) {
      const routes = compile(places)
      if (host.startsWith('*.')) this.#wildcards.set(host.slice(1), routes)
      else if (host === '*') this.#anyHost = routes
      else this.#exact.set(host, routes)
    }
  }

  /** Where a request leads: its authority is host[:port], as sent, its path goes without query. */
  match(
    authority: string,
    path: string,
    query: string,
    request: ConditionedRequest,
  ): RouteMatch<Target> | undefined {
    const routes = this.#remembered.has(authority)
      ? this.#remembered.get(authority)
      : this.#remember(authority)
    if (routes === undefined) return undefined
    if (routes.only !== undefined) return routes.only
    const found = routes.tree.find(path, ({ conditions }) => meetsConditions(conditions, request, query))
    return found && { target: found.leaf.target, captures: found.captures }
  }

  #remember(authority: string): HostRoutes<Target> | undefined {
    const routes = this.#routesOf(hostOf(authority))
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
    this.#remembered.set(authority, routes)
    return routes
  }

  #routesOf(host: string): HostRoutes<Target> | undefined {
    const exact = this.#exact.get(host)
    if (exact !== undefined) return exact
    for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const wildcard = this.#wildcards.get(host.slice(dot))
      if (wildcard !== undefined) return wildcard
    }
    return this.#anyHost
  }
}

/** A route that no request reaches, since those that would are taken by another one. */
export interface ShadowedRoute<Target> {
  readonly route: RouteDefinition<Target>
  readonly by: RouteDefinition<Target>
}

/** Every route that can never match, with one that takes all of its requests. */
export function shadowedRoutes<Target>(
  definitions: readonly RouteDefinition<Target>[],
): ShadowedRoute<Target>[] {
  const shadowed: ShadowedRoute<Target>[] = []
  for (const places of placesByHost(definitions).values()) {
    for (const { routes } of places) {
      for (const [index, route] of routes.entries()) {
        const by = routes
          .slice(0, index)
          .find(earlier => impliesConditions(route.conditions, earlier.conditions))
        if (by !== undefined) shadowed.push({ route, by })
      }
    }
  }
  return shadowed
}

function placesByHost<Target>(
  definitions: readonly RouteDefinition<Target>[],
): Map<string, readonly Place<Target>[]> {
  const byHost = new Map<string, Map<string, Place<Target>>>()
  for (const definition of definitions) {
    const { host, path } = definition
    const places = byHost.get(host) ?? new Map<string, Place<Target>>()
    byHost.set(host, places)
    const shape = patternShape(path)
    const place = places.get(shape) ?? { path, routes: [] }
    places.set(shape, place)
    place.routes.push(definition)
  }
  const sorted = [...byHost].map(([host, places]): [string, readonly Place<Target>[]] => [
    host,
    [...places.values()],
  ])
  for (const [, places] of sorted)
    for (const { routes } of places) routes.sort((a, b) => compareConditions(a.conditions, b.conditions))
  return new Map(sorted)
}

function compile<Target>(places: readonly Place<Target>[]): HostRoutes<Target> {
  const tree = new PathTree<RouteDefinition<Target>>()
  const all = places.flatMap(({ routes }) => routes)
  for (const route of all) tree.add(route.path, route)
  const [first] = all
  const isEverything =
    all.length === 1 &&
    first?.path.segments.length === 0 &&
    first.path.tail.kind === 'any' &&
    isUnconditional(first.conditions)
  return { tree, only: isEverything ? { target: first.target, captures: NO_CAPTURES } : undefined }
}

/** The host of an authority: lower case, without port and without the dot of a fully qualified name. */
function hostOf(authority: string): string {
  const colon = authority.startsWith('[')
    ? authority.indexOf(':', authority.indexOf(']'))
    : authority.indexOf(':')
  const host = (colon === -1 ? authority : authority.slice(0, colon)).toLowerCase()
  return host.endsWith('.') ? host.slice(0, -1) : host
}
