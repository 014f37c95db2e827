/**
 * What stands in a TLS session. Node hands one out as the DER of OpenSSL's SSL_SESSION_ASN1 (ssl/ssl_asn1.c)
 * and reports nothing about it. Of its numbered fields these matter here; those that are left out are zero.
 */
const SEQUENCE = 0x30
const INTEGER = 0x02
const OCTETS = 0x04
/** Context-specific, constructed: the field's number is in the low five bits. */
const LIFETIME_HINT = 0xa9
const TICKET = 0xaa
const MAX_EARLY_DATA = 0xaf
const ALPN_SELECTED = 0xb0
/** 32 bits, and the zero that keeps them positive. */
const MAX_INTEGER_BYTES = 5
/**
 * RFC 7301 3.1: a protocol's name has one to 255 bytes. Those that are registered and spoken here are ASCII
 * without control characters.
 */
const MAX_ALPN_BYTES = 255
const FIRST_PRINTABLE = 0x20
const LAST_PRINTABLE = 0x7e

export interface SessionFacts {
  /** RFC 8446 4.6.1 ticket_lifetime, RFC 5077 3.3 ticket_lifetime_hint. Undefined: there is none. */
  readonly lifetimeSeconds: number | undefined
  /** False: the server keeps the session itself, under an id. */
  readonly hasTicket: boolean
  /** RFC 8446 4.2.10 max_early_data_size. */
  readonly maxEarlyDataBytes: number
  /**
   * The protocol that the full handshake chose by ALPN. Early data is good for no other one (RFC 8446
   * 4.2.10), and what a resumed connection chooses does not change it: OpenSSL carries the first one over
   * into the tickets to come. Undefined: there was none, or it is no plain ASCII.
   */
  readonly alpn: string | undefined
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Reads as far as it can: bytes that are not what we know end the reading. */
export function sessionFacts(given: Uint8Array): SessionFacts {
  const session = bareSession(given)
  const facts: Mutable<SessionFacts> = {
    lifetimeSeconds: undefined,
    hasTicket: false,
    maxEarlyDataBytes: 0,
    alpn: undefined,
  }
  const outer = readElement(session, 0, session.length)
  if (outer?.tag !== SEQUENCE) return facts
  let at = outer.start
  while (at < outer.end) {
    const field = readElement(session, at, outer.end)
    if (field === undefined) return facts
    if (field.tag === LIFETIME_HINT) facts.lifetimeSeconds = readInteger(session, field)
    else if (field.tag === MAX_EARLY_DATA) facts.maxEarlyDataBytes = readInteger(session, field) ?? 0
    else if (field.tag === TICKET) facts.hasTicket = isFilled(session, field)
    else if (field.tag === ALPN_SELECTED) facts.alpn = readName(session, field)
    at = field.end
  }
  return facts
}

interface Element {
  readonly tag: number
  /** Where the contents begin and end. */
  readonly start: number
  readonly end: number
}

function readInteger(session: Uint8Array, { start, end }: Element): number | undefined {
  const integer = readElement(session, start, end)
  if (integer?.tag !== INTEGER || integer.end === integer.start) return undefined
  if (integer.end - integer.start > MAX_INTEGER_BYTES) return undefined
  let value = 0
  for (let i = integer.start; i < integer.end; i++) value = value * 256 + (session[i] ?? 0)
  return value
}

function isFilled(session: Uint8Array, { start, end }: Element): boolean {
  const octets = readElement(session, start, end)
  return octets?.tag === OCTETS && octets.end > octets.start
}

function readName(session: Uint8Array, { start, end }: Element): string | undefined {
  const octets = readElement(session, start, end)
  if (octets?.tag !== OCTETS || octets.end === octets.start) return undefined
  if (octets.end - octets.start > MAX_ALPN_BYTES) return undefined
  const name = session.subarray(octets.start, octets.end)
  if (!name.every(byte => byte >= FIRST_PRINTABLE && byte <= LAST_PRINTABLE)) return undefined
  return String.fromCharCode(...name)
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

/**
 * A session has two forms. OpenSSL's own is DER (SSL_SESSION_ASN1); so node:tls hands it out, too, and takes
 * it. Newer releases of Node (seen in 22.23 and 24.21) put the name in front that it was made for, and take
 * no other form for a connection that is to be verified: DER alone is ignored without a word, and the
 * handshake is a full one. What node:tls does is not documented, so that it is learned from what comes.
 */
const PREFIX = Buffer.from('\0nodejs:tls:session:1\0', 'latin1')
const LENGTH_BYTES = 2
const MAX_NAME_BYTES = 0xffff

/** OpenSSL's own form of a session, in either form. What is neither is left as it is. */
export function bareSession<T extends Uint8Array>(session: T): T {
  if (!isNamed(session)) return session
  const [high = 0, low = 0] = session.subarray(PREFIX.length)
  const start = PREFIX.length + LENGTH_BYTES + high * 256 + low
  // as: a part of what it was
  return session.length < start ? session : (session.subarray(start) as T)
}

function isNamed(session: Uint8Array): boolean {
  if (session.length < PREFIX.length + LENGTH_BYTES) return false
  return PREFIX.every((byte, at) => session[at] === byte)
}

function withName(der: Buffer, name: string): Buffer {
  const bytes = Buffer.from(name, 'utf8').subarray(0, MAX_NAME_BYTES)
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([PREFIX, length, bytes, der])
}

/**
 * Makes sessions of node:tls and of our own TLS client interchangeable: both put theirs into one store. The
 * name in front is no matter of trust to us, since the key that a session lies under covers it (peer-key.ts);
 * it only must be what this Node expects.
 */
export class SessionForms {
  #nodeWantsName = false

  /** A session that node:tls gave. */
  learn(session: Buffer): void {
    if (isNamed(session)) this.#nodeWantsName = true
  }

  /**
   * For tls.connect(). `name`: what node:tls takes the connection to be for, which is its `servername`, else
   * its `host`, else `localhost`. Before node:tls has given any session, one of our own client goes as it is:
   * then the first handshake of a process may be a full one.
   */
  forNode(session: Buffer, name: string): Buffer {
    return this.#nodeWantsName && !isNamed(session) ? withName(session, name) : session
  }
}
