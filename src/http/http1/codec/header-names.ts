import { byteAt, classOf, TOKEN_LOWER } from '../../../base/http/char-tables.ts'

/**
 * Field names that are read without an allocation: their bytes are looked up, and a hit gives the one string
 * that everybody compares with. Names that the codec itself acts on come first, so that their number is their
 * meaning.
 */
const SPECIAL_NAMES = [
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'te',
  'keep-alive',
  'expect',
  'proxy-connection',
  'http2-settings',
] as const

export const HOST = 0
export const CONTENT_LENGTH = 1
export const TRANSFER_ENCODING = 2
export const CONNECTION = 3
export const UPGRADE = 4
export const TE = 5
export const KEEP_ALIVE = 6
export const EXPECT = 7
// 8 and 9, proxy-connection and http2-settings, are only ever left out.

/** Ids below this one mean something to the codec. */
export const SPECIAL_NAME_COUNT: number = SPECIAL_NAMES.length

/** A name that is in no table. */
export const UNKNOWN_NAME = -1

// What clients, CDNs and origins send every day.
const COMMON_NAMES =
  `accept accept-charset accept-ch accept-encoding accept-language accept-post accept-patch accept-ranges
access-control-allow-credentials access-control-allow-headers access-control-allow-methods access-control-allow-origin
access-control-expose-headers access-control-max-age access-control-request-headers access-control-request-method age allow
alt-svc authorization baggage cache-control cache-status cdn-cache-control cdn-loop cf-cache-status cf-connecting-ip cf-ipcountry
cf-ray cf-visitor clear-site-data content-disposition content-encoding content-language content-location content-range
content-security-policy content-security-policy-report-only content-type cookie cross-origin-embedder-policy
cross-origin-opener-policy cross-origin-resource-policy date dnt early-data etag expires fastly-client-ip forwarded from grpc-status
grpc-message grpc-timeout grpc-encoding grpc-accept-encoding idempotency-key if-match if-modified-since if-none-match if-range
if-unmodified-since last-modified link location max-forwards nel origin p3p permissions-policy pragma priority proxy-authenticate
proxy-authorization proxy-status range ratelimit-limit ratelimit-remaining ratelimit-reset referer referrer-policy refresh report-to
reporting-endpoints retry-after sec-ch-ua sec-ch-ua-arch sec-ch-ua-mobile sec-ch-ua-model sec-ch-ua-platform sec-fetch-dest
sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc sec-websocket-accept sec-websocket-extensions sec-websocket-key
sec-websocket-protocol sec-websocket-version server server-timing set-cookie soapaction strict-transport-security surrogate-control
surrogate-key timing-allow-origin traceparent tracestate trailer true-client-ip upgrade-insecure-requests user-agent vary via
warning www-authenticate x-amz-cf-id x-amz-cf-pop x-amz-id-2 x-amz-request-id x-amzn-trace-id x-api-key x-b3-sampled x-b3-spanid
x-b3-traceid x-cache x-cache-hits x-content-type-options x-correlation-id x-download-options x-dns-prefetch-control
x-envoy-upstream-service-time x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-forwarded-server
x-frame-options x-permitted-cross-domain-policies x-powered-by x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset
x-real-ip x-request-id x-requested-with x-robots-tag x-runtime x-served-by x-timer x-ua-compatible x-varnish
x-xss-protection`.split(/\s+/)

const NAMES: readonly string[] = [...SPECIAL_NAMES, ...COMMON_NAMES]

/**
 * Open addressing with room to spare: nearly every name is found, or known to be missing, at the first look.
 */
const TABLE_SIZE = 2048
const table = new Int16Array(TABLE_SIZE).fill(UNKNOWN_NAME)

/** The shortest name in the table is `te`. */
const MIN_LENGTH = 2

/** The length and four bytes tell all but four of the names apart; the multipliers were chosen for that. */
function slotOf(length: number, first: number, middle: number, beforeLast: number, last: number): number {
  return (length * 67 + first * 257 + middle * 1031 + beforeLast * 37 + last * 521) & (TABLE_SIZE - 1)
}

function idAt(slot: number): number {
  return table[slot] as number // masked to the size of the table
}

for (const [id, name] of NAMES.entries()) {
  const { length } = name
  const code = (index: number): number => name.charCodeAt(index)
  let slot = slotOf(length, code(0), code(length >> 1), code(length - 2), code(length - 1))
  while (idAt(slot) !== UNKNOWN_NAME) slot = (slot + 1) & (TABLE_SIZE - 1)
  table[slot] = id
}

/** The id of the name `buffer[start, end)`, a token in any case, or UNKNOWN_NAME. */
export function findName(buffer: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < MIN_LENGTH) return UNKNOWN_NAME
  let slot = slotOf(
    length,
    lowerAt(buffer, start),
    lowerAt(buffer, start + (length >> 1)),
    lowerAt(buffer, end - 2),
    lowerAt(buffer, end - 1),
  )
  for (; ; slot = (slot + 1) & (TABLE_SIZE - 1)) {
    const id = idAt(slot)
    if (id === UNKNOWN_NAME) return UNKNOWN_NAME
    // The slot proves nothing: anybody can make a name that has that of `content-length`.
    const name = nameOf(id)
    if (name.length !== length) continue
    let i = 0
    while (i < length && TOKEN_LOWER[buffer[start + i] as number] === name.charCodeAt(i)) i++ // within it
    if (i === length) return id
  }
}

function lowerAt(buffer: Uint8Array, index: number): number {
  return classOf(TOKEN_LOWER, byteAt(buffer, index))
}

/** The name of an id that findName returned. */
export function nameOf(id: number): string {
  return NAMES[id] as string // ids come from this table
}

const LINE_STARTS: readonly string[] = NAMES.map(name => `${name}: `)

/** How the line of a field with this id begins: `content-type: `. */
export function lineStartOf(id: number): string {
  return LINE_STARTS[id] as string // ids come from this table
}

const ids: ReadonlyMap<string, number> = new Map(NAMES.map((name, id) => [name, id]))

/** The id of a lower-case name, or UNKNOWN_NAME. */
export function idOfName(name: string): number {
  return ids.get(name) ?? UNKNOWN_NAME
}
