/**
 * How long the server said that its ticket lives. Node hands out a TLS session as the DER of OpenSSL's SSL_SESSION_ASN1
 * (ssl/ssl_asn1.c) and tells nothing about it; the hint (RFC 8446 4.6.1 ticket_lifetime) stands in its field [9], in seconds.
 */
const SEQUENCE = 0x30
const INTEGER = 0x02
/** Context-specific, constructed, number 9: tlsext_tick_lifetime_hint. */
const LIFETIME_HINT = 0xa9

/** Milliseconds, or undefined when there is no hint or the bytes are not what we know. */
export function sessionLifetimeMs(session: Uint8Array): number | undefined {
  const outer = readElement(session, 0, session.length)
  if (outer?.tag !== SEQUENCE) return undefined
  let at = outer.start
  while (at < outer.end) {
    const field = readElement(session, at, outer.end)
    if (field === undefined) return undefined
    if (field.tag === LIFETIME_HINT) {
      const hint = readElement(session, field.start, field.end)
      if (hint?.tag !== INTEGER || hint.end === hint.start || hint.end - hint.start > 5) return undefined
      let seconds = 0
      for (let i = hint.start; i < hint.end; i++) seconds = seconds * 256 + (session[i] ?? 0)
      return seconds * 1000
    }
    at = field.end
  }
  return undefined
}

interface Element {
  readonly tag: number
  /** Where the contents begin and end. */
  readonly start: number
  readonly end: number
}

/** One DER element with a one-byte tag; undefined when it does not fit into what is there. */
function readElement(bytes: Uint8Array, at: number, limit: number): Element | undefined {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) return undefined
  let start = at + 2
  let length = first
  if (first >= 0x80) {
    const lengthBytes = first - 0x80
    if (lengthBytes === 0 || lengthBytes > 4) return undefined
    length = 0
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[start + i] ?? 0)
    start += lengthBytes
  }
  return start + length <= limit ? { tag, start, end: start + length } : undefined
}
