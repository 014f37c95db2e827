import type { HeaderList } from '../headers.ts'
import { NO_HEADERS } from '../headers.ts'
import type { CodecRole } from './codec-failure.ts'
import { codecFailure } from './codec-failure.ts'
import type { FieldSection } from './field-section.ts'

/**
 * Fields that must not be sent as trailers (RFC 9110 6.5.1): they route the message, say who asks, or tell how to read a content that
 * has been read by now. Nothing behind us may merge them into the head, so they are left out.
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

/**
 * The trailers of a scanned section: fields of the connection are left out as in a head, forbidden ones are left out, and a field that
 * would frame or route the message (host, content-length, transfer-encoding) is refused: it has no honest use there.
 */
export function collectTrailers(
  section: FieldSection,
  text: string,
  base: number,
  role: CodecRole,
): HeaderList {
  const fields = section.collect(text, base)
  if (
    section.host !== undefined ||
    section.contentLength !== undefined ||
    section.transferEncoding !== undefined
  ) {
    throw codecFailure(role, 'broken', 'host, content-length or transfer-encoding in the trailers', text)
  }
  const trailers: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string // even indexes are names
    if (!DROPPED.has(name)) trailers.push(name, fields[i + 1] as string) // odd indexes are values
  }
  return trailers.length === 0 ? NO_HEADERS : trailers
}
