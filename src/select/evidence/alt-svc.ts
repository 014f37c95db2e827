import { classOf, HEX_PLUS_ONE, HTAB, isToken, VALUE } from '../../base/http/char-tables.ts'
import { hasPort, isAuthority, parseOrigin } from '../../base/http/origin.ts'

/**
 * Alt-Svc (RFC 7838 section 3): `clear`, or a list of alternatives.
 *
 *     h3=":443"; ma=86400; persist=1, h2="alt.example:8443"
 *
 * A list is cut at its commas first, minding quoted strings, so that an entry that is wrong costs nobody but
 * itself. Where a quoted string has no end nobody can tell where the entries begin, and the value as a whole
 * is refused. Chromium refuses the whole value in both cases; here the sender is an origin that somebody runs
 * on purpose, and the wrong entry is usually for a protocol that we do not speak.
 */
export type AltSvcHeader =
  /** All alternatives of the origin are void. */
  | { readonly clears: true }
  /** In the order in which the origin likes them; never empty. */
  | { readonly clears: false; readonly alternatives: readonly AltSvcEntry[] }

export interface AltSvcEntry {
  /** By its ALPN name, percent-decoded; one character per byte. */
  readonly protocolId: string
  /** Lower case, without brackets and without a dot at the end; `''`: the origin's own. */
  readonly host: string
  readonly port: number
  /** Of the response: what a cache took for storing it counts, too (RFC 7838 3.1). */
  readonly maxAgeSeconds: number
  /** Stays good when the network changes. */
  readonly persists: boolean
}

/** What an origin needs has a few dozen characters; a peer wrote it, so that it is bounded. */
export const MAX_ALT_SVC_CHARS = 4096
/** Entries after these are not looked at. */
const MAX_ALT_SVC_ENTRIES = 16
/** RFC 7838 3.1: 24 hours where nothing is said. */
const DEFAULT_MAX_AGE_SECONDS = 86_400
/** Nobody knows today what runs on a port in a year. */
const MAX_MAX_AGE_SECONDS = 30 * 86_400
/** RFC 1035 2.3.4. */
const MAX_HOST_CHARS = 253

/**
 * Reads the value of an Alt-Svc field or frame; several field lines come joined by commas. Undefined: it says
 * nothing that can be used, and what was advertised before stands. Never throws.
 */
export function parseAltSvc(value: string): AltSvcHeader | undefined {
  if (value.length > MAX_ALT_SVC_CHARS) return undefined
  const members = split(value, ',')
  if (members === undefined) return undefined
  // Empty members are legal and mean nothing (RFC 9110 5.6.1.2).
  const written = members.map(trim).filter(member => member !== '')
  // Case-sensitive (RFC 7838 section 3). Twice is what two field lines make of it; beside others it is an
  // entry that is wrong.
  if (written.length > 0 && written.every(member => member === 'clear')) return { clears: true }
  const alternatives = written
    .slice(0, MAX_ALT_SVC_ENTRIES)
    .map(parseEntry)
    .filter(entry => entry !== undefined)
  return alternatives.length === 0 ? undefined : { clears: false, alternatives }
}

function parseEntry(member: string): AltSvcEntry | undefined {
  const [alternative = '', ...parameters] = split(member, ';') ?? []
  const named = readPair(trim(alternative))
  if (named === undefined || !named.isQuoted) return undefined
  const protocolId = percentDecode(named.name)
  const authority = readAuthority(named.value)
  if (protocolId === undefined || authority === undefined) return undefined
  let maxAgeSeconds = DEFAULT_MAX_AGE_SECONDS
  let persists = false
  for (const parameter of parameters) {
    const pair = readPair(trim(parameter))
    if (pair === undefined) return undefined
    const name = pair.name.toLowerCase() // RFC 9110 5.6.6. Of a repeated one the last counts, as in Chromium.
    if (name === 'persist') persists = pair.value === '1' // 3.1: other values are ignored
    if (name !== 'ma') continue
    if (!/^\d+$/.test(pair.value)) return undefined
    maxAgeSeconds = Math.min(Number(pair.value), MAX_MAX_AGE_SECONDS)
  }
  return { protocolId, ...authority, maxAgeSeconds, persists }
}

/** `token=token` or `token="quoted string"`; no whitespace around the `=`. */
function readPair(text: string): { name: string; value: string; isQuoted: boolean } | undefined {
  const equals = text.indexOf('=')
  const name = text.slice(0, Math.max(equals, 0))
  if (!isToken(name)) return undefined
  const raw = text.slice(equals + 1)
  if (isToken(raw)) return { name, value: raw, isQuoted: false }
  const value = unquote(raw)
  return value === undefined ? undefined : { name, value, isQuoted: true }
}

/** RFC 9110 5.6.4. */
function unquote(raw: string): string | undefined {
  if (raw.length < 2 || !raw.startsWith('"') || !raw.endsWith('"')) return undefined
  let value = ''
  for (let i = 1; i < raw.length - 1; i++) {
    if (raw[i] === '"') return undefined
    if (raw[i] === '\\' && ++i === raw.length - 1) return undefined // the last quotation mark is escaped
    const code = raw.charCodeAt(i)
    if (code > 0xff || classOf(VALUE, code) === 0) return undefined
    value += raw.charAt(i)
  }
  return value
}

/** `[host]:port`: the host may be left out, the port may not. */
function readAuthority(text: string): { host: string; port: number } | undefined {
  const isOwnHost = text.startsWith(':')
  const full = isOwnHost ? `x${text}` : text
  if (!isAuthority(full) || !hasPort(full)) return undefined
  const port = Number(text.slice(text.lastIndexOf(':') + 1))
  if (isOwnHost) return { host: '', port }
  try {
    // As every origin is normalised: an IPv4 address in one spelling, IPv6 shortened. Throws for what is no
    // address after all.
    const host = parseOrigin(`https://${full}`).host.replace(/\.$/, '')
    return host === '' || host.length > MAX_HOST_CHARS ? undefined : { host, port }
  } catch {
    return undefined
  }
}

/** RFC 7838 section 3: what is no token character in an ALPN name is percent-encoded. */
function percentDecode(token: string): string | undefined {
  let decoded = ''
  for (let i = 0; i < token.length; i++) {
    if (token[i] !== '%') {
      decoded += token.charAt(i)
      continue
    }
    const high = hexValue(token, ++i)
    const low = hexValue(token, ++i)
    if (high < 0 || low < 0) return undefined
    decoded += String.fromCharCode(high * 16 + low)
  }
  return decoded
}

/** -1: none, or behind the end. */
function hexValue(token: string, index: number): number {
  return index < token.length ? classOf(HEX_PLUS_ONE, token.charCodeAt(index)) - 1 : -1
}

/** Cuts at a separator outside of quoted strings. Undefined: a quoted string has no end. */
function split(text: string, separator: ',' | ';'): string[] | undefined {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (isQuoted) {
      if (character === '\\') i++
      else if (character === '"') isQuoted = false
    } else if (character === '"') isQuoted = true
    else if (character === separator) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  if (isQuoted) return undefined
  parts.push(text.slice(start))
  return parts
}

/** Optional whitespace is spaces and tabs (RFC 9110 5.6.3), and nothing else that String.trim would take. */
function trim(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isOws(text, start)) start++
  while (end > start && isOws(text, end - 1)) end--
  return text.slice(start, end)
}

function isOws(text: string, index: number): boolean {
  const code = text.charCodeAt(index)
  return code === 0x20 || code === HTAB
}
