import { hasPort, isAuthority, isSameAuthority } from '../../../base/http/authority.ts'
import type { CodecRole } from './codec-failure.ts'
import { codecFailure } from './codec-failure.ts'

/** A request target taken apart. */
export interface RequestTarget {
  readonly scheme: 'http' | 'https' | undefined
  readonly authority: string
  readonly path: string
}

/**
 * Reads a target that is not in origin-form (RFC 9112 3.2), and holds it against Host. By 3.2.2 the authority
 * of an absolute-form beats Host; a recipient behind us may think otherwise, so that the two must agree.
 *  1. CONNECT: authority-form with a port, and nothing else.
 *  2. `*`: OPTIONS only.
 *  3. absolute-form: http or https. An empty path is `/`, or `*` for OPTIONS without a query (3.2.4).
 */
export function parseTarget(
  method: string,
  target: string,
  host: string | undefined,
  role: CodecRole,
): RequestTarget {
  if (method === 'CONNECT') {
    if (!isAuthority(target) || !hasPort(target)) {
      throw codecFailure(role, 'broken', 'the target of CONNECT is not host:port', target)
    }
    // Some clients leave the port out of Host.
    const port = target.slice(target.lastIndexOf(':') + 1)
    if (host !== undefined && !isSameAuthority(host, target, port)) throw disagreement(role, host)
    return { scheme: undefined, authority: target, path: '' }
  }
  if (target === '*') {
    if (method !== 'OPTIONS') throw codecFailure(role, 'broken', 'the target * is for OPTIONS only', method)
    return { scheme: undefined, authority: host ?? '', path: '*' }
  }
  const scheme = hasScheme(target, 'http://') ? 'http' : hasScheme(target, 'https://') ? 'https' : undefined
  if (scheme === undefined) throw codecFailure(role, 'broken', 'a request target of no known form', target)
  const authorityStart = scheme.length + 3
  let authorityEnd = authorityStart
  while (authorityEnd < target.length && target[authorityEnd] !== '/' && target[authorityEnd] !== '?') {
    authorityEnd++
  }
  const authority = target.slice(authorityStart, authorityEnd)
  if (!isAuthority(authority)) {
    throw codecFailure(role, 'broken', 'the authority of the target is not valid', target)
  }
  if (host !== undefined && !isSameAuthority(host, authority, scheme === 'http' ? '80' : '443')) {
    throw disagreement(role, host)
  }
  const rest = target.slice(authorityEnd)
  const path = rest === '' ? (method === 'OPTIONS' ? '*' : '/') : rest.startsWith('?') ? `/${rest}` : rest
  return { scheme, authority: host ?? authority, path }
}

function hasScheme(target: string, prefix: string): boolean {
  return target.length > prefix.length && target.slice(0, prefix.length).toLowerCase() === prefix
}

function disagreement(role: CodecRole, host: string): Error {
  return codecFailure(role, 'broken', 'Host and the authority of the target disagree', host)
}
