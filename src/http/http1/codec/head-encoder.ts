import { isToken } from '../../../base/http/char-tables.ts'
import type { ExchangeRequest } from '../../../base/http/exchange.ts'
import type { HeaderList } from '../../../base/http/headers.ts'
import { isAuthority } from '../../../base/http/origin.ts'
import { encodeFields, invalid, requireValue } from './field-encoder.ts'
import { isUpgradeProtocol } from './hop-by-hop.ts'
import type { BodyFraming } from './message-framing.ts'

/** What of a request stands in its head. */
export type RequestLike = Pick<
  ExchangeRequest,
  'method' | 'authority' | 'path' | 'headers' | 'upgrade' | 'acceptsTrailers'
>

/**
 * The head of a request in origin-form, as latin1 text. Throws MM_INVALID_ARGUMENT when any part of it could
 * be read as something else than itself. HTTP/1.1 connections persist by default, so that Connection is only
 * written for an upgrade and for TE (RFC 9110 10.1.4).
 */
export function encodeRequestHead(
  request: RequestLike,
  framing: Exclude<BodyFraming, 'until-close'>,
): string {
  const { method, authority, upgrade } = request
  if (method !== 'GET' && !isToken(method)) throw invalid('the method is not a token', method)
  if (!isAuthority(authority)) throw invalid('the authority is not host[:port]', authority)
  const target = targetOf(method, request.path, authority)
  let connection = request.acceptsTrailers === true ? 'connection: te\r\nte: trailers\r\n' : ''
  if (upgrade !== undefined) {
    if (!isUpgradeProtocol(upgrade)) throw invalid('the protocol to upgrade to is not a token', upgrade)
    connection += `connection: upgrade\r\nupgrade: ${upgrade}\r\n`
  }
  const fields = encodeFields(request.headers, lengthFor(method, framing, request))
  return `${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n${connection}${fields}\r\n`
}

/** RFC 9110 8.6: a request without a body says so when its method is one that mostly has one. */
function lengthFor(method: string, framing: BodyFraming, request: RequestLike): BodyFraming {
  if (framing !== 'none') return framing
  if (method === 'POST' || method === 'PUT' || method === 'PATCH') return 0
  // A list that says content-length: 0 has it written; one that says more has no body to show for it and is
  // refused.
  return request.headers.includes('content-length') ? 0 : 'none'
}

/** As the table TARGET. */
const NOT_TARGET = /[^\x21\x22\x24-\x7e]/

function targetOf(method: string, path: string, authority: string): string {
  if (method === 'CONNECT') {
    if (path !== '' && path !== authority) throw invalid('the target of CONNECT is the authority', path)
    return authority
  }
  if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) {
    throw invalid('the path does not begin with /', path)
  }
  if (NOT_TARGET.test(path)) throw invalid('the path has a character that none may have', path)
  return path
}

/** What a response says in its head. */
export interface ResponseLike {
  readonly status: number
  readonly headers: HeaderList
  /** Default: the registered phrase. */
  readonly statusText?: string | undefined
}

/** What it says about the connection. */
export interface ResponseConnection {
  /** The minor version of the request. The response itself always says HTTP/1.1 (RFC 9110 2.5). */
  readonly minorVersion: 0 | 1
  /** We take another request afterwards. */
  readonly keepAlive: boolean
  /** With status 101: the protocol that is switched to. */
  readonly upgrade?: string | undefined
}

/**
 * The head of a response, as latin1 text; also of a 1xx, with framing `none`. Throws MM_INVALID_ARGUMENT when
 * any part of it could be read as something else than itself. With framing `none` a content-length in the
 * list is passed on, as HEAD and 304 want it, but left out where none may be sent (1xx, 204: RFC 9110 8.6).
 */
export function encodeResponseHead(
  response: ResponseLike,
  framing: BodyFraming,
  connection: ResponseConnection,
): string {
  const { status, headers } = response
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw invalid('the status is not from 100 to 999', String(status))
  }
  const hasNoContent = status < 200 || status === 204
  if (hasNoContent && framing !== 'none')
    throw invalid(`a response with status ${status} has no body`, String(framing))
  const reason = response.statusText ?? reasonPhrase(status)
  requireValue(reason)
  // HTTP/1.0 has no Upgrade (RFC 9110 7.8).
  const upgrade = status < 200 ? 'refuse' : connection.minorVersion === 1 ? 'offer' : 'omit'
  const fields = encodeFields(hasNoContent ? withoutLength(headers) : headers, framing, upgrade)
  return `HTTP/1.1 ${status} ${reason}\r\n${connectionLines(status, connection)}${fields}\r\n`
}

function connectionLines(status: number, connection: ResponseConnection): string {
  if (status === 101) {
    const { upgrade } = connection
    if (upgrade === undefined || !upgrade.split('/', 2).every(isToken)) {
      throw invalid('a 101 needs the protocol that it switches to', String(upgrade))
    }
    return `connection: upgrade\r\nupgrade: ${upgrade}\r\n`
  }
  if (status < 200) return ''
  if (!connection.keepAlive) return 'connection: close\r\n'
  return connection.minorVersion === 0 ? 'connection: keep-alive\r\n' : ''
}

function withoutLength(headers: HeaderList): HeaderList {
  if (!headers.includes('content-length')) return headers
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (name !== 'content-length') kept.push(name, headers[i + 1] as string) // odd indexes are values
  }
  return kept
}

/** The phrases of RFC 9110 15 and the registry. Nobody acts on them, but people read them. */
const PHRASES: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  102: 'Processing',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  203: 'Non-Authoritative Information',
  204: 'No Content',
  205: 'Reset Content',
  206: 'Partial Content',
  207: 'Multi-Status',
  208: 'Already Reported',
  226: 'IM Used',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  305: 'Use Proxy',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  423: 'Locked',
  424: 'Failed Dependency',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  506: 'Variant Also Negotiates',
  507: 'Insufficient Storage',
  508: 'Loop Detected',
  511: 'Network Authentication Required',
}

/** The phrase for a status, or '' when it has none. */
function reasonPhrase(status: number): string {
  return PHRASES[status] ?? ''
}
