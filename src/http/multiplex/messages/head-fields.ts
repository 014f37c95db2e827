import { TransportError } from '../../../base/errors.ts'
import { isToken } from '../../../base/http/char-tables.ts'
import type { HeaderList } from '../../../base/http/headers.ts'
import { hasPort, isAuthority } from '../../../base/http/origin.ts'
import type { OutgoingRequest } from '../client-session.ts'
import { isPath, isProtocol, isScheme } from './regular-fields.ts'

/**
 * Holds a request of ours to what we hold those of others to (RFC 9113 8.3.1, 8.5, RFC 8441 4): whoever is
 * behind the peer may read it as HTTP/1.1, where a space in a path begins something else. Throws
 * MM_INVALID_ARGUMENT. Its other fields are checked as they are encoded.
 */
function checkOutgoingRequest(request: OutgoingRequest): void {
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

/**
 * What HPACK and QPACK encoders have in common. Both throw MM_INVALID_ARGUMENT for what must not be on the
 * wire.
 */
export interface FieldEncoder {
  add(name: string, value: string): void
  addAll(headers: HeaderList): void
}

/** Gives the fields of heads to an encoder, in the order in which HTTP/2 and HTTP/3 want them. */
export class HeadFields {
  /**
   * What the last request was checked for: many that follow are the same in it. Not the request, whose fields
   * may be secret.
   */
  #method = ''
  #scheme = ''
  #authority = ''
  #path = ''

  /** Throws MM_INVALID_ARGUMENT for a request that cannot be written. */
  check(request: OutgoingRequest): void {
    const { method, scheme, authority, path } = request
    const isSame =
      path === this.#path &&
      authority === this.#authority &&
      method === this.#method &&
      scheme === this.#scheme &&
      request.protocol === undefined
    if (isSame) return
    checkOutgoingRequest(request)
    this.#method = method
    this.#scheme = scheme
    this.#authority = authority
    this.#path = path
  }

  addRequest(encoder: FieldEncoder, request: OutgoingRequest): void {
    const { method, protocol } = request
    encoder.add(':method', method)
    // CONNECT has neither, extended CONNECT has both (RFC 9113 8.5, RFC 9114 4.4, RFC 8441 4).
    if (method !== 'CONNECT' || protocol !== undefined) {
      encoder.add(':scheme', request.scheme)
      encoder.add(':path', request.path)
    }
    if (request.authority !== '') encoder.add(':authority', request.authority)
    if (protocol !== undefined) encoder.add(':protocol', protocol)
    encoder.addAll(request.headers)
    if (request.acceptsTrailers === true) encoder.add('te', 'trailers')
  }

  addResponse(encoder: FieldEncoder, status: number, headers: HeaderList): void {
    encoder.add(':status', String(status))
    encoder.addAll(headers)
  }
}
