import { createHash } from 'node:crypto'

/**
 * What we hand out as a ticket: quiche's session bytes in an envelope that says for whom they are good.
 * quiche takes session bytes unseen (of 300 with a flipped bit it took 238), and a resumed handshake skips
 * every check of the certificate: a ticket for one name was accepted for another, one of an unverified
 * connection for a verified one. So the bytes reach the native code only when the envelope is whole and was
 * made under the same name and trust.
 *
 *     "mmQ" version(1) binding(32) checksum(8) session(…)
 *
 * The checksum finds damage, not forgery: whoever can write tickets is trusted with them, as with private
 * keys.
 */
const MAGIC = Buffer.of(0x6d, 0x6d, 0x51, 1)
const BINDING_BYTES = 32
const CHECKSUM_BYTES = 8
const HEAD_BYTES = MAGIC.length + BINDING_BYTES + CHECKSUM_BYTES
/** A session is about 900 bytes with a short chain, and a chain may be long. */
const MAX_SESSION_BYTES = 65_536

/** Who and what a ticket is bound to. */
export interface TicketBinding {
  /** Of the engine: formats of sessions are its own. */
  readonly engine: string
  readonly serverName: string
  /** A digest of everything that decides whether a certificate is accepted. */
  readonly trust: string
}

/** The ticket for a session; undefined when the session is no usable one. */
export function sealTicket(binding: TicketBinding, session: Uint8Array): Buffer | undefined {
  if (session.length === 0 || session.length > MAX_SESSION_BYTES) return undefined
  const bound = digestOf(binding)
  return Buffer.concat([MAGIC, bound, checksum(bound, session), session])
}

/** The session of a ticket; undefined when it is damaged, or was not made under this binding. */
export function openTicket(binding: TicketBinding, ticket: Buffer): Buffer | undefined {
  if (ticket.length <= HEAD_BYTES || ticket.length > HEAD_BYTES + MAX_SESSION_BYTES) return undefined
  if (!ticket.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const bound = ticket.subarray(MAGIC.length, MAGIC.length + BINDING_BYTES)
  if (!bound.equals(digestOf(binding))) return undefined
  const session = ticket.subarray(HEAD_BYTES)
  const sum = ticket.subarray(MAGIC.length + BINDING_BYTES, HEAD_BYTES)
  return sum.equals(checksum(bound, session)) ? session : undefined
}

function digestOf(binding: TicketBinding): Buffer {
  // JSON keeps the fields apart, so that no value can pass for two.
  const text = JSON.stringify([binding.engine, binding.serverName.toLowerCase(), binding.trust])
  return createHash('sha256').update(text).digest()
}

function checksum(bound: Uint8Array, session: Uint8Array): Buffer {
  return createHash('sha256').update(bound).update(session).digest().subarray(0, CHECKSUM_BYTES)
}
