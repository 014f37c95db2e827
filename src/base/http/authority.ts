import { classOf, HOST_NAME, IPV6 } from './char-tables.ts'

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
