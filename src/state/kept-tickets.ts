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
  /** What the certificate covers that vouches for the peer. Undefined: it is not known. */
  readonly certificateNames: readonly string[] | undefined
}

const VERSION = 2
const HEAD_BYTES = 3
const TICKET_HEAD_BYTES = 8 + 8 + 1 + 4 + 4
/** Bounds of what is believed: a TLS session with a long chain has a few KB. */
const MAX_TICKETS = 1024
const MAX_SESSION_BYTES = 65_536
/** 256 names of 255 characters, with what separates them. */
const MAX_NAMES_BYTES = 65_536

/** Stands between names. */
const SEPARATOR = '\n'

/** Oldest first. Names that are too long to be kept are as good as unknown. */
export function encodeKeptTickets(tickets: readonly KeptTicket[]): Buffer {
  const fitting = tickets
    .filter(({ session }) => session.length <= MAX_SESSION_BYTES)
    .slice(-MAX_TICKETS)
    .map(ticket => ({ ...ticket, names: encodeNames(ticket.certificateNames) }))
  const sizes = fitting.map(({ session, names }) => TICKET_HEAD_BYTES + session.length + names.length)
  const bytes = Buffer.alloc(HEAD_BYTES + sizes.reduce((sum, size) => sum + size, 0))
  bytes.writeUInt8(VERSION, 0)
  bytes.writeUInt16BE(fitting.length, 1)
  let at = HEAD_BYTES
  for (const { session, trustedUntil, expiresAt, isUsed, names } of fitting) {
    bytes.writeDoubleBE(trustedUntil, at)
    bytes.writeDoubleBE(expiresAt, at + 8)
    bytes.writeUInt8(isUsed ? 1 : 0, at + 16)
    bytes.writeUInt32BE(session.length, at + 17)
    bytes.writeUInt32BE(names.length, at + 21)
    at += TICKET_HEAD_BYTES + session.copy(bytes, at + TICKET_HEAD_BYTES)
    at += names.copy(bytes, at)
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
    const sessionBytes = bytes.readUInt32BE(at + 17)
    const namesBytes = bytes.readUInt32BE(at + 21)
    const namesAt = sessionAt + sessionBytes
    at = namesAt + namesBytes
    if (used > 1 || sessionBytes > MAX_SESSION_BYTES || namesBytes > MAX_NAMES_BYTES) return undefined
    if (at > bytes.length || !Number.isFinite(trustedUntil) || !Number.isFinite(expiresAt)) return undefined
    tickets.push({
      session: bytes.subarray(sessionAt, namesAt),
      trustedUntil,
      expiresAt,
      isUsed: used === 1,
      certificateNames: decodeNames(bytes.subarray(namesAt, at)),
    })
  }
  return at === bytes.length ? tickets : undefined
}

const UNKNOWN = Buffer.alloc(0)

/** Each name with its separator, so that no names at all are something else than unknown ones. */
function encodeNames(names: readonly string[] | undefined): Buffer {
  if (names === undefined) return UNKNOWN
  const bytes = Buffer.from(SEPARATOR + names.map(name => name + SEPARATOR).join(''), 'utf8')
  return bytes.length > MAX_NAMES_BYTES ? UNKNOWN : bytes
}

function decodeNames(bytes: Buffer): readonly string[] | undefined {
  if (bytes.length === 0) return undefined
  return bytes.toString('utf8').split(SEPARATOR).slice(1, -1)
}
