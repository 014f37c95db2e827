/**
 * What one label may hold: printable ASCII without the dot, which would read as two labels once the name is
 * text.
 */
const LABEL = /^[!-\-/-~]{1,63}$/
/** 255 bytes on the wire (RFC 1035 3.1) are a length byte per label, and the root. */
const MAX_NAME_CHARS = 253

/**
 * Top-level names that never reach the DNS, and who says so. `.test` may be served locally (RFC 6761 6.2).
 */
const NEVER_ASKED: ReadonlyMap<string, string> = new Map([
  ['localhost', 'RFC 6761 6.3'],
  ['invalid', 'RFC 6761 6.4'],
  ['local', 'RFC 6762'],
  ['onion', 'RFC 7686'],
  ['alt', 'RFC 9476'],
])

/**
 * Lower case, without the dot at the end; the root stays `.`. Only ASCII changes its case (RFC
 * 4343).
 */
export function normalName(name: string): string {
  const lower = name.replace(/[A-Z]+/g, letters => letters.toLowerCase())
  return lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/** Whether a normal name fits into a DNS message and means there what it means here. Not the root. */
export function isDnsName(name: string): boolean {
  return name.length <= MAX_NAME_CHARS && name.split('.').every(label => LABEL.test(label))
}

/** Why the DNS is not asked about a normal name, or undefined. */
export function neverAskedBecause(name: string): string | undefined {
  const last = name.slice(name.lastIndexOf('.') + 1)
  // A host whose last label is a number is an IPv4 address or nothing (WHATWG URL 3.5).
  if (name.includes(':') || /^\d+$/.test(last)) return `${name} is an address`
  const rule = NEVER_ASKED.get(last)
  if (rule !== undefined) return `.${last} is not asked of the DNS (${rule})`
  return isDnsName(name) ? undefined : `${JSON.stringify(name.slice(0, 80))} is no name for the DNS`
}

/**
 * Where the HTTPS records of `https://host:port` are (RFC 9460 9.1): ports other than 443 are in front of the
 * name.
 */
export function serviceQueryName(host: string, port: number): string {
  return port === 443 ? normalName(host) : `_${port}._https.${normalName(host)}`
}
