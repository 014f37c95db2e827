import { isToken, TARGET } from '../../../base/http/char-tables.ts'

/**
 * RFC 3986 3.1: a letter, then letters, digits, `+`, `-` and `.`. Other schemes than ours
 * are legal (RFC 9113 8.3.1).
 */
export function isScheme(text: string): boolean {
  return text === 'https' || text === 'http' || /^[a-z][a-z0-9+.-]*$/i.test(text)
}

const SLASH = 0x2f

/**
 * What :path may be: origin-form, or `*` for OPTIONS (RFC 9113 8.3.1). A space in it would be harmless here
 * and end the request line of HTTP/1.1, to which so many hops translate.
 */
export function isPath(text: string, method: string): boolean {
  if (text.charCodeAt(0) !== SLASH) return text === '*' && method === 'OPTIONS'
  let i = 1
  while (i < text.length && TARGET[text.charCodeAt(i)] === 1) i++
  return i === text.length
}

/** What :protocol may be: a token, or two with a slash between them (RFC 9110 7.8). */
export function isProtocol(text: string): boolean {
  const slash = text.indexOf('/')
  return slash < 0 ? isToken(text) : isToken(text.slice(0, slash)) && isToken(text.slice(slash + 1))
}
