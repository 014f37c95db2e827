import type { ErrorCode } from '../../base/error-codes.ts'
import { TransportError } from '../../base/errors.ts'
import { formatTarget, type TunnelTarget } from './connect-codec.ts'

/** What the refusal of a proxy says, and of whom: the proxy, or what lies behind it. */

/** 407 by RFC 9110 15.5.8; tinyproxy answers 401 to credentials that are wrong. */
const UNAUTHORIZED: ReadonlySet<number> = new Set([401, 407])

/**
 * A CONNECT that was answered by another status than 2xx. A 5xx speaks of the way from the proxy to the
 * origin (RFC 9110 15.6), a 4xx of the rules of the proxy.
 */
export function connectRefusal(
  proxy: string,
  target: TunnelTarget,
  status: number,
  reason: string,
): TransportError {
  const answer = reason === '' ? String(status) : `${status} ${reason}`
  const at = formatTarget(target)
  if (UNAUTHORIZED.has(status))
    return new TransportError(
      'MM_PROXY_AUTH',
      `the proxy ${proxy} asks for other credentials, or any (${answer})`,
    )
  if (status < 500)
    return new TransportError('MM_PROXY_REFUSED', `the proxy ${proxy} refused a tunnel to ${at} (${answer})`)
  const code = status === 504 ? 'MM_CONNECT_TIMEOUT' : 'MM_CONNECT_FAILED'
  return new TransportError(code, `the proxy ${proxy} could not reach ${at} (${answer})`)
}

/** What a reply of RFC 1928 section 6 says of the origin; of the proxy where it is none of these. */
const ORIGIN_REPLIES: Readonly<Record<number, ErrorCode>> = {
  1: 'MM_CONNECT_FAILED',
  3: 'MM_CONNECT_FAILED',
  4: 'MM_CONNECT_FAILED',
  5: 'MM_CONNECT_REFUSED',
  6: 'MM_CONNECT_TIMEOUT',
}

export function socksRefusal(
  proxy: string,
  target: TunnelTarget,
  reply: number,
  because: string,
): TransportError {
  const code = ORIGIN_REPLIES[reply]
  const at = formatTarget(target)
  return code === undefined
    ? new TransportError('MM_PROXY_REFUSED', `the proxy ${proxy} refused a tunnel to ${at}: ${because}`)
    : new TransportError(code, `the proxy ${proxy} could not reach ${at}: ${because}`)
}

const OF_THE_PROXY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MM_PROXY_FAILED',
  'MM_PROXY_TIMEOUT',
  'MM_PROXY_AUTH',
])

/** Whether it speaks against the proxy, for any origin. */
export function isProxyFault({ code }: TransportError): boolean {
  return OF_THE_PROXY.has(code)
}
