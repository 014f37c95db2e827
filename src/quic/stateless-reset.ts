import { createHmac, randomBytes } from 'node:crypto'

export const RESET_TOKEN_BYTES = 16
/** RFC 9000 10.3: two fixed bits, 38 unpredictable ones, and the token. */
const MIN_RESET_BYTES = 5 + RESET_TOKEN_BYTES
/** As long as a small packet of a client whose connection ids have the greatest length. */
const MAX_RESET_BYTES = 42

/**
 * What proves to the peer that we gave out the connection id and know nothing of its connection (RFC 9000
 * 10.3.2): every process that has the key makes the same one of the same id.
 */
export function resetToken(key: Buffer, connectionId: Buffer): Buffer {
  return createHmac('sha256', key).update(connectionId).digest().subarray(0, RESET_TOKEN_BYTES)
}

/**
 * A Stateless Reset in answer to a datagram of that length. Undefined: it is too short to be answered, since
 * the answer must be shorter (RFC 9000 10.3.3), or two endpoints could go on resetting each other.
 */
export function statelessReset(answeredBytes: number, token: Buffer): Buffer | undefined {
  const length = Math.min(answeredBytes - 1, MAX_RESET_BYTES)
  if (length < MIN_RESET_BYTES) return undefined
  const unpredictable = randomBytes(length - RESET_TOKEN_BYTES)
  const [first = 0] = unpredictable
  // The form of a short header: 0, and the fixed bit 1 (RFC 9000 17.3.1).
  unpredictable[0] = (first & 0x3f) | 0x40
  return Buffer.concat([unpredictable, token])
}
