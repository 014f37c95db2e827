/**
 * A field section as a flat list: name, value, name, value, … in the order of the wire. Names are lower case
 * everywhere inside middlemile (HTTP/2 and HTTP/3 demand it, RFC 9113 8.2; HTTP/1.1 does not care, RFC 9110
 * 5.1), so that comparing is `===`. Values are latin1 strings: one character is one byte. A list is never
 * changed once it was handed over.
 *
 * Lists between the layers hold END-TO-END fields only. What belongs to one connection (`connection`,
 * `keep-alive`, `transfer-encoding`, `te`, `upgrade`, `proxy-connection`, `host` and what `Connection` names)
 * is taken off by the protocol that reads it and put on by the protocol that writes it. `content-length` is
 * an end-to-end field and stays; `upgrade` stays in a final response, where it is an offer (RFC 9110 7.8):
 * HTTP/1.1 writes it, HTTP/2 and HTTP/3 leave it out.
 */
export type HeaderList = readonly string[]

/** No fields at all. */
export const NO_HEADERS: HeaderList = Object.freeze([])

/**
 * The first value of `name` (lower case), or undefined.
 *
 * @example
 * ```ts
 * headerValue(['content-type', 'text/plain'], 'content-type') // 'text/plain'
 * ```
 */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1]
  return undefined
}

/**
 * All values of `name` (lower case) joined as one list (RFC 9110 5.2), or undefined. Not for `set-cookie`.
 *
 * @example
 * ```ts
 * combinedHeaderValue(['via', '1.1 a', 'via', '1.1 b'], 'via') // '1.1 a, 1.1 b'
 * ```
 */
export function combinedHeaderValue(headers: HeaderList, name: string): string | undefined {
  let combined: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue
    combined = combined === undefined ? headers[i + 1] : `${combined}, ${headers[i + 1]}`
  }
  return combined
}

/**
 * Whether a field called `name` (lower case) is there.
 *
 * @example
 * ```ts
 * hasHeader(['content-length', '0'], 'content-length') // true
 * ```
 */
export function hasHeader(headers: HeaderList, name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true
  return false
}

/**
 * As an object; a name that came more than once has an array. `__proto__` is a name like any other.
 *
 * @example
 * ```ts
 * headersToRecord(['a', '1', 'b', '2', 'b', '3']) // { a: '1', b: ['2', '3'] }
 * ```
 */
export function headersToRecord(headers: HeaderList): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = Object.create(null)
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    const value = headers[i + 1] as string // odd indexes are values
    const before = record[name]
    if (before === undefined) record[name] = value
    else if (typeof before === 'string') record[name] = [before, value]
    else before.push(value)
  }
  return record
}

/**
 * Fields that must not be sent as trailers (RFC 9110 6.5.1): they route the message, say who asks, or tell
 * how to read a content that has been read by now. Nothing behind us may merge them into the head, so they
 * are left out.
 */
const DROPPED = new Set([
  'age',
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expect',
  'expires',
  'forwarded',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'location',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'retry-after',
  'set-cookie',
  'trailer',
  'vary',
  'via',
  'www-authenticate',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

/** Whether a trailer of this name is never passed on, in either direction. */
export function isForbiddenTrailer(name: string): boolean {
  return DROPPED.has(name)
}
