/**
 * The path of a request, as routes read it and as it goes on: what is matched is what is sent.
 *
 * 1. Escapes of unreserved characters are undone, and others written in upper case (RFC 3986 6.2.2).
 * 2. Segments `.` and `..` are resolved (RFC 3986 5.2.4), escaped ones too.
 *
 * What has no path of its own is refused: one that leads above the root, and one with an escaped NUL, which
 * servers in C cut off there.
 */
export interface NormalizedPath {
  /** Without the query. */
  readonly path: string
  /**
   * What a server may take it for that undoes escaped slashes and backslashes, merges slashes, or drops
   * parameters of segments. Undefined: the same.
   */
  readonly loosePath: string | undefined
}

/** A string: why it is refused. */
export function normalizePath(path: string): NormalizedPath | string {
  if (!path.startsWith('/') || isPlain(path)) return { path, loosePath: undefined }
  const unescaped = path.includes('%') ? path.replace(/%([0-9A-Fa-f]{2})/g, unescapeUnreserved) : path
  if (unescaped.includes('%00')) return 'an escaped NUL in the path'
  const resolved = resolveDots(unescaped)
  if (resolved === undefined) return 'the path leads above its root'
  const loosened = loosen(resolved)
  if (loosened === resolved) return { path: resolved, loosePath: undefined }
  const loosePath = resolveDots(loosened)
  if (loosePath !== loosened) return 'a path with hidden dot segments'
  return { path: resolved, loosePath }
}

/** A cheap look, as nearly all paths are plain: no escape, no dot segment, one slash at a time. */
function isPlain(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code === PERCENT || code === BACKSLASH || code === SEMICOLON) return false
    if (code !== SLASH) continue
    const next = path.charCodeAt(i + 1)
    if (next === SLASH || next === DOT) return false
  }
  return true
}

const PERCENT = 0x25
const DOT = 0x2e
const SLASH = 0x2f
const SEMICOLON = 0x3b
const BACKSLASH = 0x5c

function unescapeUnreserved(escape: string, hex: string): string {
  const char = String.fromCharCode(Number.parseInt(hex, 16))
  return /[A-Za-z0-9._~-]/.test(char) ? char : escape.toUpperCase()
}

/** Undefined: it leads above the root. */
function resolveDots(path: string): string | undefined {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.slice(1).split('/')
  for (const [index, segment] of segments.entries()) {
    if (segment !== '.' && segment !== '..') {
      kept.push(segment)
      continue
    }
    if (segment === '..' && kept.pop() === undefined) return undefined
    if (index === segments.length - 1) kept.push('')
  }
  return `/${kept.join('/')}`
}

function loosen(path: string): string {
  return path
    .replace(/%2F|%5C|\\/g, '/')
    .replace(/;[^/]*/g, '')
    .replace(/\/{2,}/g, '/')
}
