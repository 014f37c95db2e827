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

/**
 * A hash of a key for tables, 32 bits: FNV-1a over its UTF-16 units, and the finalizer of MurmurHash3, which
 * spreads what FNV leaves in the low bits. Not for secrets: whoever chooses keys can choose their endpoint,
 * as with every consistent hash.
 */
export function keyHash(key: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let i = 0; i < key.length; i += 1) {
    const unit = key.charCodeAt(i)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
