import { isToken } from '../../../base/http/char-tables.ts'
import type { CodecRole } from './codec-failure.ts'
import { codecFailure } from './codec-failure.ts'

/** How a body is delimited: not there, this many bytes, chunks, or everything until the connection ends. */
export type BodyFraming = 'none' | number | 'chunked' | 'until-close'

/** The fields that decide, as they came. */
export interface FramingFields {
  readonly contentLength: string | undefined
  readonly transferEncoding: string | undefined
}

/**
 * The length of a request body (RFC 9112 6.3):
 *  1. Transfer-Encoding is `chunked`, once and alone, in HTTP/1.1, without Content-Length: chunks. Any other
 *     use is refused (6.1 allows that for both together and demands it for HTTP/1.0), other codings before a
 *     last `chunked` with 501.
 *  2. Content-Length is one decimal number: that many bytes. Rule 5 of 6.3 lets a recipient repair a list of
 *     equal numbers; we do not.
 *  3. Neither: there is none.
 * CONNECT has no body (RFC 9110 9.3.6): what follows belongs to the tunnel, so that a length there is a trap.
 */
export function requestFraming(
  method: string,
  minorVersion: number,
  fields: FramingFields,
  role: CodecRole,
): BodyFraming {
  const { contentLength, transferEncoding } = fields
  if (contentLength === undefined && transferEncoding === undefined) return 'none'
  if (method === 'CONNECT' && contentLength !== '0') {
    throw codecFailure(role, 'broken', 'CONNECT has no body, but a length is given')
  }
  if (transferEncoding !== undefined) {
    requireChunkedAlone(transferEncoding, contentLength, minorVersion, role)
    return 'chunked'
  }
  return parseContentLength(contentLength ?? '', role)
}

/**
 * The length of a response body (RFC 9112 6.3):
 *  1. 2xx to CONNECT: none, and both fields are ignored (rule 2 there). 1xx and 204: none, and neither field
 *     may be sent (RFC 9110 8.6, RFC 9112 6.1). We refuse them, since a sender that means the length would go
 *     on with bytes that we take for the next response; `Content-Length: 0` is harmless, and common on 204.
 *  2. The fields must be valid even if they are not used: a faulty pair speaks for a sender that is not to be
 *     trusted.
 *  3. The answer to HEAD, and 304: none, whatever the fields say.
 *  4. Transfer-Encoding: as for requests. 5. Content-Length: likewise.
 *  6. Neither: until the connection ends.
 */
export function responseFraming(
  method: string,
  status: number,
  minorVersion: number,
  fields: FramingFields,
  role: CodecRole,
): BodyFraming {
  const { contentLength, transferEncoding } = fields
  if (method === 'CONNECT' && status >= 200 && status < 300) return 'none'
  if (status < 200 || status === 204) {
    if (transferEncoding !== undefined || (contentLength !== undefined && contentLength !== '0')) {
      throw codecFailure(
        role,
        'broken',
        `a response with status ${status} has no body, but a length is given`,
      )
    }
    return 'none'
  }
  if (transferEncoding !== undefined) {
    requireChunkedAlone(transferEncoding, contentLength, minorVersion, role)
  }
  const length = contentLength === undefined ? undefined : parseContentLength(contentLength, role)
  if (method === 'HEAD' || status === 304) return 'none'
  if (transferEncoding !== undefined) return 'chunked'
  return length ?? 'until-close'
}

function requireChunkedAlone(
  transferEncoding: string,
  contentLength: string | undefined,
  minorVersion: number,
  role: CodecRole,
): void {
  if (contentLength !== undefined) {
    throw codecFailure(role, 'broken', 'both Transfer-Encoding and Content-Length')
  }
  if (minorVersion === 0) throw codecFailure(role, 'broken', 'Transfer-Encoding in HTTP/1.0')
  const codings = transferEncoding.toLowerCase()
  if (codings === 'chunked') return
  const kind = isChunkedBehindOthers(codings) ? 'coding' : 'broken'
  throw codecFailure(role, kind, 'Transfer-Encoding is not exactly `chunked`', transferEncoding)
}

/** Well-formed, but with codings that we do not decode: in a request that is to be 501 (RFC 9112 6.1). */
function isChunkedBehindOthers(codings: string): boolean {
  const names = codings.split(',').map(name => name.replace(/^[ \t]+|[ \t]+$/g, ''))
  return names.length > 1 && names.every(isToken) && names.indexOf('chunked') === names.length - 1
}

/** 15 digits always fit into a double. */
const MAX_LENGTH_DIGITS = 15

/** 1*DIGIT (RFC 9110 8.6). */
function parseContentLength(value: string, role: CodecRole): number {
  const length = decimalOf(value)
  if (length === undefined) {
    throw codecFailure(role, 'broken', 'Content-Length is not one decimal number', value)
  }
  return length
}

/** The number, or undefined when the text is anything but 1 to 15 digits. */
export function decimalOf(text: string): number | undefined {
  if (text.length === 0 || text.length > MAX_LENGTH_DIGITS) return undefined
  let number = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return number
}
