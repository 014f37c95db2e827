import { isAuthority } from '../../../base/http/authority.ts'
import { isToken } from '../../../base/http/char-tables.ts'
import type { ExchangeRequest } from '../../../base/http/exchange.ts'
import { encodeFields, invalid } from './field-encoder.ts'
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
