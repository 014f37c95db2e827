import { TransportError } from '../../../base/errors.ts'
import { classOf, TOKEN_LOWER_ONLY } from '../../../base/http/char-tables.ts'
import type { HeaderList } from '../../../base/http/headers.ts'
import { isForbiddenTrailer } from '../../../base/http/headers.ts'
import {
  CONTENT_LENGTH,
  EXPECT,
  idOfName,
  lineStartOf,
  SPECIAL_NAME_COUNT,
  UNKNOWN_NAME,
  UPGRADE,
} from './header-names.ts'
import { isUpgradeProtocol } from './hop-by-hop.ts'
import type { BodyFraming } from './message-framing.ts'
import { decimalOf } from './message-framing.ts'

const CRLF = '\r\n'

/**
 * Writes the fields of a head. Every name and value is checked, wherever the list came from, so that no list
 * can end a line, a head or a message early: splitting is impossible here and not a matter of trust. The
 * check costs about 0.2 of 0.7 microseconds for a head of ten fields.
 *
 * Fields of the connection in a list are a mistake of the caller, and `transfer-encoding` smuggled in through
 * one is an attack: they are refused. `content-length` follows from the framing; one that stands in the list
 * must agree. `upgrade` is what a response may offer: where it may not, it is refused, or left out.
 */
export function encodeFields(
  headers: HeaderList,
  framing: BodyFraming,
  upgrade: 'offer' | 'omit' | 'refuse' = 'refuse',
): string {
  let out = ''
  let hasLength = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    const value = headers[i + 1] as string // odd indexes are values
    const id = idOfName(name)
    if (id === UNKNOWN_NAME) requireName(name)
    else if (id < SPECIAL_NAME_COUNT && id !== EXPECT) {
      if (id === UPGRADE && upgrade !== 'refuse') {
        if (upgrade === 'offer') out += encodeOffer(value)
        continue
      }
      if (id !== CONTENT_LENGTH) {
        throw invalid(`${name} belongs to the connection and cannot stand in a header list`, value)
      }
      if (hasLength) throw invalid('content-length stands twice in the header list', value)
      requireAgreement(value, framing)
      hasLength = true
      // Without a body (HEAD, 304) it reports the body that there would be.
      if (framing !== 'none') continue
    }
    requireValue(value)
    out += (id === UNKNOWN_NAME ? `${name}: ` : lineStartOf(id)) + value + CRLF
  }
  if (framing === 'chunked') return `${out}transfer-encoding: chunked\r\n`
  return typeof framing === 'number' ? `${out}content-length: ${framing}\r\n` : out
}

/** Together with the option that keeps others from passing it on (RFC 9110 7.8). */
function encodeOffer(value: string): string {
  if (!value.split(', ').every(isUpgradeProtocol)) throw invalid('upgrade offers what is no protocol', value)
  return `connection: upgrade\r\nupgrade: ${value}\r\n`
}

/** Writes the trailers; those that must not be sent as such (RFC 9110 6.5.1) are left out. */
function encodeTrailers(trailers: HeaderList): string {
  let out = ''
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i] as string // even indexes are names
    const value = trailers[i + 1] as string // odd indexes are values
    const id = idOfName(name)
    if (id === UNKNOWN_NAME) requireName(name)
    else if (id < SPECIAL_NAME_COUNT || isForbiddenTrailer(name)) continue
    requireValue(value)
    out += `${name}: ${value}\r\n`
  }
  return out
}

/**
 * What no field value and no reason phrase has. A regular expression, since values are mostly slices of a
 * longer string, which it unwraps once and a loop over charCodeAt once per character: half the time.
 */
const NOT_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** Throws unless every character may stand in a field value, or in a reason phrase. */
export function requireValue(value: string): void {
  if (NOT_VALUE.test(value))
    throw invalid('a field value or reason has a character that none may have', value)
}

/** The error for an argument that cannot be written. */
export function invalid(rule: string, offending: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `${rule}: ${JSON.stringify(offending.slice(0, 40))}`)
}

function requireName(name: string): void {
  let isValid = name.length > 0
  for (let i = 0; i < name.length && isValid; i++) {
    const code = name.charCodeAt(i)
    isValid = code < 0x80 && classOf(TOKEN_LOWER_ONLY, code) !== 0
  }
  if (!isValid) throw invalid('a field name is not a token in lower case', name)
}

function requireAgreement(value: string, framing: BodyFraming): void {
  const length = decimalOf(value)
  if (length === undefined || (framing !== 'none' && framing !== length)) {
    throw invalid(`content-length does not agree with the body (${framing})`, value)
  }
}

/** Follows the bytes of each chunk. */
export const CHUNK_END = '\r\n'

/** Goes before a chunk of this many bytes. Not for 0, which would end the body. */
export function encodeChunkHead(byteCount: number): string {
  return `${byteCount.toString(16)}\r\n`
}

/** The end of a chunked body, with its trailers. */
export function encodeLastChunk(trailers: HeaderList): string {
  return trailers.length === 0 ? '0\r\n\r\n' : `0\r\n${encodeTrailers(trailers)}\r\n`
}
