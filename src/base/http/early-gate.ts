/**
 * Where a TLS handshake stands whose connection is in use already, to send early data (RFC 8446 2.3).
 * - `collecting`: what is written now leaves in early data. Valid transitions: handshaking, closed.
 * - `handshaking`: the first flight has left; what is written waits for the handshake. Valid transitions:
 *   open, closed.
 * - `open`: the handshake is complete. Valid transitions: closed.
 * - `closed`: it failed, or the connection has ended. Final.
 */
export type EarlyPhase = 'collecting' | 'handshaking' | 'open' | 'closed'

/** What a connection asks before it writes a request. */
export interface EarlyGate {
  readonly phase: EarlyPhase
  /**
   * Calls back when the handshake is complete; never if it fails. Those who asked first are notified first.
   */
  onOpen(callback: () => void): void
}

/**
 * Whether a request can be written now: at once where it may leave early, or nothing leaves early any more.
 */
export function mayWrite(gate: EarlyGate | undefined, mayBeEarly: boolean): boolean {
  if (gate === undefined) return true
  return gate.phase === 'collecting' ? mayBeEarly : gate.phase !== 'handshaking'
}

/** Whether the handshake may still come to its end. */
export function isUnderWay(gate: EarlyGate | undefined): boolean {
  return gate !== undefined && (gate.phase === 'collecting' || gate.phase === 'handshaking')
}
