import { combinedHeaderValue } from '../../entry/dispatch.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import { unmapped } from '../forwarding/forwarded-chain.ts'
import type { Captures } from './path-tree.ts'
import { queryValue } from './route-conditions.ts'

/** What variables are read from. */
export interface TemplateContext {
  readonly request: Pick<
    IngressExchange,
    | 'method'
    | 'scheme'
    | 'authority'
    | 'headers'
    | 'httpVersion'
    | 'remoteAddress'
    | 'remotePort'
    | 'localAddress'
    | 'localPort'
    | 'tls'
  >
  /** With its query, as it was matched. */
  readonly path: string
  readonly captures: Captures
  readonly requestId: string | undefined
  readonly route: string
  readonly origin: string | undefined
}

type Variable = (context: TemplateContext) => string | undefined

/** What every template may name, and what it is. */
const VARIABLES: Readonly<Record<string, Variable>> = {
  client: ({ request }) => unmapped(request.remoteAddress),
  clientPort: ({ request }) => String(request.remotePort),
  localAddress: ({ request }) => unmapped(request.localAddress),
  localPort: ({ request }) => String(request.localPort),
  method: ({ request }) => request.method,
  scheme: ({ request }) => request.scheme,
  host: ({ request }) => request.authority.replace(/:\d*$/, '').toLowerCase(),
  authority: ({ request }) => request.authority,
  target: ({ path }) => path,
  path: ({ path }) => path.split('?', 1)[0],
  query: ({ path }) => (path.includes('?') ? path.slice(path.indexOf('?') + 1) : undefined),
  protocol: ({ request }) => `HTTP/${request.httpVersion}`,
  requestId: ({ requestId }) => requestId,
  tlsVersion: ({ request }) => request.tls?.version,
  tlsName: ({ request }) => request.tls?.serverName,
  route: ({ route }) => route,
  origin: ({ origin }) => origin,
}

/** Those whose value is made of what may stand in a URI already, and keeps its slashes there. */
const URI_VARIABLES: ReadonlySet<string> = new Set(['scheme', 'host', 'authority', 'path', 'target', 'query'])

interface VariablePiece {
  readonly value: Variable
  readonly isUri: boolean
}

/** A text with variables in it, read. */
export interface Template {
  readonly pieces: readonly (string | VariablePiece)[]
}

const VARIABLE = /\$(?:(\$)|([A-Za-z]+)|\{([^}]*)\})?/g
const NAMED = /^(header|query|capture)\.(.+)$/
const MAX_TEMPLATE_LENGTH = 2_048
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * Reads text with `$name`, `${name}`, `${header.NAME}`, `${query.NAME}`, `${capture.NAME}`; `$$` is a dollar.
 * A string: what is wrong with it. `captures`: what the route captures.
 */
export function parseTemplate(text: string, captures: readonly string[]): Template | string {
  if (!/^[\x20-\x7e\t]*$/.test(text) || text.length > MAX_TEMPLATE_LENGTH)
    return `must be one line of printable ASCII, ${MAX_TEMPLATE_LENGTH} characters at the most`
  const pieces: (string | VariablePiece)[] = []
  let end = 0
  for (const found of text.matchAll(VARIABLE)) {
    const [whole, dollar, bare, braced] = found
    pieces.push(text.slice(end, found.index))
    end = found.index + whole.length
    const name = bare ?? braced ?? ''
    const variable = dollar === undefined ? variableOf(name, captures) : '$'
    if (variable !== undefined) pieces.push(variable)
    else if (name.startsWith('capture.')) return noCapture(whole, captures)
    else
      return `${whole} is no variable; there are ${Object.keys(VARIABLES).join(', ')}, header.NAME, query.NAME, capture.NAME`
  }
  pieces.push(text.slice(end))
  return { pieces: pieces.filter(piece => piece !== '') }
}

function noCapture(whole: string, captures: readonly string[]): string {
  const known =
    captures.length === 0 ? 'the route has no pattern that captures' : `it captures ${captures.join(', ')}`
  return `${whole} is no capture of this route: ${known}`
}

function variableOf(name: string, captures: readonly string[]): VariablePiece | undefined {
  const own = Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined
  if (own !== undefined) return { value: own, isUri: URI_VARIABLES.has(name) }
  const [, kind, key = ''] = NAMED.exec(name) ?? []
  if (kind === 'capture' && captures.includes(key))
    return { value: ({ captures: values }) => values[key], isUri: true }
  if (kind === 'header' && FIELD_NAME.test(key)) {
    const lower = key.toLowerCase()
    return { value: ({ request }) => combinedHeaderValue(request.headers, lower), isUri: false }
  }
  if (kind !== 'query') return undefined
  const query = VARIABLES['query']
  return {
    value: context => {
      const value = queryValue(query?.(context) ?? '', key)
      // Fields are bytes (see HeaderList), and what was decoded is not.
      return value === undefined ? undefined : Buffer.from(value).toString('latin1')
    },
    isUri: false,
  }
}

/** What the value of one field, or a target, may have. */
export const MAX_VALUE_LENGTH = 8_192

/**
 * As the value of a field. What cannot stand in one (RFC 9110 5.5) becomes a question mark, so that nothing
 * that a client sends ends the line; what is too long is cut.
 */
export function renderValue({ pieces }: Template, context: TemplateContext): string {
  let text = ''
  for (const piece of pieces) text += typeof piece === 'string' ? piece : (piece.value(context) ?? '')
  const cut = text.length > MAX_VALUE_LENGTH ? text.slice(0, MAX_VALUE_LENGTH) : text
  return cut.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?').trim()
}

/**
 * As a part of a URI: variables that are none are escaped, slashes, `?` and `&` too. Undefined: it is too
 * long.
 */
export function renderUri({ pieces }: Template, context: TemplateContext): string | undefined {
  let text = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') text += piece
    else {
      const value = piece.value(context) ?? ''
      text += value.replace(piece.isUri ? NOT_IN_URI : NOT_IN_SEGMENT, escaped)
    }
  }
  return text.length > MAX_VALUE_LENGTH ? undefined : text
}

const NOT_IN_URI = /[^!$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]/g
const NOT_IN_SEGMENT = /[^!$'()*,\-.0-9:;@A-Z_a-z~]/g

/** A character is one byte. */
function escaped(char: string): string {
  return `%${(char.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, '0')}`
}
