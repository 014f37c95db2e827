import { createHash } from 'node:crypto'
import { TransportError } from '../../../base/errors.ts'
import type { ExchangeRequest, RequestBody } from '../../../base/http/exchange.ts'
import { type HeaderList, headerValue } from '../../../base/http/headers.ts'
import type { OutgoingRequest } from '../client-session.ts'

/** A request in the words of HTTP/2. */
interface PreparedRequest extends OutgoingRequest {
  /** Bytes of the body, as far as they are known before it is sent. */
  readonly bodyLength: number | undefined
}

/**
 * Puts a request into the words of HTTP/2. Throws MM_INVALID_ARGUMENT when its body and its content-length
 * disagree; whether names and values are valid is for the session to say, which writes them.
 *
 * - `te: trailers` goes with every request whose trailers reach its caller: a server may withhold them from
 *   who does not say it (RFC 9110 6.5.1), and servers of gRPC refuse such a client.
 * - content-length is added where the length is known: END_STREAM would do, but origins and what stands in
 *   front of them answer 411 without it, and it lets them refuse a body before they read it.
 * - A request that asks for another protocol becomes an extended CONNECT (RFC 8441 4): what HTTP/1.1 asks
 *   with GET and Upgrade.
 */
export function prepareRequest(request: ExchangeRequest): PreparedRequest {
  const { method, scheme, authority, path, headers, upgrade } = request
  if (upgrade !== undefined || method === 'CONNECT') return prepareTunnel(request)
  const announced = announcedLength(headers)
  const bodyLength = lengthOfBody(request, announced)
  if (announced !== undefined && bodyLength !== announced) {
    throw invalid(`content-length does not agree with the body (${bodyLength ?? 'none'})`, String(announced))
  }
  const isLengthMissing = bodyLength !== undefined && announced === undefined
  return {
    method,
    scheme,
    authority,
    path,
    protocol: undefined,
    acceptsTrailers: request.acceptsTrailers !== false,
    headers: isLengthMissing ? [...headers, 'content-length', String(bodyLength)] : headers,
    bodyLength,
  }
}

/**
 * Whether it asks for no other protocol, or in a way that extended CONNECT can say: that stands for a GET
 * (RFC 8441 5), and its stream carries the tunnel and no body. A protocol with a version (`TLS/1.2`,
 * `SPDY/3.1`) is one of the whole connection, and never a `:protocol`.
 */
export function fitsExtendedConnect({ upgrade, method, body }: ExchangeRequest): boolean {
  if (upgrade === undefined) return true
  return method === 'GET' && isNoBody(body) && !upgrade.includes('/')
}

/**
 * CONNECT, plain (RFC 9113 8.5) or extended (RFC 8441). What is sent on its stream is the tunnel's, so that
 * it has no body and no content-length; the key of a WebSocket handshake is not used (RFC 8441 5).
 */
function prepareTunnel(request: ExchangeRequest): PreparedRequest {
  const { method, scheme, authority, path, headers, upgrade, body } = request
  if (!isNoBody(body)) {
    throw invalid('a request for a tunnel has no body', method)
  }
  const announced = announcedLength(headers)
  if (announced !== undefined && announced !== 0) {
    throw invalid('a request for a tunnel has no body, but a content-length', String(announced))
  }
  const sent: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (name === 'content-length' || (upgrade !== undefined && name === 'sec-websocket-key')) continue
    sent.push(name, headers[i + 1] as string) // odd indexes are values
  }
  if (upgrade === undefined) {
    if (path !== '' && path !== authority) throw invalid('the target of CONNECT is the authority', path)
    return {
      method,
      scheme: '',
      authority,
      path: '',
      protocol: undefined,
      acceptsTrailers: false,
      headers: sent,
      bodyLength: undefined,
    }
  }
  return {
    method: 'CONNECT',
    scheme,
    authority,
    path,
    // A token without case in HTTP/1.1 (RFC 9110 7.8); what is registered for :protocol is in lower case.
    protocol: upgrade.toLowerCase(),
    acceptsTrailers: false,
    headers: sent,
    bodyLength: undefined,
  }
}

export function isNoBody(body: RequestBody): boolean {
  return body === null || (body instanceof Uint8Array && body.length === 0)
}

/** RFC 9110 8.6: a request without a body says so when its method is one that mostly has one. */
function lengthOfBody(request: ExchangeRequest, announced: number | undefined): number | undefined {
  const { body, method } = request
  if (body === null) {
    if (announced === 0 || method === 'POST' || method === 'PUT' || method === 'PATCH') return 0
    return undefined
  }
  // A source that does not know its length is held to what the caller has announced.
  return body.length ?? announced
}

function announcedLength(headers: HeaderList): number | undefined {
  let length: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'content-length') continue
    const value = headers[i + 1] as string // odd indexes are values
    if (length !== undefined) throw invalid('content-length stands twice in the header list', value)
    length = value
  }
  if (length === undefined) return undefined
  if (!/^\d{1,15}$/.test(length)) throw invalid('content-length is not one decimal number', length)
  return Number(length)
}

function invalid(rule: string, offending: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `${rule}: ${JSON.stringify(offending.slice(0, 40))}`)
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const ACCEPT = 'sec-websocket-accept'

/**
 * The answer to an upgrade, from the status and fields that accepted it over a stream. A WebSocket client of
 * HTTP/1.1 has sent a key and waits for 101 and the answer to it (RFC 6455 4.2.2), neither of which HTTP/2
 * has (RFC 8441 5): it gets them from here, so that callers need not know what the connection speaks. A
 * request without a key came by extended CONNECT itself and gets the answer as it is.
 */
export function upgradeAnswer(
  { upgrade, headers: sent }: Pick<ExchangeRequest, 'upgrade' | 'headers'>,
  status: number,
  headers: HeaderList,
): { readonly status: number; readonly headers: HeaderList } {
  const key = upgrade?.toLowerCase() === 'websocket' ? headerValue(sent, 'sec-websocket-key') : undefined
  if (key === undefined) return { status, headers }
  const accepted: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (name !== ACCEPT) accepted.push(name, headers[i + 1] as string) // odd indexes are values
  }
  accepted.push(ACCEPT, createHash('sha1').update(`${key}${GUID}`, 'latin1').digest('base64'))
  return { status: 101, headers: accepted }
}
