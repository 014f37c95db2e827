/** Character classes of RFC 9110 and RFC 3986 as byte tables: one load answers for any byte. */

export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const COLON = 0x3a
export const SEMICOLON = 0x3b

const ALPHA = 'abcdefghijklmnopqrstuvwxyz'
const DIGIT = '0123456789'

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = character.charCodeAt(0)
  return table
}

/** tchar (RFC 9110 5.6.2): the byte itself, or 0 for what no token has. */
export const TOKEN = tableOf(`${ALPHA}${ALPHA.toUpperCase()}${DIGIT}!#$%&'*+-.^_\`|~`)

/** The same with upper case folded: what a field name is read through. */
export const TOKEN_LOWER = TOKEN.map(byte => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte))

/** The same without upper case: what a field name of ours is checked against. */
export const TOKEN_LOWER_ONLY = TOKEN.map(byte => (byte >= 0x41 && byte <= 0x5a ? 0 : byte))

/** What a field value may have (RFC 9110 5.5): HTAB, SP, VCHAR, obs-text. */
export const VALUE = new Uint8Array(256).map((_, byte) =>
  byte === HTAB || (byte >= SP && byte !== 0x7f) ? 1 : 0,
)

/**
 * A request target: visible ASCII without `#`. RFC 3986 has fewer characters, but browsers send `|`, `"` and
 * their like raw in queries and every server takes them. A fragment never belongs on the wire, and servers
 * disagree on where it starts (CVE-2023-45539), so that one is refused.
 */
export const TARGET = new Uint8Array(256).map((_, byte) =>
  byte > 0x20 && byte < 0x7f && byte !== 0x23 ? 1 : 0,
)

/**
 * What a registered name in an authority may have: the unreserved characters of RFC 3986 2.3. Its sub-delims
 * and percent-encoding are legal too, but no resolver takes them and `,` or `;` in a Host is how caches are
 * confused.
 */
export const HOST_NAME = tableOf(`${ALPHA}${ALPHA.toUpperCase()}${DIGIT}-._~`)

/** Within the brackets of an IPv6 literal. */
export const IPV6 = tableOf(`${DIGIT}abcdefABCDEF:.`)

/** The value of a hexadecimal digit plus one, or 0. */
export const HEX_PLUS_ONE = new Uint8Array(256).map((_, byte) => {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30 + 1
  const lower = byte | 0x20
  return byte < 0x80 && lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 11 : 0
})

/** The entry for a byte. */
export function classOf(table: Uint8Array, byte: number): number {
  return table[byte] as number // the tables have 256 entries and a byte has no other values
}

/** The byte at an index that the caller has checked. */
export function byteAt(buffer: Uint8Array, index: number): number {
  return buffer[index] as number // index < length
}

/** Whether the text is a token. */
export function isToken(text: string): boolean {
  if (text.length === 0) return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f || classOf(TOKEN, code) === 0) return false
  }
  return true
}
