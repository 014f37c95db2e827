import { TransportError } from '../errors.ts'
import { classOf, HOST_NAME, IPV6 } from './char-tables.ts'

/**
 * scheme + host + port (RFC 6454), normalised: two origins are the same exactly when their keys are.
 *
 * @example
 * ```ts
 * const origin: Origin = parseOrigin('https://origin.example:8443/path')
 * console.log(origin.key) // https://origin.example:8443
 * ```
 */
export interface Origin {
  readonly scheme: 'http' | 'https'
  /** Lower case, IDNA form; an IPv6 literal without brackets. */
  readonly host: string
  readonly port: number
  /** `https://example.com:8443`; the default port is left out. With `egress` that stands behind it. */
  readonly key: string
  /** What Host and :authority carry: host[:port], brackets around IPv6, the default port left out. */
  readonly authority: string
  /** 4 or 6 when the host is an IP literal, else 0. */
  readonly ipFamily: 0 | 4 | 6
  /** The way out of its connections, whatever its options say: see throughEgress(). */
  readonly egress?: string | undefined
}

const DEFAULT_PORTS = { http: 80, https: 443 } as const

/**
 * Reads the origin out of an absolute URL. Throws MM_INVALID_ARGUMENT on another scheme or on what URL
 * refuses.
 *
 * @example
 * ```ts
 * const load = transport.load(parseOrigin('https://origin.example'))
 * ```
 */
export function parseOrigin(url: string | URL): Origin {
  let parsed: URL
  try {
    parsed = typeof url === 'string' ? new URL(url) : url
  } catch (cause) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `not an absolute URL: ${JSON.stringify(String(url).slice(0, 200))}`,
      { cause },
    )
  }
  const scheme = parsed.protocol.slice(0, -1)
  if (scheme !== 'http' && scheme !== 'https') {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `origin must be http or https, not ${JSON.stringify(scheme)}`,
    )
  }
  if (parsed.hostname === '') throw new TransportError('MM_INVALID_ARGUMENT', 'the URL has no host')
  const host = parsed.hostname.startsWith('[') ? parsed.hostname.slice(1, -1) : parsed.hostname
  // The URL parser has normalised every spelling of an IPv4 address (WHATWG URL 3.5), so that this test is
  // enough.
  const ipFamily = parsed.hostname.startsWith('[') ? 6 : /^\d+\.\d+\.\d+\.\d+$/.test(host) ? 4 : 0
  const port = parsed.port === '' ? DEFAULT_PORTS[scheme] : Number(parsed.port)
  const authority = parsed.host // URL leaves the default port out and lower-cases the host
  return { scheme, host, port, key: `${scheme}://${authority}`, authority, ipFamily }
}

/**
 * The origin as it is reached through another egress than its options name. Its pools, tickets and records
 * are its own; `protection.maxConnections` is a ceiling of both together.
 *
 * @example
 * ```ts
 * const origin = throughEgress(parseOrigin('https://origin.example'), 'bulk')
 * console.log(await transport.explain(origin))
 * ```
 */
export function throughEgress(origin: Origin, egress: string): Origin {
  return { ...origin, egress, key: `${originUrl(origin)} (egress ${egress})` }
}

/**
 * `https://example.com:8443`, however it is reached.
 *
 * @example
 * ```ts
 * const origin = throughEgress(parseOrigin('https://origin.example/path'), 'bulk')
 * console.log(originUrl(origin)) // https://origin.example
 * ```
 */
export function originUrl({ scheme, authority }: Origin): string {
  return `${scheme}://${authority}`
}

const COLON = 0x3a
const OPEN_BRACKET = 0x5b

/**
 * Whether the text is `host[:port]` that can be connected to: a registered name or IPv4 address of unreserved
 * characters, or an IPv6 literal in brackets; a port, if there is a colon, of 1 to 65535. No userinfo (RFC
 * 9110 4.2.4).
 */
export function isAuthority(text: string): boolean {
  let pos = 0
  if (text.charCodeAt(0) === OPEN_BRACKET) {
    pos = text.indexOf(']')
    if (pos < 3) return false
    for (let i = 1; i < pos; i++) if (!isIn(IPV6, text.charCodeAt(i))) return false
    pos++
  } else {
    while (pos < text.length && isIn(HOST_NAME, text.charCodeAt(pos))) pos++
    if (pos === 0) return false
  }
  return pos === text.length || (text.charCodeAt(pos) === COLON && isPort(text, pos + 1))
}

/** Whether an authority has a port. */
export function hasPort(authority: string): boolean {
  return authority.lastIndexOf(':') > authority.lastIndexOf(']')
}

/** Whether two authorities name the same host and port, where `defaultPort` may be left out. */
export function isSameAuthority(a: string, b: string, defaultPort: string): boolean {
  return a === b || normalized(a, defaultPort) === normalized(b, defaultPort)
}

function normalized(authority: string, defaultPort: string): string {
  const lower = authority.toLowerCase()
  return lower.endsWith(`:${defaultPort}`) ? lower.slice(0, -defaultPort.length - 1) : lower
}

function isPort(text: string, start: number): boolean {
  if (text.length === start || text.length > start + 5) return false
  let port = 0
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return false
    port = port * 10 + digit
  }
  return port >= 1 && port <= 65_535
}

function isIn(table: Uint8Array, code: number): boolean {
  return code < 256 && classOf(table, code) !== 0
}
