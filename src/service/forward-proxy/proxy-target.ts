import { isIP } from 'node:net'
import { type Origin, parseOrigin } from '../../index.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import type { UdpTemplate } from '../../masque/udp-template.ts'

/** How a target is spoken to. `connect`: whatever goes through a tunnel; `udp`: the same of datagrams. */
export type TargetKind = 'http' | 'https' | 'connect' | 'udp'

/** What a request to a forward proxy names. */
export interface ProxyTarget {
  readonly kind: TargetKind
  /** Of a tunnel: of what is likely to be in it, for logs. */
  readonly origin: Origin
}

/** No name of the DNS is longer (RFC 1035 2.3.4); a port and brackets come on top. */
const MAX_AUTHORITY_LENGTH = 261

/** One dot at the end makes a name absolute. */
const HAS_EMPTY_LABEL = /^\.|\.\./

/**
 * Reads the target of a request: absolute-form (RFC 9112 3.2.2), `:scheme` and `:authority`, or the host:port
 * of CONNECT. Its host has to be written as it is read: an address in the notations that inet_aton takes
 * (`127.1`, `0x7f000001`, `017700000001`), or one of IPv6 that could be shorter, is nobody's habit and a way
 * around lists. A string: why it is none.
 */
export function readProxyTarget({
  method,
  targetScheme,
  authority,
}: Pick<IngressExchange, 'method' | 'targetScheme' | 'authority'>): ProxyTarget | string {
  const kind = method === 'CONNECT' ? 'connect' : targetScheme
  if (kind === undefined)
    return 'the request names no origin: a proxy takes http://host/path, https://host/path and CONNECT host:port'
  return targetAt(kind, authority)
}

/** The target of a CONNECT-UDP (RFC 9298 2), as the template has it in the path of the request. */
export function readUdpTarget(path: string, template: UdpTemplate): ProxyTarget | string {
  const named = template.match(path)
  if (named === undefined) return `the path of a CONNECT-UDP is ${template.text} here`
  if (typeof named === 'string') return named
  const { host, port } = named
  return targetAt('udp', isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`)
}

function targetAt(kind: TargetKind, authority: string): ProxyTarget | string {
  if (authority.length > MAX_AUTHORITY_LENGTH) return 'the host of the target is longer than any name'
  let origin: Origin
  try {
    origin = parseOrigin(`${kind === 'http' ? kind : 'https'}://${authority}`)
  } catch {
    return 'the host of the target is neither a name nor an address'
  }
  const host = origin.ipFamily === 6 ? `[${origin.host}]` : origin.host
  const written = authority.toLowerCase().replace(/:\d+$/, '')
  if (HAS_EMPTY_LABEL.test(host)) return 'the host of the target has an empty label'
  if (written !== host) return `the host of the target is not in its usual form, ${host}`
  return { kind, origin }
}
