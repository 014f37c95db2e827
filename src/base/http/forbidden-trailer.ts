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
