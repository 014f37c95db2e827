/**
 * A ticket as it outlives the process: times are of the calendar, since the monotonic clock starts anew with
 * each boot.
 */
export interface KeptTicket {
  readonly session: Buffer
  /** Milliseconds since 1970. */
  readonly trustedUntil: number
  readonly expiresAt: number
  /** It was handed out before: never again for early data. */
  readonly isUsed: boolean
}

const VERSION = 1
const HEAD_BYTES = 3
const TICKET_HEAD_BYTES = 8 + 8 + 1 + 4
/** Bounds of what is believed: a TLS session with a long chain has a few KB. */
const MAX_TICKETS = 1024
const MAX_SESSION_BYTES = 65_536

/** Oldest first. */
export function encodeKeptTickets(tickets: readonly KeptTicket[]): Buffer {
  const fitting = tickets.filter(({ session }) => session.length <= MAX_SESSION_BYTES).slice(-MAX_TICKETS)
  const sizes = fitting.map(({ session }) => TICKET_HEAD_BYTES + session.length)
  const bytes = Buffer.alloc(HEAD_BYTES + sizes.reduce((sum, size) => sum + size, 0))
  bytes.writeUInt8(VERSION, 0)
  bytes.writeUInt16BE(fitting.length, 1)
  let at = HEAD_BYTES
  for (const { session, trustedUntil, expiresAt, isUsed } of fitting) {
    bytes.writeDoubleBE(trustedUntil, at)
    bytes.writeDoubleBE(expiresAt, at + 8)
    bytes.writeUInt8(isUsed ? 1 : 0, at + 16)
    bytes.writeUInt32BE(session.length, at + 17)
    at += TICKET_HEAD_BYTES + session.copy(bytes, at + TICKET_HEAD_BYTES)
  }
  return bytes
}

/** Undefined when these are not exactly such bytes: all or nothing. */
export function decodeKeptTickets(bytes: Buffer): KeptTicket[] | undefined {
  if (bytes.length < HEAD_BYTES || bytes.readUInt8(0) !== VERSION) return undefined
  const count = bytes.readUInt16BE(1)
  if (count > MAX_TICKETS) return undefined
  const tickets: KeptTicket[] = []
  let at = HEAD_BYTES
  for (let i = 0; i < count; i++) {
    const sessionAt = at + TICKET_HEAD_BYTES
    if (sessionAt > bytes.length) return undefined
    const trustedUntil = bytes.readDoubleBE(at)
    const expiresAt = bytes.readDoubleBE(at + 8)
    const used = bytes.readUInt8(at + 16)
    const length = bytes.readUInt32BE(at + 17)
    at = sessionAt + length
    if (used > 1 || length > MAX_SESSION_BYTES || at > bytes.length) return undefined
    if (!Number.isFinite(trustedUntil) || !Number.isFinite(expiresAt)) return undefined
    tickets.push({ session: bytes.subarray(sessionAt, at), trustedUntil, expiresAt, isUsed: used === 1 })
  }
  return at === bytes.length ? tickets : undefined
}
