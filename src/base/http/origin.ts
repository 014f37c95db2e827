import { TransportError } from '../errors.ts'

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
  /** `https://example.com:8443`; the default port is left out. */
  readonly key: string
  /** What Host and :authority carry: host[:port], brackets around IPv6, the default port left out. */
  readonly authority: string
  /** 4 or 6 when the host is an IP literal, else 0. */
  readonly ipFamily: 0 | 4 | 6
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
