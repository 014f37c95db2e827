import { isAuthority } from '../../../base/http/authority.ts'

/** A scheme, a name of 253 characters and a port fit well. */
const MAX_ORIGIN_CHARS = 300

/**
 * Whether the text is the ASCII serialization of an origin that we could have (RFC 6454 6.2): http or https,
 * lower case, no path.
 */
export function isSerializedOrigin(text: string): boolean {
  if (text.length > MAX_ORIGIN_CHARS) return false
  const authorityAt = text.startsWith('https://') ? 8 : text.startsWith('http://') ? 7 : -1
  return authorityAt > 0 && text === text.toLowerCase() && isAuthority(text.slice(authorityAt))
}
