import { byteAt, classOf, TOKEN_LOWER } from './char-tables.ts'

/**
 * Field names that are read without an allocation: bytes are hashed while they are checked, and a hit gives the one string that
 * everybody compares with. Names that the codec itself acts on come first, so that their number is their meaning.
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
export const PROXY_CONNECTION = 8
export const HTTP2_SETTINGS = 9

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

/** Open addressing with room to spare: most names are found, or known to be missing, at the first look. */
const TABLE_SIZE = 2048
const table = new Int16Array(TABLE_SIZE).fill(UNKNOWN_NAME)

/** The hash after one more (lower-case) byte; it starts at 0. */
export function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 11)) & (TABLE_SIZE - 1)
}

for (let id = 0; id < NAMES.length; id++) {
  const name = NAMES[id] as string // id < length
  let hash = 0
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i))
  let slot = slotOf(hash)
  while (byteAtSlot(slot) !== UNKNOWN_NAME) slot = (slot + 1) & (TABLE_SIZE - 1)
  table[slot] = id
}

function byteAtSlot(slot: number): number {
  return table[slot] as number // masked to the size of the table
}

/** The id of the name `buffer[start, end)` in any case, whose lower-case bytes have this hash, or UNKNOWN_NAME. */
export function findName(hash: number, buffer: Uint8Array, start: number, end: number): number {
  for (let slot = slotOf(hash); ; slot = (slot + 1) & (TABLE_SIZE - 1)) {
    const id = byteAtSlot(slot)
    if (id === UNKNOWN_NAME) return UNKNOWN_NAME
    // The hash proves nothing: anybody can make a name with the hash of `content-length`.
    const name = nameOf(id)
    if (name.length !== end - start) continue
    let i = 0
    while (i < name.length && classOf(TOKEN_LOWER, byteAt(buffer, start + i)) === name.charCodeAt(i)) i++
    if (i === name.length) return id
  }
}

/** The name of an id that findName returned. */
export function nameOf(id: number): string {
  return NAMES[id] as string // ids come from this table
}

const ids: ReadonlyMap<string, number> = new Map(NAMES.map((name, id) => [name, id]))

/** The id of a lower-case name, or UNKNOWN_NAME. */
export function idOfName(name: string): number {
  return ids.get(name) ?? UNKNOWN_NAME
}
