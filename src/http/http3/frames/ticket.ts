import { rememberable, type Settings } from './settings.ts'

/**
 * What is kept for the next connection to a peer: the engine's ticket (TLS session and transport parameters),
 * the SETTINGS that it goes with (RFC 9114 7.2.4.2), and an address-validation token (RFC 9000 8.1.3) where
 * the engine hands one out.
 */
export interface Http3Ticket {
  readonly ticket: Buffer
  readonly settings: Settings
  readonly token: Buffer | undefined
}

const MAGIC = 'h3t1'
/** A TLS session of a server with a long chain has a few KB. */
const MAX_TICKET_BYTES = 65_536
const HEAD_BYTES = 4 + 4 * 4 + 2
/** A setting that was not said. */
const UNSAID = 0xffff_ffff

/** As bytes for the ticket store: secrets, like what is in it. */
export function encodeTicket({ ticket, settings, token }: Http3Ticket): Buffer {
  const tokenBytes = token?.length ?? 0
  const bytes = Buffer.alloc(HEAD_BYTES + 4 + tokenBytes + ticket.length)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt32BE(uint32(settings.qpackMaxTableCapacity), 4)
  bytes.writeUInt32BE(uint32(settings.qpackBlockedStreams), 8)
  bytes.writeUInt32BE(uint32(settings.maxFieldSectionSize), 12)
  bytes.writeUInt32BE((settings.enableConnectProtocol ? 1 : 0) | (settings.h3Datagram ? 2 : 0), 16)
  bytes.writeUInt16BE(0, 20)
  bytes.writeUInt32BE(tokenBytes, HEAD_BYTES)
  if (token !== undefined) token.copy(bytes, HEAD_BYTES + 4)
  ticket.copy(bytes, HEAD_BYTES + 4 + tokenBytes)
  return bytes
}

/** Undefined when these are not such bytes: a ticket that cannot be read is not used. */
export function decodeTicket(bytes: Buffer): Http3Ticket | undefined {
  if (bytes.length < HEAD_BYTES + 4 || bytes.length > MAX_TICKET_BYTES) return undefined
  if (bytes.toString('latin1', 0, 4) !== MAGIC || bytes.readUInt16BE(20) !== 0) return undefined
  const flags = bytes.readUInt32BE(16)
  const tokenBytes = bytes.readUInt32BE(HEAD_BYTES)
  const ticketAt = HEAD_BYTES + 4 + tokenBytes
  if (flags > 3 || ticketAt >= bytes.length) return undefined
  const maxFieldSectionSize = bytes.readUInt32BE(12)
  return {
    settings: {
      qpackMaxTableCapacity: bytes.readUInt32BE(4),
      qpackBlockedStreams: bytes.readUInt32BE(8),
      maxFieldSectionSize: maxFieldSectionSize === UNSAID ? Number.POSITIVE_INFINITY : maxFieldSectionSize,
      enableConnectProtocol: (flags & 1) !== 0,
      h3Datagram: (flags & 2) !== 0,
    },
    token: tokenBytes === 0 ? undefined : bytes.subarray(HEAD_BYTES + 4, ticketAt),
    ticket: bytes.subarray(ticketAt),
  }
}

/** The remembered value may be less than what was said, never more. */
function uint32(value: number): number {
  return value === Number.POSITIVE_INFINITY ? UNSAID : rememberable(value)
}
