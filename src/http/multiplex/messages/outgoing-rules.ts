import { TransportError } from '../../../base/errors.ts'
import { hasPort, isAuthority } from '../../../base/http/authority.ts'
import { isToken } from '../../../base/http/char-tables.ts'
import type { OutgoingRequest } from '../client-session.ts'
import { isPath, isProtocol, isScheme } from './pseudo-fields.ts'

/**
 * Holds a request of ours to what we hold those of others to (RFC 9113 8.3.1, 8.5, RFC 8441 4): whoever is
 * behind the peer may read it as HTTP/1.1, where a space in a path begins something else. Throws
 * MM_INVALID_ARGUMENT. Its other fields are checked as they are encoded.
 */
export function checkOutgoingRequest(request: OutgoingRequest): void {
  const { method, scheme, authority, path, protocol } = request
  if (method !== 'GET' && !isToken(method)) throw invalid('the method is not a token', method)
  if (protocol !== undefined) {
    if (method !== 'CONNECT') throw invalid('only CONNECT asks for a protocol', method)
    if (!isProtocol(protocol)) throw invalid('the protocol to ask for is not a token', protocol)
  } else if (method === 'CONNECT') {
    if (!isAuthority(authority) || !hasPort(authority)) throw invalid('CONNECT needs host:port', authority)
    return
  }
  if (!isScheme(scheme)) throw invalid('not a scheme', scheme)
  if (!isAuthority(authority)) throw invalid('the authority is not host[:port]', authority)
  if (!isPath(path, method)) throw invalid('not a path', path)
}

const EXCERPT_CHARS = 40

function invalid(rule: string, text: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `${rule}: ${JSON.stringify(text.slice(0, EXCERPT_CHARS))}`)
}
