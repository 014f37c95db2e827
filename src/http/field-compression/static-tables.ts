export interface StaticValue {
  readonly value: string
  readonly index: number
}

export interface StaticName {
  /** The lowest index with this name, for literals. */
  readonly nameIndex: number
  /** The entries that have a value. */
  readonly values: readonly StaticValue[]
}

/**
 * The way back from a name to its entries in a static table, whose columns these are; the first entry is at
 * `first`.
 */
function staticByName(
  names: readonly string[],
  values: readonly string[],
  first: number,
): ReadonlyMap<string, StaticName> {
  const byName = new Map<string, { nameIndex: number; values: StaticValue[] }>()
  for (let index = first; index < names.length; index++) {
    const name = names[index] as string // index < length
    const value = values[index] as string // likewise
    const known = byName.get(name) ?? { nameIndex: index, values: [] }
    if (value !== '') known.values.push({ value, index })
    byName.set(name, known)
  }
  return byName
}

/**
 * The static table of HPACK (RFC 7541 Appendix A): name, value, name, value, … Indexes begin at 1.
 */
// biome-ignore format: an entry a line
const HPACK_ENTRIES: readonly string[] = [
  ':authority', '',
  ':method', 'GET',
  ':method', 'POST',
  ':path', '/',
  ':path', '/index.html',
  ':scheme', 'http',
  ':scheme', 'https',
  ':status', '200',
  ':status', '204',
  ':status', '206',
  ':status', '304',
  ':status', '400',
  ':status', '404',
  ':status', '500',
  'accept-charset', '',
  'accept-encoding', 'gzip, deflate',
  'accept-language', '',
  'accept-ranges', '',
  'accept', '',
  'access-control-allow-origin', '',
  'age', '',
  'allow', '',
  'authorization', '',
  'cache-control', '',
  'content-disposition', '',
  'content-encoding', '',
  'content-language', '',
  'content-length', '',
  'content-location', '',
  'content-range', '',
  'content-type', '',
  'cookie', '',
  'date', '',
  'etag', '',
  'expect', '',
  'expires', '',
  'from', '',
  'host', '',
  'if-match', '',
  'if-modified-since', '',
  'if-none-match', '',
  'if-range', '',
  'if-unmodified-since', '',
  'last-modified', '',
  'link', '',
  'location', '',
  'max-forwards', '',
  'proxy-authenticate', '',
  'proxy-authorization', '',
  'range', '',
  'referer', '',
  'refresh', '',
  'retry-after', '',
  'server', '',
  'set-cookie', '',
  'strict-transport-security', '',
  'transfer-encoding', '',
  'user-agent', '',
  'vary', '',
  'via', '',
  'www-authenticate', '',
]

/** By index; index 0 is no entry. */
export const STATIC_NAMES: readonly string[] = ['', ...HPACK_ENTRIES.filter((_, i) => i % 2 === 0)]
/** By index; '' where the table has a name only. */
export const STATIC_VALUES: readonly string[] = ['', ...HPACK_ENTRIES.filter((_, i) => i % 2 === 1)]

/** The index of the last entry: those of the dynamic table follow. */
export const STATIC_COUNT = 61

/** What the table has for a name. */
export const STATIC_BY_NAME: ReadonlyMap<string, StaticName> = staticByName(STATIC_NAMES, STATIC_VALUES, 1)

/**
 * The static table of QPACK (RFC 9204 Appendix A): name, value, name, value, … Indexes begin at 0.
 */
// biome-ignore format: an entry a line
const QPACK_ENTRIES: readonly string[] = [
  ':authority', '',
  ':path', '/',
  'age', '0',
  'content-disposition', '',
  'content-length', '0',
  'cookie', '',
  'date', '',
  'etag', '',
  'if-modified-since', '',
  'if-none-match', '',
  'last-modified', '',
  'link', '',
  'location', '',
  'referer', '',
  'set-cookie', '',
  ':method', 'CONNECT',
  ':method', 'DELETE',
  ':method', 'GET',
  ':method', 'HEAD',
  ':method', 'OPTIONS',
  ':method', 'POST',
  ':method', 'PUT',
  ':scheme', 'http',
  ':scheme', 'https',
  ':status', '103',
  ':status', '200',
  ':status', '304',
  ':status', '404',
  ':status', '503',
  'accept', '*/*',
  'accept', 'application/dns-message',
  'accept-encoding', 'gzip, deflate, br',
  'accept-ranges', 'bytes',
  'access-control-allow-headers', 'cache-control',
  'access-control-allow-headers', 'content-type',
  'access-control-allow-origin', '*',
  'cache-control', 'max-age=0',
  'cache-control', 'max-age=2592000',
  'cache-control', 'max-age=604800',
  'cache-control', 'no-cache',
  'cache-control', 'no-store',
  'cache-control', 'public, max-age=31536000',
  'content-encoding', 'br',
  'content-encoding', 'gzip',
  'content-type', 'application/dns-message',
  'content-type', 'application/javascript',
  'content-type', 'application/json',
  'content-type', 'application/x-www-form-urlencoded',
  'content-type', 'image/gif',
  'content-type', 'image/jpeg',
  'content-type', 'image/png',
  'content-type', 'text/css',
  'content-type', 'text/html; charset=utf-8',
  'content-type', 'text/plain',
  'content-type', 'text/plain;charset=utf-8',
  'range', 'bytes=0-',
  'strict-transport-security', 'max-age=31536000',
  'strict-transport-security', 'max-age=31536000; includesubdomains',
  'strict-transport-security', 'max-age=31536000; includesubdomains; preload',
  'vary', 'accept-encoding',
  'vary', 'origin',
  'x-content-type-options', 'nosniff',
  'x-xss-protection', '1; mode=block',
  ':status', '100',
  ':status', '204',
  ':status', '206',
  ':status', '302',
  ':status', '400',
  ':status', '403',
  ':status', '421',
  ':status', '425',
  ':status', '500',
  'accept-language', '',
  'access-control-allow-credentials', 'FALSE',
  'access-control-allow-credentials', 'TRUE',
  'access-control-allow-headers', '*',
  'access-control-allow-methods', 'get',
  'access-control-allow-methods', 'get, post, options',
  'access-control-allow-methods', 'options',
  'access-control-expose-headers', 'content-length',
  'access-control-request-headers', 'content-type',
  'access-control-request-method', 'get',
  'access-control-request-method', 'post',
  'alt-svc', 'clear',
  'authorization', '',
  'content-security-policy', "script-src 'none'; object-src 'none'; base-uri 'none'",
  'early-data', '1',
  'expect-ct', '',
  'forwarded', '',
  'if-range', '',
  'origin', '',
  'purpose', 'prefetch',
  'server', '',
  'timing-allow-origin', '*',
  'upgrade-insecure-requests', '1',
  'user-agent', '',
  'x-forwarded-for', '',
  'x-frame-options', 'deny',
  'x-frame-options', 'sameorigin',
]

/** By index. */
export const QPACK_STATIC_NAMES: readonly string[] = QPACK_ENTRIES.filter((_, i) => i % 2 === 0)
/** By index; '' where the table has a name only. */
export const QPACK_STATIC_VALUES: readonly string[] = QPACK_ENTRIES.filter((_, i) => i % 2 === 1)

/** What the table has for a name. */
export const QPACK_STATIC_BY_NAME: ReadonlyMap<string, StaticName> = staticByName(
  QPACK_STATIC_NAMES,
  QPACK_STATIC_VALUES,
  0,
)
