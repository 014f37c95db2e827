import { COLON, HTAB, isToken, SP, TARGET, TOKEN_LOWER_ONLY, VALUE } from '../../../base/http/char-tables.ts'
import { type HeaderList, isForbiddenTrailer, NO_HEADERS } from '../../../base/http/headers.ts'
import { MessageFault } from './message-head.ts'

/** What a field name means to the rules; everything else is an ordinary field. */
const ORDINARY = 0
const HOST = 1
const COOKIE = 2
const CONTENT_LENGTH = 3
const TE = 4
/** It belongs to a connection of HTTP/1.1 (RFC 9113 8.2.2, RFC 9110 7.6.1). */
const CONNECTION_SPECIFIC = 5
/** It means nothing here and is not passed on. */
const LEFT_OUT = 6

/**
 * What a name means. By its length first: most names end there, which costs a tenth of a hash of the name.
 */
function meaningOf(name: string): number {
  switch (name.length) {
    case 2:
      return name === 'te' ? TE : ORDINARY
    case 4:
      return name === 'host' ? HOST : ORDINARY
    case 6:
      return name === 'cookie' ? COOKIE : ORDINARY
    case 7:
      return name === 'upgrade' ? CONNECTION_SPECIFIC : ORDINARY
    case 10:
      return name === 'connection' || name === 'keep-alive' ? CONNECTION_SPECIFIC : ORDINARY
    case 14:
      return name === 'content-length' ? CONTENT_LENGTH : name === 'http2-settings' ? LEFT_OUT : ORDINARY
    case 16:
      return name === 'proxy-connection' ? CONNECTION_SPECIFIC : ORDINARY
    case 17:
      return name === 'transfer-encoding' ? CONNECTION_SPECIFIC : ORDINARY
    default:
      return ORDINARY
  }
}

/**
 * A name is a token without upper case. RFC 9113 8.2.1 demands a little less, and says that a message with a
 * name that is no token must not be passed on as HTTP/1.1 (10.3), where it could end a line.
 */
function checkName(name: string): void {
  const { length } = name
  let i = 0
  while (i < length && (TOKEN_LOWER_ONLY[name.charCodeAt(i)] ?? 0) !== 0) i++
  if (i === length && length > 0) return
  throw malformed('a field name is not a token in lower case', name)
}

/**
 * A value has HTAB, SP, visible ASCII and obs-text, and no whitespace at its ends; nothing above 255 is in
 * the table. RFC 9113 8.2.1 demands that NUL, CR and LF are refused, which would split a message of HTTP/1.1;
 * RFC 9110 5.5 has no other control character either.
 */
function checkValue(value: string, name: string): void {
  const { length } = value
  if (length === 0) return
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1))) {
    throw malformed('a field value has whitespace at its ends', name)
  }
  let i = 0
  // Four at a time: a head is mostly values, and this takes a tenth off the 0.4 microseconds that one costs
  // here.
  while (
    i + 4 <= length &&
    VALUE[value.charCodeAt(i)] === 1 &&
    VALUE[value.charCodeAt(i + 1)] === 1 &&
    VALUE[value.charCodeAt(i + 2)] === 1 &&
    VALUE[value.charCodeAt(i + 3)] === 1
  ) {
    i += 4
  }
  while (i < length && VALUE[value.charCodeAt(i)] === 1) i++
  if (i < length) throw malformed('a field value has a control character', name)
}

/** 1*DIGIT (RFC 9110 8.6), up to what a number holds exactly. */
function readContentLength(value: string): number {
  let length = value.length === 0 ? Number.NaN : 0
  for (let i = 0; i < value.length && length <= Number.MAX_SAFE_INTEGER; i++) {
    const digit = value.charCodeAt(i) - 0x30
    length = digit >= 0 && digit <= 9 ? length * 10 + digit : Number.NaN
  }
  if (length <= Number.MAX_SAFE_INTEGER) return length
  throw malformed('not a length in bytes', 'content-length')
}

/** What to show of a name that broke a rule. Values are not shown: they may be secrets. */
const EXCERPT_CHARS = 40

/** A malformed message (RFC 9113 8.1.1, RFC 9114 4.1.2): which rule was broken, and by which field. */
export function malformed(rule: string, name: string): MessageFault {
  return new MessageFault(`malformed message: ${rule}: ${excerpt(name)}`)
}

function excerpt(name: string): string {
  let shown = ''
  for (let i = 0; i < name.length && i < EXCERPT_CHARS; i++) {
    const code = name.charCodeAt(i)
    shown += code > SP && code < 0x7f ? name[i] : `\\x${code.toString(16).padStart(2, '0')}`
  }
  return name.length > EXCERPT_CHARS ? `${shown}…` : shown === '' ? '(empty)' : shown
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB
}

/** Where a field section stands in a message. */
export type Section = 'request' | 'response' | 'trailers'

/** A section without its pseudo-fields. */
export interface RegularFields {
  /** End-to-end fields only. */
  readonly headers: HeaderList
  readonly host: string | undefined
  readonly contentLength: number | undefined
  /** Of a request: a name has an underscore. */
  readonly hasUnderscore: boolean
}

/**
 * Checks the fields from index `from` on, where the pseudo-fields have ended, and takes out what is not
 * end-to-end:
 *  1. A pseudo-field must not come after another field, nor in trailers (RFC 9113 8.3).
 *  2. Names and values have legal characters only (8.2.1).
 *  3. Fields of the connection must not be there, but for `te: trailers` in a request (8.2.2).
 *  4. Host comes once. 5. Crumbs of Cookie are joined (8.2.3).
 *  6. Content-Length is one number, or the same one several times (RFC 9110 8.6). 7. In trailers, what must
 *     not be there is left out.
 *
 * The list that is returned is a slice of `fields` as long as nothing has to be taken out.
 */
export function readRegularFields(fields: HeaderList, from: number, section: Section): RegularFields {
  let kept: string[] | undefined
  let host: string | undefined
  let length: string | undefined
  let cookieAt = -1
  let hasUnderscore = false
  for (let i = from; i < fields.length; i += 2) {
    const name = fields[i] as string // even indexes are names
    const value = fields[i + 1] as string // odd indexes are values
    if (name.charCodeAt(0) === COLON) throw misplaced(name, section)
    checkName(name)
    checkValue(value, name)
    const meaning = meaningOf(name)
    let isKept = true
    if (meaning === ORDINARY) {
      if (section === 'trailers') isKept = !isForbiddenTrailer(name)
      else if (section === 'request' && !hasUnderscore) hasUnderscore = name.includes('_')
    } else if (meaning === CONNECTION_SPECIFIC) throw connectionSpecific(name)
    else if (meaning === TE) {
      if (section !== 'request' || (value !== 'trailers' && value.toLowerCase() !== 'trailers')) {
        throw connectionSpecific(name)
      }
      isKept = false
    } else if (section === 'trailers') {
      // Cookie is no trailer. Content-Length and Host would be dangerous in HTTP/1.1 and frame and route
      // nothing here.
      isKept = false
    } else if (meaning === COOKIE) {
      if (cookieAt >= 0) {
        kept ??= fields.slice(from, i)
        kept[cookieAt] += `; ${value}`
        continue
      }
      cookieAt = (kept?.length ?? i - from) + 1
    } else if (meaning === CONTENT_LENGTH) {
      if (length !== undefined && length !== value) throw malformed('given twice with different values', name)
      isKept = length === undefined
      length = value
    } else {
      if (meaning === HOST) {
        if (host !== undefined) throw malformed('given twice', name)
        host = value
      }
      isKept = false
    }
    if (!isKept) kept ??= fields.slice(from, i)
    else kept?.push(name, value)
  }
  const headers = kept ?? (from === 0 ? fields : fields.slice(from))
  return {
    headers: headers.length === 0 ? NO_HEADERS : headers,
    host,
    contentLength: length === undefined ? undefined : readContentLength(length),
    hasUnderscore,
  }
}

/**
 * For a message that can have no content: a Content-Length of 0 is harmless and left out, any other is a trap
 * for whoever believes it.
 */
export function withoutLength(fields: RegularFields, rule: string): RegularFields {
  const { headers, host, contentLength, hasUnderscore } = fields
  if (contentLength === undefined) return fields
  if (contentLength !== 0) throw malformed(rule, 'content-length')
  const kept = headers.toSpliced(headers.indexOf('content-length'), 2)
  return { headers: kept.length === 0 ? NO_HEADERS : kept, host, contentLength: undefined, hasUnderscore }
}

function misplaced(name: string, section: Section): Error {
  return malformed(
    section === 'trailers' ? 'a pseudo-field in trailers' : 'a pseudo-field after another field',
    name,
  )
}

function connectionSpecific(name: string): Error {
  return malformed('a field that belongs to a connection of HTTP/1.1', name)
}

/**
 * Reads the fields of trailers. Throws a MessageFault for malformed ones: a pseudo-field (RFC 9113 8.1), a
 * field of the connection, illegal characters. A field that must not be a trailer (RFC 9110 6.5.1) is left
 * out.
 */
export function readTrailers(fields: HeaderList): HeaderList {
  return readRegularFields(fields, 0, 'trailers').headers
}

/**
 * RFC 3986 3.1: a letter, then letters, digits, `+`, `-` and `.`. Other schemes than ours
 * are legal (RFC 9113 8.3.1).
 */
export function isScheme(text: string): boolean {
  return text === 'https' || text === 'http' || /^[a-z][a-z0-9+.-]*$/i.test(text)
}

const SLASH = 0x2f

/**
 * What :path may be: origin-form, or `*` for OPTIONS (RFC 9113 8.3.1). A space in it would be harmless here
 * and end the request line of HTTP/1.1, to which so many hops translate.
 */
export function isPath(text: string, method: string): boolean {
  if (text.charCodeAt(0) !== SLASH) return text === '*' && method === 'OPTIONS'
  let i = 1
  while (i < text.length && TARGET[text.charCodeAt(i)] === 1) i++
  return i === text.length
}

/** What :protocol may be: a token, or two with a slash between them (RFC 9110 7.8). */
export function isProtocol(text: string): boolean {
  const slash = text.indexOf('/')
  return slash < 0 ? isToken(text) : isToken(text.slice(0, slash)) && isToken(text.slice(slash + 1))
}
