import { isIP } from 'node:net'

/** What a browser says of a request, and of the page that made it. */
export interface AskedBy {
  readonly method: string
  readonly path: string
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly site: string | undefined
}

/** Monitors ask for these by whatever name they know, and a page that reads them learns little. */
const ANSWERED_TO_ANY_NAME: ReadonlySet<string> = new Set(['/metrics', '/healthz', '/readyz'])

/**
 * Why a request may come from a page of another site, in a browser that reaches us; undefined: it does not.
 * `ownHost` is the host of `admin.address`.
 *
 * 1. No CORS check applies to a plain POST. Browsers name the page's origin with it, and `null` where they
 *    hide that. Fetch Metadata tell the same, but go to https and to loopback only. Other clients send
 *    neither.
 * 2. A page may have its own name point to our address (DNS rebinding), and is of the same origin then. What
 *    it cannot have is an address, localhost, or a name that is the operator's.
 */
export function foreignBecause(
  { method, path, host, origin, site }: AskedBy,
  ownHost: string,
): string | undefined {
  const isReading = method !== 'POST'
  const asked = host === undefined ? undefined : parsed(`http://${host}`)
  if (!isReading) {
    const isOtherSite = site !== undefined && site !== 'same-origin' && site !== 'none'
    const isOtherOrigin = origin !== undefined && (asked === undefined || parsed(origin)?.host !== asked.host)
    if (isOtherSite || isOtherOrigin) return 'not from another site' // 1
  }
  // HTTP/1.0 may name no host; browsers always do.
  if (host === undefined || (isReading && ANSWERED_TO_ANY_NAME.has(path))) return undefined
  return asked !== undefined && isOurs(asked.hostname, ownHost)
    ? undefined
    : `ask by an IP address, as localhost, or by the name in admin.address, not as ${JSON.stringify(host)}` // 2
}

function isOurs(hostname: string, ownHost: string): boolean {
  const isAddress = isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0
  return isAddress || hostname === 'localhost' || hostname === ownHost.toLowerCase()
}

function parsed(url: string): URL | undefined {
  try {
    return new URL(url)
  } catch {
    return undefined
  }
}
