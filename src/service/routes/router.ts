import { type NormalizedPath, normalizePath } from './request-path.ts'
import { type ConditionedRequest } from './route-conditions.ts'
import { type RouteDefinition, type RouteMatch, RouteTable } from './route-table.ts'

/** What becomes of paths before they are matched. */
export interface PathRules {
  /** False: they are matched, and go on, as they came. */
  readonly normalize: boolean
  /** What happens to one that servers may read in two ways, where these lead along different routes. */
  readonly ambiguous: 'refuse' | 'pass'
}

/** What of a request decides about its route. */
export interface RoutableRequest extends ConditionedRequest {
  /** host[:port], as sent. */
  readonly authority: string
  /** With its query. */
  readonly path: string
}

/** Where a request goes. */
export interface Routed<Target> {
  /** Undefined: no route takes it. */
  readonly match: RouteMatch<Target> | undefined
  /** Its path, with the query, as it was matched. */
  readonly path: string
}

/** Finds the route of a request by its path as the rules have it. */
export class Router<Target> {
  readonly #table: RouteTable<Target>
  readonly #rules: PathRules

  constructor(definitions: readonly RouteDefinition<Target>[], rules: PathRules) {
    this.#table = new RouteTable(definitions)
    this.#rules = rules
  }

  /** A string: why the path is refused. */
  route(request: RoutableRequest): Routed<Target> | string {
    const { authority, path: whole } = request
    const mark = whole.indexOf('?')
    const raw = mark === -1 ? whole : whole.slice(0, mark)
    const query = mark === -1 ? '' : whole.slice(mark + 1)
    const find = (path: string): RouteMatch<Target> | undefined =>
      this.#table.match(authority, path, query, request)
    const normal: NormalizedPath | string = this.#rules.normalize ? normalizePath(raw) : AS_IT_CAME
    if (typeof normal === 'string') return normal
    const path = this.#rules.normalize ? normal.path : raw
    const match = find(path)
    const { loosePath } = normal
    if (loosePath !== undefined && this.#rules.ambiguous === 'refuse') {
      if (find(loosePath)?.target !== match?.target)
        return 'the path could be read as that of another route: it has an escaped slash, a backslash, or an empty segment'
    }
    return { match, path: path === raw ? whole : path + whole.slice(raw.length) }
  }
}

const AS_IT_CAME: NormalizedPath = { path: '', loosePath: undefined }
