import type { HeaderList } from '../../entry/dispatch.ts'
import { readTemplate } from './field-edits.ts'
import { renderUri, renderValue, type Template, type TemplateContext } from './template.ts'

/** A route that sends its clients elsewhere. */
export interface RedirectSettings {
  readonly status: 301 | 302 | 303 | 307 | 308
  /** With variables. */
  readonly location: string
  /** The query of the request goes along. */
  readonly keepQuery: boolean
}

/** A route that answers by itself. */
export interface RespondSettings {
  readonly status: number
  /** Names in lower case, values with variables. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** An answer that needs no origin. */
export interface RouteAnswer {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
}

/** Undefined: what came out is too long to be a location. */
export type Answerer = (context: TemplateContext) => RouteAnswer | undefined

const NO_BODY = Buffer.alloc(0)
const HAS_SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//

export function redirectAnswerer(
  { status, location, keepQuery }: RedirectSettings,
  captures: readonly string[],
): Answerer {
  const template = readTemplate(location, captures)
  return context => {
    const made = renderUri(template, context)
    if (made === undefined) return undefined
    // `//host` is another site (RFC 3986 4.2), and a client may have sent such a path.
    const own = HAS_SCHEME.test(made) ? made : made.replace(/^[/\\]{2,}/, '/')
    const place = keepQuery ? withQuery(own, context.path) : own
    return { status, headers: ['location', place, 'content-length', '0'], body: NO_BODY }
  }
}

function withQuery(location: string, path: string): string {
  const mark = path.indexOf('?')
  if (mark === -1) return location
  const [place = '', fragment] = location.split('#', 2)
  const joined = `${place}${place.includes('?') ? '&' : '?'}${path.slice(mark + 1)}`
  return fragment === undefined ? joined : `${joined}#${fragment}`
}

export function respondAnswerer(
  { status, headers, body: text }: RespondSettings,
  captures: readonly string[],
): Answerer {
  const templates = headers.map(([name, value]): [string, Template] => [name, readTemplate(value, captures)])
  const body = Buffer.from(text)
  // RFC 9110 8.6: neither has a length.
  const hasLength = status !== 204
  const isTyped = body.length === 0 || headers.some(([name]) => name === 'content-type')
  return context => {
    const fields = templates.flatMap(([name, template]) => {
      const value = renderValue(template, context)
      return value === '' ? [] : [name, value]
    })
    if (!isTyped) fields.push('content-type', 'text/plain; charset=utf-8')
    if (hasLength) fields.push('content-length', String(body.length))
    return { status, headers: fields, body }
  }
}
