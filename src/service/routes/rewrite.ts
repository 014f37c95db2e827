import { readTemplate } from './field-edits.ts'
import type { PathPattern } from './path-pattern.ts'
import { normalizePath } from './request-path.ts'
import { renderUri, renderValue, type Template, type TemplateContext } from './template.ts'

/** Where a request goes on to instead, with variables. */
export interface RewriteSettings {
  /** Host and :authority towards the origin. */
  readonly host: string | undefined
  /** What takes the place of the prefix, or of the whole path that a pattern matched. */
  readonly path: string | undefined
}

const AUTHORITY = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/** Makes host and path of requests what the route wants them to be. */
export class Rewriter {
  readonly #host: Template | undefined
  readonly #path: Template | undefined
  /** Segments that are replaced. Undefined: all of them. */
  readonly #prefixSegments: number | undefined

  /** They were validated. */
  constructor({ host, path }: RewriteSettings, pattern: PathPattern) {
    this.#host = host === undefined ? undefined : readTemplate(host, pattern.names)
    this.#path = path === undefined ? undefined : readTemplate(path, pattern.names)
    this.#prefixSegments = pattern.tail.kind === 'any' ? pattern.segments.length : undefined
  }

  /** `usual`: without a rewrite. REFUSED: what came out is no host. */
  host(context: TemplateContext, usual: string | undefined): string | undefined {
    if (this.#host === undefined) return usual
    const host = renderValue(this.#host, context)
    return AUTHORITY.test(host) ? host : REFUSED
  }

  /**
   * The path with its query, which is the request's own unless the rewrite has one. REFUSED: what came out
   * is no path, or dot segments of a variable would lead elsewhere.
   */
  path(context: TemplateContext): string {
    if (this.#path === undefined || context.path === '*') return context.path
    const made = renderUri(this.#path, context)
    if (made === undefined) return REFUSED
    const [own, query] = splitQuery(context.path)
    const rest = this.#prefixSegments === undefined ? '' : own.slice(offsetAfter(own, this.#prefixSegments))
    const [madePath, madeQuery = query] = splitQuery(made)
    const joined = rest.startsWith('/') ? madePath.replace(/\/$/, '') + rest : madePath + rest
    if (!/^\/[!-~]*$/.test(joined)) return REFUSED
    const normal = normalizePath(joined)
    if (typeof normal === 'string' || normal.path !== joined) return REFUSED
    return madeQuery === undefined ? joined : `${joined}?${madeQuery}`
  }
}

/** No host and no path is that. */
export const REFUSED = ' '

/** Where the path goes on behind so many segments. */
function offsetAfter(path: string, segments: number): number {
  let at = 0
  for (let i = 0; i < segments; i++) {
    const next = path.indexOf('/', at + 1)
    if (next === -1) return path.length
    at = next
  }
  return at
}

function splitQuery(path: string): [path: string, query?: string] {
  const mark = path.indexOf('?')
  return mark === -1 ? [path] : [path.slice(0, mark), path.slice(mark + 1)]
}
