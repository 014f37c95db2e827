import { type HeaderList, headerValue } from '../base/http/headers.ts'

/** What of a request its key may be made of. */
interface KeyedRequest {
  readonly path: string
  readonly headers: HeaderList
}

/** Finds the key of requests by `hashBy`: `path` (the query included), `header:NAME`, `cookie:NAME`. */
export function requestKey(hashBy: string, { path, headers }: KeyedRequest): string | undefined {
  if (hashBy === 'path') return path
  const at = hashBy.indexOf(':')
  const name = hashBy.slice(at + 1)
  // Names of fields are lower case here (see HeaderList); those of cookies are as they are.
  return hashBy.startsWith('header:') ? headerValue(headers, name.toLowerCase()) : cookieValue(headers, name)
}

/** Of the first cookie called so. HTTP/2 may split the field into several (RFC 9113 8.2.3). */
function cookieValue(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue
    for (const pair of (headers[i + 1] ?? '').split(';')) {
      const equals = pair.indexOf('=')
      if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim()
    }
  }
  return undefined
}
