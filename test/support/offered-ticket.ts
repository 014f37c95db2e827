/** What a ClientHello says of tickets. */
export interface OfferedTicket {
  /** The first ticket that it offers, in hexadecimal. */
  readonly identity: string
  /** It says that early data follows. */
  readonly isEarly: boolean
}

/** RFC 8446 4.2 */
const PRE_SHARED_KEY = 41
const EARLY_DATA = 42

/** Reads a ClientHello that is whole, at the beginning of a connection. Undefined: it offers no ticket. */
export function offeredTicket(bytes: Buffer): OfferedTicket | undefined {
  // Record header 5, handshake header 4, legacy_version 2, random 32 (RFC 8446 4.1.2).
  let at = 5 + 4 + 2 + 32
  at += 1 + bytes.readUInt8(at) // legacy_session_id
  at += 2 + bytes.readUInt16BE(at) // cipher_suites
  at += 1 + bytes.readUInt8(at) // legacy_compression_methods
  const end = at + 2 + bytes.readUInt16BE(at)
  let identity: string | undefined
  let isEarly = false
  for (at += 2; at < end; at += 4 + bytes.readUInt16BE(at + 2)) {
    const type = bytes.readUInt16BE(at)
    if (type === EARLY_DATA) isEarly = true
    // Behind the header of the extension: the length of all identities, and of the first (RFC 8446 4.2.11).
    else if (type === PRE_SHARED_KEY) {
      const start = at + 8
      identity = bytes.toString('hex', start, start + bytes.readUInt16BE(start - 2))
    }
  }
  return identity === undefined ? undefined : { identity, isEarly }
}
