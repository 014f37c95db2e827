import { QPACK_STATIC_NAMES, STATIC_NAMES } from './static-tables.ts'

/**
 * How a field is compressed. HPACK and QPACK leave it to the encoder, and it decides over speed as much as
 * over bytes: each insertion evicts something, and ends what is cached.
 *
 * - `stable`: few values per connection: inserted when first seen.
 * - `adaptive`: inserted when a value is seen again soon.
 * - `volatile`: nearly every message has a value of its own: never inserted for the value's sake. Where the
 *   name is in no table it is, when the name is seen again soon: it costs less to refer to than to write.
 * - `secret`: worth guessing. Sent as never-indexed literal (RFC 7541 7.1.3, RFC 9204 7.1.3) so that nobody
 *   on the way can test guesses by the length of a block, and kept out of every table and cache.
 * - `forbidden`: belongs to a connection (RFC 9113 8.2.2, RFC 9114 4.2): never sent.
 */
export type FieldClass = 'stable' | 'adaptive' | 'volatile' | 'secret' | 'forbidden'

export interface FieldName {
  /** The one string that this name has in the process, so that comparing is cheap. */
  readonly name: string
  readonly fieldClass: FieldClass
  /** One of the names that everybody uses, rather than one of an application. */
  readonly isListed: boolean
}

/**
 * Secrets by their name:
 *  1. credentials and session identifiers (authorization, cookie, set-cookie, API keys, tokens);
 *  2. what vouches for somebody (assertions, client certificates, signatures, one-time and CSRF tokens). A
 *     name that is here without need costs some bytes; one that is missing can be probed by whoever shares
 *     the connection.
 */
const SECRET = `authorization proxy-authorization cookie cookie2 set-cookie set-cookie2 authentication-info proxy-authentication-info
x-api-key api-key apikey x-auth x-auth-key x-auth-token x-access-token x-csrf-token x-xsrf-token x-amz-security-token x-vault-token
private-token x-goog-iap-jwt-assertion cf-access-jwt-assertion x-amzn-oidc-data x-amzn-oidc-accesstoken dpop client-cert
client-cert-chain x-forwarded-client-cert x-hub-signature x-hub-signature-256 x-amz-server-side-encryption-customer-key`

/** Secrets by a part of their name, for names that are in no list. */
const SECRET_PATTERN =
  /token|secret|passw|pwd|credential|auth|session|cookie|api-?key|access-?key|private-?key|jwt|signature|csrf|xsrf|assertion|bearer|otp\b/

/** RFC 9113 8.2.2. `te` may be sent with `trailers`, which the session sees to. */
const FORBIDDEN = 'connection keep-alive proxy-connection transfer-encoding upgrade http2-settings'

// Whatever the number of clients behind a connection, these have a handful of values.
const STABLE = `:authority :method :protocol :scheme :status accept-ranges access-control-allow-credentials
access-control-allow-headers access-control-allow-methods access-control-allow-origin access-control-expose-headers
access-control-max-age alt-svc cache-control content-encoding content-language content-type cross-origin-embedder-policy
cross-origin-opener-policy cross-origin-resource-policy grpc-accept-encoding grpc-encoding grpc-status nel permissions-policy pragma
priority referrer-policy report-to reporting-endpoints sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc server
strict-transport-security te timing-allow-origin upgrade-insecure-requests vary via x-cache x-content-type-options
x-dns-prefetch-control x-download-options x-forwarded-host x-forwarded-port x-forwarded-proto x-frame-options
x-permitted-cross-domain-policies x-powered-by x-robots-tag x-ua-compatible x-xss-protection accept-encoding accept-charset
proxy-status cdn-loop early-data`

/**
 * :path too: it varies most, and may carry what is worth guessing. Not date: one value lasts for a second,
 * which is thousands of messages or one.
 */
const VOLATILE = `:path age cf-connecting-ip cf-ray content-disposition content-length content-location content-digest
content-range digest etag fastly-client-ip forwarded grpc-timeout idempotency-key if-match if-modified-since
if-none-match if-range if-unmodified-since location range ratelimit-remaining ratelimit-reset
sec-websocket-accept sec-websocket-key server-timing traceparent tracestate true-client-ip x-amz-cf-id
x-amz-id-2 x-amz-request-id x-amzn-trace-id x-amzn-requestid x-b3-spanid x-b3-traceid x-b3-parentspanid
x-cloud-trace-context x-correlation-id x-envoy-upstream-service-time x-forwarded-for x-ratelimit-remaining
x-ratelimit-reset x-real-ip x-request-id x-request-start x-response-time x-runtime x-timer x-trace-id
x-varnish`

/**
 * Names with parts of the pattern that are no secrets, and those of which one value is often seen again soon:
 * the page that asks for its parts, the release that all files of a site share. To index them takes 14 % off
 * a long set of requests (`fb-req` of the QPACK vectors, without cookies).
 */
const ADAPTIVE = `accept accept-language access-control-request-headers access-control-request-method allow content-md5
content-security-policy content-security-policy-report-only date expect expires grpc-message host
last-modified link origin proxy-authenticate referer retry-after sec-ch-ua sec-ch-ua-mobile
sec-ch-ua-platform sec-websocket-extensions sec-websocket-protocol sec-websocket-version trailer user-agent
www-authenticate x-requested-with x-served-by`

const known = new Map<string, FieldName>()
for (const [names, fieldClass] of [
  [[...STATIC_NAMES.slice(1), ...QPACK_STATIC_NAMES].join(' '), 'adaptive'], // later entries win
  [ADAPTIVE, 'adaptive'],
  [VOLATILE, 'volatile'],
  [STABLE, 'stable'],
  [FORBIDDEN, 'forbidden'],
  [SECRET, 'secret'],
] as const) {
  for (const name of names.split(/\s+/)) known.set(name, { name, fieldClass, isListed: true })
}

/**
 * Names of others: the pattern takes 0.1 microseconds, and an application has the same few again and again.
 */
const others = new Map<string, FieldName>()
const MAX_OTHERS = 256
const MAX_OTHER_LENGTH = 64

/** The class of a name in lower case. */
export function fieldName(name: string): FieldName {
  return known.get(name) ?? others.get(name) ?? describe(name)
}

function describe(name: string): FieldName {
  const fieldClass = SECRET_PATTERN.test(name) ? 'secret' : 'adaptive'
  const described: FieldName = { name, fieldClass, isListed: false }
  if (name.length <= MAX_OTHER_LENGTH) {
    // Names come from outside: when there are too many it begins again.
    if (others.size >= MAX_OTHERS) others.clear()
    others.set(name, described)
  }
  return described
}

/** The classes of HPACK's static table, by index. */
export const STATIC_CLASSES: readonly FieldClass[] = STATIC_NAMES.map(name => fieldName(name).fieldClass)

/** The classes of QPACK's static table, by index. */
export const QPACK_STATIC_CLASSES: readonly FieldClass[] = QPACK_STATIC_NAMES.map(
  name => fieldName(name).fieldClass,
)
